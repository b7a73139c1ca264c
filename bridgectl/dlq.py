"""`bridgectl dlq`: dead letters as a work list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal

import typer

from adapters.stores import EMBEDDED, Ports, open_ports
from bridge import ids
from bridge.errors import Misconfigured
from bridge.ports import DeadLetter, Direction, Queue
from bridge.settings import load
from bridgectl.output import fail, run, show, show_json, when

cli = typer.Typer(no_args_is_help=True, help="List, read, replay and drop dead letters.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Letters to take, as `dlq list` names them.")]
All = Annotated[bool, typer.Option("--all", help="Take every letter that the filters leave.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Code = Annotated[str | None, typer.Option(help="Only letters with this error code.")]
Tenant = Annotated[str | None, typer.Option(help="Only letters of this tenant.")]
Way = Annotated[Direction | None, typer.Option("--direction", help="Only this direction.")]

Filters = tuple[Direction | None, str | None, str | None]
COLUMNS = ("id", "direction", "code", "component", "attempts", "last_failed_at", "key")


def _ports() -> AbstractAsyncContextManager[Ports]:
    """Open the stores; where there is none yet, an empty list would only hide that the folder is the wrong one."""
    settings = load()
    if settings.queue == EMBEDDED["BRIDGE_QUEUE"] and not (settings.data_dir / "bridge.db").exists():
        raise Misconfigured(f"no store is in BRIDGE_DATA_DIR {settings.data_dir}: is it the folder of the bridge?")
    return open_ports(settings)


@cli.command("list")
def list_letters(
    direction: Way = None, code: Code = None, tenant: Tenant = None, limit: int = 100, as_json: AsJson = False
) -> None:
    """List dead letters, oldest first, without anything personal."""

    async def work() -> list[dict[str, Any]]:
        async with _ports() as ports:
            found = _matching(ports.queue, direction, code, tenant)
            return [describe(letter) async for letter in _first(found, limit + 1)]

    letters = run(work())
    show(letters[:limit], COLUMNS, as_json=as_json, empty="No dead letters.")
    if len(letters) > limit:
        typer.echo(f"There are more than these {limit}: raise --limit.", err=True)


@cli.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    body: Annotated[bool, typer.Option("--body", help="Also print the raw body. It holds what people wrote.")] = False,
) -> None:
    """Show one letter as JSON: why it failed, and the shape of its body; `--body` prints the body itself."""

    async def work() -> DeadLetter | None:
        async with _ports() as ports:
            return await ports.queue.find_dead_letter(letter_id)

    letter = run(work())
    if letter is None:
        fail(f"There is no dead letter {letter_id}. `bridgectl dlq list` names those there are.")
    show_json(describe(letter) | ({"body": _text(letter)} if body else {"body": redacted(letter)}))


@cli.command()
def replay(
    ids: Ids = None,
    everything: All = False,
    direction: Way = None,
    code: Code = None,
    tenant: Tenant = None,
    dry_run: DryRun = False,
) -> None:
    """Put letters back in the queue. What was sent before is found and not sent again."""
    _each("replay", "Replayed", ids, everything, (direction, code, tenant), dry_run)


@cli.command()
def drop(
    ids: Ids = None,
    everything: All = False,
    direction: Way = None,
    code: Code = None,
    tenant: Tenant = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete letters for good. Their messages will never arrive."""
    if not (yes or dry_run):
        typer.confirm("Dropped letters cannot be brought back. Go on?", abort=True)
    _each("drop", "Dropped", ids, everything, (direction, code, tenant), dry_run)


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

    async def work() -> tuple[list[str], list[str]]:
        async with _ports() as ports:
            chosen = list(ids or [])
            if everything:
                chosen = [letter.id async for letter in _matching(ports.queue, *filters)]
            act = _act(ports.queue, method, dry_run)
            results = {letter: await act(letter) for letter in chosen}
            return [i for i, ok in results.items() if ok], [i for i, ok in results.items() if not ok]

    worked, missing = run(work())
    typer.echo(f"{'Would have ' + done.lower() if dry_run else done} {len(worked)}.")
    if missing:
        fail(f"No such dead letter: {', '.join(missing)}")


def _act(queue: Queue, method: Literal["replay", "drop"], dry_run: bool) -> Callable[[str], Awaitable[bool]]:
    async def would(letter_id: str) -> bool:
        return await queue.find_dead_letter(letter_id) is not None

    return would if dry_run else queue.replay if method == "replay" else queue.drop


async def _matching(
    queue: Queue, direction: Direction | None, code: str | None, tenant: str | None
) -> AsyncIterator[DeadLetter]:
    after = None
    while page := await queue.dead_letters(direction, limit=100, after=after):
        for letter in page:
            if code in (None, letter.failure.code) and tenant in (None, letter.envelope.tenant):
                yield letter
        after = page[-1].id


async def _first(letters: AsyncIterator[DeadLetter], limit: int) -> AsyncIterator[DeadLetter]:
    count = 0
    async for letter in letters:
        if count >= limit:
            return
        count += 1
        yield letter


def describe(letter: DeadLetter) -> dict[str, Any]:
    """Give everything about a letter but its body."""
    envelope = letter.envelope
    return {
        "id": letter.id,
        "direction": envelope.direction,
        "tenant": envelope.tenant,
        "kind": envelope.kind,
        "key": envelope.message_id,
        "session": ids.for_log(envelope.session),
        "trace": envelope.trace,
        "code": letter.failure.code,
        "message": letter.failure.message,
        "component": letter.failure.component,
        "attempts": letter.attempts,
        "received_at": when(envelope.received_at),
        "first_failed_at": when(letter.first_failed_at),
        "last_failed_at": when(letter.last_failed_at),
        "bytes": len(envelope.body),
        "sha256": hashlib.sha256(envelope.body).hexdigest(),
    }


def redacted(letter: DeadLetter) -> Any:
    """Give the body's shape: names of fields stay, every value is replaced by its type and length."""
    try:
        return _shape(json.loads(letter.envelope.body))
    except ValueError:
        return f"<{len(letter.envelope.body)} bytes that are not JSON>"


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, str):
        return f"<text {len(value)}>"
    return value if value is None or isinstance(value, bool) else "<number>"


def _text(letter: DeadLetter) -> str:
    return letter.envelope.body.decode("utf-8", "replace")
