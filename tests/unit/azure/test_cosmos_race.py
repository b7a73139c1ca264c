"""Two replicas on one account deliver messages of the same new thread at the same moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from adapters.azure.cosmos import open_threads
from bridge.errors import Unavailable
from bridge.events import Event, Place, Sender
from bridge.ports import Delivery, Envelope, Sent
from bridge.settings import load
from bridge.telemetry import Telemetry
from bridge.tenants import FreshchatAccount, Tenant
from bridge.to_freshchat import Desk, ToFreshchat
from cards import texts
from tests.peers.cosmos import CosmosPeer

MESSAGES = 8
PLACE = Place(scope="groupChat", conversation_id="19:chat@thread.v2", service_url="https://x/")


class Account:
    """A Freshchat account that both replicas talk to; opening a conversation takes it a while."""

    def __init__(self):
        self.opened, self.posted = [], []

    async def ensure_user(self, person):
        return "user"

    async def open_conversation(self, new):
        self.opened.append(new.text)
        await asyncio.sleep(0.05)
        return Sent(id="m0", conversation_id=f"c{len(self.opened)}")

    async def post_message(self, conversation_id, user_id, text):
        self.posted.append((conversation_id, text))
        return Sent(id=f"m{len(self.posted)}", conversation_id=conversation_id)

    async def find_message(self, *_):
        return []

    async def find_conversation(self, *_):
        return []


class Directory:
    async def person(self, place, teams_user_id):
        return None


def event(number):
    return Event(
        idempotency_key=f"teams:-/chat/-/{number}:create",
        tenant_id="t1",
        direction="inbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=Sender(kind="user", id="29:mina", name="Mina", aad_object_id="aad-mina"),
        text=f"text {number}",
        message_id=str(number),
        thread_key="t1/groupChat/x",
        user_hash="hash",
        place=PLACE,
    )


def delivery():
    envelope = Envelope(
        direction="to-freshchat",
        tenant="t1",
        message_id="m",
        session="s",
        kind="create",
        trace="0",
        body=b"{}",
        received_at=0.0,
    )
    return Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x")


@pytest.fixture
def account():
    return Account()


@pytest.fixture
async def replicas(account):
    """Give for each replica what delivers the message of a number, with a client of its own."""

    async def nobody(_):
        return False

    secret = {"url": "https://x", "api_key": "k", "webhook_keys": "k"}
    desk = Desk(Tenant(id="t1", freshchat=FreshchatAccount(inbox="inbox", **secret)), account, "all")
    async with CosmosPeer() as peer, AsyncExitStack() as stack:
        settings = load(AZURE_COSMOS_ENDPOINT=peer.url, AZURE_COSMOS_KEY=peer.key)
        maps = [await stack.enter_async_context(open_threads(settings)) for _ in range(2)]

        async def deliver(threads, number):
            handler = ToFreshchat(
                translate=lambda _: event(number),
                desks={"t1": desk},
                threads=threads,
                directory=Directory(),
                own_account=nobody,
                say=texts.say,
                clock=lambda: 1_767_312_000.0,
                telemetry=Telemetry("CRITICAL"),
            )
            return await handler(delivery())

        yield [lambda number, threads=threads: deliver(threads, number) for threads in maps]


async def test_one_conversation_is_opened_and_nothing_is_lost(replicas, account):
    """Whoever is late is told to try again, and then finds the thread linked."""
    waiting, late = list(range(MESSAGES)), 0
    while waiting:
        done = await asyncio.gather(*(replicas[n % 2](n) for n in waiting), return_exceptions=True)
        failed = [(n, result) for n, result in zip(waiting, done, strict=True) if isinstance(result, BaseException)]
        assert all(isinstance(result, Unavailable) for _, result in failed), failed
        waiting, late = [n for n, _ in failed], late + len(failed)
    assert len(account.opened) == 1
    assert {conversation for conversation, _ in account.posted} == {"c1"}
    assert sorted([*account.opened, *(text for _, text in account.posted)]) == [f"text {n}" for n in range(MESSAGES)]
    assert late >= MESSAGES - 1
