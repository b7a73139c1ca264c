"""Which adapter judges moods, chosen by the settings."""

from __future__ import annotations

import aiohttp

from adapters.local.lexicon import LexiconSentiment
from bridge.errors import Misconfigured
from bridge.ports import SecretSource, Sentiment
from bridge.settings import Settings
from bridge.tenants import newest


def open_sentiment(settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource) -> Sentiment | None:
    """Make it, for who closes it; None if it is off. Misconfigured if it cannot be used."""
    if settings.sentiment == "off":
        return None
    if settings.sentiment == "local.lexicon":
        return LexiconSentiment()
    return _language(settings, session, secrets)


def _language(settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource) -> Sentiment:
    from adapters.azure.language import SCOPE, LanguageSentiment  # noqa: PLC0415 - for those who use it

    if not settings.language_endpoint:
        raise Misconfigured("AZURE_LANGUAGE_ENDPOINT missing: BRIDGE_SENTIMENT=azure.language needs it")
    if settings.language_key:

        async def key() -> str:
            return await newest(settings.language_key, secrets)

        return LanguageSentiment(session, settings.language_endpoint, key=key)
    from adapters.azure.identity import ManagedIdentityTokens  # noqa: PLC0415 - 30 MB for those who use it

    tokens = ManagedIdentityTokens(settings.azure_client_id, SCOPE)
    return LanguageSentiment(session, settings.language_endpoint, tokens=tokens)
