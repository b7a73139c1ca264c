"""A simulation, event by event: people write, doors store, workers deliver, platforms refuse. It knows no formula.

It shares the inputs with the arithmetic, and with the bridge the parts that share and limit (`replicas.py`). Time is
virtual, chance is seeded.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.numbers import percentile
from bench.scaling.inputs import Inputs, Size
from bench.scaling.people import LARGEST, Message, conversations, messages
from bench.scaling.replicas import Web, Worker
from bench.scaling.services import Services
from bench.scaling.virtual import run

AFTER = 30.0
"""Seconds for which what was said at the end is waited for."""
LOOK, LOST = 5.0, 0.1
"""Every so many seconds a simulation that cannot hold any more is ended: this share of all messages is late already."""
FOREVER = 60.0
"""Seconds that stand for "not delivered"."""
REACH, STEPS = 1.7, 4
"""How far from a guess an edge is looked for, and in how many halvings: it is then known to within 4 %."""
KINDS = {"question": "opening", "answer": "answer"}


@dataclass(frozen=True, slots=True)
class Length:
    """Virtual seconds: how long the peak rises, and how long it lasts and is measured."""

    ramp: float = 60.0
    measured: float = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from the door to the other platform: medians and p95 by kind, and of the largest tenant."""

    p50: dict[str, float]
    p95: dict[str, float]
    largest_p95: float
    count: int
    undelivered: int

    def holds(self, target: float) -> bool:
        """Tell whether everybody's p95 is within the target."""
        return max(self.p95.values()) <= target


def simulate(given: Inputs, size: Size, length: Length | None = None, seed: int = 1) -> Outcome:
    """Simulate one stamp of this size at `headroom` times the peak."""
    length, before = length or Length(), random.getstate()
    random.seed(seed)  # the bridge's own parts draw from it
    try:
        return run(_Stamp(given, size, length, random.Random(seed)).run())
    finally:
        random.setstate(before)


class _Stamp:
    def __init__(self, given: Inputs, size: Size, length: Length, chance: random.Random) -> None:
        self._given, self._size, self._length, self._chance = given, size, length, chance
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Outcome:
        """Let everybody write, and look what became of it."""
        given, size, length = self._given, self._size, self._length
        services = Services(given, size, self._chance)
        webs = itertools.cycle([Web(given, services) for _ in range(size.web)])
        calls = conversations(given) * given.reconcile_calls / given.reconcile_seconds
        workers = [Worker(given, services, lambda: next(webs).ignore()) for _ in range(size.workers)]
        for worker in workers:
            worker.start(calls / len(workers), self._spawn)
        self._spawn(workers[0].read_back_largest())
        said = messages(given, length.ramp + length.measured, length.ramp, self._chance)
        loop = asyncio.get_running_loop()
        measured = [one for one in said if one.born >= length.ramp]
        look_at = length.ramp
        for message in said:
            if message.born > look_at and _is_lost(measured, loop.time(), given.target):
                break
            look_at = max(look_at, message.born // LOOK * LOOK + LOOK)
            await asyncio.sleep(message.born - loop.time())
            self._spawn(next(webs).receive(message))
        else:
            await asyncio.sleep(AFTER)
        self._raise_failed()
        return _outcome(measured)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)

    def _raise_failed(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()


def _is_lost(measured: Sequence[Message], now: float, target: float) -> bool:
    """Tell whether too many are late already for the p95 to be within the target."""
    said = itertools.takewhile(lambda one: one.born < now - target, measured)
    late = sum(one.done is None or one.done - one.born > target for one in said)
    return late > LOST * len(measured)


def _outcome(said: Sequence[Message]) -> Outcome:
    def times(chosen: Sequence[Message]) -> list[float]:
        return sorted(FOREVER if one.done is None else one.done - one.born for one in chosen) or [0.0]

    by_kind = {kind: times([one for one in said if one.kind == name]) for kind, name in KINDS.items()}
    return Outcome(
        p50={kind: percentile(took, 0.5) for kind, took in by_kind.items()},
        p95={kind: percentile(took, 0.95) for kind, took in by_kind.items()},
        largest_p95=percentile(times([one for one in said if one.tenant == LARGEST and one.kind != "status"]), 0.95),
        count=len(said),
        undelivered=sum(one.done is None for one in said),
    )


def knee(given: Inputs, size: Size, guess: float, length: Length | None = None, seed: int = 1) -> float:
    """Find up to how many times the peak this size holds the target, within `REACH` of a guess."""
    low, high = guess / REACH, guess * REACH
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        holds = simulate(replace(given, headroom=middle), size, length, seed).holds(given.target)
        low, high = (middle, high) if holds else (low, middle)
    return float((low * high) ** 0.5)
