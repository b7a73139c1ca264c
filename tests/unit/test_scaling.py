"""The arithmetic of `docs/scaling.md` and a simulation that shares no formula with it say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.azure import key_vault, service_bus_acceptor, service_bus_link, service_bus_sender
from bench.scaling import __main__ as command
from bench.scaling import compare, tables
from bench.scaling.inputs import Inputs, Size
from bench.scaling.load import Load
from bench.scaling.model import make_plan
from bench.scaling.simulate import Length, simulate
from bridge import reconcile
from bridge.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOC, COSTS = ROOT / "docs/scaling.md", ROOT / "tests/fixtures/cosmos_cost.json"
KINDS = ("opening", "following", "answer", "status")
SHORT = Length(ramp=10.0, measured=60.0)
ONE = Size(web=1, workers=1, cosmos=10_000, bus_rate=1000)
SMALL = replace(Inputs(), tenants=300, largest=1, link_ms=30, message_ms=5, accepts=14)
"""With links that cost much, one part at a time can be made the one that is full first."""


@pytest.mark.parametrize("table", [tables.given(), *command.report(command.TENANTS, Inputs()).split("\n\n")])
def test_the_document_shows_what_the_command_prints(table: str) -> None:
    """A changed input or formula needs `python -m bench.scaling` pasted anew."""
    assert table in DOC.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """Something that is full first, and what to tell the arithmetic wrongly about it."""

    given: Inputs
    size: Size
    wrong: dict[str, float]


UNITS = ("opening_units", "following_units", "answer_units", "status_units")
CASES = {
    "a worker's core": Case(replace(SMALL, accepts=60), ONE, {"link_ms": 0.5, "message_ms": 0.5}),
    "the links of a worker": Case(
        replace(SMALL, link_ms=1, message_ms=1, cosmos_ms=0.1, accepts=6), ONE, {"accepts": 2}
    ),
    "the slots of a worker": Case(replace(SMALL, concurrency=24, listen=1.5), ONE, {"concurrency": 2}),
    "Cosmos DB": Case(SMALL, replace(ONE, workers=2, cosmos=250), dict.fromkeys(UNITS, 0.5)),
    "a Freshchat account": Case(
        replace(SMALL, tenants=1, questions=500, account_rate=3, reconcile_days=0), ONE, {"account_rate": 0.5}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_find_the_same_edge(name: str) -> None:
    """Up to which load a size holds is told alike, whatever is full first."""
    line = compare.edge(CASES[name].given, CASES[name].size, SHORT)
    assert line.ok, line


@pytest.mark.parametrize("name", CASES)
def test_wrong_arithmetic_is_found_out(name: str) -> None:
    """The comparison fails if the arithmetic believes half of a limit, or double."""
    case = CASES[name]
    wrong = {field: getattr(case.given, field) * times for field, times in case.wrong.items()}
    line = compare.edge(case.given, case.size, SHORT, told_by=replace(case.given, **wrong))
    assert not line.ok, line


def test_the_plans_hold_in_the_simulation_and_less_does_not() -> None:
    """`--simulate --quick` finds what the document shows, to within a tenth."""
    lines = list(command.lines(command.TENANTS, Inputs(), command.QUICK))
    shown = re.search(r"^\| tenants in the stamp .*?(?=\n\n)", DOC.read_text(encoding="utf-8"), re.M | re.S)
    assert shown is not None
    rows = [row.strip("| ").split(" | ") for row in shown[0].splitlines()[2:]]
    assert all(line.ok for line in lines), compare.table(lines)
    assert [_words(row) for row in rows] == [_words(line.cells()) for line in lines]
    for row, line in zip(rows, lines, strict=True):
        assert _figures(row) == pytest.approx(_figures(line.cells()), rel=0.1)


def _words(cells: Sequence[str]) -> list[str]:
    return [re.sub(r"[\d.,]+", "#", cell) for cell in cells]


def _figures(cells: Sequence[str]) -> list[float]:
    return [float(figure) for cell in cells for figure in re.findall(r"\d+\.?\d*", cell.replace(",", ""))]


def test_a_limit_that_replicas_cannot_raise_makes_stamps() -> None:
    """What one namespace, vault or process cannot carry is divided, and each stamp is within its limits."""
    plan = make_plan(replace(Inputs(), tenants=20_000))
    assert plan.stamps * plan.given.tenants == pytest.approx(20_000)
    assert all(stage.load <= 1 for stage in plan.by_load() if stage.hard)
    fewer = replace(Inputs(), tenants=20_000 / (plan.stamps - 1))
    assert any(stage.load > 1 for stage in Load(fewer).stages(plan.size).values() if stage.hard)


@pytest.mark.parametrize(("days", "p95"), [(7, 4.9), (1, 2.3)])
def test_reading_back_slows_an_account_with_a_low_limit(days: float, p95: float) -> None:
    """The document's example of the knob to turn first."""
    given = replace(Inputs(), tenants=10, account_rate=1.4, reconcile_days=days)
    assert "4.9 s, and 2.3 s with `BRIDGE_RECONCILE_DAYS=1`" in DOC.read_text(encoding="utf-8")
    assert simulate(given, ONE, Length(measured=3000)).p95["question"] == pytest.approx(p95, rel=0.1)


def test_inputs_that_the_code_decides_are_what_the_code_says() -> None:
    """A changed constant, default or cost changes the tables."""
    given, settings = Inputs(), {info.title: info.default for info in Settings.model_fields.values()}
    assert given.senders == service_bus_sender.SENDERS
    assert given.polls == service_bus_acceptor.POLLS
    assert given.listen == service_bus_link.EMPTY_SECONDS
    assert given.vault_fresh == key_vault.FRESH_SECONDS
    assert given.reconcile_gap == reconcile.GAP
    assert given.concurrency == settings["BRIDGE_CONCURRENCY"]
    assert given.reconcile_seconds == settings["BRIDGE_RECONCILE_SECONDS"]
    assert given.reconcile_days == settings["BRIDGE_RECONCILE_DAYS"]
    costs = json.loads(COSTS.read_text())
    line = costs.pop("conversation resolved, with its line in Teams")
    more = f"`--set status_units={line['units']} --set status_calls={sum(line['requests'].values())}`"
    assert more in DOC.read_text(encoding="utf-8")
    for (_, cost), kind in zip(costs.items(), KINDS, strict=True):
        assert getattr(given, f"{kind}_units") == cost["units"]
        assert getattr(given, f"{kind}_calls") == sum(cost["requests"].values())
