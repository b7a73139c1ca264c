"""Runs the sentiment suite over Azure AI Language's wire, and tests what is the service's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from adapters import http
from adapters.azure.identity import ManagedIdentityTokens
from adapters.azure.language import SCOPE, LanguageSentiment
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable
from tests.contract.sentiment_suite import PLAIN, SentimentSuite
from tests.peers.http_peer import Fault
from tests.peers.language import LanguagePeer
from tests.peers.managed_identity import ManagedIdentityPeer

Make = Callable[..., LanguageSentiment]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http.session() as session:
        yield session


@pytest.fixture
async def identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ManagedIdentityPeer]:
    async with ManagedIdentityPeer() as identity:
        for name, value in identity.app_service_environment().items():
            monkeypatch.setenv(name, value)
        yield identity


@pytest.fixture
async def peer(identity: ManagedIdentityPeer) -> AsyncIterator[LanguagePeer]:
    async with LanguagePeer(identity.issuer.check, moods=dict(PLAIN)) as peer:
        yield peer


@pytest.fixture
def make(session: aiohttp.ClientSession, peer: LanguagePeer) -> Make:
    def make(key: str = "") -> LanguageSentiment:
        async def newest() -> str:
            return key or peer.key

        return LanguageSentiment(session, peer.url, key=newest)

    return make


class TestByKey(SentimentSuite):
    """The service, asked with its key."""

    @pytest.fixture
    def sentiment(self, make: Make) -> LanguageSentiment:
        return make()


class TestByIdentity(SentimentSuite):
    """The service, asked as the machine's managed identity."""

    @pytest.fixture
    async def sentiment(self, session: aiohttp.ClientSession, peer: LanguagePeer) -> AsyncIterator[LanguageSentiment]:
        made = LanguageSentiment(session, peer.url, tokens=ManagedIdentityTokens(None, SCOPE))
        yield made
        await made.close()


async def test_the_service_is_told_not_to_log_and_which_language_it_is(make: Make, peer: LanguagePeer) -> None:
    """By the letters, else by the locale."""
    asked = [("안녕", "en-US", "ko"), ("hi", "ko-KR", "en"), ("hi", None, "en"), ("hallo", "de-DE", "de")]
    for text, locale, language in asked:
        await make().judge(text, locale)
        assert peer.seen["parameters"]["loggingOptOut"] is True
        assert peer.seen["analysisInput"]["documents"] == [{"id": "1", "language": language, "text": text}]


async def test_mixed_moods_are_neutral(make: Make, peer: LanguagePeer) -> None:
    peer.moods["good and bad"] = "mixed"
    assert await make().judge("good and bad", None) == "neutral"


async def test_a_language_that_the_service_does_not_know_is_refused(make: Make) -> None:
    with pytest.raises(Rejected):
        await make().judge("tere", "et-EE")


REFUSALS: list[tuple[Fault, type[BridgeError]]] = [
    (Fault(status=401), Forbidden),
    (Fault(status=403), Forbidden),
    (Fault(status=404), Forbidden),
    (Fault(status=400), Rejected),
    (Fault(status=429, headers={"Retry-After": "7"}), Throttled),
    (Fault(status=503), Unavailable),
    (Fault(drop="before"), Unavailable),
    (Fault(drop="after"), Unavailable),
]


@pytest.mark.parametrize(("fault", "error"), REFUSALS)
async def test_refusals_are_told_apart(make: Make, peer: LanguagePeer, fault: Fault, error: type[BridgeError]) -> None:
    peer.faults.append(Fault(**{**fault.__dict__, "count": 2}))
    with pytest.raises(error) as caught:
        await make().judge("a secret text", None)
    assert type(caught.value) is error
    assert "secret" not in str(caught.value)
    if isinstance(caught.value, Throttled):
        assert caught.value.after == 7


async def test_a_wrong_key_is_refused(make: Make) -> None:
    with pytest.raises(Forbidden):
        await make("wrong").ping()


@pytest.mark.parametrize("url", ["", "http://language.example.com", "ftp://x"])
async def test_an_address_that_is_none_is_refused(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(Misconfigured):
        LanguageSentiment(session, url)
