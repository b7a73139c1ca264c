"""Files in Freshchat: against the sandbox, and what a real account may answer otherwise."""

from __future__ import annotations

import re
import tempfile
import time
import tracemalloc

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.freshchat.client import FreshchatHelpdesk
from adapters.http import HostRule, session
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.ports import ConversationClosed, FilePart, NewConversation, Person
from sandbox import Options, Sandbox
from tests.unit.freshchat.upstream import Upstream

MB = 1024 * 1024
ADA = Person(reference_id="teams:ab", name="Ada Fenn")
PART = FilePart(kind="file", where="h4sh", name="plan.pdf", content_type="application/pdf", size=3)
IMAGE = FilePart(kind="image", where="https://cdn.example/x.png", name="x.png", content_type="image/png", size=3)


@pytest.fixture
async def calls():
    async with session() as calls:
        yield calls


def desk(calls, url, key="k", timeout=5):
    async def api_key():
        return key

    hosts = HostRule(["127.0.0.1"], allow_loopback_http=True)
    return FreshchatHelpdesk(calls, url, api_key, hosts, clock=time.time, timeout=timeout)


@pytest.fixture
async def conversation(calls):
    """Open a conversation in the sandbox; give the helpdesk, the user's id and the conversation's."""
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox:
        env = sandbox.env
        helpdesk = desk(calls, env["FRESHCHAT_API_URL"], env["FRESHCHAT_API_KEY"])
        user = await helpdesk.ensure_user(ADA)
        new = NewConversation(inbox_id=env["FRESHCHAT_CHANNEL_ID"], user_id=user, text="See here")
        yield helpdesk, user, (await helpdesk.open_conversation(new)).conversation_id


@pytest.fixture
async def account(calls):
    async with Upstream() as upstream:
        yield upstream, desk(calls, upstream.url)


def held(content):
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the test's end closes it
    file.write(content)
    return file


@pytest.mark.parametrize(("kind", "name"), [("file", '계획 "2".pdf'), ("image", "shot.png")])
async def test_a_file_is_handed_over_shown_and_found(kind, name, conversation, calls):
    """Under its name, whole, and found by what it was named with; the copy on the disk can be read again."""
    helpdesk, user, opened = conversation
    content, since = b"\x89PNG" + bytes(range(256)) * 500, time.time()
    content_type = "image/png" if kind == "image" else "application/pdf"
    with held(content) as file:
        where = await helpdesk.files.upload(kind, name, content_type, file)
        file.seek(0)
        assert file.read() == content
    part = FilePart(kind=kind, where=where, name=name, content_type=content_type, size=len(content))
    sent = await helpdesk.files.post_file(opened, user, part)
    assert list(await helpdesk.files.find_file(opened, user, part, since)) == [sent]
    other = FilePart(kind="file", where="other", name=name, content_type=content_type, size=1)
    assert list(await helpdesk.files.find_file(opened, user, other, since)) == []
    (message,) = [one.body for one in (await helpdesk.read_back(opened, since)).said if sent.id in str(one.body)]
    (shown,) = message["data"]["message"]["message_parts"]
    async with calls.get(shown[kind]["url"]) as answer:
        assert await answer.read() == content
    assert kind == "image" or shown["file"]["name"] == name


async def test_a_conversation_that_is_gone(conversation):
    """A new one is needed, as for words."""
    helpdesk, user, _ = conversation
    with pytest.raises(ConversationClosed):
        await helpdesk.files.post_file("no-such-conversation", user, PART)


async def test_what_is_sent(account):
    """A length instead of chunks, which gateways refuse; one field, named for its kind."""
    upstream, helpdesk = account
    upstream.on("POST /v2/images/upload", {"url": "https://cdn.example/x.png"})
    upstream.on("POST /v2/files/upload", {"file_hash": "h4sh"})
    with held(b"bytes") as file:
        assert await helpdesk.files.upload("image", "x.png", "image/png", file) == "https://cdn.example/x.png"
        assert await helpdesk.files.upload("file", "x.pdf", "application/pdf", file) == "h4sh"
    for one, field in zip(upstream.asked, ("image", "file"), strict=True):
        assert int(one.headers["Content-Length"]) == len(one.body)
        assert "Transfer-Encoding" not in one.headers
        assert re.search(rb'name="%s"; filename="x\.' % field.encode(), one.body)
        assert one.body.count(b"bytes") == 1


REFUSALS = [
    ((413, {}), Rejected, "freshchat_413"),
    ((415, {}), Rejected, "freshchat_415"),
    ((400, {"status": "INVALID_VALUE"}), Rejected, "freshchat_400"),
    ((401, {}), Forbidden, "freshchat_401"),
    ((403, {}), Forbidden, "freshchat_403"),
    ((429, {}), Throttled, "freshchat_429"),
    ((502, {}), Unavailable, "freshchat_502"),
    ((200, {}), Unavailable, "freshchat_no_file"),
    ((200, {"file_hash": 7}), Unavailable, "freshchat_no_file"),
    ((200, []), Unavailable, "freshchat_no_id"),
]


@pytest.mark.parametrize(("answer", "error", "code"), REFUSALS)
async def test_what_an_account_says(answer, error, code, account):
    """Each status as for any other call."""
    upstream, helpdesk = account
    upstream.on("POST /v2/files/upload", answer)
    with held(b"x") as file, pytest.raises(error) as refused:
        await helpdesk.files.upload("file", "x.pdf", "application/pdf", file)
    assert refused.value.code == code


def message(number, **shown):
    return {
        "id": f"m{number}",
        "actor_type": "user",
        "actor_id": "u1",
        "created_time": f"2026-01-05T08:00:0{number}.000Z",
        "message_parts": [shown],
    }


async def test_what_comes_back_may_have_no_hash_and_another_address(account):
    """Then the name of a file, or that it is a picture, is all there is; what is surely it comes first."""
    upstream, helpdesk = account
    listed = [
        message(1, file={"name": "plan.pdf", "url": "https://cdn.example/1"}),
        message(2, file={"name": "other.pdf", "url": "https://cdn.example/2"}),
        message(3, file={"name": "plan.pdf", "fileHash": "another"}),
        message(4, image={"url": "https://elsewhere.example/x.png"}),
        message(5, file={"name": "x", "fileHash": "h4sh"}),
        message(6, image={"url": IMAGE.where}),
        message(7, text={"content": "plan.pdf"}),
        message(8, file={"name": "plan.pdf"}) | {"actor_id": "u2"},
    ]
    upstream.on("GET /v2/conversations/c1/messages", {"messages": listed[::-1]})
    since = 1_767_600_000.0

    async def ids(part):
        return [sent.id for sent in await helpdesk.files.find_file("c1", "u1", part, since)]

    assert await ids(PART) == ["m5", "m1"]
    assert await ids(IMAGE) == ["m6", "m4"]


async def test_memory_does_not_grow_with_the_file(calls):
    """100 MB are read while they are sent."""

    async def drain(request):
        size = 0
        async for piece in request.content.iter_chunked(65536):
            size += len(piece)
        return web.json_response({"file_hash": str(size)})

    app = web.Application()
    app.add_routes([web.post("/v2/files/upload", drain)])
    with tempfile.TemporaryFile(buffering=0) as file:
        file.truncate(100 * MB)
        async with TestServer(app, host="127.0.0.1") as server:
            helpdesk = desk(calls, f"http://127.0.0.1:{server.port}")
            tracemalloc.start()
            try:
                size = await helpdesk.files.upload("file", "x.bin", "application/octet-stream", file)
                assert int(size) > 100 * MB
                assert tracemalloc.get_traced_memory()[1] < 8 * MB
            finally:
                tracemalloc.stop()
