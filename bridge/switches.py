"""What the bridge says and asks of its own accord, tenant by tenant: each a switch of an administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.settings import Settings
from bridge.tenants import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Which of it a tenant wants."""

    status_lines: bool = False
    away: bool = False
    rating: bool = False


def switches(settings: Settings, tenants: Sequence[Tenant]) -> Mapping[str, Switches]:
    """Give each tenant's own choice, or that of the settings where it makes none."""
    return {
        tenant.id: Switches(
            status_lines=_choice(tenant.status_notices, settings.status_notices),
            away=_choice(tenant.away_notices, settings.away_notices),
            rating=_choice(tenant.csat, settings.csat),
        )
        for tenant in tenants
    }


def _choice(own: bool | None, common: bool) -> bool:
    return common if own is None else own
