"""`bridgectl export`: everything out of Freshchat and Freshdesk into a folder."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.share import SHARE
from archive.rounds import Order
from archive.run import Export, begin, new_folder, order_since, reopen
from archive.state import State
from archive.streams import Away
from archive.summary import summary
from bridge.errors import BridgeError, Forbidden, Misconfigured
from bridge.settings import load
from bridgectl import export_read, export_sample, export_stored, export_view
from bridgectl.export_progress import event, progress
from bridgectl.export_sources import Access, open_upstreams
from bridgectl.export_stored import REMOVE, TO, To, look_before, store_folder
from bridgectl.output import fail
from bridgectl.output import run as run_work
from bridgectl.version import version

cli = typer.Typer(no_args_is_help=True, help="Archive all chats and tickets, and prove that nothing is missing.")
for _more in (export_read, export_sample, export_view, export_stored):
    _more.register(cli)


class Kind(StrEnum):
    """Why an archive is made; it decides how long it is kept."""

    monthly = "monthly"
    event = "event"
    final = "final"


class Product(StrEnum):
    """What can be archived alone."""

    freshchat = "freshchat"
    freshdesk = "freshdesk"


TENANT = Annotated[str | None, typer.Option(help="Whose Freshchat account, where there are several tenants.")]
RATE = Annotated[float | None, typer.Option(min=0.01, help="Most calls per second, for each account.")]
SHARES = Annotated[
    float, typer.Option(min=0.05, max=1.0, help="Most of an account's own limits that the export may use up.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print events, one line of JSON each.")]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@cli.command()
def run(
    out: Annotated[Path, typer.Option(help="Folder in which the archive's folder is made.")],
    kind: Annotated[Kind, typer.Option(help="Why it is made.")] = Kind.event,
    only: Annotated[Product | None, typer.Option(help="Archive only this product.")] = None,
    attachments: Annotated[bool, typer.Option(help="Fetch files too.")] = True,
    reports: Annotated[bool, typer.Option(help="Compare with Freshchat's raw reports, about one a minute.")] = True,
    transcript_days: Annotated[
        float, typer.Option(min=0, help="Days before now whose transcripts are compared; a report for each day.")
    ] = 7.0,
    probe: Annotated[bool, typer.Option(help="Look for archived tickets by the ids that no list names.")] = True,
    since: Annotated[
        Path | None, typer.Option(help="A complete archive: read only what has changed since it was begun.")
    ] = None,
    tenant: TENANT = None,
    max_rate: RATE = None,
    share: SHARES = SHARE,
    to: TO = To.folder,
    remove_local: REMOVE = False,
    as_json: JSON = False,
) -> None:
    """Write a complete archive below --out. What is interrupted goes on with `export resume`."""
    products = [only.value] if only else [product.value for product in Product]
    more = [name for name, wanted in (("reports", reports), ("attachments", attachments)) if wanted]
    order = Order(kind=kind.value, only=(*products, *more), transcript_days=transcript_days, probe=probe)
    access = Access(tenant=tenant, max_rate=max_rate, share=share)
    run_work(_stored(_new(out, order, since, access, as_json=as_json), to, remove_local, as_json=as_json))


@cli.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="The archive's folder, as `export run` made it.")],
    tenant: TENANT = None,
    max_rate: RATE = None,
    share: SHARES = SHARE,
    to: TO = To.folder,
    remove_local: REMOVE = False,
    as_json: JSON = False,
) -> None:
    """Go on with an export that was interrupted, wherever that was. What was read is not read again."""
    access = Access(tenant=tenant, max_rate=max_rate, share=share)
    run_work(_stored(_resume(folder, access, as_json=as_json), to, remove_local, as_json=as_json))


async def _stored(export: Coroutine[Any, Any, Path], to: To, remove_local: bool, *, as_json: bool) -> None:
    """Do an export, and store its archive if it is to be stored, which is looked at first."""
    with closing(export):
        if to is To.store:
            await look_before(load())
        elif remove_local:
            raise Misconfigured("--remove-local is for --to store")
        root = await export
    if to is To.store:
        await store_folder(root, remove_local=remove_local, as_json=as_json)


async def _new(out: Path, order: Order, base: Path | None, access: Access, *, as_json: bool) -> Path:
    ordered = order if base is None else order_since(order, base)
    return await _export(None, out, ordered, access, as_json=as_json)


async def _resume(folder: Path, access: Access, *, as_json: bool) -> Path:
    state = reopen(folder)
    if state is None:
        typer.echo(f"{folder} is complete.", err=True)
        return folder
    with closing(state):
        return await _export(state, folder, Export.order_of(state), access, as_json=as_json)


async def _export(state: State | None, folder: Path, order: Order, access: Access, *, as_json: bool) -> Path:
    """Do an export: a new one below `folder`, or the one in it whose state is given. Give the archive's folder."""
    async with open_upstreams(load(), access, order.only) as upstreams:
        root = folder
        with _clear_end(lambda: root):
            if state is None:
                root = new_folder(folder, now := time.time())
                state = begin(root, order, now)
            _tell(root, as_json=as_json)
            with closing(state):
                async with progress(state, as_json=as_json):
                    report = await Export(root, state, replace(upstreams, version=version())).run()
        _done(root, report, as_json=as_json)
        return root


def _tell(root: Path, *, as_json: bool) -> None:
    if as_json:
        event({"event": "folder", "folder": str(root)})
    else:
        typer.echo(f"Writing {root}", err=True)


def _done(root: Path, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        told = {name: report[name] for name in ("complete", "totals", "warning", "gaps")}
        event({"event": "done", "folder": str(root), **told})
    else:
        typer.echo(f"{root}\n\n{summary(report)}")


@contextmanager
def _clear_end(root: Any) -> Iterator[None]:
    """Say what stopped the export, and how it goes on."""
    try:
        yield
    except asyncio.CancelledError:
        typer.echo(f"Go on with: python -m bridgectl export resume {root()}", err=True)
        raise
    except Away as error:
        _stopped(f"{error} gives no answer.", root())
    except Forbidden as error:
        _stopped(f"{error.component} refuses the key ({error}). Put a valid one into the settings.", root())
    except BridgeError as error:
        _stopped(f"{error.component}: {error}.", root())
    except (sqlite3.OperationalError, OSError) as error:
        if not _full(error):
            raise
        _stopped("The disk is full. Free some space.", root())


def _full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return isinstance(error, OSError) and error.errno in FULL


def _stopped(why: str, root: Path) -> None:
    fail(f"{why} Nothing is lost; go on with: python -m bridgectl export resume {root}")
