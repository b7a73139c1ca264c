"""How the core's reconciliation reads Freshchat: with the door's own keys and translation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from aiohttp import web

from adapters.freshchat.translate import keys, to_event
from bridge.intake import Intake
from bridge.ports import Helpdesk, Queue, ThreadMap
from bridge.reconcile import Reconciler
from bridge.telemetry import Telemetry


def reconciler(
    helpdesks: Mapping[str, Helpdesk], queue: Queue, threads: ThreadMap, telemetry: Telemetry, *, days: float
) -> Reconciler:
    """Make the reconciler of these tenants; the server and the command line make the same."""
    return Reconciler(
        helpdesks=helpdesks,
        threads=threads,
        intake=Intake(queue, telemetry, time.time),
        keys=keys,
        translate=to_event,
        telemetry=telemetry,
        clock=time.time,
        days=days,
    )


def timer(reconciler: Reconciler, interval: float) -> Callable[[web.Application], AsyncIterator[None]]:
    """Give the context that makes passes while the process serves."""

    async def context(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(reconciler.serve(interval), name="reconcile")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return context
