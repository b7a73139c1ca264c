"""Reading a conversation back from the sandbox's Freshchat gives what its webhooks would have brought."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.signature import Verifier
from adapters.freshchat.translate import keys, to_event
from adapters.http import HostRule
from bridge.errors import Rejected, Unavailable
from bridge.events import Event
from bridge.ports import NewConversation, Person
from sandbox import Options, Sandbox
from tests.unit.freshchat.upstream import Upstream

ADA = Person(reference_id="teams:ab", name="Ada Fenn")

SAID = [
    {"text": "plain 확인 🙂"},
    {"text": "by the bot", "actor_type": "bot"},
    {"text": "a private note", "type": "private"},
    {"text": "as the user", "actor_type": "user"},
    {"text": ".", "actor_type": "system"},
    {"parts": [{"text": {"content": "see"}}, {"file": {"name": "a.pdf", "url": "https://files.example/a.pdf"}}]},
    {"parts": [{"image": {"url": "https://files.example/a.png"}}]},
    {
        "text": "choose",
        "reply_parts": [{"collection": {"sub_parts": [{"quick_reply_button": {"label": "Yes"}}]}}],
    },
    {"parts": [{"hologram": {"depth": 3}}]},
]


@pytest.fixture
async def sandbox():
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox:
        yield sandbox


@pytest.fixture
async def session():
    async with http.session() as session:
        yield session


@pytest.fixture
def desk(sandbox, session):
    hosts = HostRule(["127.0.0.1"], allow_loopback_http=True)

    async def api_key():
        return sandbox.env["FRESHCHAT_API_KEY"]

    return FreshchatHelpdesk(session, sandbox.env["FRESHCHAT_API_URL"], api_key, hosts, clock=time.time, timeout=1)


@pytest.fixture
async def conversation(sandbox, desk):
    user = await desk.ensure_user(ADA)
    opened = await desk.open_conversation(
        NewConversation(inbox_id=sandbox.env["FRESHCHAT_CHANNEL_ID"], user_id=user, text="question")
    )
    return opened.conversation_id


@pytest.fixture
async def control(sandbox, session):
    async def post(path, **body):
        async with session.post(f"{sandbox.url}/_sandbox/{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    return post


@pytest.fixture
async def webhooks(sandbox):
    """The bodies that arrive at the bridge's door."""
    seen = []
    verifier = Verifier("rsa", sandbox.env["FRESHCHAT_WEBHOOK_KEYS"].split(";"))

    async def take(request):
        raw, signature = await request.read(), request.headers["X-Freshchat-Signature"]
        seen.append(verifier.verify(raw, signature).parse())
        return web.Response()

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    async with TestServer(app) as bridge:
        sandbox.settings.bridge = f"http://127.0.0.1:{bridge.port}"
        yield seen


def unaddressed(event):
    """Give an event without the addresses of its files, which a webhook may lack."""
    files = tuple(replace(file, url="") for file in getattr(event, "files", ()))
    return replace(event, files=files) if files else event


@pytest.mark.parametrize("file_urls", [True, False])
async def test_it_is_what_the_webhooks_brought(file_urls, desk, conversation, control, webhooks):
    """The same keys, and the same event or the same reason to ignore it; also where webhooks lack a file's address."""
    await control("settings", webhook_file_urls=file_urls)
    start = time.time()
    ids = [(await control("freshchat/reply", conversation_id=conversation, agent="grace", **one))["id"] for one in SAID]
    async with asyncio.timeout(20):
        while not {body["data"]["message"]["id"] for body in webhooks}.issuperset(ids):
            await asyncio.sleep(0.01)
    brought = {body["data"]["message"]["id"]: body for body in webhooks}
    state = await desk.read_back(conversation, start)
    said = [one for one in state.said if one.body["data"]["message"]["id"] in ids]
    assert [one.body["data"]["message"]["id"] for one in said] == ids
    for one, message_id in zip(said, ids, strict=True):
        assert keys(dict(one.body), "t1") == keys(brought[message_id], "t1")
        assert unaddressed(to_event(dict(one.body), "t1")) == unaddressed(to_event(brought[message_id], "t1"))
        assert all(file.url for file in getattr(to_event(dict(one.body), "t1"), "files", ()))
        assert one.at == pytest.approx(time.time(), abs=10)
    assert sum(isinstance(to_event(dict(one.body), "t1"), Event) for one in said) == len(SAID) - 3


async def test_it_reads_since_then_and_over_pages(desk, conversation, control):
    """Oldest first, each once; a minute more than asked for, because `from_time` may exclude."""
    await control("freshchat/reply", conversation_id=conversation, text="long ago", ago=3600)
    for number in range(120):
        await control("freshchat/reply", conversation_id=conversation, text=f"answer {number}")
    state = await desk.read_back(conversation, time.time() - 600)
    texts = [one.body["data"]["message"]["message_parts"][0]["text"]["content"] for one in state.said]
    assert texts == ["question", *(f"answer {number}" for number in range(120))]


@pytest.mark.parametrize(("path", "status"), [("resolve", "resolved"), ("reopen", "open"), ("assign", "open")])
async def test_it_tells_the_conversations_state(path, status, desk, conversation, control):
    """And when it last changed."""
    assert (await desk.read_back(conversation, 0)).status == "open"
    await control(f"freshchat/{path}", conversation_id=conversation, agent="grace")
    state = await desk.read_back(conversation, time.time() + 3600)
    assert (state.status, list(state.said)) == (status, [])
    assert state.changed_at == pytest.approx(time.time(), abs=10)


async def test_a_conversation_that_is_gone_is_refused(desk):
    """Which is no failure of the helpdesk."""
    with pytest.raises(Rejected):
        await desk.read_back("nobody's", 0)


# --- shapes that the sandbox does not make --------------------------------------------------------------------------

BARE = {"id": "m1", "message_parts": [{"text": {"content": "hi"}}], "actor_type": "agent", "created_time": "?"}
OLD = {
    "id": "m1",
    "msg_parts": [{"part_type": "text", "properties": {"text": "hi"}}],
    "actor_type": "agent",
    "actor_id": "a-1",
    "conversation_id": "",
    "created_time": "2018-10-19T10:00:00.000Z",
}
STATUSES = {
    "resolved": "resolved",
    "Resolved": "resolved",
    "new": "open",
    "assigned": "open",
    "reopen": "open",
    "waiting on customer": "open",
    "of tomorrow": "open",
    "": None,
    None: None,
    7: None,
}


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
def scripted(upstream, session):
    async def key():
        return "k" * 40

    hosts = HostRule(["127.0.0.1"], allow_loopback_http=True)
    return FreshchatHelpdesk(session, upstream.url, key, hosts, clock=time.time, timeout=1)


@pytest.mark.parametrize("message", [BARE, OLD])
async def test_a_message_belongs_to_the_conversation_that_was_read(message, scripted, upstream):
    """Whatever fields it lacks: its key must be that of its webhook."""
    upstream.on("GET /v2/conversations/c-1/messages", {"messages": [message]}, times=1)
    upstream.on("GET /v2/conversations/c-1/messages", {"messages": []})
    upstream.on("GET /v2/conversations/c-1", {"status": "new"})
    upstream.rules.sort(key=lambda rule: rule[2] is None)
    (said,) = (await scripted.read_back("c-1", 1000.0)).said
    found = keys(dict(said.body), "t1")
    assert found.idempotency_key == "freshchat:c-1/m1:create"
    assert said.at == (1000.0 if message is BARE else pytest.approx(1_539_943_200))


@pytest.mark.parametrize(("told", "status"), STATUSES.items())
async def test_a_state_that_we_do_not_know_is_open(told, status, scripted, upstream):
    """And one that is not told is not guessed."""
    upstream.on("GET /v2/conversations/c-1/messages", {"messages": []})
    upstream.on("GET /v2/conversations/c-1", {"status": told, "updated_time": None})
    state = await scripted.read_back("c-1", 0.0)
    assert (state.status, state.changed_at) == (status, None)


async def test_a_helpdesk_that_fails_in_the_middle_is_told(scripted, upstream):
    """Half a conversation is not one that was read."""
    upstream.on("GET /v2/conversations/c-1/messages", {"messages": [BARE]}, times=1)
    upstream.on("GET /v2/conversations/c-1/messages", (503, {}))
    upstream.rules.sort(key=lambda rule: rule[2] is None)
    with pytest.raises(Unavailable):
        await scripted.read_back("c-1", 0.0)
