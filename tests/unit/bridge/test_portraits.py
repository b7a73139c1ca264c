"""Pictures of people reach their Freshchat users once per change, read from and written to the sandbox."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import time

import pytest

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.http import HostRule
from adapters.teams.portraits import MAX_BYTES, GraphPortraits
from adapters.teams.profiles import AWAY_SECONDS, REFUSED_SECONDS
from adapters.teams.tokens import ClientCredentials
from bridge.events import Event, Sender
from bridge.portraits import AT_ONCE, DAY, RETRY, Portraits
from bridge.ports import Person
from bridge.telemetry import Telemetry
from sandbox import Options, Sandbox
from sandbox.portraits import portrait

HOSTS = HostRule(["127.0.0.1"], allow_loopback_http=True)
UPLOAD, AVATAR, FACTS, VALUE = "POST /v2/images/upload", "PUT /v2/users/.*", "GET .*/photo", r"GET .*/photos/.*"
SCOPE = "https://graph.microsoft.com/.default"
JPEG = b"\xff\xd8\xff\xe0" + bytes(50)


class Rig:
    """The sandbox, the pictures' way through the real adapters, and one user there for Ada."""

    def __init__(self, sandbox, session, threads, clock):
        self.sandbox, self.session, self.clock, self.log = sandbox, session, clock, io.StringIO()
        self.telemetry = Telemetry("WARNING", self.log)
        env = sandbox.env

        async def secret():
            return env["MicrosoftAppPassword"]

        async def api_key():
            return env["FRESHCHAT_API_KEY"]

        tokens = ClientCredentials(session, env["BOT_OAUTH_URL"], env["MicrosoftAppId"], secret, SCOPE, clock=time.time)
        self.source = GraphPortraits(session, env["GRAPH_BASE_URL"], tokens, self.telemetry, clock)
        self.desk = FreshchatHelpdesk(session, env["FRESHCHAT_API_URL"], api_key, HOSTS, clock=time.time)
        self.threads = threads
        self.portraits = self.another_process()
        self.ada = sandbox.world.users[0]
        self.user = ""

    def another_process(self):
        return Portraits(self.source, self.threads, self.clock, self.telemetry)

    async def make_user(self, reference="teams:ab"):
        self.user = await self.desk.ensure_user(Person(reference_id=reference, name="Ada"))

    async def asks(self, aad_object_id=None):
        """Open a conversation as Ada, then let what goes on beside it come to its end."""
        self.portraits.begin(event(aad_object_id or self.ada.aad_id), self.desk, self.user)
        await asyncio.gather(*self.portraits._bringing)

    async def control(self, path, **body):
        async with self.session.post(f"{self.sandbox.url}/_sandbox/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()

    async def has(self, content, content_type="image/png"):
        """Give Ada another picture in Teams."""
        await self.control(
            "teams/photo", user="ada", base64=base64.b64encode(content).decode(), content_type=content_type
        )

    async def shown(self):
        """Read the picture that Freshchat shows for the user."""
        url = self.sandbox.freshchat.users[self.user]["avatar"].get("url")
        if url is None:
            return None
        async with self.session.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    def calls(self, what):
        """Count the calls with such a method and path."""
        rows = self.sandbox.log.list(None, False)
        return sum(re.fullmatch(what, f"{row['method']} {row['path']}") is not None for row in rows)

    def actions(self):
        return [json.loads(line)["action"] for line in self.log.getvalue().splitlines()]


def event(aad_object_id, tenant="t1"):
    return Event(
        idempotency_key="teams:-/c/100/1:create",
        tenant_id=tenant,
        direction="inbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=Sender(kind="user", id="29:ada", aad_object_id=aad_object_id),
        user_hash="ab",
    )


@pytest.fixture
async def rig(threads, clock):
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox, http.session() as session:
        rig = Rig(sandbox, session, threads, clock)
        await rig.make_user()
        yield rig
        await rig.portraits.close()


async def test_a_picture_arrives_and_is_not_brought_again(rig):
    """Not on the same day, also by other processes; on the next one only its version is asked for."""
    await rig.asks()
    assert await rig.shown() == portrait("ada")
    for _ in range(3):
        await rig.asks()
        rig.portraits = rig.another_process()
    assert rig.calls(FACTS) == 1
    rig.clock.advance(DAY)
    await rig.asks()
    await rig.asks()
    assert [rig.calls(one) for one in (FACTS, VALUE, UPLOAD, AVATAR)] == [2, 1, 1, 1]


async def test_a_new_picture_replaces_the_old_one_on_the_next_day(rig):
    await rig.asks()
    await rig.has(JPEG, "image/jpeg")
    await rig.asks()
    assert await rig.shown() == portrait("ada")
    rig.clock.advance(DAY)
    await rig.asks()
    assert await rig.shown() == JPEG


async def test_a_picture_that_is_gone_stays_and_one_that_comes_back_is_not_brought_twice(rig):
    await rig.asks()
    await rig.control("teams/photo", user="ada")
    rig.clock.advance(DAY)
    await rig.asks()
    await rig.has(portrait("ada"))
    rig.clock.advance(DAY)
    await rig.asks()
    assert (await rig.shown(), rig.calls(UPLOAD)) == (portrait("ada"), 1)


async def test_a_user_that_is_made_anew_has_no_picture_yet(rig):
    await rig.asks()
    await rig.make_user("teams:cd")
    assert await rig.shown() is None
    await rig.asks()
    assert await rig.shown() == portrait("ada")


UNFIT = {"too large": portrait("ada") + bytes(MAX_BYTES), "lying": b"<html><script>1</script>"}


@pytest.mark.parametrize("content", UNFIT.values(), ids=UNFIT)
async def test_a_picture_that_is_not_fit_is_read_once_and_kept_out(rig, content):
    await rig.has(content)
    await rig.asks()
    rig.clock.advance(DAY)
    await rig.asks()
    assert (rig.calls(FACTS), rig.calls(VALUE), rig.calls(UPLOAD)) == (2, 1, 0)
    assert (await rig.shown(), rig.actions()) == (None, [])


async def test_without_the_permission_there_are_no_pictures_and_one_line_in_the_log(rig):
    await rig.control("faults", on="graph", kind="status", status=403, match="GET .*/photo.*", times=2)
    for _ in range(2):
        await rig.asks()
        rig.clock.advance(DAY)
    assert (await rig.shown(), rig.actions()) == (None, ["portraits_refused"])
    await rig.asks()
    assert await rig.shown() == portrait("ada")
    assert REFUSED_SECONDS < DAY


TROUBLE = {
    "Graph, asked": ("graph", "GET .*/photo", 503),
    "Graph, reading": ("graph", "GET .*/photos/.*", 503),
    "Freshchat, upload": ("freshchat", UPLOAD, 503),
    "Freshchat, user": ("freshchat", AVATAR, 503),
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_after_an_outage_it_is_tried_again(rig, trouble):
    on, match, status = TROUBLE[trouble]
    await rig.control("faults", on=on, kind="status", status=status, match=match, times=1)
    await rig.asks()
    await rig.asks()
    assert (await rig.shown(), rig.actions()) == (None, ["portrait_not_updated"])
    assert RETRY > AWAY_SECONDS
    rig.clock.advance(RETRY)
    await rig.asks()
    assert await rig.shown() == portrait("ada")


@pytest.mark.parametrize("status", [400, 403])
async def test_a_picture_that_freshchat_refuses_is_offered_again_on_the_next_day(rig, status):
    await rig.control("faults", on="freshchat", kind="status", status=status, match=UPLOAD, times=1)
    await rig.asks()
    rig.clock.advance(RETRY)
    await rig.asks()
    assert (await rig.shown(), rig.calls(UPLOAD), rig.actions()) == (None, 1, ["portrait_not_updated"])
    rig.clock.advance(DAY)
    await rig.asks()
    assert await rig.shown() == portrait("ada")


async def test_who_is_not_in_the_directory_is_not_looked_for(rig):
    """A guest of a meeting, say, has no object id; somebody of another organisation is a 404."""
    rig.portraits.begin(event(None), rig.desk, rig.user)
    assert not rig.portraits._bringing
    await rig.asks("00000000-0000-0000-0000-000000000000")
    await rig.asks("00000000-0000-0000-0000-000000000000")
    assert (rig.calls(FACTS), rig.actions()) == (1, [])


@pytest.mark.parametrize("asked", [False, True])
async def test_a_store_that_is_away_is_no_bug(rig, database, asked):
    """When it is to be read, or when Graph has been asked and it is to be written."""
    await rig.control("faults", on="graph", kind="delay", delay_ms=300, match=FACTS)
    rig.portraits.begin(event(rig.ada.aad_id), rig.desk, rig.user)
    async with asyncio.timeout(20):
        while asked and not rig.sandbox.faults.list()[0]["hits"]:
            await asyncio.sleep(0.01)
    await database.close()
    await asyncio.gather(*rig.portraits._bringing)
    assert (await rig.shown() is not None, rig.actions()) == (asked, ["portrait_not_updated"])


async def test_so_many_are_brought_at_once_and_stop_with_the_bridge(rig):
    """And each person once, however many conversations they open meanwhile."""
    await rig.control("faults", on="graph", kind="timeout", match="GET .*/photo", times=None)
    for number in range(AT_ONCE + 5):
        for _ in range(2):
            rig.portraits.begin(event(rig.ada.aad_id), rig.desk, f"u-{number}")
    assert len(rig.portraits._bringing) == AT_ONCE
    bringing = list(rig.portraits._bringing)
    await rig.portraits.close()
    assert all(task.cancelled() for task in bringing)


async def test_what_is_remembered_here_is_bounded(rig, monkeypatch):
    monkeypatch.setattr("bridge.portraits.REMEMBERED", 3)
    await rig.control("teams/photo", user="ada")
    for number in range(6):
        rig.user = f"u-{number}"
        await rig.asks()
    assert len(rig.portraits._next) == 3
