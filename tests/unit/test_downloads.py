"""Downloads from addresses that others name: nothing leaves the allowlist, and nothing is unbounded."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from adapters.downloads import Downloads, OutsideOnly, download_session
from adapters.http import HostRule
from bridge.errors import BridgeError, Rejected, Throttled, Unavailable

MB = 1024 * 1024
TOKEN = {"Authorization": "Bearer planted"}


class Names(AbstractResolver):
    """A name server that knows one address, whatever is asked."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None: ...


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with download_session() as made:
        yield made


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(**paths: Answer) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.add_routes(web.get(f"/{path}", answer) for path, answer in paths.items())
    async with TestServer(app, host="127.0.0.1") as server:
        yield server


def downloads(session: aiohttp.ClientSession, *hosts: str, seconds: float = 30) -> Downloads:
    return Downloads(session, HostRule(hosts or ["127.0.0.1"], allow_loopback_http=True), seconds=seconds)


async def read(source: Downloads, url: object, max_bytes: int = MB) -> bytes:
    async with aclosing(source.read(str(url), max_bytes, TOKEN)) as stream:
        return b"".join([piece async for piece in stream])


async def test_a_file_is_read(session: aiohttp.ClientSession) -> None:
    """With the token, and of exactly the longest length."""
    seen = []

    async def file(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(body=b"x" * MB)

    async with serving(file=file) as server:
        assert await read(downloads(session), server.make_url("/file")) == b"x" * MB
    assert seen == ["Bearer planted"]


@pytest.mark.parametrize("length_is_told", [True, False])
async def test_a_file_that_is_too_long(session: aiohttp.ClientSession, length_is_told: bool) -> None:
    """It is not read to its end, whether its length is told or not."""
    written = 0

    async def file(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        if length_is_told:
            response.content_length = 200 * MB
        await response.prepare(request)
        for _ in range(200):
            await response.write(bytes(MB))
            written += 1
        return response

    async with serving(file=file) as server:
        with pytest.raises(Rejected) as error:
            await read(downloads(session), server.make_url("/file"), 2 * MB)
    assert error.value.code == "file_too_large"
    assert written < 100


async def test_memory_is_bounded(session: aiohttp.ClientSession) -> None:
    """However long the file is, and however slowly it is taken."""

    async def file(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        piece = bytes(64 * 1024)
        for _ in range(1000):
            await response.write(piece)
        return response

    async with serving(file=file) as server:
        tracemalloc.start()
        try:
            async with aclosing(downloads(session).read(str(server.make_url("/file")), 100 * MB)) as stream:
                async for _ in stream:
                    await asyncio.sleep(0)
            assert tracemalloc.get_traced_memory()[1] < 4 * MB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "http://127.0.0.1@evil.example/",
        "http://169.254.169.254/metadata/identity",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "https://evil.example/",
        "https://127.0.0.1.evil.example/",
        "http://fenn.sharepoint.com/",
        "https://fenn.sharepoint.com:8443/",
        "https://sharepoint.com.evil.example/",
        "https://evil-sharepoint.com/",
        "https://fenn.sharepoint.com\\@evil.example/",
    ],
)
async def test_what_is_not_allowed_is_not_asked(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(Rejected) as error:
        await read(downloads(session, "sharepoint.com", "127.0.0.1"), url)
    assert error.value.code == "file_bad_address"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "224.0.0.1",
    ],
)
async def test_a_name_that_leads_inside_is_not_asked(address: str) -> None:
    """An allowed name may be made to point anywhere."""
    async with download_session(Names(address)) as session:
        with pytest.raises(Unavailable) as error:
            await read(downloads(session, "sharepoint.com"), "https://fenn.sharepoint.com/file")
    assert error.value.code == "download_unreachable"
    assert "DNS" in str(error.value)
    with pytest.raises(OSError, match="inside"):
        await OutsideOnly(Names(address)).resolve("fenn.sharepoint.com")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
async def test_a_name_that_leads_outside_is_found(address: str) -> None:
    (found,) = await OutsideOnly(Names(address)).resolve("fenn.sharepoint.com", 443)
    assert (found["host"], found["port"]) == (address, 443)


async def test_a_redirect_is_followed_without_the_token(session: aiohttp.ClientSession) -> None:
    """Absolute or relative, as long as it stays on allowed hosts."""
    seen = []

    async def first(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/second")

    async def second(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPTemporaryRedirect(str(request.url.with_path("/file")))

    async def file(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"here")

    async with serving(first=first, second=second, file=file) as server:
        assert await read(downloads(session), server.make_url("/first")) == b"here"
    assert seen == [None, None]


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/",
        "http://[::1]:80/",
        "//evil.example/file",
        "https://evil.example/",
        "file:///etc/passwd",
        "",
        "/again",
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(session: aiohttp.ClientSession, to: str) -> None:
    """Nor one that never ends."""
    asked = 0

    async def again(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=302, headers={"Location": to})

    async with serving(again=again) as server:
        with pytest.raises(Rejected) as error:
            await read(downloads(session), server.make_url("/again"))
    assert error.value.code == "file_bad_address"
    assert asked <= 4


async def test_a_file_that_drips_ends_in_time(session: aiohttp.ClientSession) -> None:
    """Each byte comes soon after the other, and none of the waits is long."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    async with serving(drip=drip) as server:
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable) as error:
                await read(downloads(session, seconds=0.5), server.make_url("/drip"))
    assert error.value.code == "download_timeout"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, Rejected, "file_gone"),
        (403, Rejected, "file_gone"),
        (404, Rejected, "file_gone"),
        (410, Rejected, "file_gone"),
        (400, Rejected, "file_refused"),
        (204, Rejected, "file_refused"),
        (206, Rejected, "file_refused"),
        (408, Unavailable, "download_408"),
        (500, Unavailable, "download_500"),
        (503, Unavailable, "download_503"),
    ],
)
async def test_statuses(session: aiohttp.ClientSession, status: int, error: type[BridgeError], code: str) -> None:
    """An address that has run out is for good; a server that has trouble is not."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(answer=answer) as server:
        with pytest.raises(error) as raised:
            await read(downloads(session), server.make_url("/answer"))
    assert raised.value.code == code


async def test_a_server_that_asks_to_wait(session: aiohttp.ClientSession) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "7"})

    async with serving(answer=answer) as server:
        with pytest.raises(Throttled) as raised:
            await read(downloads(session), server.make_url("/answer"))
    assert raised.value.after == 7


async def test_nothing_is_unpacked_on_the_way(session: aiohttp.ClientSession) -> None:
    """It was not asked for, and could grow without end."""

    async def packed(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(bytes(50 * MB)), headers={"Content-Encoding": "gzip"})

    async with serving(packed=packed) as server:
        with pytest.raises(Rejected) as raised:
            await read(downloads(session), server.make_url("/packed"))
    assert raised.value.code == "file_refused"


async def test_a_file_that_breaks_off_is_no_file(session: aiohttp.ClientSession) -> None:
    """Less came than was told: to be tried again."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 500)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(half=half) as server:
        with pytest.raises(Unavailable):
            await read(downloads(session), server.make_url("/half"))


NAMED = [
    ('attachment; filename="a b.pdf"', ["a b.pdf"]),
    ("inline; filename*=UTF-8''%ED%99%95%EC%9D%B8.png; filename=x.png", ["확인.png"]),
    ("attachment; filename=../../x.png", ["../../x.png"]),
    ("attachment", []),
    ("attachment; filename=", []),
    ("; filename*=what''%FF%", None),
]


@pytest.mark.parametrize(("disposition", "names"), NAMED)
async def test_the_server_may_name_a_file(
    session: aiohttp.ClientSession, disposition: str, names: list[str] | None
) -> None:
    """As it is: whoever uses it makes it safe. Whatever it says, the file is read."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Disposition": disposition})

    told: list[str] = []
    async with serving(file=answer) as server:
        stream = downloads(session).read(str(server.make_url("/file")), MB, None, told.append)
        assert [piece async for piece in stream] == [b"x"]
    assert names is None or told == names
