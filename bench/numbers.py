"""Numbers of repeated measurements."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """What several repeats gave."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 0) -> str:
        """Write it, with lowest and highest where there are several."""
        middle = f"{self.median:,.{digits}f}"
        return middle if self.low == self.high else f"{middle} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Summarise repeats."""
    return Spread(median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which `share` of the sorted values lie (nearest rank)."""
    return values[min(len(values) - 1, int(share * len(values)))]
