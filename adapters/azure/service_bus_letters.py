"""The dead letters of one queue: listed by peeking, taken out by scanning under lock."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from adapters.azure.service_bus_errors import call
from adapters.azure.service_bus_link import Closer
from adapters.azure.service_bus_messages import COMPONENT, parcel_of, read_letter, to_replay
from adapters.azure.service_bus_parcels import Parcels
from adapters.azure.service_bus_sender import PAGE, Senders
from bridge.errors import Unavailable
from bridge.ports import RECENT, DeadLetter, Direction

T = TypeVar("T")
log = logging.getLogger(__name__)
SECONDS = 10.0
SCAN = 1_000
"""Letters that are locked at most to get at one of them: the service hands them out from the oldest on."""

COUNTED = 500
"""Messages that are counted at most: peeking brings their bodies along."""


def letter_id(direction: Direction, number: int) -> str:
    """Name a letter by its direction and its sequence number."""
    return f"{direction}.{number}"


def parse_letter_id(text: str) -> tuple[str, int] | None:
    """Take a letter id apart; None for what cannot be one."""
    match = re.fullmatch(r"(to-freshchat|to-teams)\.([0-9]{1,18})", text, re.ASCII)
    return (match[1], int(match[2])) if match else None


class Letters:
    """The dead-letter queue of one direction."""

    def __init__(
        self,
        direction: Direction,
        open_receiver: Callable[[], ServiceBusReceiver],
        senders: Senders,
        parcels: Parcels,
        closer: Closer,
    ) -> None:
        self._direction: Direction = direction
        self._open, self._senders, self._parcels, self._closer = open_receiver, senders, parcels, closer
        self._turn = asyncio.Lock()
        self._receiver: ServiceBusReceiver | None = None
        self._recent_from = 1

    async def after(self, number: int, limit: int) -> list[DeadLetter]:
        """List letters behind that sequence number, oldest first, at most `limit`."""
        found: list[DeadLetter] = []
        while len(found) < limit:
            page = await self._peek(number + 1, min(limit - len(found), PAGE))
            if not page:
                break
            number = page[-1].sequence_number or number
            found += [letter for one in page if (letter := await self._read(one)) is not None]
        return found

    async def find(self, number: int) -> DeadLetter | None:
        """Give one letter, or None."""
        message = await self._look(number)
        return None if message is None else await self._read(message)

    async def replay(self, number: int, *, automatic: bool) -> bool:
        """Send a letter's message again, then remove the letter; False if it is not there.

        Cut off between the two, the letter is still there, and its replay is the same message to duplicate detection.
        """
        async with self._taken(number) as message:
            if message is None or (letter := await self._read(message)) is None:
                return False
            await self._senders.send(to_replay(message, letter, automatic=automatic))
            await self._complete(message)
            return True

    async def drop(self, number: int) -> bool:
        """Remove a letter; False if it is not there."""
        async with self._taken(number) as message:
            if message is None:
                return False
            await self._complete(message)
            await self._parcels.delete(parcel_of(message))
            return True

    async def count(self) -> tuple[int, int]:
        """Count letters, and those of the last `RECENT` seconds: each up to `COUNTED`.

        Letters are in order of their death, so the count of recent ones goes on where it found the last old one.
        """
        return await self._count_all(), await self._count_recent()

    async def _count_all(self) -> int:
        total, number = 0, 1
        while total < COUNTED and (page := await self._peek(number, PAGE)):
            total, number = total + len(page), (page[-1].sequence_number or 0) + 1
        return total

    async def _count_recent(self) -> int:
        since, recent, seen, number = time.time() - RECENT, 0, 0, self._recent_from
        while seen < COUNTED and (page := await self._peek(number, PAGE)):
            for one in page:
                letter = await self._read(one, whole=False)
                number = (one.sequence_number or 0) + 1
                if letter is not None and letter.last_failed_at >= since:
                    recent += 1
                elif not recent:
                    self._recent_from = number
            seen += len(page)
        return recent

    def close(self) -> None:
        """Close the link."""
        if self._receiver is not None:
            self._closer.close(self._receiver.close)
            self._receiver = None

    # --- calls

    async def _read(self, message: ServiceBusReceivedMessage, *, whole: bool = True) -> DeadLetter | None:
        number = message.sequence_number or 0
        try:
            body = (await self._parcels.body(message) or b"") if whole else b""
            return read_letter(message, self._direction, letter_id(self._direction, number), body)
        except ValueError:
            log.warning("letter_not_ours", extra={"number": number, "direction": self._direction})
            return None

    async def _look(self, number: int) -> ServiceBusReceivedMessage | None:
        page = await self._peek(number, 1) if number else []
        return page[0] if page and page[0].sequence_number == number else None

    async def _peek(self, begin: int, count: int) -> Sequence[ServiceBusReceivedMessage]:
        async with self._turn:
            return await self._call(lambda link: link.peek_messages(count, sequence_number=begin, timeout=SECONDS))

    async def _complete(self, message: ServiceBusReceivedMessage) -> None:
        await self._call(lambda link: link.complete_message(message))

    async def _call(self, work: Callable[[ServiceBusReceiver], Awaitable[T]]) -> T:
        if self._receiver is None:
            self._receiver = self._open()
        receiver = self._receiver
        try:
            return await call(lambda: work(receiver), SECONDS)
        except BaseException:
            self.close()
            raise

    @asynccontextmanager
    async def _taken(self, number: int) -> AsyncIterator[ServiceBusReceivedMessage | None]:
        """Lock one letter; None if it is not there. Unavailable if it is there but cannot be reached now.

        The service locks a letter by its number only if it was deferred, and a deferred one is out of sight of other
        tools. So letters are locked from the oldest on until it is found; the others are given back in their places.
        """
        if await self._look(number) is None:
            yield None
            return
        async with self._turn:
            locked: dict[int, ServiceBusReceivedMessage] = {}
            try:
                await self._scan(number, locked)
                if (message := locked.pop(number, None)) is None:
                    text = f"the letter is locked by somebody else, or lies behind {SCAN} others"
                    raise Unavailable(text, code="letter_out_of_reach", component=COMPONENT)
                yield message
            finally:
                for other in locked.values():
                    await self._call(lambda link, other=other: link.abandon_message(other))  # type: ignore[misc]

    async def _scan(self, number: int, locked: dict[int, ServiceBusReceivedMessage]) -> None:
        while number not in locked and len(locked) < SCAN:
            count = 1 if not locked else 100
            page = await self._call(lambda link, count=count: link.receive_messages(count, max_wait_time=1.0))  # type: ignore[misc]
            if not page:
                return
            locked.update({one.sequence_number or 0: one for one in page})
            if max(locked) > number:
                return
