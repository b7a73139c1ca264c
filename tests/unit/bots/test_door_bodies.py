"""What the Teams door takes in, and what it refuses: always a 4xx, or 503 when storing is impossible."""

from __future__ import annotations

import asyncio
import gzip
import json
from urllib.parse import urlsplit

import pytest

from bridge.errors import StoreFull, Unavailable

OTHER = "00000000-1111-4222-8333-444444444444"
TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
NAMED = {"tenant": {"id": TENANT}}
MB = 1024 * 1024

NOT_TAKEN = {
    "empty": (b"", 400),
    "blank": (b"   ", 400),
    "truncated": (b'{"type": "message", "id": "1', 400),
    "two objects": (b"{}{}", 400),
    "a list": (b"[]", 400),
    "a text": (b'"message"', 400),
    "null": (b"null", 400),
    "a number": (b"7", 400),
    "a number beyond all measure": (b'{"id": ' + b"9" * 10_000 + b"}", 400),
    "binary": (bytes(range(256)) * 8, 400),
    "invalid UTF-8": (b'{"type": "message\xff\xfe"}', 400),
    "UTF-16": ('{"type": "message"}'.encode("utf-16"), 400),
    "nested without end": (b"[" * 100_000, 400),
    "objects without end": (b'{"a":' * 100_000, 400),
    "nested and closed": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "an empty object": (b"{}", 400),
    "10 MB": (b'{"a": "' + b"x" * (10 * MB) + b'"}', 413),
    "one byte too many": (b" " * (MB + 1), 413),
}
"""Body, status."""


async def _refused(door, answer, status):
    assert answer[0] == status, answer
    assert json.loads(answer[1]).keys() == {"error"}
    assert await door.waiting() == 0


@pytest.mark.parametrize("name", NOT_TAKEN)
async def test_what_is_no_activity_is_refused(name, door, bearer):
    """Whatever the bytes are, an authentic caller gets a 4xx, and nothing is stored."""
    body, status = NOT_TAKEN[name]
    await _refused(door, await door.post(body, bearer), status)


@pytest.mark.parametrize("name", ["10 MB", "one byte too many", "truncated", "binary"])
async def test_a_body_without_a_length_is_bounded_too(name, door, bearer):
    """Chunked transfer names no length; reading stops at the limit."""
    body, status = NOT_TAKEN[name]

    async def chunks():
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    await _refused(door, await door.post(chunks(), bearer), status)


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "text/json", "application/xml", "multipart/form-data", "json"]
)
async def test_what_is_not_called_json_is_415(kind, door, bearer, activity):
    """Also when it is JSON."""
    await _refused(door, await door.post(activity("personal"), bearer, **{"Content-Type": kind}), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y"])
async def test_a_content_type_may_have_parameters(kind, door, bearer, activity):
    """Teams sends a charset."""
    assert (await door.post(activity("personal"), bearer, **{"Content-Type": kind}))[0] == 200


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"not gzip"), ("deflate", b"\x00\xff" * 50), ("gzip", gzip.compress(b"x" * 100, mtime=0)[:-12])],
    ids=["no gzip", "no deflate", "cut off"],
)
async def test_a_broken_encoding_is_the_callers_fault(encoding, body, door, bearer):
    """A body that cannot be unpacked is a 4xx."""
    answer = await door.post(body, bearer, **{"Content-Encoding": encoding})
    assert 400 <= answer[0] < 500
    assert await door.waiting() == 0


async def test_a_small_body_that_unpacks_to_a_large_one_is_bounded(door, bearer):
    """Size is counted after unpacking."""
    bomb = gzip.compress(b'{"a": "' + b"x" * (50 * MB) + b'"}')
    assert len(bomb) < MB
    await _refused(door, await door.post(bomb, bearer, **{"Content-Encoding": "gzip"}), 413)


async def _raw(door, head, body):
    """Speak HTTP by hand and give the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(door.url).port)
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def test_broken_chunks_are_the_callers_fault(door, bearer):
    """A transfer that breaks its own rules is a 4xx."""
    head = (
        f"POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked"
    )
    assert 400 <= await _raw(door, head, b"ZZ\r\n{}\r\n0\r\n\r\n") < 500
    assert 400 <= await _raw(door, head, b"2\r\n{}\r\nZZ\r\n\r\n") < 500
    assert await door.waiting() == 0


async def test_a_caller_who_hangs_up_leaves_nothing_behind(door, bearer, activity):
    """Half a body is not a message, and the door goes on."""
    head = (
        f"POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(door.url).port)
    writer.write(head.encode() + b'{"type"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await door.post(activity("personal"), bearer))[0] == 200
    assert await door.waiting() == 1


CHANGED = {
    "no channelId": ({"channelId": None}, 400),
    "channelId of another channel": ({"channelId": "webchat"}, 400),
    "channelId a list": ({"channelId": ["msteams"]}, 400),
    "no serviceUrl": ({"serviceUrl": None}, 400),
    "empty serviceUrl": ({"serviceUrl": ""}, 400),
    "serviceUrl an object": ({"serviceUrl": {}}, 400),
    "serviceUrl of another region": ({"serviceUrl": "https://smba.trafficmanager.net/amer/"}, 401),
    "no type": ({"type": None}, 400),
    "type a number": ({"type": 7}, 400),
    "name an object": ({"name": {}}, 400),
    "locale a list": ({"locale": []}, 400),
    "no id": ({"id": None}, 400),
    "id a number": ({"id": 1767312100009}, 400),
    "no sender": ({"from": None}, 400),
    "sender a text": ({"from": "29:x"}, 400),
    "no conversation": ({"conversation": None, "channelData": NAMED}, 400),
    "conversation a list": ({"conversation": [], "channelData": NAMED}, 400),
    "unknown kind of conversation": (
        {"conversation": {"id": "a:1", "conversationType": "lobby", "tenantId": TENANT}},
        400,
    ),
    "no tenant": ({"channelData": None, "conversation": {"id": "a:1", "conversationType": "personal"}}, 403),
    "another tenant": (
        {"channelData": {"tenant": {"id": OTHER}}, "conversation": {"id": "a:1", "conversationType": "personal"}},
        403,
    ),
    "tenants that disagree": ({"channelData": {"tenant": {"id": OTHER}}}, 403),
    "tenant a list": (
        {"channelData": {"tenant": {"id": [OTHER]}}, "conversation": {"id": "a:1", "tenantId": OTHER}},
        403,
    ),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_an_activity_that_lacks_or_bends_a_field_is_refused(name, door, bearer, activity):
    """What the SDK would skip or trip over is checked first; what is not ours is 403."""
    changes, status = CHANGED[name]
    raw = {k: v for k, v in activity("personal", **changes).items() if v is not None}
    await _refused(door, await door.post(raw, bearer), status)


@pytest.mark.parametrize("field", ["id", "type", "serviceUrl", "from", "conversation", "channelData", "channelId"])
@pytest.mark.parametrize("value", [0, True, [], {}, "", [None], {"id": {}}, {"id": None}], ids=repr)
async def test_a_field_of_another_type_never_breaks_the_door(field, value, door, bearer, activity):
    """A 4xx each, or stored where another field says the same; never a 500."""
    status, _, _ = await door.post(activity("channel_root", **{field: value}), bearer)
    assert status == 200 if field == "channelData" else 400 <= status < 500
    assert await door.waiting() == (1 if status == 200 else 0)


async def test_a_service_url_off_the_allowlist_is_refused(door, tokens, activity):
    """Even if the token was issued for it: answers and credentials would go there."""
    evil = "https://smba.trafficmanager.net.evil.example/emea/"
    answer = await door.post(activity("personal", serviceUrl=evil), f"Bearer {tokens.make({'serviceurl': evil})}")
    await _refused(door, answer, 403)


SURROGATES = [rb"\ud83d", rb"\uDE00", b"\xed\xa0\x80"]


@pytest.mark.parametrize("half", SURROGATES)
@pytest.mark.parametrize("field", ["id", "text", "serviceUrl", "type", "channelId"])
async def test_half_an_emoji_never_breaks_the_door(field, half, door, bearer, activity):
    """JSON can spell it, UTF-8 cannot hold it: stored readably, or refused, or of no known type."""
    body = json.dumps(activity("personal", **{field: "HALF"})).encode().replace(b"HALF", b"x" + half)
    status, _, _ = await door.post(body, bearer)
    assert status in (200, 400, 401)
    assert await door.waiting() == (1 if status == 200 and field != "type" else 0)


async def test_half_an_emoji_deep_inside_is_no_server_error(door, bearer, activity):
    """Depth and half pairs together: each is harmless alone."""
    deep = b"[" * 480 + b'"\\ud800"' + b"]" * 480
    body = json.dumps(activity("personal", value="DEEP")).encode().replace(b'"DEEP"', deep)
    assert (await door.post(body, bearer))[0] in (200, 400)


@pytest.mark.parametrize("error", [StoreFull("disk"), Unavailable("away", code="store", component="queue")])
async def test_when_nothing_can_be_stored_the_sender_comes_back(error, door, bearer, activity, monkeypatch):
    """503 with Retry-After, and the retry is taken as new."""

    async def put(_envelope):
        raise error

    with monkeypatch.context() as full:
        full.setattr(door.queue, "put", put)
        status, _, headers = await door.post(activity("personal"), bearer)
        assert (status, headers["Retry-After"]) == (503, "5")
    assert await door.waiting() == 0
    assert (await door.post(activity("personal"), bearer))[0] == 200
    assert await door.waiting() == 1
