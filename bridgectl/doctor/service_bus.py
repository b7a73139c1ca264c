"""Checks of the Service Bus namespace, where the queue is kept in one."""

from __future__ import annotations

from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.ports import DIRECTIONS
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

ADAPTER = "azure.service_bus"


async def look_at_namespace(report: Report, case: Case) -> None:
    """Look at both queues: are they there, with sessions, and may we send and listen; nothing is sent or taken."""
    from adapters.azure.service_bus import open_queue  # noqa: PLC0415 - the SDK is for those who use it

    if case.offline:
        report.skipped("namespace", "--offline")
        return
    try:
        async with open_queue(case.settings) as queue:
            await queue.ping()
            depths = {direction: await queue.depth(direction) for direction in DIRECTIONS}
    except Misconfigured as error:
        report.problem("queues", str(error), "Correct AZURE_SERVICEBUS_…, or apply infra/terraform/azure.")
    except (BridgeError, StoreFull) as error:
        todo = "Check that this machine reaches the namespace: port 5671, or AZURE_SERVICEBUS_TRANSPORT=websockets."
        report.problem("namespace", str(error), todo)
    else:
        for direction, depth in depths.items():
            name = f"{case.settings.servicebus_prefix}{direction}"
            report.ok("queue", f"{name}: {depth.waiting} waiting, {depth.dead} dead letters")
