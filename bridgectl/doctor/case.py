"""What every check may look at, and what the answers of the outside told on their way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import aiohttp

from bridge.ports import SecretSource
from bridge.settings import Settings
from bridge.tenants import Tenant


class Heard:
    """Reads the headers of every answer: each server's clock, and the limits that it advertises."""

    def __init__(self) -> None:
        self.skews: dict[str, float] = {}
        self.limits: dict[str, str] = {}
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._listen)

    async def _listen(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        host, headers = str(ended.url.origin()), ended.response.headers
        skew = _skew(headers, time.time())
        if skew is not None:
            self.skews[host] = min(skew, self.skews.get(host, skew), key=abs)
        if "X-RateLimit-Limit" in headers:
            left = headers.get("X-RateLimit-Remaining", "?")
            self.limits[host] = f"{left[:20]} of {headers['X-RateLimit-Limit'][:20]} left"


def _skew(headers: Mapping[str, str], now: float) -> float | None:
    """Tell by how many seconds our clock is ahead of the server's; `Date` counts whole seconds."""
    try:
        return now - parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One examination. `secrets` is None where they cannot be read; `stores_usable` where they can be written."""

    settings: Settings
    tenants: tuple[Tenant, ...]
    secrets: SecretSource | None
    stores_usable: bool
    session: aiohttp.ClientSession
    heard: Heard
    offline: bool
    manifest: Path | None

    def named(self, variable: str, field: str, tenant: Tenant) -> str:
        """Tell where an administrator finds a tenant's value: its variable, or its field in the tenants file."""
        if self.settings.tenants_file is None:
            return variable
        return f"`{field}` of tenant {tenant.name or tenant.id} in {self.settings.tenants_file}"
