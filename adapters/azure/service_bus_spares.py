"""Connections whose session was given back, kept a while for the next session.

The SDK opens a connection per session, with TLS, a token and five links: half a second and most of what a session
costs. Here only the session's own link ends, and the next one is attached over the same connection, as Microsoft's
SDKs for .NET and Java do it. The Python SDK has no call for that: what it takes of its private parts is in this file,
and `requirements.txt` pins its version.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from azure.servicebus import NEXT_AVAILABLE_SESSION
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSession
from azure.servicebus.exceptions import OperationTimeoutError

from adapters.azure.service_bus_link import Closer

log = logging.getLogger(__name__)
MOST = 16
"""Connections that are kept per direction."""

IDLE_SECONDS = 30.0
"""The service ends a connection without links after some minutes; a kept one is not used so late."""


class Spares:
    """The kept connections of one direction."""

    def __init__(self, closer: Closer) -> None:
        self._closer = closer
        self._kept: list[tuple[float, ServiceBusReceiver]] = []
        self._closed = False

    async def keep(self, receiver: ServiceBusReceiver) -> bool:
        """Give the receiver's session back and keep its connection; False, or an error: it must be closed instead."""
        if self._closed or len(self._kept) >= MOST:
            return False
        await _detach(receiver)
        if self._closed:
            return False
        self._kept.append((time.monotonic(), receiver))
        return True

    def take(self) -> ServiceBusReceiver | None:
        """Give the connection that was kept last; close those that have been idle for too long."""
        while self._kept:
            since, receiver = self._kept.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return receiver
            self._closer.close(receiver.close)
        return None

    async def attach(self, receiver: ServiceBusReceiver) -> ServiceBusReceiver | None:
        """Take the next session over a kept connection; None if there was none in time. Raises as the SDK does."""
        try:
            await _attach(receiver)
        except OperationTimeoutError:
            self._closer.close(receiver.close)
            return None
        except BaseException:
            self._closer.close(receiver.close)
            raise
        return receiver

    def close(self) -> None:
        """Close all of them, and what is still to be kept."""
        self._closed = True
        while self._kept:
            self._closer.close(self._kept.pop()[1].close)


async def _detach(receiver: Any) -> None:
    """End the link, and wait until the service has ended it too: then its handle may be used again."""
    handler = receiver._handler
    link, session = handler._link, handler._session
    await link.detach(close=True)
    while link.get_state().name != "DETACHED":
        await handler._connection.listen(wait=handler._socket_timeout)
    del session.links[link.name], session._output_handles[link.handle], session._input_handles[link.remote_handle]


async def _attach(receiver: Any) -> None:
    """Attach a new link as the SDK does when it opens a receiver."""
    receiver._session_id = NEXT_AVAILABLE_SESSION
    receiver._session = ServiceBusSession(NEXT_AVAILABLE_SESSION, receiver)  # type: ignore[arg-type]
    handler = receiver._handler
    handler._link = None
    try:
        while not await handler.client_ready_async():
            pass  # it waits for the next frame itself
    except Exception as error:
        raise receiver._amqp_transport.create_servicebus_exception(log, error) from error
