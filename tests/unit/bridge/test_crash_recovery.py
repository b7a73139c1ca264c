"""A process died in the middle of a delivery: the next one finds out what was sent, wherever that was."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from bridge.errors import Throttled
from bridge.events import Event, Place, Sender
from bridge.journal import QUIET, Journal
from bridge.ports import ConversationClosed, Delivery, Envelope, Link, Reply, Sent
from bridge.reply_posts import Transports
from bridge.tenants import FreshchatAccount, Tenant
from bridge.to_freshchat import Desk, ToFreshchat
from bridge.to_teams import ToTeams
from cards import texts

PLACE = Place(scope="channel", conversation_id="19:c;messageid=100", service_url="https://x", channel_id="19:c")
MINA = Sender(kind="user", id="29:mina", name="Mina", aad_object_id="aad-mina")


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours catches it."""


class Account:
    """A Freshchat account that can be read; the process dies `dies_after` a call that was made."""

    def __init__(self, clock):
        self.clock, self.said, self.dies, self.closed = clock, [], False, set()

    def _say(self, conversation, user, text, first):
        sent = Sent(id=f"m{len(self.said)}", conversation_id=conversation)
        self.said.append((sent, user, text, first))
        if self.dies:
            self.dies = False
            raise Killed
        return sent

    async def ensure_user(self, person):
        return f"user-of-{person.name}"

    async def open_conversation(self, new):
        return self._say(f"c{sum(first for *_, first in self.said) + 1}", new.user_id, new.text, True)

    async def post_message(self, conversation_id, user_id, text):
        if conversation_id in self.closed:
            raise ConversationClosed
        return self._say(conversation_id, user_id, text, False)

    async def find_message(self, conversation_id, user_id, text, since):
        wanted = (conversation_id, user_id, text)
        return [sent for sent, user, said, _ in self.said if (sent.conversation_id, user, said) == wanted]

    async def find_conversation(self, user_id, text, since):
        return [sent for sent, user, said, first in self.said if first and (user, said) == (user_id, text)]

    async def agent_name(self, agent_id):
        return None

    @property
    def texts(self):
        return Counter(text for _, _, text, _ in self.said)


class Nobody:
    """A directory that knows nobody."""

    async def person(self, place, teams_user_id):
        return None


@pytest.fixture
def account(clock):
    return Account(clock)


@pytest.fixture
def deliver(account, threads, clock, telemetry):
    """Deliver one question in a process of its own."""
    freshchat = FreshchatAccount(inbox="inbox", url="https://x", api_key="k", webhook_keys="k", webhook_token="t")
    tenant = Tenant(id="t1", freshchat=freshchat)

    async def not_ours(_oid):
        return False

    async def deliver(number, sender=MINA):
        event = Event(
            idempotency_key=f"teams:-/c/100/{number}:create",
            tenant_id="t1",
            direction="inbound",
            kind="create",
            timestamp="2026-01-02T00:00:00Z",
            sender=sender,
            text=f"text {number}",
            message_id=str(number),
            thread_key="t1/channel/c/100",
            user_hash=sender.aad_object_id,
            place=PLACE,
        )
        handler = ToFreshchat(
            translate=lambda _raw: event,
            desks={"t1": Desk(tenant, account, "all")},
            threads=threads,
            directory=Nobody(),
            own_account=not_ours,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        clock.advance(QUIET)
        return await handler(_delivery("to-freshchat"))

    return deliver


def _delivery(direction):
    facts = {"tenant": "t1", "message_id": "m", "session": "s", "kind": "create", "trace": "0", "received_at": 0.0}
    envelope = Envelope(direction=direction, body=b"{}", **facts)
    return Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x")


async def _set_status(threads, conversation, status):
    link = await threads.by_conversation("t1", conversation)
    await threads.update(replace(link, status=status))


async def test_resolved_between_two_tries(deliver, account, threads):
    """Appended, died, resolved: the next try would open a conversation, and must find what was appended."""
    await deliver(1)
    account.dies = True
    with pytest.raises(Killed):
        await deliver(2)
    await _set_status(threads, "c1", "resolved")
    await deliver(2)
    await deliver(3)
    assert account.texts == {"text 1": 1, "text 2": 1, "text 3": 1}


async def test_reopened_between_two_tries(deliver, account, threads):
    """Opened anew, died before the link, the old one reopened: what was opened is found, linked, and gone on with."""
    await deliver(1)
    await _set_status(threads, "c1", "resolved")
    account.dies = True
    with pytest.raises(Killed):
        await deliver(2)
    await _set_status(threads, "c1", "open")
    await deliver(2)
    await deliver(3)
    assert [(s.conversation_id, text) for s, _, text, _ in account.said] == [
        ("c1", "text 1"),
        ("c2", "text 2"),
        ("c2", "text 3"),
    ]
    assert (await threads.by_conversation("t1", "c2")).thread_key == "t1/channel/c/100"


@pytest.mark.parametrize("step", ["done", "link"])
async def test_reopened_before_an_opened_conversation_was_recorded(step, deliver, account, threads, monkeypatch):
    """Dies at each write behind the call: no answer can be given in a conversation that nobody is linked to."""
    await deliver(1)
    await _set_status(threads, "c1", "resolved")
    with monkeypatch.context() as patch:

        async def die(*_):
            raise Killed

        patch.setattr(threads, step, die)
        with pytest.raises(Killed):
            await deliver(2)
    await _set_status(threads, "c1", "open")
    await deliver(2)
    assert account.texts == {"text 1": 1, "text 2": 1}
    assert (await threads.by_conversation("t1", "c2")).thread_key == "t1/channel/c/100"


async def test_closed_between_two_tries(deliver, account, threads):
    """Appended, died, and then Freshchat wants a new conversation: nothing is appended or opened twice."""
    await deliver(1)
    account.dies = True
    with pytest.raises(Killed):
        await deliver(2)
    account.closed.add("c1")
    await deliver(2)
    await deliver(3)
    assert account.texts == {"text 1": 1, "text 2": 1, "text 3": 1}


async def test_a_speaker_who_became_known_between_two_tries(deliver, account, threads):
    """Said under a name, as nobody knew whose conversation it was; the next try knows, and finds it all the same."""
    await deliver(1)
    await threads.learn("t1", "person", "aad-mina", {"user": "another"}, None)
    account.dies = True
    with pytest.raises(Killed):
        await deliver(2)
    await threads.learn("t1", "person", "aad-mina", {"user": "user-of-Mina"}, None)
    await deliver(2)
    assert account.texts == {"text 1": 1, "Mina: text 2": 1}


async def test_a_call_of_the_dead_may_still_be_under_way(threads, clock):
    """Not there yet is not the same as never made: the next process waits, then looks again."""
    posted = []

    async def call():
        posted.append("c1/ours")
        return "c1/ours"

    async def dies():
        raise Killed

    async def look(_attempt):
        return list(posted)

    with pytest.raises(Killed):
        await Journal(threads, clock).once("t1", "key", dies, look)
    clock.advance(2)
    again = Journal(threads, clock)
    again._ended.clear()
    with pytest.raises(Throttled) as waits:
        await again.once("t1", "key", call, look)
    assert waits.value.after == QUIET
    posted.append("c1/late")
    assert await again.once("t1", "key", call, look) == "c1/late"
    assert posted == ["c1/late"]


async def test_after_a_quiet_time_it_is_sent(threads, clock):
    """What the dead had not begun to send must not wait for ever."""
    again = Journal(threads, clock)

    async def call():
        return "c1/ours"

    async def look(_attempt):
        return []

    await threads.start("t1", "key", clock())
    clock.advance(QUIET)
    assert await again.once("t1", "key", call, look) == "c1/ours"


async def test_what_ended_here_needs_no_quiet_time(threads, clock):
    """An error of our own call says that it is over: the retry is not held up."""
    journal = Journal(threads, clock)

    async def fails():
        raise asyncio.CancelledError

    async def call():
        return "c1/ours"

    async def look(_attempt):
        return []

    with pytest.raises(asyncio.CancelledError):
        await journal.once("t1", "key", fails, look)
    assert await journal.once("t1", "key", call, look) == "c1/ours"


class Channel:
    """Graph, which can be read; the process dies after its first post."""

    def __init__(self):
        self.posted = []

    async def post(self, place, reply):
        self.posted.append(reply)
        if len(self.posted) == 1:
            raise Killed
        return "1"

    async def find(self, place, reply, since):
        return [str(number) for number, one in enumerate(self.posted) if one == reply]


async def test_an_agent_whose_name_cannot_be_had_any_more(threads, clock, telemetry):
    """The answer was posted under a name; the next try looks for it under that name."""
    names, channel = ["Sora", None], Channel()

    class Desk:
        async def agent_name(self, agent_id):
            return names.pop(0)

    async def ready():
        return True

    event = Event(
        idempotency_key="freshchat:c1/m1:create",
        tenant_id="t1",
        direction="outbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=Sender(kind="agent", id="agent-1"),
        text="hello",
        message_id="m1",
        conversation_id="c1",
    )
    link = Link(
        conversation_id="c1",
        tenant_id="t1",
        thread_key="t1/channel/c/100",
        place=replace(PLACE, team_group_id="g"),
        freshchat_user_id="u",
        inbox_id="i",
    )
    await threads.claim("t1", link.thread_key, "x", 60, None)
    await threads.link(link, "x")
    for died in (True, False):
        handler = ToTeams(
            translate=lambda _raw, _tenant: event,
            helpdesks={"t1": Desk()},
            inboxes={"t1": frozenset()},
            threads=threads,
            transports=Transports({"graph": channel}, "graph", ready),
            directory=Nobody(),
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        clock.advance(QUIET)
        if died:
            with pytest.raises(Killed):
                await handler(_delivery("to-teams"))
        else:
            await handler(_delivery("to-teams"))
    assert channel.posted == [Reply(text="hello", author="Sora")]
