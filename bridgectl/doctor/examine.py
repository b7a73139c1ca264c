"""One pass over everything: what is local first, then all that calls the outside, at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from adapters.http import session as http_session
from bridge.ports import SecretSource
from bridge.settings import Settings
from bridge.tenants import Tenant
from bridgectl.doctor import (
    archive,
    cosmos,
    exports,
    files,
    freshchat,
    freshdesk,
    local,
    microsoft,
    operators,
    outside,
    people,
    scanner,
    service_bus,
)
from bridgectl.doctor.case import Case, Heard
from bridgectl.doctor.report import Finding, Report

SECONDS = 30.0
AT_ONCE = 16
Check = Callable[[Report, Case], Awaitable[None]]
Progress = Callable[[str], None]


async def examine(progress: Progress, *, offline: bool, manifest: Path | None) -> tuple[Settings | None, list[Finding]]:
    """Look at everything; give the settings (None if they cannot be read) and the findings, in a stable order."""
    progress("settings")
    report = Report("settings")
    settings = local.read_settings(report)
    if settings is None:
        report.skipped("everything else", "the settings cannot be read")
        return None, report.findings
    local.look_at_choices(report, settings)
    tenants_report, stores = Report("tenants"), Report("stores")
    tenants = local.read_tenants(tenants_report, settings)
    local.look_at_names(report, settings, tenants)
    progress("stores")
    secrets = await _look_at_stores(stores, settings)
    findings = [*report.findings, *tenants_report.findings, *stores.findings]
    heard = Heard()
    async with _closing(secrets), http_session(watch=[heard.trace]) as session:
        case = Case(
            settings=settings,
            tenants=tenants,
            secrets=secrets,
            stores_usable=not stores.broken,
            session=session,
            heard=heard,
            offline=offline,
            manifest=manifest,
        )
        findings += await _run_all(case, progress)
    clock = Report("clock")
    outside.look_at_clock(clock, case)
    return settings, findings + clock.findings


@asynccontextmanager
async def _closing(secrets: SecretSource | None) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if secrets is not None:
            await secrets.close()


async def _look_at_stores(report: Report, settings: Settings) -> SecretSource | None:
    try:
        async with asyncio.timeout(SECONDS):
            return await local.look_at_stores(report, settings)
    except TimeoutError:
        report.problem("stores", f"no result within {SECONDS:.0f} s", microsoft.NETWORK)
        return None


async def _run_all(case: Case, progress: Progress) -> list[Finding]:
    checks = _checks(case)
    waiting = dict.fromkeys(checks)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, check: Check) -> Report:
        async with room:
            report = await _bounded(name, check, case)
        waiting.pop(name)
        progress(", ".join(waiting))
        return report

    progress(", ".join(waiting))
    reports = await asyncio.gather(*(one(name, check) for name, check in checks.items()))
    return [finding for report in reports for finding in report.findings]


def _checks(case: Case) -> dict[str, Check]:
    checks: dict[str, Check] = {
        f"freshchat {tenant.name or tenant.id}" if len(case.tenants) > 1 else "freshchat": partial(_account, tenant)
        for tenant in case.tenants
    }
    if case.settings.threads == cosmos.ADAPTER:
        checks["cosmos"] = cosmos.look_at_account
    if case.settings.queue == service_bus.ADAPTER:
        checks["service bus"] = service_bus.look_at_namespace
    if case.settings.sentiment == "azure.language":
        checks["sentiment"] = people.look_at_sentiment
    return checks | {
        "bot": microsoft.look_at_bot,
        "bot keys": microsoft.look_at_keys,
        "graph": microsoft.look_at_graph,
        "people": people.look_at_profiles,
        "files": files.look_at_files,
        "scanner": scanner.look_at_scanner,
        "operators' page": operators.look_at_page,
        "exporters": exports.look_at_exports,
        "archive": archive.look_at_archives,
        "freshdesk": freshdesk.look_at_account,
        "manifest": outside.look_at_manifest,
        "public address": outside.look_at_address,
    }


async def _account(tenant: Tenant, report: Report, case: Case) -> None:
    await freshchat.look_at_account(report, case, tenant)


async def _bounded(name: str, check: Check, case: Case) -> Report:
    """Run one check within its time; whatever goes wrong in it, the others go on."""
    report = Report(name)
    try:
        async with asyncio.timeout(SECONDS):
            await check(report, case)
    except TimeoutError:
        report.problem(name, f"no result within {SECONDS:.0f} s", microsoft.NETWORK)
    except Exception as error:
        report.problem(name, f"could not be looked at ({type(error).__name__})", "Please report this with the output.")
    return report
