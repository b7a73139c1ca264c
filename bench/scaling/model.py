"""The arithmetic: the smallest deployment that holds the load, and how long a message takes in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.scaling.inputs import Inputs, Size
from bench.scaling.load import Load
from bench.scaling.queueing import FOREVER, Stage

EXPONENTIAL = 0.5
"""The share of an upstream's mean time that varies, exponentially; the rest is always needed."""
UNITS = (1, 2, 4, 8, 16)
"""Messaging units that a Premium namespace can have."""
SPARE = 1
"""Replicas beyond those needed, so that one may go (a deployment, a zone)."""
P95 = 0.95

KINDS = ("question", "answer")
PATHS: dict[str, tuple[str, ...]] = {
    "question": ("web CPU", "send to-freshchat", "links to-freshchat", "worker CPU", "slots to-freshchat", "Cosmos DB"),
    "answer": ("web CPU", "send to-teams", "links to-teams", "worker CPU", "slots to-teams", "Cosmos DB"),
}
"""What each kind of message waits for. A question is one that opens a conversation, which takes longest."""
LARGEST: dict[str, tuple[str, ...]] = {
    "question": ("largest tenant: Freshchat calls",),
    "answer": ("largest tenant: its busiest channel", "largest tenant: connector calls"),
}
"""What the largest tenant's messages wait for besides."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from the door to the other platform; `wait` is the part that queueing takes."""

    p50: float
    p95: float
    wait_p50: float
    wait_p95: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment of one or more equal stamps, each with its own app, namespace, vault and Cosmos account.

    `given` and everything else is per stamp; `premium` counts messaging units (0: Standard).
    """

    given: Inputs
    stamps: int
    size: Size
    premium: int
    delays: dict[str, Delay]

    @property
    def load(self) -> Load:
        """What is asked of a stamp."""
        return Load(self.given)

    @property
    def run(self) -> Size:
        """What to run: what is needed and a spare."""
        return replace(self.size, web=self.size.web + SPARE, workers=self.size.workers + SPARE)

    def by_load(self) -> list[Stage]:
        """Give all stages, the fullest first."""
        return sorted(self.load.stages(self.size).values(), key=lambda stage: -stage.load)


def delay(given: Inputs, size: Size, kind: str, *, largest: bool = False) -> Delay:
    """Tell how long a message takes, of everybody or of the largest tenant.

    Spreads of independent parts are added as squares. A tenant that writes more than the share of messages that may be
    late decides for everybody.
    """
    load = Load(given)
    stages = load.stages(size)
    own = LARGEST[kind] if largest or load.largest > 1 - P95 else ()
    waits = [stages[name] for name in (*PATHS[kind], *own) for _ in range(stages[name].visits)]
    mean = sum(stage.mean() for stage in waits)
    spread = math.hypot(*(stage.below(P95) - stage.mean() for stage in waits))
    base, varying = _undisturbed(given, kind)
    upstream = varying * (math.log(1 / (1 - P95)) - 1)
    return Delay(
        p50=min(base + mean, FOREVER),
        p95=min(base + mean + math.hypot(spread, upstream), FOREVER),
        wait_p50=min(sum(stage.below(0.5) for stage in waits), FOREVER),
        wait_p95=min(mean + spread, FOREVER),
    )


def _undisturbed(given: Inputs, kind: str) -> tuple[float, float]:
    """Give the mean time of a message that waits for nobody, and its exponential part."""
    question = kind == "question"
    calls = given.opening_calls if question else given.answer_calls
    posts = given.opening_posts if question else 1.0
    upstream = posts * (given.freshchat_seconds if question else given.teams_seconds)
    cpu = (given.web_ms + given.message_ms + given.handler_ms + calls * given.cosmos_ms) / 1000
    varying = EXPONENTIAL * upstream / math.sqrt(posts)
    return cpu + 2 * given.bus_seconds + calls * given.cosmos_seconds + upstream, varying


def holds(given: Inputs, size: Size) -> bool:
    """Tell whether everybody's p95 is within the target."""
    return all(delay(given, size, kind).p95 <= given.target for kind in KINDS)


def make_plan(given: Inputs) -> Plan:
    """Find the smallest deployment: as few stamps as its hard limits allow, then as few replicas."""
    stamps = 1
    while (plan := _stamp(given, stamps)) is None:
        stamps = max(stamps + 1, math.ceil(stamps * 1.1))
    while stamps > 1 and (fewer := _stamp(given, stamps - 1)) is not None:
        plan, stamps = fewer, stamps - 1
    return plan


def _stamp(given: Inputs, stamps: int) -> Plan | None:
    """Size one of so many stamps; None if that is more than a stamp can carry."""
    share = replace(given, tenants=given.tenants / stamps)
    load = Load(share)
    premium = _premium(load)
    if premium is None:
        return None
    size = _with_workers(
        share,
        Size(
            web=max(math.ceil(load.web_cores / share.usable), 1),
            workers=max(math.ceil(load.worker_cores), 1),
            cosmos=share.cosmos_least * max(math.ceil(load.units / share.usable / share.cosmos_least), 1),
            bus_rate=share.bus_unit_rate * premium or share.bus_credits,
        ),
    )
    if any(stage.hard and stage.load > 1.0 for stage in load.stages(size).values()):
        return None
    delays = {kind: delay(share, size, kind) for kind in KINDS}
    return Plan(given=share, stamps=stamps, size=size, premium=premium, delays=delays)


def _premium(load: Load) -> int | None:
    """Tell how many messaging units carry the load, 0 if Standard does; None if no namespace does."""
    given = load.given
    if load.operations <= given.usable * given.bus_credits:
        return 0
    return next((n for n in UNITS if load.operations <= given.usable * given.bus_unit_rate * n), None)


def _with_workers(given: Inputs, size: Size) -> Size:
    """Add workers until the target is met. ValueError, with what is full, if they do not help."""
    most = 2 * size.workers + 10
    while not holds(given, size):
        size = replace(size, workers=size.workers + 1)
        if size.workers > most:
            full = max(Load(given).stages(size).values(), key=lambda stage: stage.load)
            raise ValueError(f"more workers do not help: {full.name} is full to {full.load:.0%}; turn {full.knob}")
    return size


def knee(given: Inputs, size: Size) -> float:
    """Tell up to how many times the peak this size holds the target (0 if it never does)."""
    low, high = 0.0, 1.0
    while holds(replace(given, headroom=high), size) and high < 1e6:
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(replace(given, headroom=middle), size) else (low, middle)
    return low
