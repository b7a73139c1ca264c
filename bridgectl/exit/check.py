"""`bridgectl exit check`: looks at every step that can be seen from here, and writes down what it found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.settings import load
from bridgectl.exit import evidence
from bridgectl.exit.looks import LOOKS, Case, Found, archive_facts
from bridgectl.exit.options import AsJson, Bot, By, File, FlyApp, Group, Where, person
from bridgectl.exit.steps import DAYS, Deployment, Names
from bridgectl.output import FOUND, fail, run, show, show_json
from cards.exit_texts import step_text

COLUMNS = ("step", "result", "detail", "at", "by")


def check(
    archive: Annotated[Path | None, typer.Option(metavar="DIR", help="The final archive: `export_omni_…`.")] = None,
    url: Annotated[str | None, typer.Option(help="Where the doors are (default: BRIDGE_PUBLIC_URL).")] = None,
    step: Annotated[list[str] | None, typer.Option(help="Look at this step, also if it is done already.")] = None,
    confirm: Annotated[
        str | None, typer.Option(metavar="STEP", help="Write down that a person has seen this step done.")
    ] = None,
    proof: Annotated[str | None, typer.Option("--evidence", help="What that person has seen, and where.")] = None,
    deployment: Where = Deployment.azure,
    bot: Bot = "",
    group: Group = "",
    fly_app: FlyApp = "",
    by: By = None,
    file: File = evidence.DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Check the steps that are not done yet, and record what was found in the evidence file. Changes nothing else.

    What is left at Azure or fly.io is asked of `az` or `flyctl`, signed in, where the names are given.
    Exit code 1 as long as a step is not done. The last hash that is printed proves that no record was cut off: note it.
    """
    for name in (*(step or ()), *((confirm,) if confirm else ())):
        if name not in DAYS:
            fail(f"There is no step {name}: {', '.join(DAYS)}.")
    if (confirm is None) != (not (proof or "").strip()):
        fail("--confirm STEP and --evidence TEXT go together.")
    names = Names(bot=bot, group=group, fly_app=fly_app)
    records = run(
        _work(file, person(by), (confirm, (proof or "").strip()), archive, url, step or [], deployment, names)
    )
    rows = [_row(name, evidence.latest(records)) for name in DAYS]
    if as_json:
        show_json({"steps": rows, "records": len(records), "hash": records[-1].hash if records else None})
    else:
        show(rows, COLUMNS, as_json=False, empty="")
        if records:
            typer.echo(f"{file}: {len(records)} records, last hash {records[-1].hash}")
    if any(row["result"] not in evidence.SETTLED for row in rows):
        raise typer.Exit(FOUND)


async def _work(
    file: Path,
    by: str,
    confirmed: tuple[str | None, str],
    archive: Path | None,
    url: str | None,
    wanted: list[str],
    deployment: Deployment,
    names: Names,
) -> list[evidence.Record]:
    records = evidence.read(file)
    confirm, proof = confirmed
    if confirm is not None:
        facts = archive_facts(archive) if archive is not None and confirm == "export" else {}
        evidence.append(file, confirm, by, "confirmed", proof, facts)
        return evidence.read(file)
    settings = load()
    done = evidence.settled(records)
    case = Case(settings, archive, url or settings.public_url, evidence.latest(records), time.time, deployment, names)
    for name, look in LOOKS.items():
        if name in wanted or (not wanted and name not in done):
            found = await look(case)
            if found.result is not None and not _same(found, case.known.get(name)):
                evidence.append(file, name, by, found.result, found.detail, found.facts)
    return evidence.read(file)


def _same(found: Found, known: evidence.Record | None) -> bool:
    """Whether nothing has changed that would be worth a record."""
    return known is not None and (found.result, found.detail, found.facts) == (known.result, known.detail, known.facts)


def _row(name: str, known: dict[str, evidence.Record]) -> dict[str, Any]:
    record = known.get(name)
    if record is None:
        return {"step": name, "result": "missing", "detail": step_text(name, "en").check, "at": None, "by": None}
    return {"step": name, "result": record.result, "detail": record.detail, "at": record.at, "by": record.by}
