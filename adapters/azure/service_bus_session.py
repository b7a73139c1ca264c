"""The `Session` port on a `Link`: one lease, from `accept` until the session is empty or given back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from azure.servicebus import ServiceBusReceivedMessage

from adapters.azure.service_bus_link import Link
from adapters.azure.service_bus_messages import COMPONENT, describe, parcel_of, read_envelope, to_delivery
from adapters.azure.service_bus_parcels import Parcels
from bridge.errors import LeaseLost
from bridge.ports import Delivery, Direction, Failure

log = logging.getLogger(__name__)


class BusSession:
    """One lease of one session. The lock is renewed by the link.

    `attempts` and the rest of what is known of failures is kept as the session's state, not in the message, which
    cannot be changed, and not as the service's delivery count, which also counts crashes. `retry` keeps the link and
    its lock: nobody else gets the session before it is due, so its order is kept. If this process dies, the service
    frees the session, and whoever gets it reads the due time from the state and waits until then.
    """

    def __init__(self, direction: Direction, link: Link, hold: Callable[[Link, float], None], parcels: Parcels) -> None:
        self.key, self.tenant = link.key, link.tenant
        self.direction: Direction = direction
        self.link = link
        self._hold, self._parcels = hold, parcels
        self._ended: str | None = None
        self._delivery: Delivery | None = None

    async def next(self) -> Delivery | None:
        """Take the oldest message; None when none has come for a moment (the session is then released)."""
        if self._ended == "empty":
            return None
        self._check()
        while self._delivery is None:
            message = await self.link.take()
            if message is None:
                self._end("empty")
                self.link.close()
                return None
            self._delivery = await self._deliver(message)
        return self._delivery

    async def _deliver(self, message: ServiceBusReceivedMessage) -> Delivery | None:
        body = await self._parcels.body(message)
        self._check()
        if body is None:
            gone = Failure(code="body_missing", message="the body is not in the object store", component=COMPONENT)
            await self.link.dead_letter(gone.code, describe(gone, self.link.record, time.time()))
            return None
        return to_delivery(read_envelope(message, self.direction, body), message, self.link.record)

    async def complete(self, delivery: Delivery) -> None:
        """Settle as done."""
        self._check_held(delivery)
        parcel = parcel_of(self.link.head) if self.link.head else ""
        await self.link.complete()
        self._delivery = None
        await self._parcels.delete(parcel)

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """Settle as given up; the session goes on with the next message."""
        self._check_held(delivery)
        await self.link.dead_letter(failure.code, describe(failure, self.link.record, time.time()))
        self._delivery = None

    async def retry(self, delivery: Delivery, after: float, failure: Failure, *, count: bool = True) -> None:
        """Keep the session from everybody until `after` seconds from now; this lease ends."""
        self._check_held(delivery)
        log.info("delivery_retry", extra={"code": failure.code, "component": failure.component, "after": after})
        record = self.link.record.failed(failure, time.time(), after, count=count)
        try:
            await self.link.save(record)
        finally:
            self._end("given back")
        self._hold(self.link, time.time() + after)

    async def release(self) -> None:
        """Give the session back at once. Never raises."""
        if self._ended is None:
            self._end("given back")
            self.link.close()

    def _check(self) -> None:
        if self._ended is not None or self.link.lost or self.link.closed:
            raise LeaseLost("this session is not held any more")

    def _check_held(self, delivery: Delivery) -> None:
        self._check()
        if self._delivery is not delivery:
            raise LeaseLost("this delivery is not the one under lock")

    def _end(self, how: str) -> None:
        self._ended = self._ended or how
        self._delivery = None
