"""`bridgectl secrets`: values that settings name as `secret:NAME`, changed while the bridge runs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from adapters.freshchat.key_ring import RECORD
from adapters.local.files_secrets import LocalSecrets
from adapters.stores import open_secrets
from bridge.settings import load
from bridgectl.output import fail, run, show

cli = typer.Typer(no_args_is_help=True, help="Set and list secrets of the embedded source (settings: `secret:NAME`).")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MAX_BYTES = 65_536


@cli.command("set")
def set_secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that a setting gives after `secret:`.")],
    keep: Annotated[int, typer.Option(min=1, max=8, help="How many versions stay live, this one included.")] = 1,
) -> None:
    """Store a new value, typed unseen or read from standard input. Running processes use it from their next call on."""
    if name.startswith(RECORD):
        fail(f"{name} is kept by `bridgectl keys`.")
    value = _given()
    if not value or len(value) > MAX_BYTES:
        fail("Nothing was stored: the value is empty." if not value else "Nothing was stored: the value is too long.")
    run(_source().put(name, value, keep=keep))
    typer.echo(f"Stored {name}. Settings name it as secret:{name}.")


def _given() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Value", hide_input=True)).strip()
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1).decode().strip()
    except UnicodeDecodeError:
        fail("Nothing was stored: the value is not text.")


@cli.command("list")
def list_secrets(as_json: AsJson = False) -> None:
    """List the names of the stored secrets and how many live versions each has; never a value."""

    async def work() -> list[dict[str, Any]]:
        return [{"name": name, "versions": count} for name, count in (await _source().stored()).items()]

    show(run(work()), ("name", "versions"), as_json=as_json, empty="No secrets are stored here.")


def _source() -> LocalSecrets:
    source = open_secrets(load())
    if not isinstance(source, LocalSecrets):
        fail("BRIDGE_SECRETS names a source with commands of its own: set and list secrets there.")
    return source
