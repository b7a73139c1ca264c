"""`bridgectl doctor`: is everything right, and if not, what to do."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from bridge.settings import Settings
from bridgectl.config import rows
from bridgectl.output import FOUND, PIPED, run, show_json

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "dim"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Call nobody outside of this machine.")] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(help="App package (zip) or manifest.json to compare.", exists=True, dir_okay=False, readable=True),
    ] = None,
) -> None:
    """Check what must be right: settings, stores, Freshchat, bot, Graph, operators' page, archive, manifest, clock.

    Each line says what was looked at, and what to do if it is wrong. Warnings do not change the exit code.
    """
    # what is imported here takes half a second, which `--help` of other commands need not wait
    from bridgectl.doctor.examine import examine  # noqa: PLC0415
    from bridgectl.doctor.report import worst  # noqa: PLC0415

    watched = sys.stderr.isatty() and not as_json
    status = Console(stderr=True).status("") if watched else nullcontext()
    with status as shown:

        def progress(what: str) -> None:
            if shown is not None:
                shown.update(f"looking at {what}")

        settings, findings = run(examine(progress, offline=offline, manifest=manifest))
    result = worst(findings)
    listed = [asdict(finding) for finding in findings]
    if as_json:
        show_json({"status": result, "checks": listed, "settings": rows(settings) if settings else []})
    else:
        _print(settings, listed)
    if result == "problem":
        raise typer.Exit(FOUND)


def _print(settings: Settings | None, findings: list[dict[str, Any]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else PIPED, highlight=False)
    for row in rows(settings) if settings else []:
        if row["source"] != "default":
            console.print(Text(f"{row['name']} = {row['value']}  ({row['source']})", "dim"))
    for finding in findings:
        line = Text(f"{finding['status']:<8}", STYLES[finding["status"]])
        console.print(line.append(f" {finding['check']}: {finding['subject']}: {finding['seen']}", "default"))
        if finding["todo"]:
            console.print(Text(f"         → {finding['todo']}"))
    counted = [f"{sum(f['status'] == status for f in findings)} {status}" for status in STYLES]
    console.print(", ".join(counted))
