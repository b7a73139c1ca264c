"""Pictures that people have in Microsoft 365, read with the app's own token.

Needs the application permission `ProfilePhoto.Read.All`, or `User.Read.All`, which departments need anyway. Without
either Graph answers 403, which is said once in the log. Somebody without a picture is a 404, or a picture of one pixel
without a version (Microsoft Learn, "Get profilePhoto").
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, get_args
from urllib.parse import quote

import aiohttp
from yarl import URL

from adapters.downloads import Downloads
from adapters.http import Answer, HostRule, call, endpoint, retry_after
from adapters.teams.graph_reader import COMPONENT
from adapters.teams.profiles import AWAY_SECONDS, REFUSED_SECONDS
from adapters.teams.tokens import Tokens
from bridge.errors import Rejected, Unavailable
from bridge.file_types import HEAD, sniff
from bridge.ports import Portrait
from bridge.telemetry import Telemetry

TIMEOUT = 10.0
SIZE = "96x96"
"""The one of Graph's sizes that is enough beside a conversation; in Entra pictures may be of any size."""
MAX_BYTES = 200 * 1024
PERMISSION = "ProfilePhoto.Read.All"

Shown = Literal["image/jpeg", "image/png"]


class GraphPortraits:
    """Implements `bridge.ports.PortraitSource`."""

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
        hosts = HostRule([self._base.raw_host or ""], allow_loopback_http=True)
        self._downloads = Downloads(session, hosts, seconds=TIMEOUT)
        self._telemetry, self._clock = telemetry, clock
        self._closed_until = 0.0
        self._refused = self._told = False

    async def version(self, aad_object_id: str) -> str | None:
        """Tell the ETag of somebody's picture; None if there is none, or while we are not allowed to read any."""
        if self._clock() < self._closed_until:
            if self._refused:
                return None
            raise Unavailable("Graph was away a moment ago", code="graph_away", component=COMPONENT)
        token = await self._tokens.token()
        answer = await call(
            self._session,
            "GET",
            self._url(aad_object_id, "photo"),
            component=COMPONENT,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
        )
        self._note(answer, token)
        version = answer.object().get("@odata.mediaEtag") if answer.ok else None
        return version if isinstance(version, str) and version else None

    async def read(self, aad_object_id: str) -> Portrait | None:
        """Read somebody's picture, of which no more than may be is read."""
        headers = {"Authorization": f"Bearer {await self._tokens.token()}", "Accept-Encoding": "identity"}
        url = str(self._url(aad_object_id, f"photos/{SIZE}/$value"))
        try:
            content = b"".join([piece async for piece in self._downloads.read(url, MAX_BYTES, headers)])
        except Rejected as refused:
            if refused.code != "file_too_large":
                raise
            return None
        found = sniff(content[:HEAD]).mime
        return next((Portrait(kind, content) for kind in get_args(Shown) if kind == found), None)

    async def close(self) -> None:
        """Let go of the token source, if it holds a connection (a managed identity does)."""
        if close := getattr(self._tokens, "close", None):
            await close()

    def _url(self, aad_object_id: str, below: str) -> URL:
        path = f"{self._base.raw_path.rstrip('/')}/users/{quote(aad_object_id, safe='')}/{below}"
        return self._base.with_path(path, encoded=True)

    def _note(self, answer: Answer, token: str) -> None:
        """Take note of how the question went; raises unless it has an answer."""
        status = answer.status
        self._refused = status == 403
        if status == 401:
            self._tokens.invalidate(token)
        if status in (401, 429) or status >= 500:
            self._closed_until = self._clock() + (retry_after(answer.headers, time.time()) or AWAY_SECONDS)
            raise Unavailable(f"{status}", code=f"graph_{status}", component=COMPONENT)
        if self._refused:
            self._closed_until = self._clock() + REFUSED_SECONDS
            self._tell()
        elif not answer.ok and status != 404:
            raise Rejected(f"{status}", code=f"graph_{status}", component=COMPONENT)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._telemetry.warning("portraits_refused", permission=PERMISSION)
