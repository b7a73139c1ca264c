"""Tenants: which Microsoft tenant belongs to which Freshchat account, and where its questions go.

One tenant comes from the environment, many from `tenants.toml`. A secret value is either literal or
`secret:NAME`, which names a secret in the secret source; the file itself then holds no secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bridge.errors import Forbidden, Misconfigured
from bridge.events import Place
from bridge.file_types import Kind
from bridge.ports import SecretSource
from bridge.settings import Settings

SECRET_PREFIX = "secret:"  # noqa: S105 - a prefix, not a secret


_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Route(_Part):
    """One row of the mapping; a row without `team` and `channel` matches everything. First match wins."""

    team: str | None = Field(None, description="Entra group id or Teams thread id of the team")
    channel: str | None = Field(None, description="channel id, such as 19:…@thread.tacv2")
    scope: Literal["channel", "groupChat", "personal"] | None = None
    inbox: str | None = Field(None, description="Freshchat channel id; the account's default inbox if absent")
    group: str | None = Field(None, description="Freshchat group id to assign the conversation to")
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = Field(default_factory=dict, description="conversation properties (cf_…)")

    def matches(self, place: Place) -> bool:
        """Tell whether this row is for a question asked there."""
        return (
            (self.scope is None or self.scope == place.scope)
            and (self.team is None or self.team in (place.team_id, place.team_group_id))
            and (self.channel is None or self.channel == place.channel_id)
        )


class FreshchatAccount(_Part):
    """How to reach one Freshchat account, and how it signs its webhooks."""

    url: str = Field(min_length=1)
    api_key: SecretStr = Field(min_length=1)
    inbox: str = Field(min_length=1, description="default inbox (channel id)")
    webhook_scheme: Literal["rsa", "hmac"] = "rsa"
    webhook_keys: SecretStr = Field(min_length=1)
    webhook_token: SecretStr | None = Field(None, min_length=1)


class Tenant(_Part):
    """One customer: a Microsoft tenant and its Freshchat account."""

    id: str = Field(min_length=1, description="Entra tenant id")
    name: str = Field("", pattern=r"^[A-Za-z0-9_.-]*$", description="word for the webhook path; the id works too")
    freshchat: FreshchatAccount
    route: tuple[Route, ...] = ()
    channel_messages: Literal["all", "mention"] | None = None
    reactions: Literal["on", "off"] | None = None
    deletes: Literal["notice", "redact"] | None = None
    status_notices: bool | None = None
    away_notices: bool | None = None
    csat: bool | None = None
    rate: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="messages per second and direction; BRIDGE_TENANT_RATE if absent"
    )

    max_file_bytes: int | None = Field(None, ge=1, description="longest file; BRIDGE_MAX_FILE_BYTES if absent")
    refused_files: tuple[Kind, ...] | None = Field(None, description="kinds kept out; BRIDGE_REFUSED_FILES if absent")

    @field_validator("id")
    @classmethod
    def _compare_case_blind(cls, value: str) -> str:
        return value.strip().lower()

    def inboxes(self) -> frozenset[str]:
        """All inboxes that questions of this tenant may go to."""
        return frozenset({self.freshchat.inbox, *(r.inbox for r in self.route if r.inbox)})


def rates(tenants: Sequence[Tenant], default: float | None) -> dict[str, float]:
    """Give the budgets, messages per second, of the tenants that have one."""
    return {tenant.id: rate for tenant in tenants if (rate := tenant.rate or default)}


def with_reactions(tenants: Sequence[Tenant], default: str) -> frozenset[str]:
    """Give the tenants whose agents read reactions."""
    return frozenset(tenant.id for tenant in tenants if (tenant.reactions or default) == "on")


def redacting(tenants: Sequence[Tenant], default: str) -> frozenset[str]:
    """Give the tenants that want deleted messages deleted here too."""
    return frozenset(tenant.id for tenant in tenants if (tenant.deletes or default) == "redact")


class _TenantsFile(_Part):
    tenant: tuple[Tenant, ...]


class _RoutingFile(_Part):
    route: tuple[Route, ...] = ()


def choose_route(tenant: Tenant, place: Place) -> Route:
    """Give the first matching row with its inbox filled in."""
    row = next((r for r in tenant.route if r.matches(place)), Route())
    return row if row.inbox else row.model_copy(update={"inbox": tenant.freshchat.inbox})


def load_tenants(settings: Settings) -> tuple[Tenant, ...]:
    """Read the tenants; raise Misconfigured naming file, entry and field, never a value."""
    if settings.tenants_file is not None:
        tenants = _parse(_TenantsFile, _read(settings.tenants_file), settings.tenants_file).tenant
        if not tenants:
            raise Misconfigured(f"{settings.tenants_file}: there is no [[tenant]] in it")
        _refuse_doubles(settings.tenants_file, tenants)
        return tenants
    return (_from_environment(settings),)


def _from_environment(settings: Settings) -> Tenant:
    missing = [
        name
        for name, value in {
            "MicrosoftAppTenantId": settings.app_tenant_id,
            "FRESHCHAT_API_URL": settings.freshchat_api_url,
            "FRESHCHAT_API_KEY": settings.freshchat_api_key,
            "FRESHCHAT_CHANNEL_ID": settings.freshchat_channel_id,
            "FRESHCHAT_WEBHOOK_KEYS": settings.freshchat_webhook_keys,
        }.items()
        if not value
    ]
    if missing:
        raise Misconfigured(f"{', '.join(missing)} missing: set them (docs/settings.md) or name a BRIDGE_TENANTS_FILE.")
    routes: tuple[Route, ...] = ()
    if settings.routing_file is not None:
        routes = _parse(_RoutingFile, _read(settings.routing_file), settings.routing_file).route
    return Tenant(
        id=settings.app_tenant_id,
        freshchat=FreshchatAccount(
            url=settings.freshchat_api_url,
            api_key=settings.freshchat_api_key or SecretStr(""),
            inbox=settings.freshchat_channel_id,
            webhook_scheme=settings.freshchat_webhook_scheme,
            webhook_keys=settings.freshchat_webhook_keys or SecretStr(""),
            webhook_token=settings.freshchat_webhook_token,
        ),
        route=routes,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError, a number of 5000 digits
        raise Misconfigured(f"{path}: not TOML: {error}") from None


def _parse(model: type[_Model], data: dict[str, Any], path: Path) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(str(part) for part in p['loc'])}: {p['msg']}" for p in error.errors()]
        raise Misconfigured("\n".join(lines)) from None


def _refuse_doubles(path: Path, tenants: Sequence[Tenant]) -> None:
    names = [word for tenant in tenants for word in {tenant.id, tenant.name} if word]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise Misconfigured(f"{path}: tenant id or name used twice: {', '.join(doubles)}")


async def resolve(value: SecretStr | None, secrets: SecretSource) -> tuple[str, ...]:
    """Give the live values of a secret field, newest first; empty if there is none.

    What is stored may begin and end in blanks: `az keyvault secret set --file` keeps the line break of the file.
    """
    parts = (part.strip() for part in (value.get_secret_value() if value else "").split(";"))
    found: list[str] = []
    for part in parts:
        if part.startswith(SECRET_PREFIX):
            stored = await secrets.get(part.removeprefix(SECRET_PREFIX))
            found += [text for value in stored if (text := value.strip())]
        elif part:
            found.append(part)
    return tuple(found)


async def newest(value: SecretStr | None, secrets: SecretSource) -> str:
    """Give the newest value of a secret field that holds one value, read at each use; empty if there is none.

    Raises Unavailable, or Forbidden when the secret is there but cannot be opened: deliveries then wait for it.
    """
    text = value.get_secret_value() if value else ""
    if not text.strip().startswith(SECRET_PREFIX):
        return text
    try:
        values = await secrets.get(text.strip().removeprefix(SECRET_PREFIX))
    except Misconfigured:
        raise Forbidden("a secret cannot be opened", code="secret_unreadable", component="secrets") from None
    return values[0].strip() if values else ""
