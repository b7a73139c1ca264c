"""The `Sentiment` port by Azure AI Language: one REST call per text, which the service is told not to log.

https://learn.microsoft.com/rest/api/language/text-analysis-runtime/analyze-text
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp

from adapters.http import Answer, call, endpoint, retry_after
from adapters.pace import Once
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable
from bridge.ports import Mood

COMPONENT = "language"
API_VERSION = "2023-04-01"
SCOPE = "https://cognitiveservices.azure.com/.default"
TIMEOUT = 5.0
MAX_TEXT = 5000
"""Characters that are sent; the service takes 5,120 text elements per document."""
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_MOODS: dict[str, Mood] = {
    "positive": "positive",
    "neutral": "neutral",
    "negative": "negative",
    "mixed": "neutral",  # some sentences are one, some the other
}


class Tokens(Protocol):
    """Where a managed identity's token comes from."""

    async def token(self) -> str: ...
    async def close(self) -> None: ...


class LanguageSentiment:
    """Implements `bridge.ports.Sentiment`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        key: Callable[[], Awaitable[str]] | None = None,
        tokens: Tokens | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`url` is the resource's endpoint; asked with its key or a token. Misconfigured if it is no address."""
        self._session, self._key, self._tokens, self._clock = session, key, tokens, clock
        path = "language/:analyze-text"
        self._url = (endpoint(url) / path).with_query({"api-version": API_VERSION})
        self._once: Once[str] = Once()

    async def judge(self, text: str, locale: str | None) -> Mood:
        """Tell the mood. Raises Throttled, Unavailable, Forbidden, or Rejected."""
        document = {"id": "1", "language": _language(text, locale), "text": text[:MAX_TEXT]}
        answer = await call(
            self._session,
            "POST",
            self._url,
            component=COMPONENT,
            headers=await self._credentials(),
            send={
                "kind": "SentimentAnalysis",
                "parameters": {"modelVersion": "latest", "loggingOptOut": True},
                "analysisInput": {"documents": [document]},
            },
            timeout=TIMEOUT,
        )
        if not answer.ok:
            raise _error(answer, self._clock())
        return _mood(answer.object())

    async def ping(self) -> None:
        """Judge a word."""
        await self.judge("ping", "en")

    async def close(self) -> None:
        """Let go of the token source."""
        if self._tokens is not None:
            await self._tokens.close()

    async def _credentials(self) -> dict[str, str]:
        if self._key is not None:
            return {"Ocp-Apim-Subscription-Key": await self._key()}
        assert self._tokens is not None
        # shared, so that who gives up waiting does not stop the token from coming
        return {"Authorization": f"Bearer {await self._once.get('token', self._tokens.token)}"}


def _language(text: str, locale: str | None) -> str:
    """Tell the service which language it is: by its letters, since people write both in one client."""
    if _HANGUL.search(text):
        return "ko"
    named = (locale or "").partition("-")[0].lower()
    return named if re.fullmatch("[a-z]{2}", named) and named != "ko" else "en"


def _mood(body: dict[str, Any]) -> Mood:
    """Read the answer; a document can fail inside a 200."""
    results = body.get("results")
    documents = results.get("documents") if isinstance(results, dict) else None
    for document in documents if isinstance(documents, list) else []:
        mood = _MOODS.get(str(document.get("sentiment"))) if isinstance(document, dict) else None
        if mood is not None:
            return mood
    raise Rejected("2xx without a mood", code="language_no_mood", component=COMPONENT)


def _error(answer: Answer, now: float) -> BridgeError:
    status, code = answer.status, f"language_{answer.status}"
    if status in (401, 403, 404) or 300 <= status < 400:
        return Forbidden(f"{status}", code=code, component=COMPONENT)
    if status == 429:
        after = retry_after(answer.headers, now)
        return Throttled("429", code=code, component=COMPONENT, after=after)
    if status >= 500 or status == 408:
        return Unavailable(f"{status}", code=code, component=COMPONENT)
    return Rejected(f"{status}", code=code, component=COMPONENT)
