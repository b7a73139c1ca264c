"""Freshchat as the archive reads it: exactly as it was sent, numbers and unknown fields included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from adapters.freshchat.rest import FreshchatRest
from adapters.http import HostRule
from adapters.replies import LONGEST, Reply, exactly
from adapters.share import Share


class FreshchatSource:
    """Reads one account (`archive.ports.Source`)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: Callable[[], Awaitable[str]],
        hosts: HostRule,
        pace: Share,
        *,
        clock: Callable[[], float],
        timeout: float = 30.0,
    ) -> None:
        self._rest = FreshchatRest(
            session, url, api_key, hosts, clock=clock, timeout=timeout, pace=pace, read=exactly, longest=LONGEST
        )

    @property
    def host(self) -> str:
        """The account's host."""
        return self._rest.host

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Read; `path` is below `/v2`."""
        return Reply(await self._rest.get(path, query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask for a report."""
        return Reply(await self._rest.post(path, body))
