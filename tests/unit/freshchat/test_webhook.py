"""The door over real HTTP: what is answered, what is queued, what is told."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import io
import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.freshchat.signature import Verifier
from adapters.freshchat.webhook import MAX_BODY, Account, FreshchatWebhook
from bridge import ids
from bridge.errors import StoreFull, Unavailable
from bridge.intake import Intake
from bridge.telemetry import Telemetry

FIXTURES = Path(__file__).parents[2] / "fixtures" / "freshchat"
MESSAGE = (FIXTURES / "agent_text.json").read_bytes()
KOREAN = (FIXTURES / "agent_text_korean.json").read_bytes()
KEY = "freshchat:eeeeeeee-0000-4000-8000-000000000001/ffffffff-0000-4000-8000-000000000001:create"
SESSION = "t1/conversation/eeeeeeee-0000-4000-8000-000000000001"


class ListQueue:
    """Keeps what was put; raises `fault` if there is one."""

    def __init__(self):
        self.kept = {}
        self.fault = None

    async def put(self, envelope):
        if self.fault:
            raise self.fault
        new = envelope.message_id not in self.kept
        self.kept.setdefault(envelope.message_id, envelope)
        return new


class Door:
    """A door with accounts t1 (tokens `new/2`, `tok/1`), t2 (own inboxes), and the only tenant t1, served over HTTP."""

    def __init__(self):
        self.queue, self.stream = ListQueue(), io.StringIO()
        self.telemetry = Telemetry("DEBUG", self.stream)
        verifier = Verifier("hmac", ["old", "new"])
        accounts = {
            "t1": Account(tenant_id="t1", verifier=verifier, tokens=("new/2", "tok/1")),
            "t2": Account(tenant_id="t2", verifier=verifier, tokens=("tok2",)),
        }
        webhook = FreshchatWebhook(
            lambda tenant: accounts["t1"] if tenant is None else accounts.get(tenant),
            Intake(self.queue, self.telemetry, lambda: 1767600000.5, lambda: "f" * 32),
            self.telemetry,
        )
        app = web.Application()
        app.add_routes(webhook.routes())
        self.client = TestClient(TestServer(app))

    def logs(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def counter(self, name, **labels):
        return self.telemetry.registry.get_sample_value(name, labels) or 0

    async def post(self, body=MESSAGE, path="/freshchat/webhook", signature=None, secret="new", **headers):
        signed = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
        headers = {"Content-Type": "application/json", "X-Freshchat-Signature": signature or signed, **headers}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(path, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def door():
    door = Door()
    async with door.client:
        yield door


async def test_a_signed_message_is_queued_whole_with_its_keys(door):
    assert await door.post(KOREAN) == (200, {"status": "stored"})
    (envelope,) = door.queue.kept.values()
    assert envelope.body == KOREAN
    assert envelope.message_id == ids.dedupe_id("t1", KEY)
    assert (envelope.direction, envelope.tenant, envelope.session) == ("to-teams", "t1", SESSION)
    assert (envelope.kind, envelope.trace, envelope.received_at) == ("create", "f" * 32, 1767600000.5)


async def test_what_is_told_has_no_word_of_the_message(door):
    await door.post(KOREAN)
    told = {
        "action": "accepted",
        "outcome": "stored",
        "trace": "f" * 32,
        "direction": "to-teams",
        "key": KEY,
        "kind": "create",
        "level": "debug",
    }
    (record,) = door.logs()
    assert record | {"ts": ""} == told | {"ts": ""}
    assert door.counter("bridge_accepted_total", direction="to-teams", outcome="stored") == 1
    key = Verifier("hmac", ["old", "new"]).key_ids[1]
    assert door.counter("bridge_webhook_key_total", tenant="t1", key=key) == 1


async def test_a_duplicate_is_accepted_once(door):
    answers = [await door.post() for _ in range(3)]
    assert answers == [(200, {"status": "stored"}), *[(200, {"status": "duplicate"})] * 2]
    assert len(door.queue.kept) == 1


@pytest.mark.parametrize("name", ["agent_private", "bot_private_note", "user_echo", "system_welcome", "unknown_action"])
async def test_what_is_not_carried_is_acknowledged_and_not_kept(door, name):
    assert await door.post((FIXTURES / f"{name}.json").read_bytes()) == (200, {"status": "ignored"})
    assert door.queue.kept == {}


async def test_an_authentic_body_that_is_not_understood_is_kept_for_a_replay(door):
    body = b'{"action":"message_create","data":{"message":{"id":5}}}'
    assert await door.post(body) == (200, {"status": "stored"})
    assert await door.post(body) == (200, {"status": "duplicate"})
    assert await door.post(body + b" ") == (200, {"status": "stored"})
    assert {e.kind for e in door.queue.kept.values()} == {"unknown"}
    for envelope in door.queue.kept.values():
        ids.parse_freshchat_key(envelope.message_id.removeprefix("t1|"))


NOT_JSON = [b"", b"{", b"[1]", b"null", b'{"a":1,"a":2}', b"\xff\xfe", b'{"a":' * 100_000, b"[" * 900_000]


@pytest.mark.parametrize("body", NOT_JSON)
async def test_an_authentic_body_that_is_not_json_is_a_bad_request(door, body):
    assert (await door.post(body))[0] == 400
    assert door.queue.kept == {}


BAD_SIGNATURES = ["AAAA", "not base64!", "c2lnbmVk" * 43, " "]


@pytest.mark.parametrize("signature", BAD_SIGNATURES)
async def test_a_body_that_is_not_ours_is_refused_before_it_is_parsed(door, signature):
    for body in (MESSAGE, b"{", "안".encode()):
        assert await door.post(body, signature=signature) == (401, {"error": "not authentic"})
    assert door.queue.kept == {}
    fields = next(r for r in reversed(door.logs()) if r["action"] == "webhook_not_authentic")
    assert fields["length"] == 3 and fields["ascii"] is False


async def test_a_missing_signature_is_refused(door):
    async with door.client.post("/freshchat/webhook", json=json.loads(MESSAGE)) as response:
        assert response.status == 401
    assert door.queue.kept == {}


async def test_both_live_keys_are_accepted_and_a_retired_one_is_not(door):
    answers = [(await door.post(secret=secret))[0] for secret in ("old", "new", "older")]
    assert answers == [200, 200, 401]
    keys = Verifier("hmac", ["old", "new"]).key_ids
    assert [door.counter("bridge_webhook_key_total", tenant="t1", key=key) for key in keys] == [1, 1]


PATHS = {
    "/freshchat/webhook/t1/tok%2F1": 200,
    "/freshchat/webhook/t1/new%2F2": 200,
    "/freshchat/webhook/t1/new%2F2;tok%2F1": 401,
    "/freshchat/webhook/t1/tok": 401,
    "/freshchat/webhook/t1/%ff": 401,
    "/freshchat/webhook/t1/토큰": 401,
    "/freshchat/webhook/t2/tok%2F1": 401,
    "/freshchat/webhook/t9/tok%2F1": 403,
    "/freshchat/webhook/t1": 404,
    "/freshchat/webhook/t1/": 404,
    "/freshchat/webhook//tok%2F1": 404,
}


@pytest.mark.parametrize(("path", "status"), PATHS.items())
async def test_the_path_token_is_a_second_factor(door, path, status):
    async with door.client.post(
        path,
        data=MESSAGE,
        headers={
            "Content-Type": "application/json",
            "X-Freshchat-Signature": base64.b64encode(hmac.digest(b"new", MESSAGE, "sha256")).decode(),
        },
    ) as response:
        assert response.status == status
    assert len(door.queue.kept) == (status == 200)


async def test_while_the_path_token_changes_both_are_taken_and_counted(door):
    """By its place only; what is not authentic does not count."""
    for path in ("tok%2F1", "new%2F2", "tok%2F1"):
        assert (await door.post(path=f"/freshchat/webhook/t1/{path}"))[0] == 200
    assert (await door.post(path="/freshchat/webhook/t1/tok%2F1", signature="AAAA"))[0] == 401
    counts = [door.counter("bridge_webhook_token_total", tenant="t1", index=index) for index in "012"]
    assert counts == [1, 2, 0]


async def test_a_wrong_token_and_a_wrong_signature_look_alike(door):
    wrong_token = await door.post(path="/freshchat/webhook/t1/x")
    assert wrong_token == await door.post(path="/freshchat/webhook/t1/tok%2F1", signature="AAAA")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_not_allowed(door, method):
    async with door.client.request(method, "/freshchat/webhook") as response:
        assert response.status == 405


TYPES = {
    "application/json": 200,
    "application/json; charset=utf-8": 200,
    'Application/JSON;charset="UTF-8"': 200,
    "application/json; charset=utf-16": 415,
    "application/json; charset=euc-kr": 415,
    "text/plain": 415,
    "text/json": 415,
    "application/x-www-form-urlencoded": 415,
    "application/jsonp": 415,
    "": 415,
}


@pytest.mark.parametrize(("content_type", "status"), TYPES.items())
async def test_only_json_in_utf8_is_taken(door, content_type, status):
    assert (await door.post(Content_Type=content_type))[0] == status


@pytest.mark.parametrize("fault", [StoreFull("disk"), Unavailable("x", code="c", component="queue")])
async def test_what_cannot_be_stored_is_not_acknowledged(door, fault):
    door.queue.fault = fault
    assert await door.post() == (503, {"error": "cannot store now"})
    door.queue.fault = None
    assert await door.post() == (200, {"status": "stored"})


async def test_a_refusal_for_lack_of_room_says_when_to_come_back(door):
    door.queue.fault = StoreFull("disk")
    async with door.client.post(
        "/freshchat/webhook",
        data=MESSAGE,
        headers={
            "Content-Type": "application/json",
            "X-Freshchat-Signature": base64.b64encode(hmac.digest(b"new", MESSAGE, "sha256")).decode(),
        },
    ) as response:
        assert response.headers["Retry-After"] == "5"


def padded(size):
    body = json.loads(MESSAGE)
    body["padding"] = ""
    body["padding"] = "x" * (size - len(json.dumps(body)))
    return json.dumps(body).encode()


async def test_the_size_limit_is_exact(door):
    assert (await door.post(padded(MAX_BODY)))[0] == 200
    assert (await door.post(padded(MAX_BODY + 1)))[0] == 413
    assert len(door.queue.kept) == 1


async def raw_exchange(door, *sent, pause=0.0):
    """Send bytes as they are and return the status line's number (0: closed without an answer)."""
    reader, writer = await asyncio.open_connection(door.client.host, door.client.port)
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        line = await asyncio.wait_for(reader.readline(), 5)
        return int(line.split()[1]) if line else 0
    finally:
        writer.transport.abort()  # whatever was not taken is not waited for


HEAD = b"POST /freshchat/webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def test_a_body_in_chunks_is_bounded_too(door):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    status = await raw_exchange(door, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk * 17)
    assert status == 413


async def test_a_claimed_length_is_refused_before_the_body_is_read(door):
    assert await raw_exchange(door, HEAD + b"Content-Length: 99999999999\r\n\r\n") == 413


BROKEN = [
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    HEAD + b"Content-Length: -5\r\n\r\nhello",
    HEAD + b"Content-Length: many\r\n\r\nhello",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", BROKEN)
async def test_a_broken_request_is_a_bad_request(door, request_bytes):
    assert await raw_exchange(door, request_bytes) == 400


async def test_a_compressed_bomb_is_bounded(door):
    bomb = gzip.compress(b"x" * (MAX_BODY * 50))
    status = await raw_exchange(door, HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
    assert status == 413


async def test_a_body_that_never_comes_ends(door, monkeypatch):
    monkeypatch.setattr("adapters.freshchat.webhook.READ_SECONDS", 0.05)
    assert await raw_exchange(door, HEAD + b"Content-Length: 5\r\n\r\nhe") == 408


async def test_a_caller_that_hangs_up_leaves_nothing_behind(door):
    _, writer = await asyncio.open_connection(door.client.host, door.client.port)
    writer.write(HEAD + b"Content-Length: 500\r\n\r\nhe")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    assert door.queue.kept == {}
    assert (await door.post())[0] == 200
