"""The sending limits that Teams enforces per place, counted over a sliding second."""

import time
from collections import OrderedDict, deque

PLACES_KEPT = 10_000


class PerSecond:
    """Allows so many calls per second and place."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def allows(self, place: str) -> bool:
        """Count a call and say whether it is within the limit; a refused call does not count."""
        now = time.monotonic()
        calls = self._calls.setdefault(place, deque(maxlen=self._allowed))
        if len(self._calls) > PLACES_KEPT:
            self._calls.popitem(last=False)
        if len(calls) == self._allowed and now - calls[0] < 1.0:
            return False
        calls.append(now)
        return True
