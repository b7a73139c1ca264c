"""The `SecretSource` in Azure Key Vault: live versions are versions of the vault's secret (`key_vault_log.py`).

A new value made in the portal or by Terraform joins the live ones, newest first, and one that is disabled or expires
leaves them: a key change needs nothing of ours. What is not live any more we disable.

`change` waits until the vault's clock has moved on, so that nobody can come before it any more, and looks whether it
came through; if not, it is made again from what did. That is as good as two things which the vault is not documented to
keep: a version is listed as soon as it was answered, and is dated less than `settle` seconds before that.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets import SecretProperties
from azure.keyvault.secrets.aio import SecretClient
from yarl import URL

from adapters.azure.key_vault_errors import COMPONENT, inner_code, refusals
from adapters.azure.key_vault_log import AFTER, KEEP, ORDER, SETTLED, WRITE, State, Version, replay, vault_name
from bridge.errors import Misconfigured, StoreFull, Unavailable

MAX_BYTES = 25_000
"""Of a value; the vault's own limit."""
FRESH_SECONDS = 45.0
STALE_SECONDS = 600.0
"""How long what was read last is still given while the vault cannot be asked."""
SETTLE_SECONDS = 3.0
CHANGE_SECONDS = 60.0
CACHED = 5_000
LIMITS: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 2,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 2,
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_key_vault(url: str, client_id: str | None) -> KeyVaultSecrets:
    """Open a vault with the machine's managed identity (`client_id`: a user-assigned one). Misconfigured, or nothing.

    Nothing is asked yet.
    """
    address = URL(url)
    if address.scheme != "https" or not address.host:
        raise Misconfigured(
            "AZURE_KEY_VAULT_URL must be the vault's https address, such as https://NAME.vault.azure.net"
        )
    credential = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    checked = address.host not in _LOOPBACK  # the challenge of a vault names its domain
    return KeyVaultSecrets(
        SecretClient(url, credential, verify_challenge_resource=checked, **LIMITS), owned=[credential.close]
    )


@dataclass(frozen=True, slots=True)
class Read:
    """Live versions, when they were read, and when the vault was asked last."""

    values: tuple[str, ...] = field(repr=False)
    read_at: float
    asked_at: float


class KeyVaultSecrets:
    """The `SecretSource` port; every replica on the same vault sees a new version within `fresh` seconds."""

    def __init__(
        self,
        client: SecretClient,
        *,
        fresh: float = FRESH_SECONDS,
        settle: float = SETTLE_SECONDS,
        now: Callable[[], float] = time.time,
        owned: Sequence[Callable[[], Any]] = (),
    ) -> None:
        """`now` is compared with the times that versions are valid; `owned` is closed with it."""
        self._client, self._fresh, self._settle, self._now = client, fresh, settle, now
        self._owned = [client.close, *owned]
        self._read: OrderedDict[str, Read] = OrderedDict()
        self._values: OrderedDict[str, str] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, name: str) -> Sequence[str]:
        """Give the live versions, as they were at most `fresh` seconds ago; empty if there is no such secret."""
        mapped = vault_name(name)
        async with self._lock(mapped):
            read = self._read.get(mapped)
            if read is None or time.monotonic() - read.asked_at >= self._fresh:
                read = await self._ask(mapped, read)
                _remember(self._read, mapped, read)
            return read.values

    async def put(self, name: str, value: str, *, keep: int = 1) -> None:
        """Store a new version; disable what is not among the `keep` newest any more."""
        mapped = vault_name(name)
        _check_size(name, value)
        async with self._lock(mapped), refusals(writing=name):
            state = await self._state(mapped)
            held = [(version, await self._value(mapped, version)) for version in state.live]
            same = [version for version, one in held if one == value]
            others = [version for version, one in held if one != value]
            tags = {KEEP: str(max(keep, 1) + len(same))}
            self._read.pop(mapped, None)
            await self._write(mapped, value, state, tags)
            await self._disable(mapped, [*same, *others[max(keep, 1) - 1 :]])

    async def change(self, name: str, edit: Callable[[str | None], str]) -> None:
        """Replace all versions by what `edit` makes of the newest; takes `settle` seconds, longer under contention."""
        mapped = vault_name(name)
        give_up = time.monotonic() + CHANGE_SECONDS
        async with self._lock(f"change {mapped}"):  # not the one of `get`: who reads does not wait for this
            while not await self._changed(name, mapped, edit):
                if time.monotonic() > give_up:
                    raise Unavailable(
                        "others keep changing this secret", code="key_vault_contended", component=COMPONENT
                    )
                await asyncio.sleep(random.uniform(0, self._settle / 3))  # noqa: S311 - spreads the next tries
        async with self._lock(mapped):
            self._read.pop(mapped, None)

    async def ping(self) -> None:
        """Read a secret that is not there."""
        async with refusals():
            await self._newest("bridge-ping")

    async def close(self) -> None:
        """Let go of the connections."""
        for close in self._owned:
            await close()

    # --- reading

    async def _ask(self, mapped: str, before: Read | None) -> Read:
        """Read; while the vault cannot be asked, keep what was read before for a while, without asking each time."""
        now = time.monotonic()
        try:
            return Read(await self._get(mapped), now, now)
        except Unavailable:
            if before is None or now - before.read_at >= STALE_SECONDS:
                raise
            return replace(before, asked_at=time.monotonic())

    async def _get(self, mapped: str) -> tuple[str, ...]:
        async with refusals():
            state = await self._state(mapped)
            values = [await self._value(mapped, version) for version in state.live]
        return tuple(dict.fromkeys(value for value in values if value is not None))

    async def _state(self, mapped: str) -> State:
        """Read the log; the newest version alone where none before it can be live.

        A secret that is stored every hour has thousands of versions after a year, in pages of 25.
        """
        newest = await self._newest(mapped)
        if newest is None:
            return State()
        if newest.alone and newest.usable(self._now()):
            return State(newest.id, [newest], frozenset({newest.write or newest.id}), newest.order)
        return await self._whole_state(mapped)

    async def _whole_state(self, mapped: str) -> State:
        return replay(await self._versions(mapped), self._now())

    async def _versions(self, mapped: str) -> list[Version]:
        return [_version(one) async for one in self._client.list_properties_of_secret_versions(mapped)]

    async def _newest(self, mapped: str) -> Version | None:
        try:
            secret = await self._client.get_secret(mapped)
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if inner_code(error) != "SecretDisabled":
                raise
            return Version(id="", created=0, enabled=False)
        version = _version(secret.properties)
        _remember(self._values, version.id, secret.value or "")
        return version

    async def _value(self, mapped: str, version: Version) -> str | None:
        """Read a value, which never changes; None if it was disabled or deleted just now."""
        if version.id not in self._values:
            try:
                secret = await self._client.get_secret(mapped, version.id)
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if inner_code(error) != "SecretDisabled":
                    raise
                return None
            _remember(self._values, version.id, secret.value or "")
        return self._values[version.id]

    # --- writing

    async def _changed(self, name: str, mapped: str, edit: Callable[[str | None], str]) -> bool:
        """Try once; tell whether the change came through."""
        async with refusals(writing=name):
            state = await self._whole_state(mapped)
            before = await self._value(mapped, state.live[0]) if state.live else None
        value = edit(before)
        _check_size(name, value)
        async with refusals(writing=name):
            made = await self._write(mapped, value, state, {AFTER: state.head})
        await asyncio.sleep(self._settle)
        async with refusals(writing=name):
            versions = await self._versions(mapped)
            through = made.write in replay(versions, self._now()).counting
            older = [one for one in versions if one.enabled and one.place < made.place and one.write != made.write]
            await self._disable(mapped, older if through else [made])
            if through:
                tags = {ORDER: str(made.order), AFTER: state.head, WRITE: made.write or "", SETTLED: "yes"}
                await self._client.update_secret_properties(mapped, made.id, tags=tags)
        return through

    async def _write(self, mapped: str, value: str, state: State, tags: dict[str, str]) -> Version:
        tags |= {ORDER: str(state.order + 1), WRITE: uuid.uuid4().hex}
        return _version((await self._client.set_secret(mapped, value, tags=tags)).properties)

    async def _disable(self, mapped: str, versions: Sequence[Version]) -> None:
        for version in versions:
            await self._client.update_secret_properties(mapped, version.id, enabled=False)
            self._values.pop(version.id, None)

    def _lock(self, mapped: str) -> asyncio.Lock:
        """One call per secret at a time; the others find what it read."""
        lock = self._locks.get(mapped)
        if lock is None:
            lock = self._locks[mapped] = asyncio.Lock()
        return lock


def _version(properties: SecretProperties) -> Version:
    tags = properties.tags or {}
    dates = [date.timestamp() if date else None for date in (properties.not_before, properties.expires_on)]
    return Version(
        id=properties.version or "",
        created=properties.created_on.timestamp() if properties.created_on else 0,
        enabled=properties.enabled is not False,
        not_before=dates[0],
        expires=dates[1],
        order=_number(tags.get(ORDER)) or 0,
        keep=_number(tags.get(KEEP)),
        after=tags.get(AFTER),
        write=tags.get(WRITE),
        settled=SETTLED in tags,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _remember(cache: OrderedDict[str, Any], name: str, value: Any) -> None:
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > CACHED:
        cache.popitem(last=False)


def _check_size(name: str, value: str) -> None:
    if len(value.encode()) > MAX_BYTES:
        raise StoreFull(f"{name} is too long: Key Vault takes {MAX_BYTES} bytes")
