"""How deliveries went in the last five minutes in this process, in memory of a fixed size."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bridge.ports import DIRECTIONS

SLICE = 5.0
"""Seconds that one slice counts."""
SLICES = 60
_PER_MINUTE = 12
_HALF_STEP = math.sqrt(1.15)
_BOUNDS = tuple(0.001 * math.pow(1.15, n) for n in range(104))
"""Upper bounds in seconds of the latency classes, 1 ms to half an hour; a percentile is off by 7 % at most."""


@dataclass(slots=True)
class _Slice:
    """What ended within one slice; `number` says which one, as the ring is used again and again."""

    number: int = -1
    outcomes: dict[str, int] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))


class Rates:
    """Counts ended deliveries; `record` is fed by `Telemetry.watch`. `clock` is any that only goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rings: dict[str, list[_Slice]] = {way: [_Slice() for _ in range(SLICES)] for way in DIRECTIONS}

    def record(self, direction: str, outcome: str, seconds: float) -> None:
        """Count one delivery that ended `seconds` after it was accepted."""
        number = int(self._clock() // SLICE)
        ring = self._rings[direction]
        if ring[number % SLICES].number != number:
            ring[number % SLICES] = _Slice(number)
        counted = ring[number % SLICES]
        counted.outcomes[outcome] = counted.outcomes.get(outcome, 0) + 1
        if outcome == "delivered":
            counted.latencies[bisect_left(_BOUNDS, seconds)] += 1

    def shown(self) -> dict[str, dict[str, Any]]:
        """Give per direction: `outcomes` of five minutes, `per_minute` delivered, `p50_ms`, `p95_ms`, `series`.

        `series` holds the deliveries of each slice, oldest first; percentiles are None where nothing was delivered.
        """
        return {direction: self._shown(direction) for direction in DIRECTIONS}

    def _shown(self, direction: str) -> dict[str, Any]:
        now = int(self._clock() // SLICE)
        slices = [self._slice(direction, number) for number in range(now - SLICES + 1, now + 1)]
        series = [counted.outcomes.get("delivered", 0) for counted in slices]
        latencies = [sum(column) for column in zip(*(counted.latencies for counted in slices), strict=True)]
        return {
            "outcomes": _added(counted.outcomes for counted in slices),
            "per_minute": sum(series[-_PER_MINUTE:]),
            "p50_ms": _percentile(latencies, 0.50),
            "p95_ms": _percentile(latencies, 0.95),
            "series": series,
        }

    def _slice(self, direction: str, number: int) -> _Slice:
        found = self._rings[direction][number % SLICES]
        return found if found.number == number else _Slice(number)


def _added(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total = {"delivered": 0, "ignored": 0, "dead_letter": 0}
    for part in parts:
        for outcome, count in part.items():
            total[outcome] = total.get(outcome, 0) + count
    return total


def _percentile(classes: list[int], share: float) -> float | None:
    """Read a percentile in milliseconds off the counts of the classes, as the middle of its class."""
    wanted, seen = share * sum(classes), 0
    if not wanted:
        return None
    for n, count in enumerate(classes):
        seen += count
        if seen >= wanted:
            return round(_BOUNDS[min(n, len(_BOUNDS) - 1)] / _HALF_STEP * 1000, 1)
    return None
