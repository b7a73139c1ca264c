"""Checks of the exporters: may the bridge push to what is configured, and does that answer."""

from __future__ import annotations

import os

from adapters.exporters import INSIGHTS, OTLP, insights_address, otlp_address, push_seconds
from adapters.http import call, endpoint
from bridge.errors import BridgeError, Misconfigured
from bridgectl.doctor.case import Case
from bridgectl.doctor.microsoft import NETWORK
from bridgectl.doctor.report import Report

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
LOST = f"Messages go on, but traces and counters are lost meanwhile. {NETWORK}"
REFUSED = frozenset({401, 403})


async def look_at_exports(report: Report, case: Case) -> None:
    """Look at each exporter that is configured, and send nothing of ours."""
    settings = case.settings
    if not settings.insights and not settings.otlp_endpoint:
        report.skipped("exporters", "none is configured")
        return
    try:
        push_seconds()
    except Misconfigured as error:
        report.problem("interval", str(error), "Correct it or unset it: the bridge does not start.")
    if settings.insights:
        await _look_at_insights(report, case, settings.insights.get_secret_value())
    if settings.otlp_endpoint:
        await _look_at_collector(report, case, settings.otlp_endpoint)


async def _look_at_insights(report: Report, case: Case, connection: str) -> None:
    try:
        address = insights_address(connection)
    except Misconfigured as error:
        report.problem(INSIGHTS, str(error), "Copy it from the overview page of the Application Insights resource.")
        return
    if await _status(report, case, INSIGHTS, "GET", f"{address}/v2.1/track") is not None:
        report.ok(INSIGHTS, "its ingestion endpoint answers")


async def _look_at_collector(report: Report, case: Case, given: str) -> None:
    try:
        address = otlp_address(given)
    except Misconfigured as error:
        report.problem(OTLP, str(error), "Name the collector's base address, such as http://127.0.0.1:4318.")
        return
    status = await _status(report, case, OTLP, "POST", f"{address}/v1/traces")
    if status is None:
        return
    if 200 <= status < 300:
        report.ok(OTLP, "takes traces")
    elif status in REFUSED and os.environ.get(HEADERS):
        report.skipped(OTLP, f"answers {status} without {HEADERS}, which only the exporter sends")
    else:
        todo = f"Check the address (its base, without /v1/traces) and {HEADERS}: traces and counters are lost."
        report.warning(OTLP, f"answers {status} to an empty batch of traces", todo)


async def _status(report: Report, case: Case, name: str, method: str, url: str) -> int | None:
    """Ask; None if nobody is to be asked, or nobody answered. An empty body is an empty batch in OTLP."""
    if case.offline:
        report.skipped(name, "--offline")
        return None
    kind = {"Content-Type": "application/x-protobuf"}
    body = b"" if method == "POST" else None
    try:
        answer = await call(
            case.session, method, endpoint(url), component="export", headers=kind, body=body, timeout=10
        )
    except (BridgeError, Misconfigured) as error:
        report.warning(name, str(error), LOST)
        return None
    return answer.status
