"""The webhook keys of a tenant as people see them: which state they are in, and when they were last used."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.freshchat.accounts import load_keys, read_material
from adapters.freshchat.key_use import last_use
from adapters.freshchat.signature import Scheme
from bridge.ports import SecretSource, ThreadMap
from bridge.tenants import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """One key; times are epoch seconds, None where something has not happened. `count` is how often it verified."""

    tenant: str
    id: str
    scheme: Scheme
    state: str
    added_at: float | None
    promoted_at: float | None
    used_at: float | None
    count: int


async def listed_keys(tenant: Tenant, secrets: SecretSource, threads: ThreadMap) -> list[ListedKey]:
    """List the live keys, most used first, then those of the settings that are retired.

    Raises as the stores do, and Misconfigured if a key cannot be used.
    """
    keys = load_keys(tenant, await read_material(tenant, secrets))
    retired = [key for key in keys.configured if key.id in keys.ring.retired]
    found = []
    for key in (*keys.live, *retired):
        entry, use = keys.ring.find(key.id), await last_use(threads, tenant.id, key.id)
        found.append(
            ListedKey(
                tenant=tenant.name or tenant.id,
                id=key.id,
                scheme=key.scheme,
                state=keys.state(key.id) or "settings",
                added_at=entry.added_at if entry else None,
                promoted_at=entry.promoted_at if entry else None,
                used_at=use.used_at or None,
                count=use.count,
            )
        )
    return found
