"""What delivery to Teams decides: which transport, in whose name, and what must not pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.delivery import Done
from bridge.errors import Forbidden, NotLinked, Rejected
from bridge.events import Event, Ignored, Place, Sender
from bridge.ports import Delivery, Envelope, Link
from bridge.reply_posts import Transports
from bridge.to_teams import LINK_PATIENCE, ToTeams
from cards import texts

CHANNEL = Place(
    scope="channel",
    conversation_id="19:c@thread.tacv2;messageid=100",
    service_url="https://x",
    channel_id="19:c",
    root_id="100",
)
GROUP = Place(scope="groupChat", conversation_id="19:chat@thread.v2", service_url="https://x")
PERSONAL = Place(scope="personal", conversation_id="a:1", service_url="https://x")

CHOICES = [
    ("auto", CHANNEL, True, ("graph", "bot")),
    ("auto", CHANNEL, False, ("bot",)),
    ("auto", GROUP, True, ("bot",)),
    ("auto", PERSONAL, True, ("bot",)),
    ("graph", CHANNEL, False, ("graph",)),
    ("graph", GROUP, True, ("graph", "bot")),
    ("graph", PERSONAL, True, ("bot",)),
    ("bot", CHANNEL, True, ("bot",)),
    ("bot", PERSONAL, True, ("bot",)),
]


class Transport:
    """Keeps what it is told to post; refuses when told to."""

    def __init__(self):
        self.posted, self.refuses = [], False

    async def post(self, place, reply):
        if self.refuses:
            raise Forbidden("consent is gone", code="graph_403", component="graph")
        self.posted.append((place, reply))
        return str(len(self.posted))

    async def find(self, place, reply, since):
        return []


class Account:
    """Knows one agent's name, and whose its conversations are."""

    from_teams = True

    async def is_from_teams(self, conversation_id):
        return self.from_teams

    async def address_of(self, conversation_id):
        return "https://desk.example/inbox/1" if conversation_id == "c1" else None

    async def agent_name(self, agent_id):
        return {"agent-1": "Sora"}.get(agent_id)


class Directory:
    """Knows one team's Entra id."""

    def __init__(self):
        self.asked = []

    async def team_group_id(self, place):
        self.asked.append(place.team_id)
        return "group-1"


@pytest.fixture
def transports():
    return {"graph": Transport(), "bot": Transport()}


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def deliver(account, transports, directory, threads, clock, telemetry):
    """Deliver an event that was already understood."""

    async def ready():
        return True

    async def deliver(event, setting="auto", first_failed_at=None):
        handler = ToTeams(
            translate=lambda _raw, _tenant: event,
            helpdesks={"t1": account},
            inboxes={"t1": frozenset({"ours"})},
            threads=threads,
            transports=Transports(transports, setting, ready),
            directory=directory,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        envelope = Envelope(
            direction="to-teams",
            tenant="t1",
            message_id="m",
            session="s",
            kind="create",
            trace="0",
            body=b"{}",
            received_at=0.0,
        )
        return await handler(Delivery(envelope=envelope, attempts=0, first_failed_at=first_failed_at, lease="x"))

    return deliver


@pytest.fixture
def linked(threads):
    """Link conversation c1 to a place."""

    async def linked(place=CHANNEL, locale="en-GB"):
        await threads.claim("t1", "t1/thread", "someone", 60, None)
        link = Link(
            conversation_id="c1",
            tenant_id="t1",
            thread_key="t1/thread",
            place=place,
            freshchat_user_id="u",
            inbox_id="ours",
            locale=locale,
        )
        await threads.link(link, "someone")
        return link

    return linked


def _answer(number=1, **more):
    facts = {
        "idempotency_key": f"freshchat:c1/m{number}:create",
        "tenant_id": "t1",
        "direction": "outbound",
        "kind": "create",
        "timestamp": "2026-01-02T00:00:00Z",
        "sender": Sender(kind="agent", id="agent-1"),
        "text": "hello",
        "message_id": f"m{number}",
        "conversation_id": "c1",
        "inbox_id": "ours",
    }
    return Event(**(facts | more))


@pytest.mark.parametrize(("setting", "place", "ready", "wanted"), CHOICES)
async def test_the_transport_fits_the_place_and_the_setting(setting, place, ready, wanted):
    """Graph for channels once signed in; a personal chat with the app is only reachable as the app."""

    async def graph_ready():
        return ready

    assert await Transports({}, setting, graph_ready).choose(place) == wanted


async def test_answers_keep_flowing_when_graph_refuses(deliver, linked, transports):
    """In `auto` the bot takes over, once per answer."""
    await linked()
    transports["graph"].refuses = True
    assert isinstance(await deliver(_answer()), Done)
    assert (len(transports["graph"].posted), len(transports["bot"].posted)) == (0, 1)


async def test_a_setting_of_graph_only_is_obeyed(deliver, linked, transports):
    """Refused credentials then hold the direction instead of changing the transport behind the operator's back."""
    await linked()
    transports["graph"].refuses = True
    with pytest.raises(Forbidden):
        await deliver(_answer(), "graph")
    assert transports["bot"].posted == []


AUTHORS = [
    ("agent", "agent-1", "ko-KR", "Sora"),
    ("agent", "agent-unknown", "ko-KR", "상담원"),
    ("agent", "agent-unknown", None, "Agent"),
    ("bot", "agent-1", "en", "Agent"),
]


@pytest.mark.parametrize(("kind", "sender", "locale", "author"), AUTHORS)
async def test_an_answer_carries_its_authors_name(kind, sender, locale, author, deliver, linked, transports):
    """Or the word for an agent in the asker's language; on the first piece of a long answer only."""
    await linked(PERSONAL, locale)
    await deliver(_answer(sender=Sender(kind=kind, id=sender), text="가 " * 12_000))
    replies = [reply for _, reply in transports["bot"].posted]
    assert len(replies) > 1
    assert [reply.author for reply in replies] == [author] + [None] * (len(replies) - 1)
    assert "".join(reply.text for reply in replies) == "가 " * 12_000


async def test_an_answer_goes_where_its_question_came_from(deliver, linked, transports):
    """The place of the link, whatever the event says."""
    await linked(GROUP)
    await deliver(_answer(place=PERSONAL))
    assert [place for place, _ in transports["bot"].posted] == [GROUP]


async def test_a_message_of_ours_does_not_come_back(deliver, linked, transports, threads):
    """Dropped by its recorded id."""
    await linked()
    await threads.done("t1", "teams:-/c/1/2:create#message.0", "c1/m1")
    assert await deliver(_answer()) == Ignored("own_message")
    assert await deliver(_answer(2)) != Ignored("own_message")


@pytest.mark.parametrize("text", ["", "  \n "])
async def test_an_answer_without_text_posts_nothing(text, deliver, linked, transports):
    """An empty message is no answer."""
    await linked()
    assert await deliver(_answer(text=text)) == Ignored("empty")
    assert transports["graph"].posted == []


async def test_other_inboxes_are_none_of_our_business(deliver, threads):
    """Webhooks of all conversations of the account arrive; their ids are kept for the archive, nothing else."""
    assert await deliver(_answer(inbox_id="theirs")) == Ignored("other_inbox")
    assert await deliver(_answer(2, inbox_id="theirs")) == Ignored("other_inbox")
    assert await deliver(_answer(conversation_id="c0", inbox_id="theirs")) == Ignored("other_inbox")
    assert await threads.seen("t1") == ["c0", "c1"]
    assert await threads.fact("t1", "seen", "c1") == {}


@pytest.mark.parametrize("inbox", ["ours", None])
async def test_an_answer_without_a_link_waits_a_little(inbox, deliver, account, clock, threads):
    """Then it is asked whose the conversation is; one that did not begin in Teams is left alone."""
    account.from_teams = False
    with pytest.raises(NotLinked):
        await deliver(_answer(inbox_id=inbox))
    with pytest.raises(NotLinked):
        await deliver(_answer(inbox_id=inbox), first_failed_at=clock() - LINK_PATIENCE + 1)
    assert await threads.seen("t1") == []
    assert await deliver(_answer(inbox_id=inbox), first_failed_at=clock() - LINK_PATIENCE - 1) == Ignored("not_linked")
    assert await threads.seen("t1") == ["c1"]


async def test_an_answer_to_teams_is_not_given_up_because_its_link_is_late(deliver, clock):
    """The question may have to be delivered again first: its conversation exists, the link does not yet."""
    with pytest.raises(NotLinked):
        await deliver(_answer(), first_failed_at=clock() - 3000)


STATUSES = [
    ("open", "resolved", "resolved"),
    ("open", "assigned", "open"),
    ("open", "reopened", "open"),
    ("resolved", "reopened", "open"),
    ("resolved", "assigned", "resolved"),
    ("resolved", "resolved", "resolved"),
]


@pytest.mark.parametrize(("before", "event", "after"), STATUSES)
async def test_the_link_follows_the_conversations_state(before, event, after, deliver, linked, threads, transports):
    """Only resolving closes and only reopening opens; nothing is posted as an answer."""
    await threads.update(replace(await linked(), status=before))
    await deliver(_answer(kind="status", status=event, text=""))
    assert (await threads.by_conversation("t1", "c1")).status == after
    assert transports["graph"].posted == transports["bot"].posted == []


async def test_a_tenant_that_is_not_ours_is_refused(deliver):
    """A dead letter, not an answer in somebody's team."""
    with pytest.raises(Rejected) as refused:
        await deliver(_answer(tenant_id="t9"))
    assert refused.value.code == "unknown_tenant"


async def test_a_teams_entra_id_is_asked_for_once(deliver, linked, transports, directory):
    """Graph needs it, channel messages lack it, and it never changes."""
    await linked(replace(CHANNEL, team_id="19:g@thread.tacv2"))
    for number in range(3):
        await deliver(_answer(number))
    assert directory.asked == ["19:g@thread.tacv2"]
    assert {place.team_group_id for place, _ in transports["graph"].posted} == {"group-1"}


@pytest.mark.parametrize(("locale", "line"), [("en-GB", "(Part of this answer"), ("ko-KR", "(이 답변의 일부는")])
async def test_a_placeholder_is_explained_in_the_readers_language(locale, line, deliver, linked, transports):
    """And says where agents see all of it."""
    await linked(locale=locale)
    await deliver(_answer(text="Fill in\n[unsupported content: text_input]", whole=False))
    ((_, reply),) = transports["graph"].posted
    placeholder, explained = reply.text.split("\n")[1:]
    assert placeholder == "[unsupported content: text_input]" and explained.startswith(line)
    assert explained.endswith("https://desk.example/inbox/1")
