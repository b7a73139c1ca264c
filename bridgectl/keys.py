"""`bridgectl keys`: webhook keys, changed while the bridge runs and without a refused webhook."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from adapters.freshchat.accounts import TenantKeys, load_keys, read_material
from adapters.freshchat.key_list import listed_keys
from adapters.freshchat.key_ring import KeyRing, LastKey, RingFull, change_ring, parse_ring
from adapters.freshchat.key_use import last_use
from adapters.freshchat.signature import NotAuthentic, Scheme, Verifier, load_key
from adapters.stores import Ports, open_ports
from bridge.errors import Misconfigured
from bridge.settings import load
from bridge.tenants import Tenant, load_tenants
from bridge.text import when
from bridgectl.key_files import draw_secret, read_file, read_key
from bridgectl.output import FOUND, fail, run, show, show_json

cli = typer.Typer(no_args_is_help=True, help="List, add, test, promote and retire webhook keys while the bridge runs.")

ForTenant = Annotated[str | None, typer.Option("--tenant", help="Tenant id or name; needed where there are several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key, as `keys list` names it.")]

COLUMNS = ("tenant", "id", "scheme", "state", "added_at", "used_at", "count")
RECENT_SECONDS = 3600.0
SETTINGS_HINT = "It is still in the settings, where the current key should take its place at the next change."


@dataclass(frozen=True, slots=True)
class Opened:
    """One tenant, the stores, and the tenant's keys as they are now."""

    tenant: Tenant
    ports: Ports
    keys: TenantKeys


@asynccontextmanager
async def _open(name: str | None) -> AsyncIterator[Opened]:
    settings = load()
    tenant = _choose(load_tenants(settings), name)
    async with open_ports(settings) as ports:
        yield Opened(tenant, ports, load_keys(tenant, await read_material(tenant, ports.secrets)))


def _choose(tenants: tuple[Tenant, ...], name: str | None) -> Tenant:
    found = [
        tenant for tenant in tenants if name is None or name in (tenant.name, tenant.id) or name.lower() == tenant.id
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(tenant.name or tenant.id for tenant in tenants)
    raise Misconfigured(f"say which tenant with --tenant: {known}" if name is None else f"no tenant {name}: {known}")


# --- looking


@cli.command("list")
def list_keys(tenant: ForTenant = None, as_json: AsJson = False) -> None:
    """List the keys with their state and last use. `settings`: verifies because the settings name it."""

    async def work() -> list[dict[str, Any]]:
        settings = load()
        tenants = load_tenants(settings)
        chosen = tenants if tenant is None else (_choose(tenants, tenant),)
        async with open_ports(settings) as ports:
            return [row for one in chosen for row in await _rows(one, ports)]

    show(run(work()), COLUMNS, as_json=as_json, empty="No keys.")


async def _rows(tenant: Tenant, ports: Ports) -> list[dict[str, Any]]:
    listed = [asdict(key) for key in await listed_keys(tenant, ports.secrets, ports.threads)]
    times = ("added_at", "promoted_at", "used_at")
    return [row | {name: row[name] and when(row[name]) for name in times} for row in listed]


@cli.command()
def test(
    body: Annotated[Path | None, typer.Option(help="File with a recorded body, byte for byte.")] = None,
    signature: Annotated[str | None, typer.Option(help="Its X-Freshchat-Signature.")] = None,
    tenant: ForTenant = None,
    as_json: AsJson = False,
) -> None:
    """Check that every key loads, or find the live key that signed a recorded body. Exit code 1 if none or not."""
    if (body is None) != (signature is None):
        fail("A recorded webhook is a body and its signature: give both --body and --signature.")
    if body is None or signature is None:
        found = run(_loads(tenant))
        show(found, ("id", "scheme", "state", "problem"), as_json=as_json, empty="No keys.")
        if any(row["problem"] for row in found):
            raise typer.Exit(FOUND)
    else:
        _tell_match(run(_match(tenant, read_file(body), signature)), as_json)


async def _loads(name: str | None) -> list[dict[str, Any]]:
    """Load each key for itself, so that one bad key does not hide the others."""
    settings = load()
    tenant = _choose(load_tenants(settings), name)
    async with open_ports(settings) as ports:
        material = await read_material(tenant, ports.secrets)
    ring = parse_ring(tenant.id, material.ring)
    scheme = tenant.freshchat.webhook_scheme
    rows = [_loaded(None, scheme, text, "settings", ring) for text in material.texts]
    return rows + [_loaded(entry.id, entry.scheme, entry.value, entry.state, ring) for entry in ring.entries]


def _loaded(key_id: str | None, scheme: Scheme, text: str, state: str, ring: KeyRing) -> dict[str, Any]:
    problem = None
    try:
        key_id = load_key(scheme, text).id
    except Misconfigured as error:
        problem = str(error)
    return {"id": key_id, "scheme": scheme, "state": "retired" if key_id in ring.retired else state, "problem": problem}


async def _match(name: str | None, body: bytes, signature: str) -> dict[str, Any]:
    async with _open(name) as opened:
        try:
            verified = Verifier.of(opened.keys.live).verify(body, signature)
        except NotAuthentic as error:
            return {"verified": False, "key": None, "state": None, "reason": str(error)}
        return {"verified": True, "key": verified.key_id, "state": opened.keys.state(verified.key_id), "reason": None}


def _tell_match(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
    elif found["verified"]:
        typer.echo(f"Signed with key {found['key']} ({found['state']}).")
    else:
        typer.echo(f"Not verified: {found['reason']}.")
    if not found["verified"]:
        raise typer.Exit(FOUND)


# --- changing


@cli.command()
def add(
    tenant: ForTenant = None,
    scheme: Annotated[Scheme | None, typer.Option(help="How it signs; the tenant's scheme if absent.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the key; standard input if absent.")] = None,
    generate_hmac: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw an HMAC secret, and write it to this new file.")
    ] = None,
) -> None:
    """Add a key, which verifies beside the others within a minute. The key itself is never printed."""
    if generate_hmac is not None and (file is not None or scheme == "rsa"):
        fail("--generate-hmac goes neither with --file nor with --scheme rsa.")
    text = draw_secret(generate_hmac) if generate_hmac is not None else read_key(file)
    typer.echo(run(_add(tenant, "hmac" if generate_hmac is not None else scheme, text)))


async def _add(name: str | None, scheme: Scheme | None, text: str) -> str:
    async with _open(name) as opened:
        scheme = scheme or opened.tenant.freshchat.webhook_scheme
        key_id = load_key(scheme, text).id
        state = opened.keys.state(key_id)
        if state not in (None, "retired"):
            return f"Key {key_id} is there already ({state})."
        try:
            await change_ring(opened.ports.secrets, opened.tenant.id, lambda ring: ring.add(scheme, text, time.time()))
        except RingFull as error:
            fail(f"Not added: {error}.")
    again = " It was retired before, and is live again." if state == "retired" else ""
    return (
        f"Added key {key_id} ({scheme}, pending).{again} Running doors take it within a minute; then let it be signed "
        f"with, and when `bridgectl keys list` shows its use: bridgectl keys promote {key_id}"
    )


@cli.command()
def promote(key_id: KeyId, tenant: ForTenant = None) -> None:
    """Make a key the current one. The one before goes on verifying until it is retired."""

    async def work() -> str:
        async with _open(tenant) as opened:
            state = opened.keys.state(key_id)
            if state in (None, "retired"):
                fail(f"There is no live key {key_id}. `bridgectl keys list` names those there are.")
            if state == "settings":
                return f"Key {key_id} comes from the settings and verifies already: there is nothing to promote."
            secrets, one = opened.ports.secrets, opened.tenant.id
            before, after = await change_ring(secrets, one, lambda ring: ring.promote(key_id, time.time()))
        return f"Key {key_id} is current{' already' if before == after else ''}. The keys before it still verify."

    typer.echo(run(work()))


@cli.command()
def retire(
    key_id: KeyId,
    tenant: ForTenant = None,
    force: Annotated[bool, typer.Option("--force", help="Also if it verified something within the last hour.")] = False,
) -> None:
    """End a key: within a minute, what it signs is refused. Exit code 1 if it is still in use, or the last one."""

    async def work() -> str:
        async with _open(tenant) as opened:
            state = opened.keys.state(key_id)
            if state is None:
                fail(f"There is no key {key_id}. `bridgectl keys list` names those there are.")
            if state == "retired":
                return f"Key {key_id} is retired already."
            if not force:
                await _refuse_if_used(opened, key_id)
            return await _retire(opened, key_id)

    typer.echo(run(work()))


async def _retire(opened: Opened, key_id: str) -> str:
    secrets, configured = opened.ports.secrets, opened.keys.configured
    try:
        await change_ring(secrets, opened.tenant.id, lambda ring: ring.retire(key_id, time.time(), configured))
    except LastKey:
        _refuse(f"Key {key_id} is the last one: without it nothing can be verified. Add its successor first.")
    in_settings = any(key.id == key_id for key in configured)
    return f"Retired key {key_id}: within a minute no door takes it.{' ' + SETTINGS_HINT if in_settings else ''}"


async def _refuse_if_used(opened: Opened, key_id: str) -> None:
    use = await last_use(opened.ports.threads, opened.tenant.id, key_id)
    if time.time() - use.used_at < RECENT_SECONDS:
        _refuse(
            f"Key {key_id} verified a webhook at {when(use.used_at)}, less than an hour ago: it is still signed with. "
            "Retire it an hour after its last use; --force retires it now, and what it signs is then refused."
        )


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(FOUND)
