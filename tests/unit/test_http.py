"""Tokens go to listed hosts only, and a failed call says whether it may have been done."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from adapters import http
from adapters.http import HostRule
from bridge.errors import Misconfigured, Unavailable

RULE = HostRule(["freshchat.com", ".myfreshworks.com", "*.Example.org", "127.0.0.1", "::1", "localhost"])
LOOPBACK = HostRule(["freshchat.com", "127.0.0.1", "[::1]", "localhost"], allow_loopback_http=True)

ALLOWED = [
    "https://freshchat.com",
    "https://acme-1.freshchat.com/v2",
    "https://ACME.FRESHCHAT.COM:443/v2?x=1#y",
    "https://a.b.myfreshworks.com/",
    "https://api.example.org/",
    "https://acme.freshchat.com/with@sign",
    "https://127.0.0.1:8443/",
]
REFUSED = [
    "http://acme.freshchat.com/",
    "https://evil-freshchat.com/",
    "https://freshchat.com.evil.com/",
    "https://freshchat.co/",
    "https://com/",
    "https://acme.freshchat.com./",
    "https://.freshchat.com/",
    "https://acme.freshchat.com:8443/",
    "https://acme.freshchat.com:80/",
    "https://acme.freshchat.com:99999/",
    "https://acme.freshchat.com:port/",
    "https://freshchat.com@evil.com/",
    "https://evil.com@freshchat.com/",
    "https://@freshchat.com/",
    "https://user:secret@freshchat.com/",
    "https://evil.com:443@freshchat.com:443/",
    "https://evil.com\\@freshchat.com/",
    "https://evil.com\\.freshchat.com/",
    "https://evil.com/.freshchat.com",
    "https://evil.com#.freshchat.com",
    "https://evil.com?.freshchat.com",
    "https://evil.com%2f.freshchat.com/",
    "https://evil.com%00.freshchat.com/",
    "https://acme.freshchat.com\n.evil.com/",
    " https://acme.freshchat.com/",
    "https://acme.freshchat.com/ x",
    "https:///freshchat.com",
    "https:freshchat.com",
    "//freshchat.com/",
    "/v2",
    "",
    "ftp://freshchat.com/",
    "file:///freshchat.com",
    "javascript://freshchat.com/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::1%25lo]/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/",
    "http://127.0.0.1/",
    "http://localhost/",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_a_listed_host_may_be_called(url):
    assert RULE.check(url).scheme == "https"


@pytest.mark.parametrize("url", REFUSED)
def test_no_token_goes_anywhere_else(url):
    with pytest.raises(ValueError, match=r".") as caught:
        RULE.check(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4100/v2", "http://localhost:1/", "http://[::1]:9/", "https://[::1]/"]
)
def test_plain_http_is_for_loopback_only(url):
    assert str(LOOPBACK.check(url)) == url
    with pytest.raises(ValueError, match=r"."):
        HostRule(["freshchat.com"], allow_loopback_http=True).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://freshchat.com/",
        "http://127.0.0.2/",
        "http://127.0.0.1.freshchat.com/",
        "http://localhost.freshchat.com/",
    ],
)
def test_loopback_means_the_listed_address_itself(url):
    with pytest.raises(ValueError, match=r"."):
        LOOPBACK.check(url)


@pytest.mark.parametrize("suffixes", [[], [""], [" ", "."], ["*"]])
def test_a_rule_that_allows_everything_cannot_be_made(suffixes):
    with pytest.raises(Misconfigured):
        HostRule(suffixes)


@pytest.mark.parametrize("url", ["https://login.example.com/x/token", "http://127.0.0.1:4100/token", "http://[::1]/"])
def test_a_configured_endpoint_is_its_own_allowlist(url):
    assert str(http.endpoint(url)) == url


@pytest.mark.parametrize(
    "url", ["", "token", "http://login.example.com/", "https://a@b.com/", "ftp://x.com", "http://"]
)
def test_a_configured_endpoint_without_tls_stops_the_start(url):
    with pytest.raises(Misconfigured):
        http.endpoint(url)


NOW = 1_767_600_000.0
WAITS = {
    "7": 7.0,
    " 1.5 ": 1.5,
    "0": 0.0,
    "-4": 0.0,
    formatdate(NOW + 90, usegmt=True): 90.0,
    formatdate(NOW - 90, usegmt=True): 0.0,
    "999999999": 3600.0,
    "inf": 3600.0,
    "nan": None,
    "soon": None,
    "": None,
}


@pytest.mark.parametrize(("value", "seconds"), WAITS.items())
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert http.retry_after({"Retry-After": value}, NOW) == seconds


def test_no_retry_after_is_no_wait():
    assert http.retry_after({}, NOW) is None


@pytest.fixture
async def session():
    async with http.session() as session:
        yield session


@pytest.fixture
async def server():
    seen = []

    async def handle(request):
        seen.append((request.method, request.raw_path, await request.read()))
        match request.query_string:
            case "moved":
                return web.Response(status=302, headers={"Location": "/elsewhere"})
            case "hang":
                await asyncio.sleep(5)
            case "drop":
                request.transport.close()
            case "long":
                return web.Response(body=b"x" * (http.MAX_ANSWER + 1))
            case "html":
                return web.Response(text="<html>", content_type="text/html")
            case "deep":
                return web.Response(text="[" * 200_000)
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(app) as server:
        server.seen = seen
        yield server


async def test_a_call_is_answered_whole_and_its_path_goes_out_as_given(session, server):
    url = URL(f"{server.make_url('/')}a%3Bb%2Fc", encoded=True)
    answer = await http.call(session, "POST", url, component="x", send={"text": "안 \ud800"})
    assert answer.ok and answer.json() == {"ok": True}
    assert server.seen == [("POST", "/a%3Bb%2Fc", '{"text":"안 ?"}'.encode())]


async def test_a_redirect_is_an_answer_and_not_followed(session, server):
    answer = await http.call(session, "GET", server.make_url("/?moved"), component="x")
    assert (answer.status, answer.ok, len(server.seen)) == (302, False, 1)


async def test_a_body_that_is_not_json_is_told(session, server):
    for query in ("html", "deep"):
        answer = await http.call(session, "GET", server.make_url(f"/?{query}"), component="x")
        assert answer.object() == {}
        with pytest.raises(ValueError, match=r"."):
            answer.json()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LOST = [
    # method, query, may it have been done
    ("POST", "drop", True),
    ("POST", "hang", True),
    ("POST", "long", True),
    ("GET", "long", False),
    ("GET", "drop", False),
    ("GET", "hang", False),
]


@pytest.mark.parametrize(("method", "query", "maybe"), LOST)
async def test_a_call_that_got_no_answer_may_have_been_done_if_it_changes_something(
    session, server, method, query, maybe
):
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await http.call(session, method, server.make_url(f"/?{query}"), component="x", send={}, timeout=0.3)
    assert caught.value.maybe_done is maybe
    assert time.monotonic() - started < 3


async def test_what_was_never_connected_was_never_done(session):
    for url in (f"http://127.0.0.1:{free_port()}/", "http://no-such-host.invalid/"):
        with pytest.raises(Unavailable) as caught:
            await http.call(session, "POST", URL(url), component="x", send={}, timeout=5)
        assert caught.value.maybe_done is False
        assert caught.value.code == "x_unreachable"
        assert url not in str(caught.value)


async def test_waiting_for_a_free_connection_was_never_done(server):
    async with http.session(per_host=1) as session:
        first = asyncio.create_task(http.call(session, "GET", server.make_url("/?hang"), component="x", timeout=1))
        await asyncio.sleep(0.05)
        narrow = aiohttp.ClientTimeout(total=5, connect=0.05)
        with pytest.raises(aiohttp.ConnectionTimeoutError) as caught:
            await session.post(server.make_url("/"), timeout=narrow)
        assert http.unavailable(caught.value, component="x", effect=True).maybe_done is False
        with pytest.raises(Unavailable):
            await first
