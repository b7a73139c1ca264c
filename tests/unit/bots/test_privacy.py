"""What the log tells: keys, codes and ids, and nothing about anybody."""

from __future__ import annotations

import json
import logging
import time

import pytest

from adapters.local.sqlite_threads import SqliteThreadMap
from bots.activity import to_event
from bridge.delivery import Done, Worker
from bridge.errors import Forbidden, LeaseLost, Rejected, Unavailable
from bridge.patience import Patience
from bridge.ports import ConversationClosed, Sent
from bridge.tenants import FreshchatAccount, Tenant
from bridge.to_freshchat import Desk, ToFreshchat
from cards import texts

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
PLANTED = {
    "name": "Zenobia Quartermaine",
    "pairwise id": "29:zz-planted-pairwise",
    "Entra id": "deadbeef-1111-4222-8333-444455556666",
    "text": "my-planted-diagnosis",
    "mail": "zenobia@planted.example",
    "title": "Planted Keeper of Secrets",
    "mentioned": "Ignatius Thornbury",
    "card value": "planted-card-answer",
    "API key": "planted-api-key",
}


class Account:
    """A Freshchat account that fails in the way it is told to, with everything it knows in its own words."""

    def __init__(self):
        self.error = None

    def _fail(self):
        error, self.error = self.error, None
        if error:
            raise error

    async def ensure_user(self, person):
        return "user-1"

    async def open_conversation(self, new):
        self._fail()
        return Sent(id="m0", conversation_id="c1")

    async def post_message(self, conversation_id, user_id, text):
        self._fail()
        return Sent(id=f"m{hash(text)}", conversation_id=conversation_id)

    async def find_message(self, conversation_id, user_id, text, since):
        return []

    async def find_conversation(self, user_id, text, since):
        return []


class Directory:
    """Knows everything about everybody."""

    async def person(self, place, teams_user_id):
        return {name: PLANTED[name] for name in ("name", "mail", "title")}


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def deliver(door, account, tmp_path):
    """Drain the door's queue into the account."""
    freshchat = FreshchatAccount(url="https://x", api_key=PLANTED["API key"], inbox="i", webhook_keys="k")

    async def own_account(_aad_object_id):
        return False

    async def deliver():
        handler = ToFreshchat(
            translate=lambda raw: to_event(raw, APP),
            desks={TENANT: Desk(Tenant(id=TENANT, freshchat=freshchat), account, "all")},
            threads=SqliteThreadMap(door.queue.db),
            directory=Directory(),
            own_account=own_account,
            say=texts.say,
            clock=time.time,
            telemetry=door.telemetry,
        )
        patience = Patience(first_wait=0.0, hold=0.0, bug_attempts=2)
        worker = Worker(door.queue, "to-freshchat", handler, door.telemetry, clock=time.time, patience=patience)
        await worker.drain()

    return deliver


def _planted(raw, number, **more):
    raw["from"] = {"id": PLANTED["pairwise id"], "name": PLANTED["name"], "aadObjectId": PLANTED["Entra id"]}
    raw["id"] = str(1767312100009 + number)
    raw["text"] = f"{PLANTED['text']} <at>{PLANTED['mentioned']}</at>"
    raw["entities"] = [
        {"type": "mention", "text": f"<at>{PLANTED['mentioned']}</at>", "mentioned": {"id": PLANTED["pairwise id"]}}
    ]
    raw["value"] = {"answer": PLANTED["card value"]}
    return raw | more


def _found(log):
    spelled = {name: (value, json.dumps(value)[1:-1], value.replace(":", "%3A")) for name, value in PLANTED.items()}
    return sorted(name for name, ways in spelled.items() if any(way in log for way in ways))


SECRET = " ".join(PLANTED.values())
ERRORS = [
    None,
    KeyError(SECRET),
    ConversationClosed(SECRET),
    Unavailable("away", code="away", component="freshchat"),
    Unavailable("away", code="away", component="freshchat", maybe_done=True),
    Forbidden("refused", code="401", component="freshchat"),
    Rejected("refused", code="400", component="freshchat"),
]


async def test_nobody_is_in_the_log_of_door_and_delivery(door, deliver, account, bearer, activity, caplog):
    """Every kind of activity, every kind of failure, at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    number = 0
    for name in (
        "personal",
        "group",
        "channel_root",
        "edit",
        "delete",
        "card_submit",
        "invoke_card_action",
        "reaction",
    ):
        for error in ERRORS:
            number += 1
            raw = _planted(activity(name), number)
            assert (await door.post(raw, bearer))[0] == 200
            assert (await door.post(raw, bearer))[0] == 200
            account.error = error
            await deliver()
    log = door.stream.getvalue() + caplog.text + door.telemetry.exposition().decode()
    actions = {json.loads(line)["action"] for line in door.stream.getvalue().splitlines()}
    assert {"accepted", "delivered", "retry", "bug", "hold", "dead_letter"} <= actions
    assert _found(log) == []


async def test_nobody_is_in_the_log_of_a_refusal(door, tokens, bearer, activity):
    """Neither the token nor what came with it."""
    other = {"tenant": {"id": PLANTED["Entra id"]}}
    wrong = [
        (_planted(activity("personal"), 1, channelData=other), bearer),
        (_planted(activity("personal"), 1, channelId=PLANTED["text"]), bearer),
        (_planted(activity("personal"), 1, serviceUrl=f"https://{PLANTED['text']}.example/"), bearer),
        (_planted(activity("personal"), 1, id=None), bearer),
        (PLANTED["text"].encode(), bearer),
        (_planted(activity("personal"), 1), f"Bearer {PLANTED['text']}"),
        (_planted(activity("personal"), 1), f"Bearer {tokens.make({'aud': PLANTED['text']})}"),
    ]
    for body, authorization in wrong:
        status, text, _ = await door.post(body, authorization)
        assert 400 <= status < 500
        assert _found(text) == []
    log = door.stream.getvalue()
    assert len(log.splitlines()) == len(wrong)
    assert _found(log) == []
    assert bearer.split(".")[1] not in log


async def test_a_lost_lease_names_nobody(door, bearer, activity):
    """The ordering key of a personal chat holds the person's Entra id."""
    assert (await door.post(_planted(activity("personal"), 1), bearer))[0] == 200

    lost = [LeaseLost("somebody else has it")]

    async def handler(_delivery):
        if lost:
            raise lost.pop()
        return Done()

    await Worker(door.queue, "to-freshchat", handler, door.telemetry, clock=time.time).drain()
    assert '"lease_lost"' in door.stream.getvalue()
    assert '"delivered"' in door.stream.getvalue()
    assert _found(door.stream.getvalue()) == []
