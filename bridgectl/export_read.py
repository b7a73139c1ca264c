"""`bridgectl export verify` and `convert`: what is done with an archive once it is there."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from archive.against_source import against_source as compare_with_source
from archive.against_source import products
from archive.convert import expected_rows, to_json_lines
from archive.convert import to_sqlite as to_database
from archive.ledger import Ledger
from archive.reading import Archive
from archive.reread import scratch
from archive.verify import Verified
from archive.verify import verify as verify_archive
from bridge.settings import load
from bridgectl.export_sources import Access, open_upstreams
from bridgectl.output import FOUND, clear_end, fail

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The archive: a folder `export_omni_…`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Source = dict[str, dict[str, int]]
"""Counts by kind of thing, as the accounts list them."""

_COUNTS = {
    "archive": "in the archive",
    "source": "in the account",
    "onlyInArchive": "only in the archive",
    "newer": "newer",
    "missing": "missing",
}


def register(cli: typer.Typer) -> None:
    """Add these commands to `bridgectl export`."""
    cli.command()(verify)
    cli.command()(convert)


def verify(
    folder: Folder,
    against_source: Annotated[
        bool, typer.Option("--against-source", help="Also ask the accounts for all ids, and compare.")
    ] = False,
    tenant: Annotated[
        str | None, typer.Option(help="Whose Freshchat account, where there are several tenants.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read an archive again, offline: hashes, JSON, references, counts. Every file that is not as written is named.

    The fingerprint is the hash of `checksums.sha256`: note it elsewhere, and compare it.
    """

    with clear_end(), scratch_ledger() as ledger:
        archive = Archive(folder)
        with progress("Reading") as step:
            result = verify_archive(archive, ledger, step)
        source = asyncio.run(_ask(archive, ledger, tenant)) if against_source else {}
        (_print_json if as_json else _print)(archive, ledger, result, source)
        found = ledger.how_many() > 0
    if found:
        raise typer.Exit(FOUND)


async def _ask(archive: Archive, ledger: Ledger, tenant: str | None) -> Source:
    with tempfile.TemporaryDirectory(prefix="source-") as folder, scratch(Path(folder)) as state:
        async with open_upstreams(load(), Access(tenant=tenant), list(products(archive))) as upstreams:
            return await compare_with_source(archive, ledger, upstreams, state, time.time())


def convert(
    folder: Folder,
    to_sqlite: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one SQLite database.")] = None,
    to_jsonl: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write JSON Lines, a file for each kind.")
    ] = None,
) -> None:
    """Write an archive for analysts: tables with typed columns and the JSON as received, or JSON Lines."""
    if (to_sqlite is None) == (to_jsonl is None):
        fail("Say --to-sqlite FILE or --to-jsonl DIR.")

    with clear_end():
        archive = Archive(folder)
        expected = expected_rows(archive)
        with progress("Writing") as step:

            def told(done: int) -> None:
                step(done, max(done, expected))

            if to_sqlite is not None:
                rows = to_database(archive, to_sqlite, told)
            else:
                rows = to_json_lines(archive, to_jsonl or folder, told)
        typer.echo(f"{rows:,} rows written to {to_sqlite or to_jsonl}.")


@contextmanager
def scratch_ledger() -> Iterator[Ledger]:
    """Open a ledger in a temporary folder, and remove it."""
    with tempfile.TemporaryDirectory(prefix="ledger-") as scratch, closing(Ledger(Path(scratch) / "ledger")) as ledger:
        yield ledger


def _print(archive: Archive, ledger: Ledger, result: Verified, source: Source) -> None:
    name = archive.root.resolve().name
    typer.echo(f"{printable(name)}: {result.files:,} files, {result.bytes:,} bytes, fingerprint {result.fingerprint}")
    for kind, counts in source.items():
        told = ", ".join(f"{number:,} {_COUNTS[count]}" for count, number in counts.items())
        typer.echo(f"{kind}: {told}")
    for finding in ledger.findings():
        typer.echo(f"{finding.kind:<10} {printable(finding.path)}: {printable(finding.detail)}")
    if warning := archive.report.get("warning"):
        typer.echo(f"The export itself says: {printable(str(warning))}")
    count = ledger.how_many()
    typer.echo(f"{count:,} findings." if count else "Everything is as it was written.")


def _print_json(archive: Archive, ledger: Ledger, result: Verified, source: Source) -> None:
    """Print one object; the findings one by one, as there may be millions."""
    head = {"archive": archive.root.resolve().name, "ok": ledger.how_many() == 0, "fingerprint": result.fingerprint}
    more = {"files": result.files, "bytes": result.bytes, "counts": result.counts}
    said = {"complete": archive.report.get("complete"), "warning": archive.report.get("warning")}
    text = json.dumps(head | more | said | ({"source": source} if source else {}), ensure_ascii=False, indent=2)
    typer.echo(text.removesuffix("\n}") + ',\n  "findings": [', nl=False)
    for number, finding in enumerate(ledger.findings()):
        row = {"kind": finding.kind, "path": finding.path, "detail": finding.detail}
        typer.echo(("," if number else "") + "\n    " + json.dumps(row, ensure_ascii=False), nl=False)
    typer.echo("\n  ]\n}" if ledger.how_many() else "]\n}")


def printable(text: str) -> str:
    """Show what a terminal would act on; names in an archive may come from anywhere."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal, and nothing in a log; give what is told how far it is, and of how many."""
    console = Console(stderr=True)
    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
