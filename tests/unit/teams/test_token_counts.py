"""Fetches of tokens are counted, not uses of them; what fails is counted as well."""

from __future__ import annotations

import pytest

from adapters.counted_tokens import CountedTokens
from adapters.teams.sign_in import GraphSignIn
from adapters.teams.tokens import ClientCredentials
from bridge.errors import BridgeError
from bridge.telemetry import Telemetry
from tests.unit.teams.test_sign_in import Entra


@pytest.fixture
def telemetry():
    return Telemetry("CRITICAL")


def counted(telemetry, account):
    """Give how many fetches went well and how many failed."""
    labels = ({"account": account, "outcome": outcome} for outcome in ("ok", "failed"))
    return tuple(telemetry.registry.get_sample_value("bridge_token_fetches_total", one) or 0 for one in labels)


async def test_tokens_of_the_bot(session, upstream, clock, telemetry):
    """Three uses are one fetch; after a refusal it is another one, and one that fails is told apart."""
    answers = [
        {"expires_in": 3600, "access_token": "token-1"},
        {"expires_in": 3600, "access_token": "token-2"},
        (503, {}),
    ]
    upstream.on("POST .*", lambda _: answers.pop(0))

    async def secret():
        return "s3cret"

    source = ClientCredentials(session, f"{upstream.url}/token", "app-1", secret, "scope", clock=clock)
    tokens = CountedTokens(source, "bot", telemetry.token)
    assert [await tokens.token() for _ in range(3)] == ["token-1"] * 3
    assert counted(telemetry, "bot") == (1, 0)
    tokens.invalidate("token-1")
    assert await tokens.token() == "token-2"
    tokens.invalidate("token-2")
    with pytest.raises(BridgeError):
        await tokens.token()
    assert counted(telemetry, "bot") == (2, 1)
    assert telemetry.registry.get_sample_value("bridge_token_fetched_timestamp_seconds", {"account": "bot"}) > 1.7e9


async def test_tokens_of_the_service_account(session, upstream, clock, secrets, telemetry):
    """Each renewal counts, and one that Entra refuses."""
    entra = Entra(upstream)
    url = f"{upstream.url}/t/oauth2/v2.0/token"
    one = GraphSignIn(
        session,
        url,
        "client-1",
        secrets,
        clock=clock,
        sleep=clock.sleep,
        count=lambda given: telemetry.token("graph", given),
    )
    await one.finish(await one.start())
    clock.now += 3400
    await one.token()
    await one.token()
    assert counted(telemetry, "graph") == (1, 0)
    clock.now += 3400
    entra.live = "revoked"
    with pytest.raises(BridgeError):
        await one.token()
    assert counted(telemetry, "graph") == (1, 1)
