"""`bridgectl exit plan`: who does what on which day, with the commands of this deployment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from bridge.settings import load
from bridgectl.exit import evidence
from bridgectl.exit.options import AsJson, Bot, File, FlyApp, Group, Where
from bridgectl.exit.steps import DAYS, Deployment, Names, commands
from bridgectl.output import fail, run, show, show_json
from cards.exit_texts import LABELS, Language, step_text

COLUMNS = ("day", "date", "step", "title", "who", "state")


def plan(
    leaving: Annotated[
        str | None, typer.Option("--date", help="The leaving date, such as 2026-12-31 (default: in 30 days).")
    ] = None,
    deployment: Where = Deployment.azure,
    language: Annotated[str, typer.Option("--lang", help="`en` or `ko`.")] = "en",
    bot: Bot = "",
    group: Group = "",
    fly_app: FlyApp = "",
    environment: Annotated[str, typer.Option(help="Which `.tfvars` file was applied, beside Terraform's.")] = "prod",
    file: File = evidence.DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the timeline of an exit, D-30 to D+14, with commands ready to run. Nothing is run."""
    if language not in ("en", "ko"):
        fail("--lang is en or ko.")
    chosen: Language = "ko" if language == "ko" else "en"
    names = Names(bot=bot, group=group, fly_app=fly_app, environment=environment)
    day = _date(leaving)

    async def work() -> list[dict[str, Any]]:
        return timeline(day, chosen, deployment, names, evidence.latest(evidence.read(file)))

    rows = run(work())
    if as_json:
        show_json(rows)
    else:
        _print(rows, chosen)


def timeline(
    leaving: date, language: Language, deployment: Deployment, names: Names, known: Mapping[str, evidence.Record]
) -> list[dict[str, Any]]:
    """Give the steps in their order, each with its day, texts, commands and state. Misconfigured as settings are."""
    settings = load()
    rows = []
    for step, offset in DAYS.items():
        text = step_text(step, language)
        row = {
            "step": step,
            "day": f"D{offset:+d}" if offset else "D",
            "date": (leaving + timedelta(days=offset)).isoformat(),
            "title": text.title,
            "who": text.who,
            "what": text.what,
            "commands": commands(step, deployment, settings, names, leaving),
            "check": text.check,
            "state": known[step].result if step in known else "",
        }
        rows.append(row)
    return rows


def _date(text: str | None) -> date:
    if text is None:
        return datetime.fromtimestamp(time.time(), UTC).date() + timedelta(days=30)
    try:
        found = date.fromisoformat(text)
        _ = found + timedelta(days=min(DAYS.values())), found + timedelta(days=max(DAYS.values()))
    except (ValueError, OverflowError):
        fail(f"--date {text}: write it as 2026-12-31.")
    return found


def _print(rows: list[dict[str, Any]], language: Language) -> None:
    heads = {name: LABELS[name][language] for name in COLUMNS}
    show([{heads[name]: row[name] for name in COLUMNS} for row in rows], tuple(heads.values()), as_json=False, empty="")
    for row in rows:
        typer.echo(f"\n{row['day']} {row['title']} ({row['who']})\n  {row['what']}")
        for command in row["commands"]:
            typer.echo(f"    {command}")
        typer.echo(f"  {LABELS['check'][language]}: {row['check']}")
