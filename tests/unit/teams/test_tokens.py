"""One token request for many sends, renewed in time, and never a secret in an error."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from adapters.teams.tokens import ClientCredentials
from bridge.errors import BridgeError, Forbidden, Misconfigured, Throttled, Unavailable
from tests.unit.freshchat.upstream import DROP

NOW = 1_767_600_000.0
SECRET = "s3cret"


@pytest.fixture
def tokens(session, upstream, clock):
    async def secret():
        return SECRET

    url = f"{upstream.url}/t/oauth2/v2.0/token"
    return ClientCredentials(session, url, "app-1", secret, "https://api.botframework.com/.default", clock=clock)


def grant(seconds=3600):
    numbers = iter(range(1, 100))
    return lambda _: {"token_type": "Bearer", "expires_in": seconds, "access_token": f"token-{next(numbers)}"}


async def test_a_token_is_asked_for_in_the_documented_form(tokens, upstream):
    upstream.on("POST /t/oauth2/v2.0/token", grant())
    assert await tokens.token() == "token-1"
    assert upstream.asked[0].form == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_secret": SECRET,
        "scope": "https://api.botframework.com/.default",
    }


async def test_many_sends_cost_one_token_request(tokens, upstream):
    upstream.on("POST .*", grant())
    assert await asyncio.gather(*(tokens.token() for _ in range(20))) == ["token-1"] * 20
    assert await tokens.token() == "token-1"
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("seconds", "good_for"), [(3600, 3300), (86_000, 85_700), (400, 200), ("3599", 3299)])
async def test_a_token_is_renewed_five_minutes_before_its_end(tokens, upstream, clock, seconds, good_for):
    upstream.on("POST .*", grant(seconds))
    await tokens.token()
    clock.now += good_for - 1
    assert await tokens.token() == "token-1"
    clock.now += 2
    assert await tokens.token() == "token-2"


async def test_a_refused_token_is_renewed_but_a_newer_one_survives_a_late_refusal(tokens, upstream):
    upstream.on("POST .*", grant())
    first = await tokens.token()
    tokens.invalidate(first)
    assert await tokens.token() == "token-2"
    tokens.invalidate(first)
    assert await tokens.token() == "token-2"
    tokens.invalidate()
    assert await tokens.token() == "token-3"


REFUSALS = [
    # answer, error, code
    ((401, {"error": "invalid_client", "error_description": "secret of app-1"}), Forbidden, "entra_invalid_client"),
    ((400, {"error": "invalid_client"}), Forbidden, "entra_invalid_client"),
    ((400, {"error": "unauthorized_client"}), Forbidden, "entra_unauthorized_client"),
    ((400, {"error": "Odd Word; app-1"}), Forbidden, "entra_unknown"),
    ((403, b"<html>"), Forbidden, "entra_unknown"),
    ((400, {"error": "temporarily_unavailable"}), Unavailable, "entra_400"),
    ((500, {}), Unavailable, "entra_500"),
    ((503, b"<html>"), Unavailable, "entra_503"),
    ((429, {}, {"Retry-After": formatdate(NOW + 9, usegmt=True)}), Throttled, "entra_429"),
    ((200, {"expires_in": 3600}), Unavailable, "entra_no_token"),
    ((200, {"access_token": "x", "expires_in": "soon"}), Unavailable, "entra_no_token"),
    ((200, {"access_token": "x", "expires_in": -1}), Unavailable, "entra_no_token"),
    ((200, b"<html>"), Unavailable, "entra_no_token"),
    (DROP, Unavailable, "entra_unreachable"),
]


@pytest.mark.parametrize(("answer", "kind", "code"), REFUSALS)
async def test_each_refusal_has_one_meaning(tokens, upstream, answer, kind, code):
    upstream.on("POST .*", answer)
    with pytest.raises(BridgeError) as caught:
        await tokens.token()
    error = caught.value
    assert (type(error), error.code, error.maybe_done) == (kind, code, False)
    assert SECRET not in str(error) and "app-1" not in str(error)
    if kind is Throttled:
        assert error.after == 9


async def test_after_a_refusal_the_next_call_asks_again(tokens, upstream):
    upstream.on("POST .*", grant())
    upstream.on("POST .*", (503, {}), times=1)
    with pytest.raises(Unavailable):
        await tokens.token()
    assert await tokens.token() == "token-1"


def test_a_token_endpoint_without_tls_stops_the_start():
    with pytest.raises(Misconfigured):
        ClientCredentials(None, "http://login.example.com/token", "a", None, "s", clock=lambda: 0)
