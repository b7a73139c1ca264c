"""Checks of the Freshdesk account whose tickets are archived: host, key, and what the key's owner may see."""

from __future__ import annotations

from typing import Any

from adapters.freshdesk.rest import FreshdeskSource
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report
from bridgectl.export_sources import Access, open_freshdesk

KEY = "FRESHDESK_API_KEY"
ALL_TICKETS = 1
NARROW = {2: "only tickets of its owner's groups", 3: "only tickets of its owner"}
"""`ticket_scope` of an agent; Freshdesk leaves out the others without a word."""
OWNER = f"Set {KEY} to the key of an account administrator with global ticket scope (profile settings in Freshdesk)."


async def look_at_account(report: Report, case: Case) -> None:
    """Look whether the key is taken, and whether its owner sees all that is to be archived."""
    settings = case.settings
    if not (settings.freshdesk_domain or settings.freshdesk_url):
        report.skipped("FRESHDESK_DOMAIN", "not set: archives that are made here have no tickets")
    elif case.offline or case.secrets is None:
        report.skipped("account", "--offline" if case.offline else "the secrets cannot be read")
    else:
        try:
            desk = open_freshdesk(settings, case.session, case.secrets, Access())
            await _look_at_owner(report, desk)
        except Misconfigured as error:
            report.problem("settings", str(error), "Correct FRESHDESK_DOMAIN, FRESHDESK_URL or the key that is named.")
        except Throttled as error:
            report.warning("host", f"{error}: the account's limit is used up", "Try again in a minute.")
        except Forbidden as error:
            _tell_refusal(report, error)
        except BridgeError as error:
            todo = "Check FRESHDESK_DOMAIN, and that this machine reaches it (name server, proxy, firewall)."
            report.problem("host", str(error), todo)


async def _look_at_owner(report: Report, desk: FreshdeskSource) -> None:
    me = (await desk.get("agents/me")).value
    report.ok("key", "accepted")
    _tell_tickets(report, me.get("ticket_scope") if isinstance(me, dict) else None)
    if await _administers(desk):
        report.ok("rights", "the key of an administrator")
    else:
        report.warning("rights", "no administrator's key: agents and their settings are not archived", OWNER)


def _tell_tickets(report: Report, scope: Any) -> None:
    if scope == ALL_TICKETS:
        report.ok("tickets", "the key shows all")
    else:
        seen = (NARROW.get(scope) if isinstance(scope, int) else None) or "perhaps not all tickets"
        report.warning("tickets", f"the key shows {seen}: the others are not archived, and no error tells", OWNER)


async def _administers(desk: FreshdeskSource) -> bool:
    """Ask for what administrators alone may list: `role_ids` of an agent are numbers of each account's own."""
    try:
        await desk.get("agents", {"per_page": "1"})
    except (Forbidden, Rejected) as error:
        if error.code != "freshdesk_403":
            raise
        return False
    return True


def _tell_refusal(report: Report, error: Forbidden) -> None:
    if error.code == "freshdesk_wrong_host":
        todo = "Set FRESHDESK_DOMAIN to the account's own `….freshdesk.com`; other names of it do not work."
        report.problem("host", str(error), todo)
    else:
        report.problem("key", f"{error}: tickets cannot be archived", OWNER)
