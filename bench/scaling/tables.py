"""The tables, in Markdown, as the command prints them and `docs/scaling.md` shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.scaling import cost, inputs
from bench.scaling.model import KINDS, Plan, delay
from bench.scaling.queueing import FOREVER

FULLEST = 12


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(value: float) -> str:
    """Write a time; what never ends has a word of its own."""
    return "does not keep up" if value >= FOREVER else f"{value:.2f} s"


def plans(all_plans: Sequence[Plan]) -> str:
    """Write what to deploy, how long a message takes then, and what it costs: one column per plan."""
    head = ["", *(f"{_tenants(plan):,.0f} tenants" for plan in all_plans)]
    lines: list[tuple[str, Callable[[Plan], str]]] = [
        ("stamps", lambda plan: f"{plan.stamps:,}"),
        ("**in each stamp:** messages/s", lambda plan: f"{plan.load.messages:,.1f}"),
        ("web replicas: needed, to run", lambda plan: f"{plan.size.web}, {plan.run.web}"),
        ("worker replicas: needed, to run", lambda plan: f"{plan.size.workers}, {plan.run.workers}"),
        ("Service Bus", lambda plan: f"Premium, {plan.premium} units" if plan.premium else "Standard"),
        ("Cosmos DB, autoscale maximum", lambda plan: f"{plan.size.cosmos:,.0f} RU/s"),
        *((f"{kind}: p50, p95", _delay(kind)) for kind in KINDS),
        *((f"{kind}: of which waiting, p50, p95", _wait(kind)) for kind in KINDS),
        ("largest tenant: p95", lambda plan: seconds(_largest(plan))),
        ("fullest part", lambda plan: plan.by_load()[0].name),
        ("**a month, all stamps**", lambda plan: f"**${sum(cost.monthly(plan).values()):,.0f}**"),
        *((part, _cost(part)) for part in cost.monthly(all_plans[0])),
        ("per tenant", lambda plan: f"${sum(cost.monthly(plan).values()) / _tenants(plan):,.2f}"),
    ]
    return markdown(head, [[name, *(write(plan) for plan in all_plans)] for name, write in lines])


def loads(plan: Plan) -> str:
    """Write how full each part of a stamp is, the fullest first, and what to turn."""
    tenants = plan.given.tenants
    rows = [
        [stage.name, f"{stage.load:.0%}", f"{tenants / stage.load:,.0f}" if stage.grows else "", stage.knob]
        for stage in plan.by_load()[:FULLEST]
    ]
    return markdown(["part", "full to", "full at tenants per stamp", "turn"], rows)


def given() -> str:
    """Write all inputs."""
    return markdown(["input", "value", "unit", "what", "source"], inputs.rows())


def as_json(plan: Plan) -> dict[str, Any]:
    """Give a plan for programs: seconds, dollars, shares."""
    return {
        "tenants": _tenants(plan),
        "stamps": plan.stamps,
        "stamp": {
            "messages_per_second": plan.load.messages,
            "web": {"needed": plan.size.web, "run": plan.run.web},
            "workers": {"needed": plan.size.workers, "run": plan.run.workers},
            "service_bus_units": plan.premium,
            "cosmos_ru_per_second": plan.size.cosmos,
            "seconds": {
                kind: {"p50": one.p50, "p95": one.p95, "wait_p50": one.wait_p50, "wait_p95": one.wait_p95}
                for kind, one in plan.delays.items()
            },
            "largest_tenant_p95": _largest(plan),
            "load": {stage.name: stage.load for stage in plan.by_load()},
        },
        "dollars_per_month": cost.monthly(plan),
    }


def _tenants(plan: Plan) -> float:
    return plan.given.tenants * plan.stamps


def _delay(kind: str) -> Callable[[Plan], str]:
    return lambda plan: f"{seconds(plan.delays[kind].p50)}, {seconds(plan.delays[kind].p95)}"


def _wait(kind: str) -> Callable[[Plan], str]:
    return lambda plan: f"{seconds(plan.delays[kind].wait_p50)}, {seconds(plan.delays[kind].wait_p95)}"


def _cost(part: str) -> Callable[[Plan], str]:
    return lambda plan: f"${cost.monthly(plan)[part]:,.0f}"


def _largest(plan: Plan) -> float:
    return max(delay(plan.given, plan.size, kind, largest=True).p95 for kind in KINDS)
