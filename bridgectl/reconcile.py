"""`bridgectl reconcile`: finds answers that did not reach Teams, and delivers them."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from adapters.freshchat.reconciliation import reconciler
from adapters.http import session as http_session
from adapters.stores import Ports
from adapters.upstreams import helpdesk
from bridge import ids
from bridge.errors import Misconfigured
from bridge.ports import Queue
from bridge.reconcile import DAY, LONGEST_DAYS, Missing, Order, Reconciler
from bridge.settings import Settings, load
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, load_tenants
from bridge.text import when
from bridgectl import moment
from bridgectl.output import FOUND, fail, run, show, show_json
from bridgectl.stores import existing_ports

COLUMNS = ("conversation", "key", "written_at")


@dataclass(slots=True)
class _Found:
    """What all passes found together; `dead` are those among the missing ones that lie in the dead letters."""

    missing: list[Missing] = field(default_factory=list)
    dead: int = 0
    conversations: int = 0
    answers: int = 0
    statuses: int = 0
    unread: int = 0
    waiting: int = 0


def reconcile(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant (id or name).")] = None,
    since: Annotated[
        str | None, typer.Option(help=f"Read since then, instead of since the last complete pass. {moment.HELP}")
    ] = None,
    conversation: Annotated[str | None, typer.Option(help="Only this Freshchat conversation.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what is missing and change nothing. Exit code 1 if anything is.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read conversations back from Freshchat, and queue the answers whose webhooks were lost.

    Works while the bridge runs or not; the bridge delivers. Answers of the last two minutes are left to their
    webhooks, unless --since or --conversation asks for them.
    """
    order = Order(since=_since(since), conversation=conversation, dry_run=dry_run)
    found = run(_work(order, tenant, quiet=as_json))
    if as_json:
        show_json(_as_json(found, order))
    else:
        _tell(found, order)
    if conversation is not None and not found.conversations + found.unread:
        fail(f"No Teams thread is linked to a conversation {conversation} that Freshchat has.")
    if found.unread:
        fail(f"{found.unread} conversations could not be read. Try again later.")
    if dry_run and (found.missing or found.statuses):
        raise typer.Exit(FOUND)


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    since = moment.moment(text, time.time())
    if since < time.time() - LONGEST_DAYS * DAY:
        fail(f"--since may be {LONGEST_DAYS:.0f} days ago: what was delivered before is not remembered long enough.")
    return since


async def _work(order: Order, tenant: str | None, *, quiet: bool) -> _Found:
    settings = load()
    tenants = _chosen(load_tenants(settings), tenant)
    found = _Found()
    async with _opened(settings, tenants) as (ports, passes):
        dead = await _dead(ports.queue) if order.dry_run else frozenset()
        with _progress(quiet) as bar:
            task = bar.add_task("Reading conversations", total=None, said="")

            def seen(missing: list[Missing]) -> None:
                kept = [one for one in missing if ids.dedupe_id(one.tenant, one.key) not in dead]
                found.missing += kept
                found.dead += len(missing) - len(kept)
                found.conversations += 1
                bar.update(task, said=f"{found.conversations} read, {len(found.missing)} answers missing")

            for one in tenants:
                result = await passes.run(one.id, order, seen)
                found.answers += result.found
                found.statuses += result.statuses
                found.unread += result.failed
        found.waiting = (await ports.queue.depth("to-teams")).waiting if order.dry_run else 0
    return found


@asynccontextmanager
async def _opened(settings: Settings, tenants: tuple[Tenant, ...]) -> AsyncIterator[tuple[Ports, Reconciler]]:
    telemetry = Telemetry("ERROR", sys.stderr)
    async with existing_ports() as ports, http_session() as session:
        desks = {tenant.id: helpdesk(settings, session, tenant, ports.secrets) for tenant in tenants}
        yield ports, reconciler(desks, ports.queue, ports.threads, telemetry, days=settings.reconcile_days)


def _chosen(tenants: tuple[Tenant, ...], name: str | None) -> tuple[Tenant, ...]:
    chosen = tuple(tenant for tenant in tenants if name is None or name.lower() in (tenant.id, tenant.name.lower()))
    if not chosen:
        raise Misconfigured(f"there is no tenant {name}: `bridgectl tenants check` lists those there are")
    return chosen


async def _dead(queue: Queue) -> frozenset[str]:
    """Name the messages that lie in the dead letters: they are known, and wait for `dlq replay`."""
    found: set[str] = set()
    after = None
    while page := await queue.dead_letters("to-teams", limit=1000, after=after):
        found |= {letter.envelope.message_id for letter in page}
        after = page[-1].id
    return frozenset(found)


def _progress(quiet: bool) -> Progress:
    """Show what is going on, on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)


# --- what is printed ------------------------------------------------------------------------------------------------


def _row(missing: Missing) -> dict[str, Any]:
    shown = {"tenant": missing.tenant, "conversation": missing.conversation, "key": missing.key}
    return shown | {"written_at": when(missing.at)}


def _as_json(found: _Found, order: Order) -> dict[str, Any]:
    return {
        "dry_run": order.dry_run,
        "conversations": found.conversations,
        "answers": found.answers,
        "missing": [_row(missing) for missing in found.missing],
        "statuses": found.statuses,
        "dead_letters": found.dead,
        "unread": found.unread,
        "waiting": found.waiting,
    }


def _tell(found: _Found, order: Order) -> None:
    if found.missing:
        show([_row(missing) for missing in found.missing], COLUMNS, as_json=False, empty="")
    typer.echo(f"Read {found.conversations} conversations with {found.answers} answers.")
    would = "would be " if order.dry_run else ""
    typer.echo(
        f"Missing answers: {len(found.missing)} ({would}queued). Wrong states: {found.statuses} ({would}corrected)."
    )
    if found.dead:
        typer.echo(f"{found.dead} more are dead letters: see `bridgectl dlq list`.")
    if found.waiting:
        typer.echo(f"{found.waiting} messages wait to be delivered; some of the missing ones may be among them.")
