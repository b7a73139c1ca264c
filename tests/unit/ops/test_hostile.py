"""Whatever is sent, by whomever, the page answers in its own words and calls none of it a bug."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.ops.conftest import TOKEN

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
JSON = b"Content-Type: application/json\r\n"
REQUESTS = {
    "cookie bytes": (b"GET /ops", b"Cookie: ops-session=\xff\xfe; ops-sign-in=\xff; ops-lang=\xed\xa0\x80\r\n", b""),
    "sealed bytes": (
        b"GET /ops/callback?state=%ff%ed%a0%80&code=%00",
        b"Cookie: ops-sign-in=\xff\xed\xa0\x80\r\n",
        b"",
    ),
    "language bytes": (b"GET /ops/login?lang=%ff", b"Accept-Language: \xff;q=9,,;;=,ko;q=x\r\n", b""),
    "form bytes": (b"POST /ops/login", FORM, b"token=%ff%ed%a0%80&token\xff"),
    "an odd charset": (b"POST /ops/login", FORM.replace(b"\r\n", b"; charset=bogus\r\n"), b"token=x"),
    "no form": (b"POST /ops/login", JSON, b"[]"),
    "an origin in bytes": (b"POST /ops/login", b"Origin: \xff\r\n" + FORM, b"token=x"),
    "a csrf token in bytes": (b"POST /ops/letters/replay", b"X-CSRF-Token: \xff\r\n" + JSON, b"{}"),
    "a letter that is none": (b"GET /ops/letters/%00%ff%2f..", b"", b""),
    "a filter that is none": (b"GET /ops/letters?direction=%ff&after=%00&tenant=%ff", b"", b""),
    "a reference that is none": (b"GET /ops/trace?ref=%ff%00-7F3A09BC", b"", b""),
}


async def sent(url, start, headers, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    named = b"" if b"Origin" in headers else b"Origin: " + url.encode() + b"\r\n"
    length = b"Content-Length: %d\r\nConnection: close\r\nHost: x\r\n\r\n" % len(body)
    writer.write(start + b" HTTP/1.1\r\n" + named + headers + length + body)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize("ops", ["token", "entra"])
async def test_hostile_bytes_are_refused(rig, request_, inside, ops, caplog):
    more = {"OPS_ALLOWED": "x", "OPS_AUTHORITY": "http://127.0.0.1:9/v2.0"} if ops == "entra" else {}
    async with rig(BRIDGE_OPS=ops, **more) as page:
        start, headers, body = request_
        if inside and ops == "token":
            cookie = (await page.inside()).cookies()["ops-session"].encode()
            headers += b"Cookie: ops-session=" + cookie + b"\r\n"
        assert await sent(page.url, start, headers, body) < 500
        assert not caplog.records


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 8000,
        b'{"ids": ["\\ud800"]}',
        b'{"filters": {"code": 1e999}, "count": 1}',
    ],
)
async def test_hostile_replays_are_refused(rig, letters, body):
    async with rig() as page:
        await letters(page, 1)
        browser = await page.inside()
        headers = {"Origin": page.url, "X-CSRF-Token": browser.csrf, "Content-Type": "application/json"}
        async with browser.session.post(f"{page.url}/ops/letters/replay", data=body, headers=headers) as answer:
            assert answer.status in (200, 400), TOKEN
