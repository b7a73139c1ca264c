"""Checks of the Cosmos DB account, where the thread map is kept in one."""

from __future__ import annotations

from bridge.errors import BridgeError, Forbidden, Misconfigured, StoreFull
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

ADAPTER = "azure.cosmos"


async def look_at_account(report: Report, case: Case) -> None:
    """Look at the account, its containers, and whether we may write; nothing is made."""
    from adapters.azure.cosmos import MISSING, examine  # noqa: PLC0415 - 0.3 s for those who use it

    if case.offline:
        report.skipped("account", "--offline")
        return
    try:
        problems = await examine(case.settings)
    except Misconfigured as error:
        report.problem("settings", str(error), "Correct AZURE_COSMOS_ENDPOINT or AZURE_COSMOS_KEY.")
    except Forbidden as error:
        report.problem("account", str(error), "Give this machine the right to use the account, or the right key.")
    except (BridgeError, StoreFull) as error:
        todo = "Check AZURE_COSMOS_ENDPOINT, and that this machine reaches it (name server, firewall, private link)."
        report.problem("account", str(error), todo)
    else:
        _tell(report, case, problems, "" if case.settings.production else MISSING)


def _tell(report: Report, case: Case, problems: dict[str, str], mendable: str) -> None:
    database = case.settings.cosmos_database
    if not any(problems.values()):
        report.ok("account", "takes writes")
    for name, problem in problems.items():
        if not problem:
            report.ok("container", f"{database}/{name}")
        elif problem == mendable:
            report.skipped("container", f"{database}/{name} {problem} yet; the bridge makes it when it starts")
        else:
            todo = "Apply infra/terraform/azure; a container of another shape must be deleted first."
            report.problem("container", f"{database}/{name} {problem}", todo)
