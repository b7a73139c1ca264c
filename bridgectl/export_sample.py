"""`bridgectl export sample`: a few things by chance, beside what their accounts say now, with a result to sign off."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from archive.reading import Archive
from archive.reread import scratch
from archive.samples import FINE, Compared, archived, beside, draw, facts, read_again
from bridge.settings import load
from bridgectl.export_read import AsJson, Folder, printable, scratch_ledger
from bridgectl.export_sources import Access, open_upstreams
from bridgectl.output import FOUND, clear_end, run, show_json

WIDTH = 160
"""Columns of a comparison where no terminal says how many there are."""


def register(cli: typer.Typer) -> None:
    """Add the command to `bridgectl export`."""
    cli.command()(sample)


def sample(
    folder: Folder,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="How many of each list.")] = 5,
    seed: Annotated[int | None, typer.Option(help="Draw the same again: the number that a result tells.")] = None,
    signed_by: Annotated[str | None, typer.Option(help="Who has compared them; asked for on a terminal.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose Freshchat account, where there are several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw chats, chats without a ticket and tickets, read them anew, and show both side by side.

    The result is written beside the archive, as `samples_<date>.json`: what was drawn, what differs (where, not what),
    and who has signed. `changed`: after the export, and all that was archived is still there. `deleted`: it was deleted
    or spam already, and such tickets cannot be read singly.
    """
    with clear_end():
        archive = Archive(folder)
    chosen = random.SystemRandom().randrange(10**9) if seed is None else seed
    compared = run(_compare(archive, number, chosen, tenant))
    if not as_json:
        _show(compared)
    if signed_by is None and sys.stdin.isatty() and not as_json:
        signed_by = typer.prompt("Who has compared them? (empty: nobody signs)", default="", show_default=False)
    result = _result(archive, chosen, compared, signed_by)
    file = _write(archive.root.resolve().parent, result)
    if as_json:
        show_json(result)
    else:
        counts = ", ".join(f"{count} {word}" for word, count in result["summary"].items())
        typer.echo(f"{counts or 'nothing to draw'}; written to {file}")
    if any(one.result not in FINE for one in compared):
        raise typer.Exit(FOUND)


async def _compare(archive: Archive, number: int, seed: int, tenant: str | None) -> list[Compared]:
    with scratch_ledger() as ledger:
        drawn = draw(archive, ledger, number, seed)
    kept = archived(archive, drawn)
    wanted = {"freshchat" if one.kind == "conversation" else "freshdesk" for one in drawn}
    with tempfile.TemporaryDirectory(prefix="sample-") as folder, scratch(Path(folder)) as state:
        async with open_upstreams(load(), Access(tenant=tenant), sorted(wanted)) as upstreams:
            await read_again(drawn, upstreams, state)
        return [beside(one, kept[one], state) for one in drawn]


def _show(compared: list[Compared]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for one in compared:
        title = f"{one.drawn.kind} {printable(one.drawn.id)} ({one.drawn.group}): {one.result} {one.reason}"
        table = Table("", Column("archive", overflow="fold"), Column("now", overflow="fold"), title=Text(title, "bold"))
        table.title_justify = "left"
        now = facts(one.now) if one.now else {}
        for name, value in facts(one.archived).items():
            other = now.get(name, "")
            style = "red" if one.now and value != other else None
            if value or other:
                table.add_row(name, Text(printable(value)), Text(printable(other)), style=style)
        console.print(table)
        for path in one.differences:
            console.print(Text(f"  differs: {printable(path)}"))


def _result(archive: Archive, seed: int, compared: list[Compared], signed_by: str | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "archive": archive.name,
        "fingerprint": archive.fingerprint,
        "comparedAt": now,
        "seed": seed,
        "summary": dict(Counter(one.result for one in compared)),
        "signedBy": (signed_by or "").strip() or None,
        "items": [
            {
                "group": one.drawn.group,
                "kind": one.drawn.kind,
                "id": one.drawn.id,
                "result": one.result,
                "reason": one.reason,
                "differences": one.differences,
            }
            for one in compared
        ],
    }


def _write(folder: Path, result: dict[str, Any]) -> Path:
    """Write the result beside the archive, never over another one."""
    number = 1
    while True:
        ending = f"_{number}" if number > 1 else ""
        file = folder / f"samples_{result['comparedAt'][:10]}{ending}.json"
        try:
            with file.open("x", encoding="utf-8") as out:
                json.dump(result, out, ensure_ascii=False, indent=2)
                out.write("\n")
            return file
        except FileExistsError:
            number += 1
