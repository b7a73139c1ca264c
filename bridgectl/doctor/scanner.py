"""Checks of who scans files."""

from __future__ import annotations

from collections.abc import AsyncIterator

from adapters.scanners import open_scanner
from bridge.errors import BridgeError, Misconfigured
from bridge.telemetry import Telemetry
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

SUBJECT = "CLAMD_ADDRESS"
TODO = "Start clamd (Debian: clamav-daemon) and set CLAMD_ADDRESS to where it listens (docs/files.md)."


async def look_at_scanner(report: Report, case: Case) -> None:
    """Let one harmless file be scanned."""
    settings = case.settings
    if not settings.scans_files:
        if settings.production:
            report.warning(SUBJECT, "not set: files are kept out", TODO)
        else:
            report.skipped(SUBJECT, "not set: files are not scanned in development, and kept out in production")
        return
    if case.offline:
        report.skipped(SUBJECT, "--offline")
        return
    try:
        scanner = open_scanner(settings, Telemetry("CRITICAL"))
        await scanner.ping()
        await scanner.scan(_harmless(), len(HARMLESS))
    except Misconfigured as error:
        report.problem(SUBJECT, str(error), TODO)
    except BridgeError as error:
        report.warning(SUBJECT, f"{error.code}: files are kept out after a while", TODO)
    else:
        report.ok(SUBJECT, "clamd answers")


HARMLESS = b"harmless"


async def _harmless() -> AsyncIterator[bytes]:
    yield HARMLESS
