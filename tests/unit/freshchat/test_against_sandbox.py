"""The helpdesk and the webhook check against the sandbox's Freshchat."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.signature import NotAuthentic, Verifier
from adapters.freshchat.translate import to_event
from adapters.http import HostRule
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.ids import aad_hash, reference_id
from bridge.ports import ConversationClosed, NewConversation, Person, Sent
from sandbox import Options, Sandbox

ADA = Person(reference_id="teams:ab", name="Ada Fenn", mail="ada@fenn.example", properties={"department": "QA"})


@pytest.fixture
async def sandbox():
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox:
        yield sandbox


@pytest.fixture
async def session():
    async with http.session() as session:
        yield session


class Desk(FreshchatHelpdesk):
    """The helpdesk of the sandbox, with a way to open a conversation as Ada."""

    def __init__(self, sandbox, session, key=None):
        env = sandbox.env
        hosts = HostRule(env["FRESHCHAT_HOST_ALLOWLIST"].split(","), allow_loopback_http=True)

        async def api_key():
            return key or env["FRESHCHAT_API_KEY"]

        super().__init__(session, env["FRESHCHAT_API_URL"], api_key, hosts, clock=time.time, timeout=1)
        self.inbox = env["FRESHCHAT_CHANNEL_ID"]

    async def open(self, text="The printer is stuck 안녕"):
        user = await self.ensure_user(ADA)
        new = NewConversation(inbox_id=self.inbox, user_id=user, text=text, properties={"cf_source": "teams"})
        return user, await self.open_conversation(new)


@pytest.fixture
def desk(sandbox, session):
    return Desk(sandbox, session)


@pytest.fixture
async def control(sandbox, session):
    async def post(path, **body):
        async with session.post(f"{sandbox.url}/_sandbox/{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    return post


async def test_whose_a_conversation_is(sandbox, desk, session):
    _, opened = await desk.open()
    assert not await desk.is_from_teams(opened.conversation_id), "Ada's reference id here is not one of Teams"
    assert not await desk.is_from_teams("no-such-conversation")
    user = await desk.ensure_user(Person(reference_id=reference_id(aad_hash("ada")), name="Ada"))
    sent = await desk.open_conversation(NewConversation(inbox_id=desk.inbox, user_id=user, text="from Teams"))
    assert await desk.is_from_teams(sent.conversation_id)


async def test_a_question_is_asked_answered_and_read_back(sandbox, desk):
    start = time.time()
    await desk.ping()
    user, opened = await desk.open()
    assert await desk.ensure_user(ADA) == user
    sent = await desk.post_message(opened.conversation_id, user, "still stuck")
    note = await desk.post_note(opened.conversation_id, "for agents only")
    assert await desk.find_message(opened.conversation_id, user, "still stuck", start) == [sent]
    assert await desk.find_message(opened.conversation_id, user, "for agents only", start) == []
    assert await desk.find_note(opened.conversation_id, "for agents only", start) == [note]
    assert await desk.find_note(opened.conversation_id, "still stuck", start) == []
    assert await desk.find_note(opened.conversation_id, "for agents only", start + 3600) == []
    assert await desk.find_conversation(user, "The printer is stuck 안녕", start) == [opened]
    assert await desk.find_conversation(user, "still stuck", start) == []
    assert await desk.agent_name(sandbox.config()["agents"][0]["id"]) == "Grace Park"
    assert await desk.agent_name("nobody") is None


LOST = ["drop_after", "status_after"]


@pytest.mark.parametrize("kind", LOST)
async def test_a_message_that_was_posted_without_an_answer_is_found(desk, control, kind):
    user, opened = await desk.open()
    await control("faults", on="freshchat", match="POST .*messages", kind=kind, status=504, times=1)
    start = time.time()
    with pytest.raises(Unavailable) as caught:
        await desk.post_message(opened.conversation_id, user, "once\nonly")
    assert caught.value.maybe_done
    found = await desk.find_message(opened.conversation_id, user, "once\r\nonly ", start)
    assert len(found) == 1


@pytest.mark.parametrize("kind", LOST)
async def test_a_conversation_that_was_opened_without_an_answer_is_found(desk, control, kind):
    await control("faults", on="freshchat", match="POST .*/conversations", kind=kind, status=500, times=1)
    start = time.time()
    with pytest.raises(Unavailable) as caught:
        await desk.open("lost")
    assert caught.value.maybe_done
    user = await desk.ensure_user(ADA)
    (found,) = await desk.find_conversation(user, "lost", start)
    assert isinstance(await desk.post_message(found.conversation_id, user, "more"), Sent)


async def test_what_did_not_arrive_is_not_found(desk, control):
    user, opened = await desk.open()
    await control("faults", on="freshchat", match="POST .*messages", kind="drop_before", times=1)
    start = time.time()
    with pytest.raises(Unavailable):
        await desk.post_message(opened.conversation_id, user, "never")
    assert await desk.find_message(opened.conversation_id, user, "never", start) == []


async def test_many_messages_are_read_back_over_pages(desk):
    user, opened = await desk.open()
    start = time.time()
    first = await desk.post_message(opened.conversation_id, user, "first of many")
    for _ in range(6):
        await asyncio.gather(*(desk.post_message(opened.conversation_id, user, "filler") for _ in range(10)))
    assert await desk.find_message(opened.conversation_id, user, "first of many", start) == [first]
    assert len(await desk.find_message(opened.conversation_id, user, "filler", start)) == 60


async def test_refusals_are_told_apart(sandbox, session, desk, control):
    user, opened = await desk.open()
    with pytest.raises(Rejected):
        await desk.post_message(opened.conversation_id, "nobody", "x")
    with pytest.raises(Rejected):
        await desk.open_conversation(NewConversation(inbox_id="no-inbox", user_id=user, text="x"))
    with pytest.raises(Forbidden):
        await Desk(sandbox, session, key="wrong").ping()
    await control("settings", not_latest=True)
    await control("freshchat/resolve", conversation_id=opened.conversation_id, agent="grace")
    with pytest.raises(ConversationClosed):
        await desk.post_message(opened.conversation_id, user, "x")


async def test_a_limit_is_told_with_its_wait(desk, control):
    await control("faults", on="freshchat", kind="status", status=429, retry_after=3, times=1)
    with pytest.raises(Throttled) as caught:
        await desk.ping()
    assert caught.value.after == 3


async def test_a_webhook_is_verified_with_the_key_as_it_is_shown_and_translated(sandbox, session, desk, control):
    _, opened = await desk.open()
    seen, done = [], asyncio.Event()

    from aiohttp import web
    from aiohttp.test_utils import TestServer

    async def take(request):
        seen.append((await request.read(), request.headers["X-Freshchat-Signature"]))
        done.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    async with TestServer(app) as bridge:
        sandbox.settings.bridge = f"http://127.0.0.1:{bridge.port}"
        reply = await control("freshchat/reply", conversation_id=opened.conversation_id, agent="grace", text="확인 🙂")
        async with asyncio.timeout(5):
            while not any(reply["id"].encode() in raw for raw, _ in seen):
                done.clear()
                await done.wait()
    verifier = Verifier("rsa", sandbox.env["FRESHCHAT_WEBHOOK_KEYS"].split(";"))
    events = [to_event(verifier.verify(raw, header).parse(), "t1") for raw, header in seen]
    (event,) = [event for event in events if getattr(event, "message_id", None) == reply["id"]]
    assert (event.text, event.conversation_id, event.sender.kind) == ("확인 🙂", opened.conversation_id, "agent")
    raw, header = seen[-1]
    with pytest.raises(NotAuthentic):
        verifier.verify(raw + b" ", header)
