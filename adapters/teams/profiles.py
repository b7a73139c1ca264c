"""What Entra knows of a person beyond the roster: department, title, language; read with the app's own token.

Needs the application permission `User.Read.All`. Without it Graph answers 403, or leaves the values out; then the
roster's facts are all there is, which is said once in the log and by `bridgectl doctor`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from adapters.http import Answer, call, endpoint, retry_after
from adapters.teams.graph_reader import COMPONENT
from adapters.teams.tokens import Tokens
from bridge.telemetry import Telemetry

TIMEOUT = 1.5
"""Seconds; less than a roster look-up has, because a new person's first message waits for it."""
REFUSED_SECONDS, AWAY_SECONDS = 3600.0, 30.0
"""How long nobody is asked after a 403 (an administrator has to act) and after any other failure."""
PERMISSION = "User.Read.All"

FIELDS = {"department": "department", "title": "jobTitle", "language": "preferredLanguage"}


class GraphProfiles:
    """Reads one person at a time. Nothing is cached here."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        tokens: Tokens,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`base_url` ends in `/v1.0`; `clock` may be any that only goes forward."""
        self._session, self._base, self._tokens = session, endpoint(base_url), tokens
        self._telemetry, self._clock = telemetry, clock
        self._closed_until = 0.0
        self._told = False

    async def read(self, aad_object_id: str) -> Mapping[str, str]:
        """Tell `department`, `title`, `language` as far as known; empty if nobody can be asked. Never raises."""
        if self._clock() < self._closed_until:
            return {}
        try:
            async with asyncio.timeout(TIMEOUT):  # the token is a call too
                answer = await self.ask(aad_object_id)
        except Exception:  # a department is never worth a held message
            self._close(AWAY_SECONDS)
            return {}
        if not answer.ok:
            self._note(answer)
            return {}
        person = answer.object()
        return {ours: _line(person[theirs]) for ours, theirs in FIELDS.items() if _line(person.get(theirs))}

    async def ask(self, aad_object_id: str) -> Answer:
        """Make the call, whatever comes back. Raises as `call` and the token source do."""
        token = await self._tokens.token()
        url = self._base.with_path(
            f"{self._base.raw_path.rstrip('/')}/users/{quote(aad_object_id, safe='')}", encoded=True
        )
        answer = await call(
            self._session,
            "GET",
            url.with_query({"$select": ",".join(FIELDS.values())}),
            component=COMPONENT,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
        )
        if answer.status == 401:
            self._tokens.invalidate(token)
        return answer

    async def close(self) -> None:
        """Let go of the token source, if it holds a connection (a managed identity does)."""
        if close := getattr(self._tokens, "close", None):
            await close()

    def _note(self, answer: Answer) -> None:
        if answer.status == 404:  # a guest, or a person of another tenant
            return
        if answer.status != 403:
            self._close(retry_after(answer.headers, time.time()) or AWAY_SECONDS)
            return
        self._close(REFUSED_SECONDS)
        if not self._told:
            self._told = True
            self._telemetry.warning("profiles_refused", permission=PERMISSION)

    def _close(self, seconds: float) -> None:
        self._closed_until = self._clock() + seconds


def _line(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
