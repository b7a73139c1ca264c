"""Which Freshchat user a person in Teams is: found or created once, then remembered."""

from __future__ import annotations

from collections.abc import Callable

from bridge import ids
from bridge.events import Event
from bridge.ports import Directory, Helpdesk, Person, ThreadMap

PROPERTIES = ("title", "department")


class People:
    """Names the Freshchat user of whoever sent an event."""

    def __init__(self, threads: ThreadMap, directory: Directory, say: Callable[..., str]) -> None:
        self._threads, self._directory, self._say = threads, directory, say

    async def known(self, event: Event) -> str | None:
        """Tell the user's id if it was found before."""
        fact = await self._threads.fact(event.tenant_id, "person", event.user_hash or "")
        return fact["user"] if fact else None

    async def user(self, event: Event, helpdesk: Helpdesk, *, again: bool = False) -> str:
        """Tell the user's id; `again` asks the helpdesk even if one is known. Raises as `Helpdesk` does."""
        known = None if again else await self.known(event)
        if known is not None:
            return known
        user = await helpdesk.ensure_user(await self._person(event))
        await self._threads.learn(event.tenant_id, "person", event.user_hash or "", {"user": user}, None)
        return user

    async def _person(self, event: Event) -> Person:
        sender, place = event.sender, event.place
        found = await self._directory.person(place, sender.id) if place else None
        known = found or {}
        return Person(
            reference_id=ids.reference_id(event.user_hash or ""),
            name=known.get("name") or sender.name or self._say("someone", sender.locale),
            mail=known.get("mail"),
            properties={name: known[name] for name in PROPERTIES if name in known},
        )
