"""Fair turns between tenants: nobody can take all slots of a worker."""

from __future__ import annotations

from collections import Counter


class Turns:
    """Shares a worker's slots between tenants.

    A tenant may hold as many slots as are free (the dynamic threshold of shared buffers, alpha = 1): one flooding
    tenant gets half of them, a second one a quarter, and a newcomer always finds some. Counted on the event loop,
    read from the store's thread.
    """

    def __init__(self, slots: int, *, tenants: int = 1) -> None:
        """`tenants` is how many there are: a single one needs no sharing."""
        self._slots, self._shared = slots, tenants > 1
        self._used: Counter[str] = Counter()
        self._total = 0

    def room(self, tenant: str) -> int:
        """Tell how many more sessions of this tenant may be worked on now."""
        free = self._slots - self._total
        if not self._shared:
            return free
        return max((free - self._used[tenant] + 1) // 2, 0)

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
