"""Files of a message on their way: fetched, judged, scanned, stored, and only then given to the other platform.

A file that is kept out is no failure: its message goes on, and a line in its place says what happened to it. While a
file cannot be judged (the scanner or the file's server is away) its message waits, but only for `patience` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.archives import look_inside
from bridge.errors import BridgeError, Forbidden, Infected, Rejected, StoreFull, Throttled, Unavailable, Unscannable
from bridge.events import Attachment, Event, SharedFile
from bridge.file_policy import FilePolicy
from bridge.file_types import HEAD, FileType, fitting_name, sniff, with_name
from bridge.objects import SHOWN, safe_name
from bridge.ports import ObjectRef, ObjectStore, Scanner
from bridge.ports.files import FileSource
from bridge.spool import Spooled, spooled

AT_ONCE = 8
"""Files that are looked at at the same time; each takes disk space and some memory."""
TURN_SECONDS, NEXT_TURN = 0.5, 1.0
"""How long a file waits for its turn, and then its message, which meanwhile holds up no others."""
TAKE_SECONDS = 80.0
"""Longest time for one file, from its first byte until it is stored; a delivery has 120 s for that and its calls."""
LINK_SECONDS = 5 * 86_400.0
"""How long a signed address works that people are given. Azure's key for it lives for 7 days, and serves for a day."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A file that may pass: what it is, its safe name, where it is stored, and its bytes while it is at hand."""

    name: str
    found: FileType
    ref: ObjectRef
    attachment: Attachment
    spooled: Spooled


class KeptOut(Exception):
    """A file may not pass; `reason` is a stable word with a text for people, `name` the file's safe name."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.reason, self.name = reason, name


class Attachments:
    """Takes one file at a time through all that is between the platforms."""

    def __init__(
        self,
        source: FileSource,
        scanner: Scanner,
        objects: ObjectStore,
        folder: Path,
        *,
        clock: Callable[[], float],
        link_seconds: float,
        patience: float,
    ) -> None:
        """`folder` is for files while they are looked at; `link_seconds` is how long a signed address works."""
        self._source, self._scanner, self._objects, self._folder = source, scanner, objects, folder
        self._clock, self._link_seconds, self._patience = clock, link_seconds, patience
        self._slots = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def take(
        self, event: Event, file: SharedFile, policy: FilePolicy, received_at: float
    ) -> AsyncIterator[Carried]:
        """Give the file, stored and judged. Raises KeptOut, or Unavailable as long as its message may wait.

        `received_at` is when the message began to wait for its files. What is done with the file raises as it does.
        Where many files are on their way, Throttled (`ours`).
        """
        await self._turn()
        try:
            async with AsyncExitStack() as stack:
                yield await self._taken(stack, event, file, policy, received_at)
        finally:
            self._slots.release()

    async def link(self, ref: ObjectRef) -> str:
        """Give an address of a stored file, which people may be given. Raises Unavailable."""
        return await self._objects.signed_url(ref, self._link_seconds)

    async def forget(self, ref: ObjectRef) -> None:
        """Keep a file no longer that has arrived. Never raises: the store removes what is old in any case."""
        with suppress(BridgeError, StoreFull):
            await self._objects.delete(ref)

    def is_patient(self, received_at: float) -> bool:
        """Tell whether a message that began to wait then may wait on."""
        return self._clock() - received_at <= self._patience

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise Throttled("many files", code="files_busy", component="files", after=NEXT_TURN, ours=True) from None

    async def _taken(
        self, stack: AsyncExitStack, event: Event, file: SharedFile, policy: FilePolicy, received_at: float
    ) -> Carried:
        name = safe_name(file.name or self._source.named(file))
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                stream = self._source.read(event, file, policy.max_bytes)
                async with aclosing(stream):  # type: ignore[type-var]
                    copy = await stack.enter_async_context(spooled(self._folder, stream, HEAD))
                name = safe_name(file.name or self._source.named(file))
                return await self._judged(copy, name, policy)
        except TimeoutError:
            error: BridgeError = Unavailable("a file takes too long", code="file_slow", component="files")
        except StoreFull:
            error = Unavailable("the store for files is full", code="objects_full", component="objects")
        except BridgeError as trouble:
            error = trouble
        raise self._final(error, name, received_at)

    async def _judged(self, copy: Spooled, name: str, policy: FilePolicy) -> Carried:
        found = await asyncio.to_thread(look_inside, copy.file, sniff(copy.head))
        found = with_name(found, name)
        objection = policy.objection(found, copy.size)
        if objection is not None:
            raise KeptOut(objection, name)
        await self._scanner.scan(copy.pieces(), copy.size)
        name = fitting_name(name, found)
        shown = found.mime in SHOWN
        ref = await self._objects.put(name, copy.pieces(), found.mime, "inline" if shown else "attachment")
        url = await self._objects.signed_url(ref, self._link_seconds)
        return Carried(name, found, ref, Attachment("image" if shown else "file", name, url), copy)

    def _final(self, error: BridgeError, name: str, received_at: float) -> Exception:
        """Say what an error means for the file: kept out for good, or (while there is patience) to be tried again."""
        if isinstance(error, Infected):
            return KeptOut("infected", name)
        if isinstance(error, Unscannable):
            return KeptOut("not_scanned", name)
        if isinstance(error, Rejected):
            return KeptOut(_REASONS.get(error.code, "refused"), name)
        our_turn_comes = isinstance(error, Throttled) and error.ours
        if not our_turn_comes and not self.is_patient(received_at):
            return KeptOut("not_scanned" if error.component == "clamav" else "unavailable", name)
        if isinstance(error, Forbidden):  # of the file's server or the store: no reason to hold all messages
            return Unavailable(str(error), code=error.code, component=error.component)
        return error


_REASONS = {
    "file_too_large": "too_large",
    "file_gone": "gone",
    "file_bad_address": "bad_address",
    "files_not_permitted": "files_not_permitted",
}


def with_attachments(event: Event, carried: tuple[Attachment, ...]) -> Event:
    """Give the canonical event with the addresses of its files."""
    return replace(event, attachments=carried)
