"""The operators' page with everything it reads, for one process."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import aiohttp
from aiohttp import web

from adapters.freshchat.key_list import listed_keys
from adapters.ops.rates import Rates
from adapters.ops.site import site
from adapters.ops.views import Sources
from adapters.stores import Ports
from bridge.errors import Misconfigured, Unavailable
from bridge.settings import Settings
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant

Health = Callable[[], Awaitable[Mapping[str, str | None]]]
Held = Callable[[], Mapping[str, list[str]]]


def operators_page(
    settings: Settings,
    ports: Ports,
    tenants: Sequence[Tenant],
    session: aiohttp.ClientSession,
    telemetry: Telemetry,
    health: Health,
    held: Held,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Make the page's application; Misconfigured if the way to log in lacks something."""

    async def keys() -> Sequence[Mapping[str, Any]]:
        return [row for tenant in tenants for row in await _keys(tenant, ports)]

    sources = Sources(
        queue=ports.queue,
        threads=ports.threads,
        tenants=[tenant.id for tenant in tenants],
        rates=Rates(),
        health=health,
        held=held,
        keys=keys,
    )
    return site(settings, sources, ports.secrets, session, telemetry, clock)


async def _keys(tenant: Tenant, ports: Ports) -> list[dict[str, Any]]:
    try:
        return [asdict(key) for key in await listed_keys(tenant, ports.secrets, ports.threads)]
    except Misconfigured:
        raise Unavailable("a webhook key cannot be read", code="webhook_keys", component="freshchat") from None
