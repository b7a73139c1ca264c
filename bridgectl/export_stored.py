"""`bridgectl export stored`, and `--to store`: archives in the object store, sealed for a key that is not there."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pyrage import x25519

from adapters.archives import open_archive_store
from archive.keeping import Result, fetch, keep, kept_until, label_of
from archive.reading import Archive
from archive.unsealed import Damaged, Unsafe, WrongKey, identities
from archive.verify import verify
from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.ports.archives import ArchiveStore, KeptArchive
from bridge.settings import Settings, load
from bridgectl import export_read
from bridgectl.export_progress import event
from bridgectl.key_files import read_key
from bridgectl.output import clear_end, fail, run, show

MEND = (BridgeError, StoreFull, Misconfigured, OSError)


class To(StrEnum):
    """Where an archive goes."""

    folder = "folder"
    store = "store"


TO = Annotated[To, typer.Option(help="`store`: also into the object store, sealed for ARCHIVE_RECIPIENTS.")]
REMOVE = Annotated[bool, typer.Option("--remove-local", help="Remove the folder when it is stored and proven.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]

stored = typer.Typer(no_args_is_help=True, help="Archives in the object store.")


def register(cli: typer.Typer) -> None:
    """Add the commands to `bridgectl export`."""
    cli.add_typer(stored, name="stored")


@asynccontextmanager
async def archive_store(settings: Settings) -> AsyncIterator[ArchiveStore]:
    """Open the store of the settings, once it answers. Raises like `ArchiveStore.ping`."""
    store = open_archive_store(settings)
    try:
        await store.ping()
        yield store
    finally:
        await store.close()


def recipients(settings: Settings) -> list[str]:
    """Give the public keys; Misconfigured if there is none."""
    if not settings.archive_recipients:
        raise Misconfigured(
            "ARCHIVE_RECIPIENTS is missing: archives are stored for the holder of a key only. Who is to hold it runs "
            "`python -m bridgectl export stored key --out FILE`, keeps the file and tells its public key"
        )
    return settings.archive_recipients.split(",")


async def look_before(settings: Settings) -> None:
    """See that an archive can be stored, before hours of work on it. Misconfigured or a BridgeError if not."""
    recipients(settings)
    async with archive_store(settings):
        pass


async def store_folder(root: Path, *, remove_local: bool, as_json: bool) -> None:
    """Verify an archive and store it; whatever is in the way ends the command, and says how it goes on."""
    try:
        found = await asyncio.to_thread(_findings, root)
        if found:
            fail(
                f"{root} is not as it was written ({found:,} findings), so it is not stored: `bridgectl export verify`."
            )
        settings = load()
        keys = recipients(settings)
        async with archive_store(settings) as store:
            result = await keep(store, root, keys, time.time())
    except asyncio.CancelledError:
        typer.echo(_again(root), err=True)
        raise
    except MEND as error:
        fail(f"Not stored: {error}\n{_again(root)}")
    _tell(result, as_json=as_json)
    if remove_local:
        shutil.rmtree(root)
        typer.echo(f"Removed {root}", err=True)


def _again(root: Path) -> str:
    return f"The archive itself is whole; store it with: python -m bridgectl export stored put {root}"


def _findings(root: Path) -> int:
    with export_read.scratch_ledger() as ledger:
        archive = Archive(root)
        label_of(archive, ())
        verify(archive, ledger)
        return ledger.how_many()


def _tell(result: Result, *, as_json: bool) -> None:
    if as_json:
        deleted = [kept.name for kept in result.deleted]
        event({"event": "stored", **_row(result.kept), "before": result.before, "deleted": deleted})
        return
    row = _row(result.kept)
    typer.echo(
        f"{'Is stored already as' if result.before else 'Stored as'} {row['name']}, and read back: the same bytes."
    )
    typer.echo(f"{row['kind']}, {row['size']:,} bytes, sha256 {row['sha256']}, kept until {row['kept until']}")
    typer.echo(f"fingerprint {row['fingerprint']}: note it elsewhere")
    for kept in result.deleted:
        typer.echo(f"Deleted {kept.name}: it was kept until {_row(kept)['kept until']}")


def _row(kept: KeptArchive) -> dict[str, Any]:
    label, until = kept.label, kept_until(kept.label)
    return {
        "name": kept.name,
        "kind": label.kind,
        "made": _day(label.made),
        "size": kept.size,
        "kept until": "forever" if until is None else _day(until),
        "sha256": kept.sha256,
        "fingerprint": label.fingerprint,
        "recipients": list(label.recipients),
        "totals": dict(label.totals),
    }


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


async def _all(store: ArchiveStore) -> list[KeptArchive]:
    return sorted([kept async for kept in store.all()], key=lambda kept: (kept.label.made, kept.name))


@stored.command("list")
def list_(as_json: AS_JSON = False) -> None:
    """List the stored archives: what they are, and until when they are kept."""

    async def listed() -> Sequence[KeptArchive]:
        async with archive_store(load()) as store:
            return await _all(store)

    rows = [_row(kept) for kept in run(listed())]
    show(rows, ("name", "kind", "made", "size", "kept until"), as_json=as_json, empty="No archive is stored.")


@stored.command()
def put(
    folder: export_read.Folder,
    remove_local: REMOVE = False,
    as_json: AS_JSON = False,
) -> None:
    """Store an archive that is there, after reading it again as `export verify` does. Harmless to do twice."""
    run(store_folder(folder, remove_local=remove_local, as_json=as_json))


@stored.command("fetch")
def fetch_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the stored archive, as `stored list` has it.")],
    identity: Annotated[Path, typer.Option(metavar="FILE", help="File with the private key.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder in which the archive's folder is made.")],
) -> None:
    """Decrypt and unpack a stored archive, and verify it."""
    try:
        keys = identities(read_key(identity))
    except ValueError as error:
        fail(f"{identity}: {error}.")
    folder, kept = run(_fetched(name, keys, out))
    typer.echo(f"{folder}, sealed with the fingerprint {kept.label.fingerprint}")
    export_read.verify(folder, against_source=False, tenant=None, as_json=False)


async def _fetched(name: str, keys: Sequence[x25519.Identity], out: Path) -> tuple[Path, KeptArchive]:
    async with archive_store(load()) as store:
        kept = next((kept for kept in await _all(store) if kept.name == name), None)
        if kept is None:
            fail(f"There is no stored archive {name}; see `python -m bridgectl export stored list`.")
        try:
            return await fetch(store, kept, keys, out), kept
        except WrongKey:
            fail(f"That key does not open it. It is sealed for: {', '.join(kept.label.recipients)}")
        except Damaged as error:
            fail(f"{name} is damaged in the store: {error}. Nothing was unpacked.")
        except Unsafe as error:
            fail(f"{name} is no archive that was stored by an export: {error}. Nothing was unpacked.")


@stored.command()
def key(out: Annotated[Path, typer.Option(metavar="FILE", help="New file for the private key.")]) -> None:
    """Make a pair of keys: the private one into a file for its owner only, the public one is printed.

    Who holds the file can read the archives, and nobody else: keep it, and a copy, away from the bridge.
    """
    pair = x25519.Identity.generate()
    public, made = str(pair.to_public()), datetime.now(UTC).isoformat(timespec="seconds")
    with clear_end():
        try:
            handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            fail(f"{out} is there already, and is not overwritten: archives may be sealed for it.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"# created: {made}\n# public key: {public}\n{pair}\n")
    typer.echo(public)
