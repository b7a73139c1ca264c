"""Gets sessions from Service Bus for those who wait in `accept`, and holds those that nobody may work on yet.

The service gives the next session that has a message, whoever's it is and however often it was just given back. So
what must wait (a retry that is not due, a tenant without room) is held here, under a renewed lock, and costs nothing
else; at most `HELD` sessions per direction. Beyond that the one that has to wait longest goes back to the service with
its due time in its state, and whoever takes it next holds it; a replica then takes no more than one session a second
per poll, so nothing spins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.azure.service_bus_link import Link

Room = Callable[[str], int]
POLLS = 16
"""Links per direction that ask for a session at the same time. An open one gets its session without delay."""

HELD = 128
SHORTEST = 1.5
"""Seconds that any `accept` looks: to open a link takes about half a second, so a shorter look would see nothing."""

UNWANTED, PAUSE = 0.5, 1.0


@dataclass(slots=True, eq=False)
class Held:
    """A session that is held here until `due` (epoch seconds), and then until somebody may take it."""

    link: Link
    due: float


class Acceptor:
    """Links of one direction: polls for new ones while somebody waits, hands out those that are held."""

    def __init__(self, poll: Callable[[Callable[[], None]], Awaitable[Link | None]]) -> None:
        """`poll(on_lost)` waits long for a session; None if there was none. It raises errors of ours."""
        self._poll = poll
        self._polls: set[asyncio.Task[None]] = set()
        self._held: list[Held] = []
        self._waiting, self._asked_at = 0, 0.0
        self._trouble: Exception | None = None
        self._again_at = 0.0
        self._changed = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()
        self._closed = False

    @property
    def links(self) -> list[Link]:
        """The sessions that are held here."""
        return [one.link for one in self._held]

    async def accept(self, wait: float, room: Room | None) -> Link | None:
        """Give a session that is due and whose tenant has room.

        Raises what the last poll raised, at once, until it is time to try again.
        """
        end = time.monotonic() + max(wait, SHORTEST)
        self._waiting += 1
        try:
            while (link := self._choose(room)) is None:
                if self._trouble is not None and not self._polls and time.monotonic() < self._again_at:
                    raise self._trouble.with_traceback(None)
                self._start_polls()
                if not await self._news(end - time.monotonic()):
                    return None
            return link
        finally:
            self._waiting -= 1
            self._asked_at = time.monotonic()
            if not self._waiting:
                self._later(UNWANTED, self._lapse)

    def hold(self, link: Link, due: float) -> None:
        """Hold a session until `due`."""
        if self._closed or link.lost:
            link.close()
            return
        self._held.append(Held(link, due))
        if len(self._held) > HELD:
            self._give_back(max(self._held, key=lambda one: one.due))
        self._later(due - time.time(), self._due)

    def ring(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Stop polling, give all sessions back."""
        self._closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self._stop_polls()
        for one in list(self._held):
            self._give_back(one)
        self.ring()

    def _choose(self, room: Room | None) -> Link | None:
        """Take the longest held session that is due; its caller counts it before anybody else can look."""
        now = time.time()
        self._held = [one for one in self._held if not one.link.lost]
        for one in sorted(self._held, key=lambda one: one.due):
            if one.due > now:
                break
            if room is None or room(one.link.tenant) > 0:
                self._held.remove(one)
                return one.link
        return None

    async def _news(self, seconds: float) -> bool:
        """Wait until something changes; False when the time is over."""
        if seconds <= 0 or self._closed:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
        return True

    def _start_polls(self) -> None:
        """Poll for each who waits; after trouble with one only, until that one is answered."""
        if self._closed or time.monotonic() < self._again_at:
            return
        while len(self._polls) < (1 if self._trouble else min(self._waiting, POLLS)):
            task = asyncio.create_task(self._one_poll(), name="service-bus-poll")
            self._polls.add(task)
            task.add_done_callback(self._polled)

    def _polled(self, task: asyncio.Task[None]) -> None:
        self._polls.discard(task)
        self.ring()

    async def _one_poll(self) -> None:
        full = len(self._held) >= HELD
        try:
            link = await self._poll(self.ring)
        except Exception as error:
            self._trouble = error
            self._again_at = time.monotonic() + (getattr(error, "after", None) or PAUSE)
            return
        self._trouble = None
        if link is not None:
            self.hold(link, link.record.not_before or time.time())
        if full:
            await asyncio.sleep(PAUSE)

    async def _stop_polls(self) -> None:
        polls = list(self._polls)
        for task in polls:
            task.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    # --- sessions that nobody here asks for

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        if self._closed:
            return

        def run() -> None:
            self._timers.discard(timer)
            what()

        timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), run)
        self._timers.add(timer)

    def _due(self) -> None:
        self.ring()
        if not self._waiting:
            self._later(UNWANTED, self._lapse)

    def _lapse(self) -> None:
        """Nobody has asked for a while: other replicas may."""
        if self._waiting or time.monotonic() < self._asked_at + UNWANTED * 0.9:
            return
        for task in self._polls:
            task.cancel()
        now = time.time()
        for one in [one for one in self._held if one.due <= now]:
            self._give_back(one)

    def _give_back(self, one: Held) -> None:
        self._held.remove(one)
        one.link.close()
