"""The arithmetic beside the simulation: does the plan hold, does less than the plan not, and where is the edge?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.scaling.inputs import Inputs, Size
from bench.scaling.load import Load
from bench.scaling.model import KINDS, Plan, delay, knee
from bench.scaling.queueing import FOREVER
from bench.scaling.simulate import Length, simulate
from bench.scaling.simulate import knee as simulated_knee
from bench.scaling.tables import markdown, seconds

EDGE = (0.8, 1.25)
"""How far apart the two may put the load up to which a size holds."""
LEAST = 2000
"""Messages that a percentile is taken of; where few write, it takes longer."""
BEYOND = 1.3
"""Times the load that the arithmetic says a single worker holds: there it must not hold."""
HEAD = ("tenants in the stamp", "workers", "× peak", "what", "simulated", "arithmetic", "ratio", "as it must be")


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison; `ok` is whether both, and the target, agree."""

    tenants: float
    workers: int
    headroom: float
    what: str
    simulated: float
    arithmetic: float
    ok: bool
    unit: str = "s"

    def cells(self) -> Sequence[str]:
        """Give the texts of its columns."""
        write = seconds if self.unit == "s" else lambda value: f"{value:.2f} × peak"
        kept_up = self.arithmetic < FOREVER and self.simulated < FOREVER
        ratio = f"{self.simulated / self.arithmetic:.2f}" if kept_up or self.unit != "s" else ""
        load = f"{self.headroom:.2f}".rstrip("0").rstrip(".")
        figures = [write(self.simulated), write(self.arithmetic), ratio]
        return [f"{self.tenants:,.0f}", str(self.workers), load, self.what, *figures, "yes" if self.ok else "NO"]


def compare(plan: Plan, length: Length) -> Iterator[Line]:
    """Compare a stamp of a plan: as it is, with one worker less (or more load, if there is one), and at the edge."""
    yield from _holding(plan.given, plan.size, length)
    yield _failing(plan, length)
    yield edge(plan.given, plan.size, length)


def _holding(given: Inputs, size: Size, length: Length) -> Iterator[Line]:
    outcome = simulate(given, size, replace(length, measured=max(length.measured, LEAST / Load(given).messages)))
    for kind in KINDS:
        told = delay(given, size, kind).p95
        ok = outcome.p95[kind] <= given.target and told <= given.target
        yield Line(given.tenants, size.workers, given.headroom, f"{kind}, p95", outcome.p95[kind], told, ok)


def _failing(plan: Plan, length: Length) -> Line:
    given, size = plan.given, plan.size
    if size.workers > 1:
        size = replace(size, workers=size.workers - 1)
    else:
        given = replace(given, headroom=BEYOND * knee(given, size))
    outcome = simulate(given, size, length)
    told = max(delay(given, size, kind).p95 for kind in KINDS)
    worst = max(outcome.p95.values())
    ok = worst > given.target and told > given.target
    return Line(given.tenants, size.workers, given.headroom, "too small: p95", worst, told, ok)


def edge(given: Inputs, size: Size, length: Length, told_by: Inputs | None = None) -> Line:
    """Compare up to which load a size holds; `told_by` gives the arithmetic other inputs than the simulation."""
    told = knee(told_by or given, size)
    found = simulated_knee(given, size, told, length)
    ok = EDGE[0] <= found / told <= EDGE[1]
    return Line(given.tenants, size.workers, given.headroom, "holds up to", found, told, ok, "times")


def table(lines: Sequence[Line]) -> str:
    """Write the comparison."""
    return markdown(HEAD, [line.cells() for line in lines])
