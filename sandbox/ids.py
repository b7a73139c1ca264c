"""Where ids come from: seeded when a run must repeat, random otherwise."""

import random
import time
import uuid


class Ids:
    """Makes the ids and chances of one run; the same seed gives the same sequence of uuids and chances."""

    def __init__(self, seed: str | None) -> None:
        self._random = random.Random(seed)  # noqa: S311  test data, not secrets
        self._last_message_id = 0
        self._last_number = 1_000_000_000_000_000

    def uuid(self) -> str:
        """A fresh version 4 uuid."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def message_id(self) -> str:
        """A Teams message id: epoch milliseconds as text, never the same twice."""
        self._last_message_id = max(time.time_ns() // 1_000_000, self._last_message_id + 1)
        return str(self._last_message_id)

    def number(self) -> int:
        """A Freshchat internal number."""
        self._last_number += 1
        return self._last_number

    def hex(self, digits: int = 8) -> str:
        """Some hex digits, for event ids and user codes."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return probability >= 1.0 or self._random.random() < probability
