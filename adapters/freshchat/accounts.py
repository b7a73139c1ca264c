"""The accounts as the door knows them, read anew every few seconds: a key change needs no restart.

What is wrong with a new key, or with the place it comes from, never locks the door: the last good keys stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.freshchat.key_ring import KeyRing, parse_ring, record_name
from adapters.freshchat.signature import Verifier, WebhookKey, load_key
from adapters.freshchat.webhook import Account
from bridge.errors import Misconfigured
from bridge.ports import SecretSource
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, resolve

REFRESH_SECONDS = 5.0
READ_SECONDS = 10.0
AT_ONCE = 16
"""Tenants that are read at a time: a thousand, one after the other, would take a remote source a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a tenant's account is made of, as it was read: key texts of the settings, ring, path tokens."""

    texts: tuple[str, ...] = field(repr=False)
    ring: str | None = field(repr=False)
    tokens: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantKeys:
    """The webhook keys of a tenant: those of the settings, and the ring."""

    configured: tuple[WebhookKey, ...]
    ring: KeyRing

    @property
    def live(self) -> tuple[WebhookKey, ...]:
        """Those that verify; Misconfigured if one cannot be used."""
        return self.ring.live(self.configured)

    def state(self, key_id: str) -> str | None:
        """Name the state of a key; None if nobody knows it."""
        if key_id in self.ring.retired:
            return "retired"
        entry = self.ring.find(key_id)
        if entry is not None:
            return entry.state
        return "settings" if any(key.id == key_id for key in self.configured) else None


async def read_material(tenant: Tenant, secrets: SecretSource) -> Material:
    """Read what the settings and the secret source say now. Raises like `SecretSource.get`."""
    freshchat = tenant.freshchat
    ring = await secrets.get(record_name(tenant.id))
    return Material(
        texts=await resolve(freshchat.webhook_keys, secrets),
        ring=ring[0] if ring else None,
        tokens=await resolve(freshchat.webhook_token, secrets),
    )


def check_token(tenant: Tenant, material: Material) -> None:
    """Misconfigured if a token is wanted but is not there: without one, the path would be open."""
    wanted = tenant.freshchat.webhook_token
    if wanted and wanted.get_secret_value().strip() and not material.tokens:
        raise Misconfigured(
            f"The webhook token of {tenant.name or tenant.id} names a secret that is not there. "
            "Store it, or leave FRESHCHAT_WEBHOOK_TOKEN empty if the path needs none."
        )


def load_keys(tenant: Tenant, material: Material) -> TenantKeys:
    """Load the keys; Misconfigured if one cannot be used, or the ring cannot be read."""
    scheme = tenant.freshchat.webhook_scheme
    return TenantKeys(
        configured=tuple(load_key(scheme, text) for text in material.texts),
        ring=parse_ring(tenant.id, material.ring),
    )


class Accounts:
    """Finds the account of a tenant, with the keys that are live now."""

    def __init__(self, tenants: Sequence[Tenant], secrets: SecretSource, telemetry: Telemetry) -> None:
        self._tenants, self._secrets, self._telemetry = tenants, secrets, telemetry
        self._material: dict[str, Material] = {}
        self._accounts: Mapping[str | None, Account] = {}
        self._stale: set[str] = set()

    def find(self, name: str | None) -> Account | None:
        """Give the account of a tenant by id or name; None names the only tenant there is."""
        return self._accounts.get(name) or self._accounts.get(name and name.lower())

    async def load(self) -> None:
        """Load all of them at the start. Misconfigured or Unavailable if one cannot be: no door without keys."""
        try:
            await self._each(self._reload)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def refresh(self) -> None:
        """Take in what has changed; an account whose keys cannot be read keeps those it has, which is logged once."""
        await self._each(self._refresh)

    async def _refresh(self, tenant: Tenant) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._reload(tenant)
        except Exception as error:  # a bug in here must not lock the door either
            self._keep(tenant, error)
        else:
            self._fresh(tenant)

    async def _each(self, work: Callable[[Tenant], Awaitable[None]]) -> None:
        """Do this for all tenants, some at a time; the first failure ends it, as a group."""
        line = iter(self._tenants)

        async def one_after_the_other() -> None:
            for tenant in line:
                await work(tenant)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_the_other())

    async def context(self, _app: object) -> AsyncIterator[None]:
        """Refresh as long as the application runs."""
        task = asyncio.create_task(self._run(), name="refresh webhook keys")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()

    async def _reload(self, tenant: Tenant) -> None:
        material = await read_material(tenant, self._secrets)
        if material == self._material.get(tenant.id):
            return
        check_token(tenant, material)
        verifier = Verifier.of(load_keys(tenant, material).live)
        self._put(tenant, Account(tenant_id=tenant.id, verifier=verifier, tokens=material.tokens))
        self._material[tenant.id] = material

    def _put(self, tenant: Tenant, account: Account) -> None:
        """Exchange the account in one step; requests under way go on with the one they found."""
        names: list[str | None] = [name for name in (tenant.id, tenant.name) if name]
        if len(self._tenants) == 1:
            names.append(None)
        self._accounts = {**self._accounts, **dict.fromkeys(names, account)}
        self._telemetry.info(
            "webhook_keys", tenant=tenant.id, live=account.verifier.key_ids, tokens=len(account.tokens)
        )

    def _keep(self, tenant: Tenant, error: Exception) -> None:
        self._telemetry.count("webhook_keys_not_refreshed")
        if tenant.id not in self._stale:
            self._stale.add(tenant.id)
            self._telemetry.error("webhook_keys_stale", tenant=tenant.id, error=type(error).__name__)

    def _fresh(self, tenant: Tenant) -> None:
        if tenant.id in self._stale:
            self._stale.discard(tenant.id)
            self._telemetry.info("webhook_keys_fresh", tenant=tenant.id)
