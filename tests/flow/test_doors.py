"""The Teams door from outside, with every kind of wrong caller and wrong body; and what a platform asks."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, nothing_happens, running
from test_conversation import conversation_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1024 * 1024
DOORS = ["/api/messages", "/bot/callback"]
JSON = {"Content-Type": "application/json"}
ELSEWHERE = "11111111-2222-4333-8444-555555555555"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def quiet(stack: Stack) -> AsyncIterator[None]:
    """One real conversation first, so that a forged message would have somewhere to go."""
    question = word()
    await stack.say(question)
    await conversation_with(stack, question)
    await stack.settled()
    yield


def activity(stack: Stack, **changes: Any) -> dict[str, Any]:
    """Make a good message activity of a personal chat, with changes."""
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    return {
        "type": "message",
        "id": str(time.time_ns() // 1000),
        "timestamp": "2026-01-01T00:00:00.0000000Z",
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": {"conversationType": "personal", "tenantId": tenant, "id": ada["personal_chat"]},
        "recipient": {"id": stack.config["bot"]["id"]},
        "channelData": {"tenant": {"id": tenant}},
        "text": word(),
    } | changes


async def bearer(stack: Stack, **claims: Any) -> dict[str, str]:
    """Give the headers of a genuine caller."""
    token = (await stack.post("teams/token", **claims))["token"]
    return JSON | {"Authorization": f"Bearer {token}"}


NOW = time.time()
FORGED: dict[str, dict[str, Any]] = {
    "no expiry": {"omit": ["exp"]},
    "expired": {"exp": NOW - 900},
    "not yet valid": {"nbf": NOW + 7200},
    "another issuer": {"iss": "https://sts.windows.net/common/"},
    "a list of issuers": {"iss": ["https://api.botframework.com"]},
    "no issuer": {"omit": ["iss"]},
    "another app": {"aud": "00000000-0000-0000-0000-000000000000"},
    "no audience": {"omit": ["aud"]},
    "an audience among others": {"aud": ["00000000-0000-0000-0000-000000000000", "x"]},
    "another serviceUrl": {"serviceurl": "https://smba.trafficmanager.net/emea/"},
    "no serviceUrl": {"omit": ["serviceurl"]},
    "an unknown key id": {"kid": "nobody"},
    "an empty key id": {"kid": ""},
    "another key under a known id": {"key": "other"},
    "no signature": {"alg": "none"},
    "no signature, spelt otherwise": {"alg": "NONE"},
    "HMAC keyed with the public key": {"alg": "HS256"},
    "words": {"raw": "words"},
    "three dots": {"raw": "..."},
    "a long text": {"raw": "a." * 4000},
    "no token": {"raw": ""},
}


@pytest.mark.parametrize("wish", FORGED.values(), ids=FORGED.keys())
async def test_forged_token_is_401_and_stores_nothing(stack: Stack, wish: dict[str, Any]) -> None:
    """Whatever is wrong with the token, the same good activity is refused and leaves no trace."""
    async with nothing_happens(stack):
        answer = await stack.post("teams/activity", activity=activity(stack), token=wish, record=False)
        assert answer["status"] == 401, answer


async def test_header_beyond_all_measure_is_400_and_is_not_logged(stack: Stack) -> None:
    """The HTTP server refuses it before us; neither its beginning nor a stack trace is in the log."""
    async with nothing_happens(stack):
        headers = JSON | {"Authorization": f"Bearer {'secret-word.' * 5000}"}
        assert (await stack.raw("/api/messages", json.dumps(activity(stack)), headers))[0] == 400
    assert "secret-word" not in (stack.folder / "bridge.log").read_text(encoding="utf-8")
    assert [r for r in stack.log() if r.get("action") == "library"][-1]["level"] == "warning"


async def test_scheme_other_than_bearer_is_401(stack: Stack) -> None:
    """A genuine token is of no use under another scheme, or twice."""
    token = (await bearer(stack))["Authorization"].split()[1]
    async with nothing_happens(stack):
        for value in ("", token, f"Basic {token}", f"Bearer {token} {token}", f"Bearer{token}", "Bearer "):
            status, _, _ = await stack.raw(
                "/api/messages", json.dumps(activity(stack)), JSON | {"Authorization": value}
            )
            assert status == 401, value


async def test_good_activity_is_stored_at_both_addresses(stack: Stack) -> None:
    """The control of this table: the same activity with the usual token arrives, at either published address."""
    for door in DOORS:
        sent = activity(stack)
        status, _, _ = await stack.raw(door, json.dumps(sent), await bearer(stack))
        assert status == 200
        await conversation_with(stack, sent["text"])
    await stack.settled()


def _place(**changes: Any) -> dict[str, Any]:
    return {"conversationType": "personal", "id": "a:1", "tenantId": ELSEWHERE} | changes


FOREIGN: dict[str, dict[str, Any]] = {
    "another tenant": {"conversation": _place(), "channelData": {"tenant": {"id": ELSEWHERE}}},
    "two tenants": {"channelData": {"tenant": {"id": ELSEWHERE}}},
    "no tenant": {"conversation": _place(tenantId=None), "channelData": {}},
    "a serviceUrl elsewhere": {"serviceUrl": "https://smba.trafficmanager.net.evil.example/emea/"},
    "a plain http serviceUrl": {"serviceUrl": "http://smba.trafficmanager.net/emea/"},
    "a user in the serviceUrl": {"serviceUrl": "https://127.0.0.1@evil.example/"},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN.keys())
async def test_foreign_activity_is_403(stack: Stack, changes: dict[str, Any]) -> None:
    """A genuine token does not open the door for other tenants or for addresses where our token must not go."""
    async with nothing_happens(stack):
        sent = activity(stack, **changes)
        answer = await stack.post("teams/activity", activity=sent, record=False)
        assert answer["status"] == 403, answer


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "binary": bytes(range(256)) * 16,
    "half": b'{"type": "message", "id": "1", "te',
    "an array": b"[]",
    "a text": b'"message"',
    "null": b"null",
    "deep": b'{"a":' * 100_000,
    "deep and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "UTF-16": '{"type": "message"}'.encode("utf-16"),
    "an empty object": b"{}",
    "a number as type": b'{"type": 1, "channelId": "msteams"}',
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_body_is_400(stack: Stack, body: bytes, door: str) -> None:
    """A genuine caller with a body that is no activity."""
    async with nothing_happens(stack):
        status, _, text = await stack.raw(door, body, await bearer(stack))
        assert status == 400, text


LACKING: dict[str, dict[str, Any]] = {
    "no id": {"id": None},
    "no sender": {"from": None},
    "a text as sender": {"from": "Ada"},
    "no conversation": {"conversation": {"tenantId": None}},
    "an unknown scope": {"conversation": {"conversationType": "galaxy", "id": "a:1"}},
    "another channel": {"channelId": "emulator"},
    "no channel": {"channelId": None},
    "a number as id": {"id": 7},
}


@pytest.mark.parametrize("changes", LACKING.values(), ids=LACKING.keys())
async def test_activity_without_what_every_activity_has_is_400(stack: Stack, changes: dict[str, Any]) -> None:
    """Each field that keys are made of is missing once, or is of another type."""
    async with nothing_happens(stack):
        answer = await stack.post("teams/activity", activity=activity(stack, **changes), record=False)
        assert answer["status"] == 400, answer


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_other_content_type_is_415(stack: Stack, kind: str) -> None:
    """Only JSON is read."""
    async with nothing_happens(stack):
        headers = await bearer(stack) | {"Content-Type": kind}
        assert (await stack.raw("/api/messages", json.dumps(activity(stack)), headers))[0] == 415


async def test_broken_compression_is_400(stack: Stack) -> None:
    """A body that claims to be compressed and is not."""
    async with nothing_happens(stack):
        headers = await bearer(stack) | {"Content-Encoding": "gzip"}
        assert (await stack.raw("/api/messages", b"not gzip at all", headers))[0] == 400


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("length", ["told", "untold"])
async def test_ten_megabytes_are_413(stack: Stack, length: str) -> None:
    """Too much is refused whether its length is told or not, and the next request is served."""
    async with nothing_happens(stack):
        body = io.BytesIO(b"x" * (10 * MEGABYTE)) if length == "told" else _pieces(10 * MEGABYTE)
        assert (await stack.raw("/api/messages", body, await bearer(stack)))[0] == 413
    sent = activity(stack)
    assert (await stack.raw("/api/messages", json.dumps(sent), await bearer(stack)))[0] == 200
    await stack.settled()


async def test_unsigned_giant_is_refused_by_its_token_first(stack: Stack) -> None:
    """Nobody without a token makes the bridge read ten megabytes."""
    async with nothing_happens(stack):
        assert (await stack.raw("/api/messages", io.BytesIO(b"x" * (10 * MEGABYTE)), JSON))[0] == 401


# --- what a platform asks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*DOORS, "/freshchat/webhook", "/freshchat/webhook/a/b"])
async def test_other_methods_are_405(stack: Stack, path: str) -> None:
    """The doors take POST and say so."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        status, headers, _ = await stack.raw(path, None, {}, method)
        assert (status, headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/debug", "/api", "/api/messages/", "/.env", "/freshchat/webhook/x", "/%2e%2e/"])
async def test_unknown_addresses_are_404(stack: Stack, path: str) -> None:
    """Nothing else is there, and the answer tells nothing about the inside."""
    status, _, text = await stack.raw(path, None, {}, "GET")
    assert status == 404
    assert "Traceback" not in text
    assert "app.py" not in text


async def test_platform_routes_have_their_shapes(stack: Stack) -> None:
    """Liveness, readiness and counters, as a platform and a dashboard read them."""
    assert json.loads((await stack.raw("/healthz", None, {}, "GET"))[2]) == {"status": "alive"}
    status, _, text = await stack.raw("/readyz", None, {}, "GET")
    assert (status, json.loads(text)) == (200, {"status": "ready", "problems": {}, "held": {}})
    _, headers, text = await stack.raw("/metrics", None, {}, "GET")
    assert headers["Content-Type"].startswith("text/plain")
    for name in ("accepted_total", "refused_total", "deliveries_total", "queue_waiting", "queue_dead", "held"):
        assert f"# HELP bridge_{name} " in text
    assert 'bridge_refused_total{direction="to-freshchat",status="401"}' in text


# --- keys -----------------------------------------------------------------------------------------------------------


async def test_keys_away_at_start_are_503_until_they_are_back(tmp_path: Path) -> None:
    """Nobody can be checked: Teams is told to come back, and does so with success once the keys can be read."""
    async with running(tmp_path, bridge=False, TEAMS_REPLY_VIA="bot") as stack:
        await stack.fault("keys", "status", status=503, times=None)
        await stack.start_bridge()
        text = word()
        async with nothing_happens(stack):
            status, headers, _ = await stack.raw("/api/messages", json.dumps(activity(stack)), await bearer(stack))
            assert (status, headers["Retry-After"].isdigit()) == (503, True)
        await stack.clear_faults()
        sent = activity(stack, text=text)

        async def accepted() -> bool:
            status, _, _ = await stack.raw("/api/messages", json.dumps(sent), await bearer(stack))
            await asyncio.sleep(0.2)
            return status == 200

        await stack.until(accepted)
        await conversation_with(stack, text)
