"""Who writes when, for the simulation: a peak, threads that begin at random, and pauses between their messages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bench.scaling.inputs import Inputs

Kind = Literal["opening", "following", "answer", "status"]
BEFORE = 0.5
"""The share of the peak that there is at the start."""
LARGEST = 0
"""The number of the largest tenant."""
LEAD = 20.0
"""Mean pauses before the start in which threads have begun that still go on at the start."""


@dataclass(slots=True, eq=False)
class Message:
    """Something said in a thread at `born` (virtual seconds); `done` when it is on the other platform and recorded."""

    born: float
    kind: Kind
    tenant: int
    thread: int
    in_busiest: bool
    done: float | None = None


def conversations(given: Inputs) -> float:
    """Count what reading back goes through: the conversations of its window, in which weekends are quiet."""
    per_day = given.questions * given.tenants / given.peak_share
    return per_day * given.reconcile_days * (given.work_days / 30.4)


def peak(ramp: float) -> Callable[[float], float]:
    """Give a shape: half of it at the start, rising to all of it within `ramp` seconds."""
    return lambda at: BEFORE + (1 - BEFORE) * min(max(at / ramp, 0.0), 1.0)


def messages(given: Inputs, seconds: float, ramp: float, chance: random.Random) -> list[Message]:
    """Draw what is said within the first `seconds`, in order of time."""
    tenants = max(round(given.tenants), 1)
    shape, said = peak(ramp), list[Message]()
    most = tenants * given.questions / 3600 * given.headroom
    at, thread = -LEAD * given.think, 0
    while (at := at + chance.expovariate(most)) < seconds:
        thread += 1
        tenant = _tenant(tenants, given.largest, chance)
        for one in _thread(given, at, tenant, thread, chance):
            if 0.0 <= one.born < seconds and chance.random() < shape(one.born):
                said.append(one)
    return sorted(said, key=lambda one: one.born)


def _tenant(tenants: int, largest: float, chance: random.Random) -> int:
    """Draw a tenant: number 0 is `largest` times as likely as any other."""
    drawn = chance.random() * (largest + tenants - 1)
    return LARGEST if drawn < largest else 1 + int(drawn - largest)


def _thread(given: Inputs, at: float, tenant: int, thread: int, chance: random.Random) -> Iterator[Message]:
    middle: list[Kind] = ["following"] * _about(given.follow_ups, chance)
    middle += ["answer"] * _about(given.answers, chance)
    chance.shuffle(middle)
    statuses: list[Kind] = ["status"] * _about(given.statuses, chance)
    in_busiest = chance.random() < given.channel_share
    kinds: list[Kind] = ["opening", *statuses[:1], *middle, *statuses[1:]]
    for kind in kinds:
        yield Message(at, kind, tenant, thread, in_busiest)
        at += chance.expovariate(1 / given.think)


def _about(mean: float, chance: random.Random) -> int:
    return int(mean) + (chance.random() < mean % 1)
