"""An answer that comes late says when it was written, and every try of its delivery says the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.errors import Unavailable
from bridge.events import Event, Place, Sender
from bridge.journal import QUIET
from bridge.ports import Delivery, Envelope, Link, Reply
from bridge.reply_posts import Transports
from bridge.to_teams import LATE, ToTeams
from cards import agent_reply, texts
from tests.unit.bridge.conftest import START

PLACE = Place(scope="channel", conversation_id="19:c@thread.tacv2;messageid=1", service_url="https://x", root_id="1")


class Graph:
    """A transport that can be read back; posts, and answers or not."""

    def __init__(self):
        self.posted, self.fails = [], None

    async def post(self, place, reply):
        if self.fails != "before":
            self.posted.append(reply)
        if self.fails:
            raise Unavailable("504", code="graph_504", component="graph", maybe_done=True)
        return str(len(self.posted))

    async def find(self, place, reply, since):
        return [str(number) for number, said in enumerate(self.posted, start=1) if said == reply]


class Account:
    """Knows the agent's name, while it can be had."""

    name: str | None = "Sora"

    async def agent_name(self, agent_id):
        return self.name


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture
def deliver(account, graph, threads, clock, telemetry):
    """Deliver an answer that was written so many seconds before the test began."""

    async def ready():
        return True

    events = []
    handler = ToTeams(
        translate=lambda _raw, _tenant: events[-1],
        helpdesks={"t1": account},
        inboxes={"t1": frozenset({"ours"})},
        threads=threads,
        transports=Transports({"graph": graph, "bot": graph}, "auto", ready),
        directory=None,
        say=texts.say,
        clock=clock,
        telemetry=telemetry,
    )

    async def deliver(ago=0.0, locale="en", text="hello"):
        link = Link(
            conversation_id="c1",
            tenant_id="t1",
            thread_key="t1/thread",
            place=PLACE,
            freshchat_user_id="u",
            inbox_id="ours",
            locale=locale,
        )
        await threads.link(link, "someone")
        events.append(
            Event(
                idempotency_key="freshchat:c1/m1:create",
                tenant_id="t1",
                direction="outbound",
                kind="create",
                timestamp=datetime.fromtimestamp(START - ago, UTC).isoformat().replace("+00:00", "Z"),
                sender=Sender(kind="agent", id="agent-1"),
                text=text,
                message_id="m1",
                conversation_id="c1",
                inbox_id="ours",
            )
        )
        facts = {"message_id": "m", "session": "s", "kind": "create", "trace": "0" * 32, "body": b"{}"}
        envelope = Envelope(direction="to-teams", tenant="t1", received_at=START, **facts)
        return await handler(Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x"))

    return deliver


LINES = [
    (LATE, "en", None),
    (LATE + 1, "en", "Written at 2026-01-01 23:57 UTC, delivered late"),
    (LATE + 1, "ko-KR", "2026-01-01 23:57 UTC에 작성된 답변이 늦게 전달되었습니다"),
    (3 * 86_400, "en", "Written at 2025-12-30 00:00 UTC, delivered late"),
    (-3600, "en", None),
]


@pytest.mark.parametrize(("ago", "locale", "line"), LINES)
async def test_a_late_answer_says_when_it_was_written(ago, locale, line, deliver, graph):
    """In the asker's language; not what comes in time, nor what a clock ahead of ours dates into the future."""
    await deliver(ago, locale)
    assert [reply.late for reply in graph.posted] == [line]


async def test_an_answer_of_the_same_day_needs_no_date(deliver, graph, clock):
    """The hour is enough."""
    clock.advance(3 * 3600)
    await deliver()
    assert [reply.late for reply in graph.posted] == ["Written at 00:00 UTC, delivered late"]


async def test_only_the_first_piece_of_a_long_answer_says_so(deliver, graph):
    """As with the agent's name."""
    await deliver(LATE + 1, text="가 " * 12_000)
    assert len(graph.posted) > 1
    assert [bool(reply.late) for reply in graph.posted] == [True] + [False] * (len(graph.posted) - 1)


async def test_what_was_posted_in_time_is_found_when_it_is_late(deliver, graph, account, clock):
    """The first try posted without the line and under another name; the next one looks for just that."""
    graph.fails = "after"
    with pytest.raises(Unavailable):
        await deliver()
    graph.fails, account.name = None, None
    clock.advance(LATE + QUIET)
    await deliver()
    assert graph.posted == [Reply(text="hello", author="Sora")]


@pytest.mark.parametrize("first_line", [None, "Written at"])
async def test_every_try_says_the_same(first_line, deliver, graph, account, clock):
    """Else a third try would not find what the second one posted."""
    ago = LATE + 1 if first_line else 0
    graph.fails = "before"
    with pytest.raises(Unavailable):
        await deliver(ago)
    graph.fails, account.name = "after", None
    clock.advance(2 * LATE)
    with pytest.raises(Unavailable):
        await deliver(ago)
    graph.fails = None
    clock.advance(QUIET)
    await deliver(ago)
    (reply,) = graph.posted
    assert reply.author == "Sora"
    assert (reply.late or "").startswith(first_line or "") and bool(reply.late) == bool(first_line)


def test_the_line_stands_between_name_and_text():
    """Escaped, like all that is not ours."""
    shown = agent_reply.render(Reply(text="a<b", author="S", late="<1>"))
    assert shown == "<p><strong>S</strong></p><p><em>&lt;1&gt;</em></p><p>a&lt;b</p>"
