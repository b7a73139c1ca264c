"""Intake: what both doors do once a caller is known. Store first, understand later."""

from __future__ import annotations

from collections.abc import Callable

from bridge import ids
from bridge.errors import StoreFull, Unavailable
from bridge.ports import Direction, Envelope, Queue
from bridge.telemetry import Telemetry
from bridge.turns import Gather


class Intake:
    """Puts accepted bodies in the queue."""

    def __init__(
        self,
        queue: Queue,
        telemetry: Telemetry,
        clock: Callable[[], float],
        new_trace: Callable[[], str] = ids.new_trace_id,
        gather: Gather | None = None,
    ) -> None:
        """`gather` is for bridges with several tenants."""
        self._queue, self._telemetry, self._clock, self._new_trace = queue, telemetry, clock, new_trace
        self._gather = gather

    async def store(self, direction: Direction, tenant: str, key: str, session: str, kind: str, body: bytes) -> bool:
        """Store one raw body durably under its idempotency key; False if it was accepted before.

        Raises StoreFull or Unavailable when it cannot be stored: the door then answers 503, never 200.
        """
        with self._telemetry.let_in() as span:
            envelope = Envelope(
                direction=direction,
                tenant=tenant,
                message_id=ids.dedupe_id(tenant, key),
                session=session,
                kind=kind,
                trace=span.trace or self._new_trace(),
                body=body,
                received_at=self._clock(),
                span=span.id,
            )
            if self._gather is not None:
                await self._gather.wait(tenant)
            stored = await self._put(envelope)
        outcome = "stored" if stored else "duplicate"
        self._telemetry.accepted(direction, outcome, trace=envelope.trace, key=key, kind=kind)
        return stored

    async def _put(self, envelope: Envelope) -> bool:
        """Put it in the queue; who sent it in vain, and why, is in the log."""
        try:
            with self._telemetry.step("queue put", "producer"):
                return await self._queue.put(envelope)
        except (StoreFull, Unavailable) as error:
            self._telemetry.warning(
                "not_stored", direction=envelope.direction, tenant=envelope.tenant, reason=str(error)
            )
            raise
