"""`bridgectl exit stop`: retires the bridge, and waits until what it has taken is delivered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from adapters.stores import Ports
from archive import layout
from bridge.letters_view import Filters, describe, first, matching, raw
from bridge.ports import DIRECTIONS, Depth, Queue
from bridge.retirement import READ_SECONDS, Retired, read_retirement, reinstate, retire
from bridge.settings import load
from bridge.text import when
from bridgectl.exit import evidence
from bridgectl.exit.evidence import SETTLED
from bridgectl.exit.options import AsJson, By, File, person, records_of
from bridgectl.exit.steps import IRREVERSIBLE
from bridgectl.output import FOUND, fail, run, show_json
from bridgectl.stores import existing_ports

NAMED = 20
"""Dead letters that are named; `dlq list` names them all."""
TOLD_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class _Order:
    """What is to be done, and on which grounds; `grounds` is the final export, or why there is none."""

    grounds: str
    by: str
    file: Path
    letters_file: Path | None
    wait: float
    dry_run: bool


@dataclass(slots=True)
class _Outcome:
    """How it went. `letters` are the ids of dead letters that nobody has taken care of (at most `NAMED`)."""

    retired_at: float | None
    waiting: dict[str, int] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    exported: int = 0
    exported_hash: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not any(self.waiting.values()) and not self.letters


def stop(
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this, only say what would be done.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put a retired bridge back into service.")] = False,
    without_export: Annotated[
        str | None, typer.Option(metavar="REASON", help="Retire without a verified final export, and why.")
    ] = None,
    letters: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the dead letters that are left, with what people wrote, to this file."
        ),
    ] = None,
    wait: Annotated[float, typer.Option(min=1, help="Longest wait in seconds for the queues to be empty.")] = 900.0,
    by: By = None,
    file: File = evidence.DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Retire the bridge: its doors answer 410, what is queued is delivered. Run it while the bridge runs.

    Needs the evidence that a final export was verified. Dead letters must be replayed, dropped by their names (`dlq`)
    or written to a file (`--letters`). Exit code 1 if something is left; the bridge is retired then too, and the same
    command goes on.
    """
    if undo:
        run(_undo(file, person(by), yes=yes))
        return
    grounds = _grounds(file, without_export)
    order = _Order(grounds=grounds, by=person(by), file=file, letters_file=letters, wait=wait, dry_run=not yes)
    outcome = run(_stop(order, quiet=as_json))
    _tell(order, outcome, as_json=as_json)
    if yes and not outcome.done:
        raise typer.Exit(FOUND)


def _grounds(file: Path, reason: str | None) -> str:
    """Give what allows the retirement; ends the command if nothing does."""
    known = evidence.latest(records_of(file))
    if reason is not None:
        return f"without export: {reason.strip()}" if reason.strip() else fail("--without-export needs a reason.")
    exported, verified = known.get("export"), known.get("verify")
    if exported is None or verified is None or exported.result not in SETTLED or verified.result != "passed":
        fail(
            f"{file} has no evidence of a verified final export: `bridgectl exit check --archive DIR` records it. Or "
            'say why there is none: --without-export "reason".'
        )
    fingerprint = verified.facts["fingerprint"]
    if exported.facts.get("fingerprint") != fingerprint:
        fail("The archive that was verified is not the final export: `bridgectl exit check` both steps again.")
    checksums = Path(verified.facts["archive"]) / layout.CHECKSUMS
    if checksums.is_file() and hashlib.sha256(checksums.read_bytes()).hexdigest() != fingerprint:
        fail(f"{checksums} has changed since it was verified: verify the archive again.")
    return f"final export {fingerprint}"


async def _stop(order: _Order, *, quiet: bool) -> _Outcome:
    if order.letters_file is not None and order.letters_file.exists():
        fail(f"{order.letters_file} exists already; nothing is written over it.")
    async with existing_ports() as ports:
        retired = await read_retirement(ports.threads)
        letters = await _letters(ports.queue)
        if letters and order.letters_file is None and retired is None and not order.dry_run:
            fail(
                f"Dead letters are left: {_named(letters)}. Replay them, drop them by name (`bridgectl dlq drop ID`), "
                "or say --letters FILE to write them to a file."
            )
        if order.dry_run:
            waiting = {name: depth.waiting for name, depth in (await _depths(ports.queue)).items()}
            return _Outcome(None if retired is None else retired.since, waiting, letters)
        if retired is None:
            retired = Retired(time.time(), order.by, order.grounds)
            await retire(ports.threads, retired)
        waiting = await _drained(ports, retired, order.wait, _line(quiet))
        outcome = _Outcome(retired.since, waiting, await _letters(ports.queue))
        if outcome.letters and order.letters_file is not None:
            outcome.exported, outcome.exported_hash = await _export(ports.queue, order.letters_file)
            outcome.letters = []
    _record(order, outcome)
    return outcome


async def _depths(queue: Queue) -> dict[str, Depth]:
    return {direction: await queue.depth(direction) for direction in DIRECTIONS}


async def _letters(queue: Queue) -> list[str]:
    return [letter.id async for letter in first(matching(queue, Filters()), NAMED)]


async def _drained(
    ports: Ports, retired: Retired, seconds: float, tell: Callable[[dict[str, int]], None]
) -> dict[str, int]:
    """Wait until nothing waits, and until every process must have seen the mark; give what waits at the end."""
    everybody_knows = retired.since + load().retirement_seconds + READ_SECONDS
    end = time.monotonic() + seconds
    while True:
        waiting = {name: depth.waiting for name, depth in (await _depths(ports.queue)).items()}
        tell(waiting)
        if (not any(waiting.values()) and time.time() > everybody_knows) or time.monotonic() > end:
            return waiting
        await asyncio.sleep(0.5)


def _line(quiet: bool) -> Callable[[dict[str, int]], None]:
    """Tell what waits: on a terminal in one line that changes, in a log when it changes, at most every 5 s."""
    console = Console(stderr=True)
    last: dict[str, Any] = {"said": None, "at": 0.0}

    def tell(waiting: dict[str, int]) -> None:
        said = ", ".join(f"{count} {name}" for name, count in waiting.items())
        if (
            quiet
            or said == last["said"]
            or time.monotonic() < last["at"] + (0 if console.is_terminal else TOLD_SECONDS)
        ):
            return
        last.update(said=said, at=time.monotonic())
        console.print(f"Waiting: {said}", end="\r" if console.is_terminal else "\n")

    return tell


async def _export(queue: Queue, file: Path) -> tuple[int, str]:
    """Write all letters with their bodies, one line of JSON each, for the owner's eyes only; give count and hash."""
    digest, count = hashlib.sha256(), 0
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        async for letter in matching(queue, Filters()):
            line = json.dumps(describe(letter) | {"body": raw(letter)}, ensure_ascii=False).encode() + b"\n"
            digest.update(line)
            out.write(line)
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count, digest.hexdigest()


def _record(order: _Order, outcome: _Outcome) -> None:
    facts = {"retired_at": when(outcome.retired_at or 0), "grounds": order.grounds}
    if outcome.exported:
        facts |= {"letters": str(outcome.exported), "letters_sha256": outcome.exported_hash}
    result: evidence.Result = "passed" if outcome.done else "failed"
    detail = "retired, and nothing is left" if outcome.done else f"retired; left: {_left(outcome)}"
    evidence.append(order.file, "stop", order.by, result, detail, facts)


def _left(outcome: _Outcome) -> str:
    waiting = [f"{count} messages {name}" for name, count in outcome.waiting.items() if count]
    letters = [f"dead letters {_named(outcome.letters)}"] if outcome.letters else []
    return "; ".join([*waiting, *letters])


def _named(letters: list[str]) -> str:
    return ", ".join(letters) + (", …" if len(letters) >= NAMED else "")


def _tell(order: _Order, outcome: _Outcome, *, as_json: bool) -> None:
    if as_json:
        since = None if outcome.retired_at is None else when(outcome.retired_at)
        state = {"dry_run": order.dry_run, "retired_at": since, "grounds": order.grounds, "waiting": outcome.waiting}
        show_json(state | {"letters": outcome.letters, "letters_written": outcome.exported})
        return
    if order.dry_run:
        already = "is retired already" if outcome.retired_at else "would be retired"
        typer.echo(f"The bridge {already} ({order.grounds}).")
        typer.echo(f"Left now: {_left(outcome) or 'nothing'}. Nothing was done; --yes does it.")
        return
    if outcome.exported:
        typer.echo(f"{outcome.exported} dead letters written to {order.letters_file}.")
    typer.echo(f"The bridge is retired. Left: {_left(outcome) or 'nothing'}.")


async def _undo(file: Path, by: str, *, yes: bool) -> None:
    gone = sorted(evidence.settled(records_of(file)) & set(IRREVERSIBLE))
    if gone:
        fail(f"This cannot be taken back any more: {', '.join(gone)} is done, says {file}.")
    async with existing_ports() as ports:
        if await read_retirement(ports.threads) is None:
            typer.echo("The bridge is not retired.")
            return
        if not yes:
            typer.echo("The bridge would go back into service. Nothing was done; --yes does it.")
            return
        await reinstate(ports.threads)
    evidence.append(file, "stop", by, "undone", "back in service", {})
    typer.echo("The bridge is back in service: its doors open within seconds.")
