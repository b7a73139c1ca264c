"""A press counts once, in the thread where its card was shown, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from bridge import ids
from bridge.clicks import Click, Clicks
from bridge.errors import Unavailable
from bridge.events import Event, Place, Sender
from bridge.intake import Intake
from bridge.panel_posts import CARD_STEP, Change, PanelPosts
from bridge.panels import Button, Panel, Section
from bridge.ports import Link
from bridge.ratings import RATING, Rating, rating_panel
from cards import panel_card
from cards.texts import say

PLACE = Place(scope="channel", conversation_id="19:c;messageid=100", service_url="https://x", channel_id="19:c")
PANEL = Panel("Solved?", "[Yes]\n[No]", (Section(buttons=(Button("Yes", reply="Yes!"), Button("No", reply="No!"))),))
KEY = "freshchat:c1/m1:create"
EVENT = Event(
    idempotency_key=KEY,
    tenant_id="t1",
    direction="outbound",
    kind="create",
    timestamp="2026-01-02T00:00:00Z",
    sender=Sender("bot", "b"),
    text="Solved?\n[Yes]\n[No]",
    conversation_id="c1",
    panel=PANEL,
)
LINK = Link(
    conversation_id="c1", tenant_id="t1", thread_key="t1/thread", place=PLACE, freshchat_user_id="u", inbox_id="i"
)
CARD = ids.card_id("t1", KEY)
CLICK = Click(
    tenant="t1",
    thread="t1/thread",
    place=PLACE,
    message="500",
    card=CARD,
    choice=0,
    key="teams:-/19:c/100/500.click:create",
    frame={"type": "message", "id": "500.click", "from": {"id": "29:ada"}},
)


class Flaky:
    """The queue, refusing the puts that it is told to."""

    def __init__(self, queue):
        self.queue, self.refuses, self.puts = queue, 0, 0

    async def put(self, envelope):
        self.puts += 1
        if self.refuses:
            self.refuses -= 1
            raise Unavailable("away", code="away", component="queue")
        return await self.queue.put(envelope)


@pytest.fixture
def flaky(queue):
    return Flaky(queue)


@pytest.fixture
def clicks(threads, flaky, telemetry, clock):
    return Clicks(threads, Intake(flaky, telemetry, clock), panel_card.render, clock)


@pytest.fixture
async def shown(threads, clock):
    """The card stands in Teams as message 500."""
    assert await PanelPosts(threads, None, panel_card.render).reply(EVENT, LINK, {}) is not None
    step = ids.step_key(KEY, CARD_STEP)
    await threads.start("t1", step, clock())
    await threads.done("t1", step, ids.sent_key("19:c", "500"))


@pytest.fixture
def queued(queue):
    """Take everything out of one direction."""

    async def queued(direction):
        found = []
        while (session := await queue.accept(direction, wait=0)) is not None:
            while (delivery := await session.next()) is not None:
                found.append(delivery.envelope)
                await session.complete(delivery)
            await session.release()
        return found

    return queued


def chosen(card):
    return card.content["body"][-1]["inlines"][0]["text"]


async def test_a_press_may_be_faster_than_what_is_noted_of_its_card(threads, clock, clicks):
    """The card stands in Teams as soon as it is posted; which message that was is noted a moment later."""
    assert await PanelPosts(threads, None, panel_card.render).reply(EVENT, LINK, {}) is not None
    step = ids.step_key(KEY, CARD_STEP)
    await threads.start("t1", step, clock())
    pressing = asyncio.create_task(clicks.press(CLICK))
    await asyncio.sleep(0.05)
    await threads.done("t1", step, ids.sent_key("19:c", "500"))
    assert chosen(await pressing) == "✓ Chosen: Yes"


async def test_a_press_is_queued_as_a_message_and_shown(shown, clicks, queued):
    card = await clicks.press(CLICK)
    assert chosen(card) == "✓ Chosen: Yes"
    (message,) = await queued("to-freshchat")
    assert (message.message_id, message.session) == (ids.dedupe_id("t1", CLICK.key), "t1/thread")
    said = json.loads(message.body)
    assert (said["text"], said["from"], said["id"]) == ("Yes!", {"id": "29:ada"}, "500.click")
    (change,) = await queued("to-teams")
    assert change.session == ids.conversation_key("t1", "c1")
    assert Change.from_bytes(change.body) == Change(card=CARD, chosen=0, message="500", place=PLACE)


async def test_of_many_presses_at_once_one_counts_and_all_see_it(shown, clicks, queued, flaky):
    ben = replace(CLICK, choice=1, frame={**CLICK.frame, "from": {"id": "29:ben"}})
    cards = await asyncio.gather(*(clicks.press(one) for one in [CLICK, ben] * 5))
    assert len({chosen(card) for card in cards}) == 1
    (message,) = await queued("to-freshchat")
    label = {"Yes!": "Yes", "No!": "No"}[json.loads(message.body)["text"]]
    assert chosen(cards[0]) == f"✓ Chosen: {label}"
    assert len(await queued("to-teams")) == 1
    puts = flaky.puts
    assert chosen(await clicks.press(ben)) == chosen(cards[0])
    assert flaky.puts == puts, "a press of an answered card writes nothing"
    assert not await queued("to-freshchat") and not await queued("to-teams")


@pytest.mark.parametrize("puts", [1, 2])
async def test_what_was_claimed_and_not_queued_is_queued_by_the_next_press(puts, shown, clicks, flaky, queued):
    """As the first one said it, in the first one's name; also after a crash between the two puts."""
    if puts == 2:
        flaky.put, put = _fails_second(flaky.put), flaky.put
    else:
        flaky.refuses = 1
    with pytest.raises(Unavailable):
        await clicks.press(CLICK)
    if puts == 2:
        flaky.put = put
    ben = replace(CLICK, choice=1, frame={**CLICK.frame, "from": {"id": "29:ben"}})
    assert chosen(await clicks.press(ben)) == "✓ Chosen: Yes"
    (message,) = await queued("to-freshchat")
    assert (json.loads(message.body)["text"], json.loads(message.body)["from"]) == ("Yes!", {"id": "29:ada"})
    assert len(await queued("to-teams")) == 1


def _fails_second(put):
    calls = 0

    async def failing(envelope):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Unavailable("away", code="away", component="queue")
        return await put(envelope)

    return failing


FORGED = {
    "another thread": {"thread": "t1/other"},
    "another message": {"message": "501"},
    "another place": {"place": replace(PLACE, conversation_id="19:d;messageid=100")},
    "another tenant": {"tenant": "t2"},
    "no card of ours": {"card": "f" * 32},
    "no such button": {"choice": 2},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
async def test_a_forged_press_has_no_effect(change, shown, clicks, queued):
    assert await clicks.press(replace(CLICK, **change)) is None
    assert not await queued("to-freshchat") and not await queued("to-teams")
    assert await clicks.press(CLICK) is not None, "and does not use up the choice"


async def test_a_press_on_a_rating_is_a_rating(threads, clicks, queued, clock):
    """With the first one's comment; no message for an agent, whoever presses and how often."""
    panel = rating_panel(say, None)
    await PanelPosts(threads, None, panel_card.render).reply(replace(EVENT, panel=panel), LINK, {})
    await threads.start("t1", ids.step_key(KEY, CARD_STEP), clock())
    await threads.done("t1", ids.step_key(KEY, CARD_STEP), ids.sent_key("19:c", "500"))
    first = await clicks.press(replace(CLICK, choice=3, comment="quick"))
    assert chosen(first) == "Thank you for your rating."
    ben = replace(CLICK, choice=0, comment="slow", frame={**CLICK.frame, "from": {"id": "29:ben"}})
    assert await clicks.press(ben) == first
    (rating,) = await queued("to-freshchat")
    assert (rating.kind, rating.session) == (RATING, "t1/thread")
    assert Rating.from_bytes(rating.body) == Rating(conversation="c1", stars=4, comment="quick")
    assert [change.kind for change in await queued("to-teams")] == ["card"]


async def test_a_card_is_forgotten_after_a_month(shown, clicks, clock):
    clock.advance(31 * 86_400)
    assert await clicks.press(CLICK) is None
