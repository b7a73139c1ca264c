"""People named in an answer: looked up once, in little time, and the same at every try."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from bridge import mentions
from bridge.errors import Unavailable
from bridge.events import Event, Place, Sender
from bridge.mentions import KNOWN, MOST, REMEMBERED, UNKNOWN, Mentions, from_note, to_note
from bridge.ports import Delivery, Envelope, Link, Member, Reply
from bridge.reply_posts import Transports
from bridge.to_teams import ToTeams
from cards import agent_text, texts

PLACE = Place(scope="groupChat", conversation_id="19:chat@thread.v2", service_url="https://x")
ADA = Member("ada@x.example", "Ada", "29:ada", "aad-ada")


class Directory:
    """Knows Ada; tells what it was asked; hangs when told to."""

    def __init__(self):
        self.asked, self.hangs, self.knows = [], False, {ADA.address: ADA}

    async def member(self, place, address):
        self.asked.append(address)
        if self.hangs:
            await asyncio.Event().wait()
        return self.knows.get(address)


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def people(directory, clock):
    return Mentions(directory, clock)


def named(*addresses):
    return Reply(text="".join(f"<at>{address}</at>" for address in addresses), is_html=True)


async def test_a_member_is_asked_for_once_an_hour(people, directory, clock):
    """An address means the same in any spelling; after an hour somebody may have another name."""
    for reply in (named("Ada@X.example"), named("ada@x.example", "ADA@x.example")):
        assert (await people.fill_in("t1", PLACE, reply)).mentions == (ADA,)
    assert directory.asked == ["ada@x.example"]
    clock.advance(KNOWN + 1)
    await people.fill_in("t1", PLACE, named("ada@x.example"))
    assert len(directory.asked) == 2


async def test_somebody_unknown_is_asked_for_again_after_a_minute(people, directory, clock):
    """Outside the conversation, or not found: text, and no call for a while."""
    for _ in range(2):
        assert (await people.fill_in("t1", PLACE, named("bo@x.example"))).mentions == ()
    assert directory.asked == ["bo@x.example"]
    clock.advance(UNKNOWN + 1)
    directory.knows["bo@x.example"] = replace(ADA, address="bo@x.example")
    assert len((await people.fill_in("t1", PLACE, named("bo@x.example"))).mentions) == 1


async def test_members_of_one_place_are_not_members_of_another(people, directory):
    """What is remembered belongs to a tenant and its team or chat."""
    await people.fill_in("t1", PLACE, named(ADA.address))
    directory.knows.clear()
    assert (await people.fill_in("t1", replace(PLACE, conversation_id="19:b"), named(ADA.address))).mentions == ()
    assert (await people.fill_in("t2", PLACE, named(ADA.address))).mentions == ()
    assert (await people.fill_in("t1", PLACE, named(ADA.address))).mentions == (ADA,)


async def test_a_slow_directory_holds_up_one_answer_for_a_moment(people, directory, monkeypatch):
    """Who is found in time is mentioned, the others stay text; the next answer does not wait at all."""
    monkeypatch.setattr(mentions, "PATIENCE", 0.05)
    await people.fill_in("t1", PLACE, named(ADA.address))
    directory.hangs = True
    began = time.monotonic()
    for _ in range(2):
        reply = await people.fill_in("t1", PLACE, named(ADA.address, "bo@x.example"))
        assert reply.mentions == (ADA,)
    assert directory.asked == [ADA.address, "bo@x.example"]
    assert time.monotonic() - began < 5, "nobody waits for what hangs"


async def test_there_is_a_bound_on_everything(people, directory, monkeypatch):
    """An answer full of addresses asks for few; what is remembered does not grow for ever."""
    await people.fill_in("t1", PLACE, named(*(f"u{n}@x.example" for n in range(MOST + 10))))
    assert len(directory.asked) == MOST
    monkeypatch.setattr(mentions, "REMEMBERED", 5)
    for n in range(20):
        await people.fill_in("t1", PLACE, named(f"v{n}@x.example"))
    assert REMEMBERED > 5
    assert len(people._kept) <= 5 + MOST


async def test_in_a_personal_chat_a_name_is_enough(people):
    """There is nobody else whom it would call."""
    reply = await people.fill_in("t1", replace(PLACE, scope="personal"), named(ADA.address))
    assert mentions.named(reply) == ("Ada", [])


async def test_plain_text_asks_nobody(people, directory):
    """`<at>` that an agent typed is text."""
    reply = Reply(text="<at>ada@x.example</at>")
    assert await people.fill_in("t1", PLACE, reply) is reply
    assert directory.asked == []


def test_a_note_holds_the_members():
    """Written and read back, they are the same; a note without them names nobody."""
    assert from_note({"mentions": to_note([ADA, replace(ADA, name='가 "나"')])}) == (ADA, replace(ADA, name='가 "나"'))
    assert from_note({"via": "bot"}) == ()


class Transport:
    """Loses its first answer after posting, then finds only what was asked for in the very same words."""

    def __init__(self):
        self.posted, self.looked_for = [], []

    async def post(self, place, reply):
        self.posted.append(reply)
        raise Unavailable("lost", code="bot_500", component="bot", maybe_done=True)

    async def find(self, place, reply, since):
        self.looked_for.append(reply)
        return ["m1"] if reply == self.posted[0] else []


async def test_every_try_mentions_whom_the_first_one_did(directory, threads, clock, telemetry):
    """Or the answer that was posted already would not be recognised, and shown twice."""
    transport = Transport()
    event = Event(
        idempotency_key="freshchat:c1/m1:create",
        tenant_id="t1",
        direction="outbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=Sender(kind="bot", id="b"),
        text="@ada@x.example and @bo@x.example",
        message_id="m1",
        conversation_id="c1",
        inbox_id="ours",
    )

    def handler():
        return ToTeams(
            translate=lambda _raw, _tenant: event,
            helpdesks={"t1": object()},
            inboxes={"t1": frozenset({"ours"})},
            threads=threads,
            transports=Transports({"bot": transport}, "bot", lambda: None),
            directory=directory,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
            compose=agent_text.replies,
        )

    await threads.claim("t1", "t1/thread", "someone", 60, None)
    ids = {"conversation_id": "c1", "tenant_id": "t1", "thread_key": "t1/thread", "inbox_id": "ours"}
    await threads.link(Link(**ids, place=PLACE, freshchat_user_id="u"), "someone")
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
    delivery = Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x")
    with pytest.raises(Unavailable):
        await handler()(delivery)
    directory.knows = {"bo@x.example": replace(ADA, address="bo@x.example")}
    clock.advance(KNOWN + 60)
    await handler()(delivery)
    assert transport.looked_for[0].mentions == (ADA,)
    assert len(transport.posted) == 1
