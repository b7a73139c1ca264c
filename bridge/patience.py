"""How long to try, and what waits while an upstream refuses our credentials."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import BridgeError, Throttled
from bridge.ports import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often to try. Seconds throughout."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    window: float = 3600.0
    timeout: float = 120.0
    hold: float = 15.0
    bug_attempts: int = 5

    def wait(self, error: BridgeError, attempts: int) -> float:
        """Seconds until the next try: what the upstream asked for, else doubling with jitter."""
        after = error.after if isinstance(error, Throttled) else None
        backoff = min(self.longest_wait, self.first_wait * 2.0 ** min(attempts, 16))
        jittered = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        return jittered if after is None else after + jittered * 0.1

    def exhausted(self, delivery: Delivery, now: float) -> bool:
        """Whether the message has held its thread long enough."""
        return delivery.first_failed_at is not None and now - delivery.first_failed_at >= self.window


class Holds:
    """Tenants whose upstream refuses our credentials. Deliveries of a held tenant wait; one probe at a time asks."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._until: dict[str, float] = {}

    def remaining(self, tenant: str) -> float:
        """Seconds to wait before this tenant's next try; 0 when there is no hold or a probe is due."""
        until = self._until.get(tenant)
        if until is None:
            return 0.0
        now = self._clock()
        if until > now:
            return until - now
        self._until[tenant] = now + self._seconds
        return 0.0

    def begin(self, tenant: str) -> bool:
        """Hold a tenant; True if it was not held before."""
        fresh = tenant not in self._until
        self._until[tenant] = self._clock() + self._seconds
        return fresh

    def pass_on(self, tenant: str) -> None:
        """Let the next delivery be the probe: the last one was ignored and asked nobody."""
        if tenant in self._until:
            self._until[tenant] = self._clock()

    def end(self, tenant: str) -> bool:
        """End a hold; True if there was one."""
        return self._until.pop(tenant, None) is not None

    def tenants(self) -> list[str]:
        """Tenants held now."""
        return sorted(self._until)
