"""Bodies that are too large for the tier travel through the object store; their messages carry a reference only."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from azure.servicebus import ServiceBusReceivedMessage

from adapters.azure.service_bus_messages import COMPONENT, body_of, parcel_of
from bridge.errors import BridgeError, Forbidden, Rejected, StoreFull, Unavailable
from bridge.ports import Envelope, ObjectRef, ObjectStore

log = logging.getLogger(__name__)
INLINE = 192 * 1024
"""Bytes of body that go into the message: the standard tier takes 256 KiB with properties and their encoding."""


class Parcels:
    """Keeps large bodies in the object store.

    A body goes when its message is completed or dropped. That of a duplicate, which the service drops without telling,
    stays until the object store forgets it, as does that of a dead letter that nobody looks after for so long.
    """

    def __init__(self, objects: ObjectStore | None, inline: int = INLINE) -> None:
        """Without `objects`, a body goes into its message whatever its size, and the tier decides."""
        self._objects, self._inline = objects, inline

    async def keep(self, envelope: Envelope) -> str:
        """Store the body if it is large, before its message is sent; give its reference, or nothing.

        Raises StoreFull or Unavailable.
        """
        if self._objects is None or len(envelope.body) <= self._inline:
            return ""
        with _as_a_queue():
            ref = await self._objects.put("body", _once(envelope.body), "application/octet-stream")
        return f"{ref.size}:{ref.id}"

    async def body(self, message: ServiceBusReceivedMessage) -> bytes | None:
        """Give the body of a message; None if its object is gone for good. Raises StoreFull or Unavailable."""
        if not (parcel := parcel_of(message)):
            return body_of(message)
        if self._objects is None:
            return None
        try:
            with _as_a_queue():
                return b"".join([piece async for piece in self._objects.open(_ref(parcel))])
        except Rejected:
            return None

    async def delete(self, parcel: str) -> None:
        """Delete a body whose message is gone; what cannot be deleted now is left to the object store."""
        if not parcel or self._objects is None:
            return
        try:
            await self._objects.delete(_ref(parcel))
        except (BridgeError, StoreFull) as error:
            log.warning("parcel_left", extra={"reason": str(error)})


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _ref(parcel: str) -> ObjectRef:
    size, _, key = parcel.partition(":")
    return ObjectRef(id=key, size=int(size) if size.isdecimal() else 0)


@contextmanager
def _as_a_queue() -> Iterator[None]:
    """Say Unavailable where the object store refuses us: for a queue that is an outage."""
    try:
        yield
    except Forbidden as error:
        raise Unavailable(f"object store: {error}", code=error.code, component=COMPONENT) from None
