"""`bridgectl tenants`: is the mapping of tenants to accounts right?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adapters.freshchat.accounts import load_keys, read_material
from adapters.freshchat.signature import Verifier
from adapters.stores import open_ports
from bridge.errors import Misconfigured
from bridge.ports import SecretSource
from bridge.settings import load
from bridge.tenants import Tenant, load_tenants, resolve
from bridgectl.output import FOUND, run, show

cli = typer.Typer(no_args_is_help=True, help="Look at the tenants.")


@cli.command()
def check(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Read the tenants, load their keys and secrets, and say what is wrong. Exit code 1 if anything is."""

    async def work() -> list[dict[str, Any]]:
        settings = load()
        tenants = load_tenants(settings)
        async with open_ports(settings) as ports:
            return [await _row(tenant, ports.secrets) for tenant in tenants]

    found = run(work())
    show(found, ("id", "name", "inbox", "routes", "keys", "problem"), as_json=as_json, empty="No tenants.")
    if any(row["problem"] for row in found):
        raise typer.Exit(FOUND)


async def _row(tenant: Tenant, secrets: SecretSource) -> dict[str, Any]:
    account = tenant.freshchat
    problems: list[str] = []
    key_ids: tuple[str, ...] = ()
    try:
        keys = load_keys(tenant, await read_material(tenant, secrets)).live
        key_ids = Verifier.of(keys).key_ids
    except Misconfigured as error:
        problems.append(str(error))
    if not await resolve(account.api_key, secrets):
        problems.append("the API key's secret is empty")
    return {
        "id": tenant.id,
        "name": tenant.name,
        "inbox": account.inbox,
        "routes": len(tenant.route),
        "keys": ", ".join(key_ids),
        "problem": "; ".join(problems),
    }
