"""Which Freshchat user a person in Teams is: found or created once, then remembered, and kept up to date.

A profile is read when the user is made, and then at most once a day per person, beside the messages: nothing waits for
it, and when it fails the old data stays. What was written last is known by its digest, so that an unchanged
profile costs Freshchat no call.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping

from bridge import ids
from bridge.errors import BridgeError
from bridge.events import Event
from bridge.portraits import Portraits
from bridge.ports import Directory, Helpdesk, Person, ThreadMap
from bridge.telemetry import Telemetry

PROPERTIES = ("title", "department")
DAY = 86_400.0
RETRY = 600.0
"""Seconds before this process looks at a person again whose profile could not be read or written."""
AT_ONCE = 16
"""Profiles read at the same time beside the messages; who is beyond that has a turn with the next message."""
REMEMBERED = 10_000


class People:
    """Names the Freshchat user of whoever sent an event."""

    def __init__(
        self,
        threads: ThreadMap,
        directory: Directory,
        say: Callable[..., str],
        clock: Callable[[], float],
        telemetry: Telemetry,
        portraits: Portraits | None = None,
    ) -> None:
        """`portraits` brings people's pictures along; without it nobody has one. It is closed with this."""
        self._threads, self._directory, self._say = threads, directory, say
        self._clock, self._telemetry, self._portraits = clock, telemetry, portraits
        self._reading: set[asyncio.Task[None]] = set()
        self._read: dict[tuple[str, str], float] = {}

    async def known(self, event: Event) -> str | None:
        """Tell the user's id if it was found before."""
        fact = await self._fact(event)
        return fact["user"] if fact else None

    async def user(self, event: Event, helpdesk: Helpdesk, *, again: bool = False) -> str:
        """Tell the user's id; `again` asks the helpdesk even if one is known. Raises as `Helpdesk` does."""
        user = await self._user(event, helpdesk, again)
        if self._portraits is not None:
            self._portraits.begin(event, helpdesk, user)
        return user

    async def _user(self, event: Event, helpdesk: Helpdesk, again: bool) -> str:
        fact = None if again else await self._fact(event)
        if fact is not None:
            self._refresh(event, helpdesk, fact)
            return fact["user"]
        found = await self._look_up(event)
        person = self._person(event, found)
        user = await helpdesk.ensure_user(person)
        await self._learn(event, user, person if found else None)
        return user

    async def close(self) -> None:
        """Stop reading profiles, and bringing pictures."""
        reading = list(self._reading)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        if self._portraits is not None:
            await self._portraits.close()

    # --- keeping up to date

    def _refresh(self, event: Event, helpdesk: Helpdesk, fact: Mapping[str, str]) -> None:
        """Begin to read the profile, if that was not done for a day."""
        who, now = (event.tenant_id, event.user_hash or ""), self._clock()
        fresh = now - float(fact.get("read_at", 0)) < DAY or now - self._read.get(who, now - DAY) < RETRY
        if fresh or len(self._reading) >= AT_ONCE:
            return
        self._read.pop(who, None)
        while len(self._read) >= REMEMBERED:
            del self._read[next(iter(self._read))]
        self._read[who] = now
        task = asyncio.create_task(self._update(event, helpdesk, fact), name="read a profile")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _update(self, event: Event, helpdesk: Helpdesk, fact: Mapping[str, str]) -> None:
        try:
            found = await self._look_up(event)
            if not found:
                return
            person = self._person(event, found)
            if digest(person) != fact.get("profile") and await helpdesk.update_user(fact["user"], person):
                self._telemetry.count("profile_updated")
            await self._learn(event, fact["user"], person)
        except BridgeError as error:
            self._telemetry.count("profile_not_updated")
            self._telemetry.warning("profile_not_updated", code=error.code)
        except Exception as error:  # nobody waits for this task: it tells by itself what went wrong
            self._telemetry.error("bug", component="people", error=type(error).__name__)

    # --- what is known

    async def _fact(self, event: Event) -> Mapping[str, str] | None:
        return await self._threads.fact(event.tenant_id, "person", event.user_hash or "")

    async def _learn(self, event: Event, user: str, written: Person | None) -> None:
        """Remember the user and, by its digest, what was written of the person (None: too little was known)."""
        fact = {"user": user}
        if written is not None:
            fact |= {"profile": digest(written), "read_at": f"{self._clock():.0f}"}
        await self._threads.learn(event.tenant_id, "person", event.user_hash or "", fact, None)

    async def _look_up(self, event: Event) -> Mapping[str, str]:
        return (await self._directory.person(event.place, event.sender.id) if event.place else None) or {}

    def _person(self, event: Event, known: Mapping[str, str]) -> Person:
        """Put together what the directory knows and what the message itself tells."""
        sender = event.sender
        properties = {name: known[name] for name in PROPERTIES if name in known}
        locale = sender.locale or known.get("language")
        properties |= {"locale": locale} if locale else {}
        properties |= {"time_zone": sender.time_zone} if sender.time_zone else {}
        return Person(
            reference_id=ids.reference_id(event.user_hash or ""),
            name=known.get("name") or sender.name or self._say("someone", sender.locale),
            mail=known.get("mail"),
            properties=properties,
        )


def digest(person: Person) -> str:
    """Give a short text that changes when the person does."""
    facts = [person.name, person.mail, sorted(person.properties.items())]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()[:32]
