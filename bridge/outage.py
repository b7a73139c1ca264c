"""One record when the store goes away and one when it is back, however many workers notice."""

from __future__ import annotations

from bridge.ports import Direction
from bridge.telemetry import Telemetry


class Outage:
    """Whether a direction's store is away, as far as its workers know."""

    def __init__(self, telemetry: Telemetry, direction: Direction) -> None:
        self._telemetry, self._direction = telemetry, direction
        self._lasts = False

    def begin(self, error: Exception) -> None:
        """Note that the store refused a write."""
        if not self._lasts:
            self._lasts = True
            self._telemetry.error("queue_unavailable", direction=self._direction, error=type(error).__name__)

    def end(self) -> None:
        """Note that a write went through."""
        if self._lasts:
            self._lasts = False
            self._telemetry.warning("queue_available", direction=self._direction)
