"""The `Queue` port on Azure Service Bus: two queues with sessions, shared by any number of replicas.

What a queue must be created with (Terraform does): sessions required; duplicate detection over 7 days; lock duration
1 minute or more; no expiry of messages; and the largest `max_delivery_count` (2000). The service counts a delivery
whenever a process dies or freezes over a message, and makes a dead letter of its own at that limit; our own retries
are counted elsewhere and never come near it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import ManagedIdentityCredential
from azure.servicebus import TransportType
from azure.servicebus.aio import ServiceBusClient

from adapters.azure.service_bus_letters import COUNTED, parse_letter_id
from adapters.azure.service_bus_messages import COMPONENT, fresh_record, read_envelope, to_message, to_waiting
from adapters.azure.service_bus_parcels import Parcels
from adapters.azure.service_bus_session import BusSession
from adapters.azure.service_bus_side import Side
from bridge.errors import Misconfigured, Unavailable
from bridge.ports import DIRECTIONS, DeadLetter, Depth, Direction, Envelope, ObjectStore, Waiting
from bridge.settings import Settings

REACH_SECONDS = 5.0


class ServiceBusQueue:
    """The `Queue` port on Service Bus. Duplicates are dropped by the service, which does not tell: `put` says True."""

    def __init__(
        self,
        client: ServiceBusClient,
        *,
        prefix: str = "",
        objects: ObjectStore | None = None,
        credential: AsyncTokenCredential | None = None,
    ) -> None:
        """`client` must not retry by itself (`open_client`); `prefix` goes before both queue names.

        `credential` is closed with the queue.
        """
        self._client, self._credential = client, credential
        self._parcels = Parcels(objects)
        self._sides = {d: Side(client, d, f"{prefix}{d}", self._parcels) for d in DIRECTIONS}

    async def check(self) -> None:
        """Raise Misconfigured if a queue is missing, has no sessions, or refuses us. For the start."""
        for problem in await asyncio.gather(*(side.check() for side in self._sides.values()), return_exceptions=True):
            if problem is not None:
                raise problem

    async def put(self, envelope: Envelope) -> bool:
        """Store durably, then return True, also for a duplicate, which the service then drops.

        Raises StoreFull when the queue is full, Throttled or Unavailable when the service cannot be had.
        """
        parcel = await self._parcels.keep(envelope)
        await self._sides[envelope.direction].senders.send(to_message(envelope, parcel))
        return True

    async def accept(
        self, direction: Direction, wait: float, room: Callable[[str], int] | None = None
    ) -> BusSession | None:
        """Take a session that the service offers and whose tenant has room; None after `wait` seconds without one.

        The service cannot be asked for a tenant: a session without room is held here until there is some. Raises
        Throttled or Unavailable when no session can be taken.
        """
        side = self._sides[direction]
        link = await side.acceptor.accept(wait, room)
        if link is None:
            return None
        side.held = {one for one in side.held if not one.closed} | {link}
        return BusSession(direction, link, side.acceptor.hold, self._parcels)

    def ring(self, direction: Direction) -> None:
        """Tell those who wait in `accept` to look again."""
        self._sides[direction].acceptor.ring()

    async def dead_letters(
        self, direction: Direction | None = None, *, limit: int = 100, after: str | None = None
    ) -> Sequence[DeadLetter]:
        """List letters, oldest first, one direction after the other, at most `limit`, those behind letter `after`."""
        behind = None if after is None else parse_letter_id(after)
        if after is not None and behind is None:
            return []
        found: list[DeadLetter] = []
        for one in DIRECTIONS[0 if behind is None else [*DIRECTIONS].index(behind[0]) :]:  # type: ignore[arg-type]
            if direction in (None, one) and len(found) < limit:
                number = behind[1] if behind is not None and behind[0] == one else 0
                found += await self._sides[one].letters.after(number, limit - len(found))
        return found

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Give one letter, or None."""
        place = self._place(letter_id)
        return None if place is None else await place[0].letters.find(place[1])

    async def replay(self, letter_id: str, *, automatic: bool = False) -> bool:
        """Put a letter back at the end of its session, under a queue message id of its own and its old envelope.

        Raises Unavailable for a letter behind a thousand others (drop or replay those first).
        """
        place = self._place(letter_id)
        return place is not None and await place[0].letters.replay(place[1], automatic=automatic)

    async def drop(self, letter_id: str) -> bool:
        """Delete a letter for good; False if there is no such letter. Raises like `replay`."""
        place = self._place(letter_id)
        return place is not None and await place[0].letters.drop(place[1])

    async def find(self, trace: str, *, limit: int = 20) -> Sequence[Waiting]:
        """Give waiting messages whose trace id begins with `trace`; peeks into the whole queue.

        Failures are told for the sessions that this process holds: only the holder of a session can read its state.
        """
        found: list[Waiting] = []
        for side in self._sides.values():
            records = {link.record.number: link.record for link in (*side.held, *side.acceptor.links)}
            begin = 1
            while page := await side.browser.page(begin):
                begin = (page[-1].sequence_number or 0) + 1
                for message in page:
                    record = records.get(message.sequence_number or 0) or fresh_record(message)
                    try:
                        waiting = to_waiting(message, side.direction, record)
                    except ValueError:
                        continue
                    if waiting.envelope.trace.startswith(trace):
                        found.append(waiting)
        return found[:limit]

    async def depth(self, direction: Direction) -> Depth:
        """Count by peeking, up to 500 each (`COUNTED`): beyond that the service's own metrics tell more, for less."""
        side = self._sides[direction]
        waiting, begin, age = 0, 1, 0.0
        while waiting < COUNTED and (page := await side.browser.page(begin)):
            if not waiting:
                age = max(time.time() - _received_at(page[0], direction), 0.0)
            waiting, begin = waiting + len(page), (page[-1].sequence_number or 0) + 1
        dead, recent = await side.letters.count()
        return Depth(waiting=waiting, dead=dead, oldest_age=age, dead_recently=recent)

    async def ping(self) -> None:
        """Raise Throttled or Unavailable unless both queues answer."""
        await asyncio.gather(*(side.browser.page(1, 1) for side in self._sides.values()))

    async def close(self) -> None:
        """Send waiting workers home, give back held sessions, close all links."""
        await asyncio.gather(*(side.close(5.0) for side in self._sides.values()))
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()

    def _place(self, letter_id: str) -> tuple[Side, int] | None:
        place = parse_letter_id(letter_id)
        return None if place is None else (self._sides[place[0]], place[1])  # type: ignore[index]


@asynccontextmanager
async def open_queue(settings: Settings, objects: ObjectStore | None = None) -> AsyncIterator[ServiceBusQueue]:
    """Open the queue that the settings name, and close it at the end.

    Misconfigured if a queue is missing, has no sessions, or refuses us; Unavailable if nothing answers there.
    """
    text = settings.servicebus_connection_string
    credential = None if text else _identity(settings.azure_client_id)
    websockets = settings.servicebus_transport == "websockets"
    client = open_client(
        text.get_secret_value() if text else "", settings.servicebus_namespace, credential, websockets=websockets
    )
    queue = ServiceBusQueue(client, prefix=settings.servicebus_prefix, objects=objects, credential=credential)
    try:
        await reach(client.fully_qualified_namespace, websockets=websockets)
        await queue.check()
        yield queue
    finally:
        await queue.close()


def _identity(client_id: str | None) -> AsyncTokenCredential:
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()


def open_client(
    connection_string: str, namespace: str, credential: AsyncTokenCredential | None, *, websockets: bool, **more: Any
) -> ServiceBusClient:
    """Make the SDK's client: by connection string, else by namespace and identity. Misconfigured if neither works.

    It does not retry by itself: the SDK would hide a busy or missing session behind up to 19 seconds of retries. Its
    log is silenced: it writes a stack trace for each error, and each comes to us as an exception.
    """
    logging.getLogger("azure.servicebus").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {
        "retry_total": 0,
        "transport_type": TransportType.AmqpOverWebsocket if websockets else TransportType.Amqp,
        "ssl_context": ssl.create_default_context(),  # else the SDK loads all root certificates for each connection
        **more,
    }
    if connection_string:
        if "entitypath=" in connection_string.lower():
            raise Misconfigured("AZURE_SERVICEBUS_CONNECTION_STRING is of one queue (EntityPath), not of all.")
        try:
            return ServiceBusClient.from_connection_string(connection_string, **options)
        except ValueError:
            raise Misconfigured("AZURE_SERVICEBUS_CONNECTION_STRING is not a connection string.") from None
    if not namespace or credential is None:
        raise Misconfigured("Set AZURE_SERVICEBUS_NAMESPACE (with an identity) or AZURE_SERVICEBUS_CONNECTION_STRING.")
    return ServiceBusClient(namespace, credential, **options)


async def reach(namespace: str, *, websockets: bool) -> None:
    """Raise Unavailable, saying why, if nobody takes a connection there. `namespace` is a host, perhaps with a port."""
    host, _, port = namespace.partition(":")
    number = int(port or (443 if websockets else 5671))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, number)
    except TimeoutError:
        why = "no answer; where port 5671 is closed, set AZURE_SERVICEBUS_TRANSPORT=websockets"
    except socket.gaierror:
        why = "there is no such host; look at AZURE_SERVICEBUS_NAMESPACE"
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "no connection"
    else:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return
    raise Unavailable(f"Service Bus at {host}:{number}: {why}", code="unreachable", component=COMPONENT)


def _received_at(message: Any, direction: Direction) -> float:
    try:
        return read_envelope(message, direction, b"").received_at
    except ValueError:
        return float(message.enqueued_time_utc.timestamp())
