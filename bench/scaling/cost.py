"""What a plan costs in a month, part by part, if nothing is scaled in at night."""

from __future__ import annotations

from bench.scaling.load import MONTH_DAYS, Load
from bench.scaling.model import Plan

MONTH_SECONDS = MONTH_DAYS * 86_400
FREE_OPERATIONS = 13e6
"""Operations of Service Bus Standard that its base price covers."""
MILLION, GB_KB = 1e6, 1e6
POLL_SECONDS = 30.0
"""How long an idle link waits at Service Bus before it asks again."""
ITEMS, KEPT_ITEMS, KEPT_MONTHS = 2, 2, 12
"""Items in Cosmos DB per message (kept 30 days) and per conversation (kept for good; counted after a year)."""


def monthly(plan: Plan) -> dict[str, float]:
    """Give dollars per month for all stamps together, by part."""
    one = {
        "web replicas": plan.run.web * plan.given.replica_price,
        "worker replicas": plan.run.workers * plan.given.replica_price,
        "Service Bus": _bus(plan),
        "Cosmos DB": _cosmos(plan),
        "Key Vault": plan.load.secret_reads(plan.run) * MONTH_SECONDS / MILLION * plan.given.vault_million,
        "logs, traces": messages(plan) * plan.given.log_kb / GB_KB * plan.given.log_gb,
    }
    return {part: plan.stamps * dollars for part, dollars in one.items()}


def conversations(plan: Plan) -> float:
    """Count the questions of a stamp in a month."""
    given = plan.given
    return given.tenants * given.questions / given.peak_share * given.work_days


def messages(plan: Plan) -> float:
    """Count the stored messages of a stamp in a month."""
    load: Load = plan.load
    return conversations(plan) * load.messages / load.openings


def _bus(plan: Plan) -> float:
    given = plan.given
    if plan.premium:
        return plan.premium * given.bus_unit
    idle = plan.run.workers * 2 * given.polls * MONTH_SECONDS / POLL_SECONDS
    operations = messages(plan) * given.bus_operations + idle
    return given.bus_base + max(operations - FREE_OPERATIONS, 0.0) / MILLION * given.bus_million


def _cosmos(plan: Plan) -> float:
    given = plan.given
    kept = messages(plan) * ITEMS + conversations(plan) * KEPT_ITEMS * KEPT_MONTHS
    throughput = plan.size.cosmos / 100 * given.cosmos_hundred * given.cosmos_mean
    return throughput + kept * given.item_kb / GB_KB * given.cosmos_gb
