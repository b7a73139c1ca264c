"""Access tokens of the app itself (client credentials), for the Bot connector and for app-only Graph reads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
from yarl import URL

from adapters.http import Answer, call, endpoint, retry_after
from adapters.pace import Once
from bridge.errors import BridgeError, Forbidden, Throttled, Unavailable

COMPONENT = "entra"
MARGIN = 300.0
"""A token is renewed this many seconds before it ends: a request under way must not outlive it."""
TIMEOUT = 15.0


class Tokens(Protocol):
    """Where access tokens come from, whoever they are for; `invalidate` forgets one that was refused."""

    async def token(self) -> str: ...
    def invalidate(self, token: str) -> None: ...


class ClientCredentials:
    """Keeps one token per (app, scope), so that sending costs no token request."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        token_url: str,
        client_id: str,
        secret: Callable[[], Awaitable[str]],
        scope: str,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`token_url` is the full token endpoint; Misconfigured if it is neither https nor a loopback address."""
        self._session = session
        self._url = endpoint(token_url)
        self._client_id = client_id
        self._secret = secret
        self._scope = scope
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._once: Once[str] = Once()

    async def token(self) -> str:
        """Give a token that is valid for some minutes. Raises Forbidden, Throttled or Unavailable."""
        if self._clock() < self._until:
            return self._token
        return await self._once.get("token", self._fetch)

    def invalidate(self, token: str | None = None) -> None:
        """Forget the token after a 401; only if it is still `token`, so that a newer one survives a late 401."""
        if token is None or token == self._token:
            self._until = 0.0

    async def _fetch(self) -> str:
        answer = await ask(
            self._session,
            self._url,
            {
                "grant_type": "client_credentials",
                "client_id": self._client_id,
                "client_secret": await self._secret(),
                "scope": self._scope,
            },
        )
        if not answer.ok:
            raise refusal(answer, self._clock())
        self._token, seconds = granted(answer)
        self._until = self._clock() + lasting(seconds)
        return self._token


def lasting(seconds: float) -> float:
    """Tell for how long a token may be used: to 5 minutes before its end, or half of a short life."""
    return max(seconds - MARGIN, seconds / 2)


async def ask(session: aiohttp.ClientSession, url: URL, form: dict[str, str]) -> Answer:
    """Post a form to the token service. Nothing there needs to be looked for again, so it is never `maybe_done`."""
    try:
        return await call(session, "POST", url, component=COMPONENT, form=form, timeout=TIMEOUT)
    except Unavailable as error:
        error.maybe_done = False
        raise


def granted(answer: Answer) -> tuple[str, float]:
    """Read the token and its life in seconds; Unavailable if the answer is not a token answer."""
    body = answer.object()
    token, seconds = body.get("access_token"), _seconds(body.get("expires_in"))
    if not isinstance(token, str) or not token or seconds is None:
        raise Unavailable("2xx without a token", code="entra_no_token", component=COMPONENT)
    return token, seconds


def _seconds(value: Any) -> float | None:
    """Read `expires_in`, a number that older endpoints send as text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < 1e6 else None


def error_word(answer: Answer) -> str:
    """Tell the OAuth error word, such as `invalid_client`; never the description, which names accounts."""
    word = answer.object().get("error")
    return word if isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word) else "unknown"


def refusal(answer: Answer, now: float) -> BridgeError:
    """Map a status of the token service: 4xx means that our credentials are wrong."""
    text = f"{answer.status} {error_word(answer)}"
    code = f"entra_{answer.status}"
    if answer.status == 429:
        return Throttled(text, code=code, component=COMPONENT, after=retry_after(answer.headers, now))
    if answer.status >= 500 or answer.status == 408 or error_word(answer) == "temporarily_unavailable":
        return Unavailable(text, code=code, component=COMPONENT)
    return Forbidden(text, code=f"entra_{error_word(answer)}", component=COMPONENT)
