"""`bridgectl dlq`: dead letters as a work list."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import track

from bridge.letters_view import Filters, describe, first, matching, raw, redacted
from bridge.ports import DeadLetter, Direction, Queue
from bridgectl import moment
from bridgectl.output import fail, run, show, show_json
from bridgectl.stores import existing_ports

cli = typer.Typer(no_args_is_help=True, help="List, read, replay and drop dead letters.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Letters to take, as `dlq list` names them.")]
All = Annotated[bool, typer.Option("--all", help="Take every letter that the filters leave.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Code = Annotated[str | None, typer.Option(help="Only letters with this error code.")]
Component = Annotated[str | None, typer.Option(help="Only letters that this component gave up, such as `graph`.")]
Tenant = Annotated[str | None, typer.Option(help="Only letters of this tenant.")]
Way = Annotated[Direction | None, typer.Option("--direction", help="Only this direction.")]
Since = Annotated[str | None, typer.Option(help=f"Only letters that last failed then or later. {moment.HELP}")]
Until = Annotated[str | None, typer.Option(help="Only letters that last failed before that.")]
Transient = Annotated[
    bool | None,
    typer.Option("--transient/--permanent", help="Only letters that are replayed by themselves, or only the others."),
]

COLUMNS = ("id", "reference", "direction", "code", "component", "first_failed_at", "last_failed_at", "attempts")
COLUMNS_AGAIN = ("replays", "next_replay")


@cli.command("list")
def list_letters(
    direction: Way = None,
    code: Code = None,
    component: Component = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    transient: Transient = None,
    limit: int = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first, without anything personal.

    `next_replay`: when the bridge puts it back by itself, if the upstream works by then. `given up` has come back often
    enough, and waits for a person as `-` does.
    """
    filters = _filters(direction, code, component, tenant, since, until, transient)

    async def work() -> list[dict[str, Any]]:
        async with existing_ports() as ports:
            return [describe(letter) async for letter in first(matching(ports.queue, filters), limit + 1)]

    letters = run(work())
    rows = letters[:limit] if as_json else [row | {"next_replay": _again(row)} for row in letters[:limit]]
    show(rows, COLUMNS + COLUMNS_AGAIN, as_json=as_json, empty="No dead letters.")
    if len(letters) > limit:
        typer.echo(f"There are more than these {limit}: raise --limit.", err=True)


def _again(letter: dict[str, Any]) -> str:
    return str(letter["next_replay"] or ("given up" if letter["given_up"] else "-"))


@cli.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    body: Annotated[bool, typer.Option("--body", help="Also print the raw body. It holds what people wrote.")] = False,
) -> None:
    """Show one letter as JSON: why it failed, and the shape of its body; `--body` prints the body itself."""

    async def work() -> DeadLetter | None:
        async with existing_ports() as ports:
            return await ports.queue.find_dead_letter(letter_id)

    letter = run(work())
    if letter is None:
        fail(f"There is no dead letter {letter_id}. `bridgectl dlq list` names those there are.")
    show_json(describe(letter) | {"body": raw(letter) if body else redacted(letter)})


@cli.command()
def replay(
    ids: Ids = None,
    everything: All = False,
    direction: Way = None,
    code: Code = None,
    component: Component = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    transient: Transient = None,
    dry_run: DryRun = False,
) -> None:
    """Put letters back in the queue. What was sent before is found and not sent again.

    Works while the bridge runs and while it is stopped, and may be interrupted: call it again for the rest.
    """
    filters = _filters(direction, code, component, tenant, since, until, transient)
    _each("replay", "Replayed", ids, everything, filters, dry_run)


@cli.command()
def drop(
    ids: Ids = None,
    everything: All = False,
    direction: Way = None,
    code: Code = None,
    component: Component = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    transient: Transient = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete letters for good. Their messages will never arrive."""
    filters = _filters(direction, code, component, tenant, since, until, transient)
    if not (yes or dry_run):
        typer.confirm("Dropped letters cannot be brought back. Go on?", abort=True)
    _each("drop", "Dropped", ids, everything, filters, dry_run)


def _filters(
    direction: Direction | None,
    code: str | None,
    component: str | None,
    tenant: str | None,
    since: str | None,
    until: str | None,
    transient: bool | None,
) -> Filters:
    now = time.time()
    return Filters(
        direction=direction,
        code=code,
        component=component,
        tenant=tenant,
        since=moment.moment(since, now) if since else None,
        until=moment.moment(until, now) if until else None,
        comes_back=transient,
    )


def _each(
    method: Literal["replay", "drop"],
    done: str,
    ids: list[str] | None,
    everything: bool,
    filters: Filters,
    dry_run: bool,
) -> None:
    if bool(ids) == everything:
        fail("Name letters by their ids, or say --all (with filters if you like).")
    if ids and filters != Filters():
        fail("Filters choose among all letters: say --all instead of ids.")
    label = f"Would have {done.lower()}" if dry_run else done

    async def work() -> list[str]:
        async with existing_ports() as ports:
            chosen = list(ids or [])
            if everything:
                chosen = [letter.id async for letter in matching(ports.queue, filters)]
            return await _act_on(chosen, _act(ports.queue, method, dry_run), label)

    missing = run(work())
    if missing and everything:
        typer.echo(f"{len(missing)} were gone meanwhile: somebody else took them.", err=True)
    elif missing:
        fail(f"No such dead letter: {', '.join(missing)}")


async def _act_on(chosen: Sequence[str], act: Callable[[str], Awaitable[bool]], label: str) -> list[str]:
    """Act on each letter and say on how many, also when interrupted; return those that were not there."""
    console = Console(stderr=True)
    missing: list[str] = []
    worked = 0
    try:
        for letter in track(chosen, label, console=console, transient=True, disable=not console.is_terminal):
            if await act(letter):
                worked += 1
            else:
                missing.append(letter)
    finally:
        rest = len(chosen) - worked - len(missing)
        typer.echo(f"{label} {worked}." + (f" {rest} of {len(chosen)} are left." if rest else ""))
    return missing


def _act(queue: Queue, method: Literal["replay", "drop"], dry_run: bool) -> Callable[[str], Awaitable[bool]]:
    async def would(letter_id: str) -> bool:
        return await queue.find_dead_letter(letter_id) is not None

    return would if dry_run else queue.replay if method == "replay" else queue.drop
