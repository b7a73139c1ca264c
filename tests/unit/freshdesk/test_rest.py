"""What Freshdesk answers means one of our errors; its key goes nowhere else; its lists have limits of their own."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.freshdesk.rest import FreshdeskSource, base_url, list_limit
from adapters.http import HostRule, session
from adapters.share import Share
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable

HOSTS = HostRule(["freshdesk.com", "127.0.0.1"], allow_loopback_http=True)


async def ask(answer: web.Response, seen: list[web.Request] | None = None, key: str = "k") -> Any:
    """Read once from a server that answers this."""

    async def handle(request: web.Request) -> web.Response:
        (seen if seen is not None else []).append(request)
        return answer

    async def api_key() -> str:
        return key

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    async with TestServer(app) as server, session() as http:
        base = base_url("", str(server.make_url("/")), HOSTS)
        return await FreshdeskSource(http, base, api_key, lambda: Share(1.0)).get("tickets", {"page": "1"})


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (400, {"description": "Validation failed"}, Rejected, "freshdesk_400"),
        (401, {"code": "invalid_credentials"}, Forbidden, "freshdesk_401"),
        (403, {"code": "access_denied"}, Forbidden, "freshdesk_403"),
        (403, {"code": "require_feature"}, Rejected, "freshdesk_feature"),
        (403, {"code": "password_lockout"}, Forbidden, "freshdesk_password_lockout"),
        (404, None, Rejected, "freshdesk_404"),
        (405, None, Rejected, "freshdesk_405"),
        (302, None, Forbidden, "freshdesk_wrong_host"),
        (503, None, Unavailable, "freshdesk_503"),
    ],
)
async def test_statuses(status: int, body: Any, error: type[BridgeError], code: str) -> None:
    with pytest.raises(error) as caught:
        await ask(web.json_response(body, status=status))
    assert caught.value.code == code


async def test_too_many_requests() -> None:
    with pytest.raises(Throttled) as caught:
        await ask(web.Response(status=429, headers={"Retry-After": "7"}))
    assert caught.value.after == 7


async def test_html_is_a_wrong_host() -> None:
    with pytest.raises(Forbidden):
        await ask(web.Response(text="<html>", content_type="text/html"))


async def test_the_key_is_the_user() -> None:
    """Basic authentication; the answer's numbers stay as they were, and the header tells of another page."""
    seen: list[web.Request] = []
    link = {"Link": '<https://elsewhere.example.com/api/v2/tickets?page=2>; rel="next"'}
    reply = await ask(web.Response(text='[{"id": 12345678901234567890}]', headers=link), seen, "secret")
    assert seen[0].headers["Authorization"] == "Basic " + base64.b64encode(b"secret:X").decode()
    assert seen[0].path == "/api/v2/tickets"
    assert (reply.value, reply.link_next) == ([{"id": 12345678901234567890}], True)


async def test_a_key_that_is_none() -> None:
    with pytest.raises(Forbidden) as caught:
        await ask(web.Response(text="[]"), key="")
    assert caught.value.code == "freshdesk_no_key"


@pytest.mark.parametrize(
    ("domain", "url", "base"),
    [
        ("acme", "", "https://acme.freshdesk.com/api/v2"),
        ("acme.freshdesk.com", "", "https://acme.freshdesk.com/api/v2"),
        ("acme", "http://127.0.0.1:9/", "http://127.0.0.1:9/api/v2"),
        ("", "https://acme.freshdesk.com/api/v2/", "https://acme.freshdesk.com/api/v2"),
    ],
)
def test_addresses(domain: str, url: str, base: str) -> None:
    assert str(base_url(domain, url, HOSTS)) == base


@pytest.mark.parametrize("domain", ["help.example.com", "acme.freshdesk.com.example.com", "http://acme.freshdesk.com"])
def test_the_key_goes_to_freshdesk_only(domain: str) -> None:
    with pytest.raises(Misconfigured):
        base_url(domain, "", HOSTS)


@pytest.mark.parametrize(("total", "own"), [(50, 50), (200, 20), (400, 100), (700, 200), (5000, 1000)])
def test_limits_of_lists(total: float, own: float) -> None:
    assert list_limit(total) == own
