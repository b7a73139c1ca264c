"""Checks of where archives are kept: for whom they are sealed, does the store answer, is there a recent monthly one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bridge.errors import BridgeError, Forbidden, Misconfigured, StoreFull
from bridge.ports.archives import KeptArchive
from bridgectl.doctor.case import Case
from bridgectl.doctor.microsoft import NETWORK
from bridgectl.doctor.report import Report
from bridgectl.export_stored import archive_store, recipients

OLD_DAYS = 40
"""The longest month, and some days for an export that was begun again by hand."""
RUN = "`python -m bridgectl export run --kind monthly --out DIR --to store`"


async def look_at_archives(report: Report, case: Case) -> None:
    """Look at the public keys, the store, and the newest monthly archive; nothing is stored."""
    settings = case.settings
    if not settings.archive_recipients:
        report.skipped("ARCHIVE_RECIPIENTS", "not set: no archives are stored from here")
        return
    report.ok("ARCHIVE_RECIPIENTS", f"public keys: {len(recipients(settings))}")
    if case.offline:
        report.skipped("store", "--offline")
        return
    try:
        async with archive_store(settings) as store:
            kept = [one async for one in store.all()]
    except Forbidden:
        report.skipped("store", f"{settings.objects} shows archives to the process that stores them, and not to this")
    except Misconfigured as error:
        report.problem("store", str(error), "Correct it, or make the containers (docs/azure-stores.md).")
    except (BridgeError, StoreFull) as error:
        report.problem("store", str(error), f"Exports cannot be stored meanwhile. {NETWORK}")
    else:
        report.ok("store", f"{settings.objects} answers")
        _tell_newest(report, kept, time.time())


def _tell_newest(report: Report, kept: Sequence[KeptArchive], now: float) -> None:
    subject, monthly = "newest monthly archive", [one.label.made for one in kept if one.label.kind == "monthly"]
    if not kept:
        report.warning(subject, "nothing is stored yet", f"Wait for the 1st of the month, or run it now: {RUN}.")
    elif not monthly:
        report.skipped(subject, f"there is none among the stored archives: {len(kept)}")
    elif (days := int(max(0.0, now - max(monthly)) // 86_400)) > OLD_DAYS:
        todo = f"Look why the monthly job does not run (docs/runbook.md, `archive`), then run it: {RUN}."
        report.warning(subject, f"days old: {days}", todo)
    else:
        report.ok(subject, f"days old: {days}")
