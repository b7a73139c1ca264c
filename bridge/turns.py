"""Fair turns between tenants: nobody takes all slots of a worker, more than its budget, or the disk for itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

HURRY, TICK = 100.0, 0.02
"""From so many messages per second on, a tenant's are stored together, every so many seconds."""


class Turns:
    """Shares a worker's slots between tenants, and keeps the budgets of those that have one.

    A tenant may hold as many slots as are free (the dynamic threshold of shared buffers, alpha = 1): one flooding
    tenant gets half of them, a second one a quarter, and a newcomer always finds some. Counted on the event loop,
    read from the store's thread.
    """

    def __init__(
        self,
        slots: int,
        *,
        tenants: int = 1,
        rates: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tenants` is how many there are: a single one needs no sharing. `rates` are messages per second."""
        self._slots, self._shared = slots, tenants > 1
        self._used: Counter[str] = Counter()
        self._total = 0
        self._budgets = {tenant: Budget(rate, clock) for tenant, rate in (rates or {}).items()}
        self._alarms: dict[str, asyncio.TimerHandle] = {}

    def room(self, tenant: str) -> int:
        """Tell how many more sessions of this tenant may be worked on now."""
        free = self._slots - self._total
        room = max((free - self._used[tenant] + 1) // 2, 0) if self._shared else free
        budget = self._budgets.get(tenant)
        return room if budget is None else min(room, budget.left())

    def begin(self, tenant: str) -> None:
        """Count a session that is being worked on."""
        self._used[tenant] += 1
        self._total += 1

    def end(self, tenant: str) -> bool:
        """Count it no more; True if a tenant may have got room by that."""
        self._used[tenant] -= 1
        self._total -= 1
        if not self._used[tenant]:
            del self._used[tenant]
        return self._shared

    def spend(self, tenant: str, ring: Callable[[], None]) -> bool:
        """Take one message off the tenant's budget; False if it has to stop. `ring` is called when it may go on."""
        budget = self._budgets.get(tenant)
        if budget is None:
            return True
        spent = budget.spend()
        if budget.left() < 1 and tenant not in self._alarms:
            loop = asyncio.get_running_loop()
            self._alarms[tenant] = loop.call_later(budget.wait(), self._ring, tenant, ring)
        return spent

    def _ring(self, tenant: str, ring: Callable[[], None]) -> None:
        del self._alarms[tenant]
        ring()

    def close(self) -> None:
        """Forget the alarms."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()


class Budget:
    """A token bucket: `rate` messages per second, one second's worth at once."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._most = max(rate, 1.0)
        self._tokens, self._at = self._most, clock()

    def left(self) -> int:
        """Tell how many messages may be worked on now."""
        return int(self._now())

    def wait(self) -> float:
        """Tell in how many seconds the next message may be worked on."""
        return max(1.0 - self._now(), 0.0) / self._rate

    def spend(self) -> bool:
        """Take one; False (and nothing taken) if there is none."""
        tokens, now = self._now(), self._clock()
        if tokens < 1.0:
            return False
        self._tokens, self._at = tokens - 1.0, now
        return True

    def owe(self) -> bool:
        """Take one even if there is none, up to a second's worth of debt; False if there was none."""
        tokens, self._at = self._now(), self._clock()
        self._tokens = max(tokens - 1.0, -self._most)
        return tokens >= 1.0

    def _now(self) -> float:
        return min(self._tokens + (self._clock() - self._at) * self._rate, self._most)


class Gather:
    """Lets a tenant that sends a lot share commits with itself.

    A commit takes the disk about 2 ms. Each request of a flood would have one of its own, and every step of everybody
    else's deliveries would wait behind them; a flood's request can wait for the next tick instead.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._ticks: dict[str, asyncio.Event] = {}

    async def wait(self, tenant: str) -> None:
        """Wait for the next tick, if this tenant is in a hurry; those who come later never go before."""
        budget = self._budgets.get(tenant)
        if budget is None:
            budget = self._budgets[tenant] = Budget(HURRY, self._clock)
        calm, tick = budget.owe(), self._ticks.get(tenant)
        if tick is None and calm:
            return
        if tick is None:
            tick = self._ticks[tenant] = asyncio.Event()
            asyncio.get_running_loop().call_later(TICK, self._strike, tenant, tick)
        await tick.wait()

    def _strike(self, tenant: str, tick: asyncio.Event) -> None:
        del self._ticks[tenant]
        tick.set()
