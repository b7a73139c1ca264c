"""How much may be asked in a window of time, with the numbers that limit headers show."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one request; `retry_after` in whole seconds when it is refused."""

    remaining: int
    reset_at: float
    retry_after: int | None = None


class Quota:
    """Counts credits in windows of fixed length that begin with their first request."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._began = 0.0
        self._used = 0
        self._over: deque[tuple[float, int]] = deque(maxlen=_KEPT)

    def take(self, credits: int, limit: int, seconds: float) -> Verdict:
        """Count a request against a limit per so many seconds; a refused one does not count."""
        now = self._now()
        if now >= self._began + seconds:
            if self._began:
                self._over.append((self._began, self._used))
            self._began, self._used = now, 0
        end = self._began + seconds
        if self._used + credits > limit:
            return Verdict(max(0, limit - self._used), end, max(1, math.ceil(end - now)))
        self._used += credits
        return Verdict(limit - self._used, end)

    def windows(self) -> list[dict[str, float]]:
        """The last windows, the running one too: when each began (epoch seconds), and how much of it was used."""
        every = [*self._over, (self._began, self._used)] if self._began else []
        return [{"began": began, "used": used} for began, used in every]
