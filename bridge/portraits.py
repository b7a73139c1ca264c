"""Pictures of the people who ask: brought to their Freshchat users once per change, beside the messages.

They are looked at when a conversation is opened, at most once a day for each user. The version that was brought last is
remembered, so that a picture that has not changed is not read. Nothing waits for a picture, and when one cannot be had
the user stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.errors import BridgeError, Forbidden, Rejected, StoreFull
from bridge.events import Event
from bridge.ports import Helpdesk, PortraitSource, ThreadMap
from bridge.telemetry import Telemetry

DAY = 86_400.0
RETRY = 600.0
"""Seconds before this process looks again after an outage."""
AT_ONCE = 8
"""Pictures brought at the same time; who is beyond that has a turn with the next conversation."""
REMEMBERED = 10_000

Who = tuple[str, str]
"""A tenant's id and its user's id in Freshchat. A user that is made anew has no picture yet."""


class Portraits:
    """Gives Freshchat users the pictures of the people they stand for."""

    def __init__(
        self, source: PortraitSource, threads: ThreadMap, clock: Callable[[], float], telemetry: Telemetry
    ) -> None:
        self._source, self._threads = source, threads
        self._clock, self._telemetry = clock, telemetry
        self._bringing: set[asyncio.Task[None]] = set()
        self._next: dict[Who, float] = {}

    def begin(self, event: Event, helpdesk: Helpdesk, user_id: str) -> None:
        """Begin to bring the picture of whoever sent the event, if it is time to look at it."""
        who, person = (event.tenant_id, user_id), event.sender.aad_object_id
        if not person or len(self._bringing) >= AT_ONCE or self._clock() < self._next.get(who, 0.0):
            return
        self._look_again(who, RETRY)
        task = asyncio.create_task(self._bring(who, person, helpdesk), name="bring a picture")
        self._bringing.add(task)
        task.add_done_callback(self._bringing.discard)

    async def close(self) -> None:
        """Stop bringing pictures."""
        bringing = list(self._bringing)
        for task in bringing:
            task.cancel()
        await asyncio.gather(*bringing, return_exceptions=True)
        await self._source.close()

    async def _bring(self, who: Who, person: str, helpdesk: Helpdesk) -> None:
        try:
            self._look_again(who, await self._update(who, person, helpdesk))
        except (BridgeError, StoreFull) as error:
            if isinstance(error, (Rejected, Forbidden)):  # of this picture, or of all of them: not soon otherwise
                self._look_again(who, DAY)
            self._telemetry.count("portrait_not_updated")
            self._telemetry.warning("portrait_not_updated", code=getattr(error, "code", "store_full"))
        except Exception as error:  # nobody waits for this task: it tells by itself what went wrong
            self._telemetry.error("bug", component="portraits", error=type(error).__name__)

    async def _update(self, who: Who, person: str, helpdesk: Helpdesk) -> float:
        """Bring the picture if it has changed; tell in how many seconds to look again."""
        known = await self._threads.fact(who[0], "portrait", who[1]) or {}
        age = self._clock() - float(known.get("seen_at", 0))
        if age < DAY:
            return DAY - age
        version, brought = await self._source.version(person), known.get("version", "")
        if version is not None and version != brought:
            await self._show(person, helpdesk, who[1])
        fact = {"version": brought if version is None else version, "seen_at": f"{self._clock():.0f}"}
        await self._threads.learn(who[0], "portrait", who[1], fact, None)
        return DAY

    async def _show(self, person: str, helpdesk: Helpdesk, user_id: str) -> None:
        portrait = await self._source.read(person)
        if portrait is not None:
            await helpdesk.set_portrait(user_id, portrait)
        self._telemetry.count("portrait_updated" if portrait else "portrait_unfit")

    def _look_again(self, who: Who, seconds: float) -> None:
        self._next.pop(who, None)
        while len(self._next) >= REMEMBERED:
            del self._next[next(iter(self._next))]
        self._next[who] = self._clock() + seconds
