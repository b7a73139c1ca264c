"""One message session under lock: a receiver of the SDK, its renewal, and what is known of its oldest message."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSession

from adapters.azure.service_bus_errors import call
from adapters.azure.service_bus_messages import Record, fresh_record, load_record, read_envelope
from bridge.errors import LeaseLost

T = TypeVar("T")
CALL_SECONDS = 15.0
RENEW_SECONDS = 25.0
"""How long a lock goes unrenewed at most: by a clock that is behind, it seems to last longer than it does."""

EMPTY_SECONDS = 0.3
"""How long an empty session is listened to before it is given back: the next message then needs no new link."""


class Closer:
    """Closes links behind the caller's back (a close takes up to a second), and waits for all of them at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin to close; errors do not matter any more."""
        task = asyncio.create_task(_quietly(close), name="service-bus-close")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for what is being closed."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)


async def _quietly(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            await close()
    except Exception:  # noqa: S110 - the link is gone either way
        pass


class Link:
    """Settles and renews one session; each call of the SDK waits for the one before (it allows one at a time).

    Any failure loses the link: the SDK does not reattach a session, and the service gives it to another receiver.
    """

    def __init__(
        self,
        receiver: ServiceBusReceiver,
        closer: Closer,
        keep: Callable[[ServiceBusReceiver], Awaitable[bool]],
        on_lost: Callable[[], None],
    ) -> None:
        """`receiver` is open, so that the session is locked; `keep` frees that and keeps the connection, or says no."""
        self._receiver, self._closer, self._keep, self._on_lost = receiver, closer, keep, on_lost
        self._turn = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self.head: ServiceBusReceivedMessage | None = None
        self.record = Record()
        self.tenant = self.key = ""
        self.lost = self.closed = False

    async def begin(self) -> bool:
        """Take the first message, which names the tenant; False if there is none. Renews the lock from then on."""
        self._renewal = asyncio.create_task(self._renew(), name="service-bus-renew")
        return await self.take(CALL_SECONDS / 3) is not None

    async def take(self, wait: float = EMPTY_SECONDS) -> ServiceBusReceivedMessage | None:
        """Give the oldest message, locked; None if none is there within `wait` seconds.

        A message that no bridge has put there becomes a dead letter at once.
        """
        while self.head is None:
            found = await self._do(lambda: self._receiver.receive_messages(1, max_wait_time=wait), wait)
            if not found:
                return None
            if await self._is_ours(found[0]):
                await self._recall(found[0])
                self.head = found[0]
        return self.head

    async def _is_ours(self, message: ServiceBusReceivedMessage) -> bool:
        try:
            self.tenant, self.key = (envelope := read_envelope(message, "to-teams", b"")).tenant, envelope.session
        except ValueError as error:
            text = str(error)
            await self._do(
                lambda: self._receiver.dead_letter_message(message, reason="not_ours", error_description=text)
            )
            return False
        return True

    async def _recall(self, message: ServiceBusReceivedMessage) -> None:
        """Read what is known of its failures. One that was never given back has none, which saves a call."""
        if self.record.number == message.sequence_number:
            return
        self.record = fresh_record(message)
        if message.delivery_count:
            self.record = load_record(await self._do(self._session.get_state), self.record)

    async def complete(self) -> None:
        """Settle the oldest message as done."""
        message = self._head()
        await self._settle(lambda: self._receiver.complete_message(message))

    async def dead_letter(self, reason: str, description: str) -> None:
        """Move the oldest message to the dead letters."""
        message = self._head()
        await self._settle(
            lambda: self._receiver.dead_letter_message(message, reason=reason, error_description=description)
        )

    async def _settle(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._do(work)
        self.head = None
        if self.record.saved:
            self.record = Record()
            with contextlib.suppress(Exception):  # a left-over names a message that is gone, so it does no harm
                await self._do(lambda: self._session.set_state(None))

    async def save(self, record: Record) -> None:
        """Keep the failures of the oldest message with its session.

        The first time the message is also given back, which counts as a delivery: whoever takes it next then knows
        that there is something to read. Later times leave the service's own count alone: it must never reach the
        queue's limit, or the service would make a dead letter behind our back.
        """
        message = self._head()
        await self._do(lambda: self._session.set_state(record.dump()))
        self.record = record
        if not message.delivery_count:
            await self._do(lambda: self._receiver.abandon_message(message))
            self.head = None

    def close(self) -> None:
        """Give the session back: the end of the link frees it at once, and counts no delivery."""
        if self.closed:
            return
        self.closed = True
        if self._renewal is not None:
            self._renewal.cancel()
        self._closer.close(self._give_back)

    async def _give_back(self) -> None:
        try:
            async with self._turn:  # a renewal that was under way has lost the link
                kept = not self.lost and await self._keep(self._receiver)
        except BaseException:
            self._closer.close(self._receiver.close)
            raise
        if not kept:
            await self._receiver.close()

    @property
    def _session(self) -> ServiceBusSession:
        return self._receiver.session

    def _head(self) -> ServiceBusReceivedMessage:
        if self.head is None:
            raise LeaseLost("no message of this session is under lock")
        return self.head

    async def _do(self, work: Callable[[], Awaitable[T]], more: float = 0.0) -> T:
        try:
            async with self._turn:
                return await call(work, CALL_SECONDS + more)
        except BaseException:
            self._lose()
            raise

    def _lose(self) -> None:
        self.lost = True
        self.close()
        self._on_lost()

    async def _renew(self) -> None:
        """Renew half-way through each lock. What fails here shows to whoever settles next."""
        while not self.lost:
            until = self._session.locked_until_utc
            left = until.timestamp() - time.time() if until is not None else 0.0
            await asyncio.sleep(min(max(left / 2, 0.5), RENEW_SECONDS))
            try:
                await self._do(self._session.renew_lock)
            except Exception:
                return
