"""What a Freshchat conversation says about its question, as properties (`cf_…`), and what is done where one is refused.

Conversations have no tags in Freshchat's API: they travel as a property too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from bridge.deep_links import thread_link
from bridge.errors import Rejected
from bridge.events import Event
from bridge.groups import Groups
from bridge.moods import Moods
from bridge.ports import Helpdesk, NewConversation, Sent
from bridge.telemetry import Telemetry
from bridge.tenants import Route

SENTIMENT, TAGS = "cf_sentiment", "cf_tags"
FIELDS_SECONDS = 3600.0
"""How long it is remembered that fields are missing: so late it is noticed that somebody made them."""
Fields = Mapping[str, frozenset[str] | None]


class Labels:
    """Makes the properties of new conversations. What a route says itself counts more than what is found out."""

    def __init__(
        self,
        telemetry: Telemetry,
        moods: Moods,
        groups: Groups,
        link: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`link` names the property with the link to the Teams thread, if there is to be one."""
        self._telemetry, self._moods, self._groups, self._link = telemetry, moods, groups, link
        self._clock = clock
        self._known_fields: dict[Helpdesk, tuple[float, Fields]] = {}

    async def of(self, event: Event, route: Route) -> dict[str, str]:
        """Give the properties of a conversation that an event opens."""
        mood = await self._moods.of(event.text, event.sender.locale)
        found = {
            SENTIMENT: mood,
            TAGS: ", ".join(route.tags),
            **event.custom_attributes,
            **({self._link: await self._thread_link(event)} if self._link else {}),
        }
        return {name: value for name, value in found.items() if value} | dict(route.attributes)

    async def _thread_link(self, event: Event) -> str | None:
        if event.place is None:
            return None
        return thread_link(event.tenant_id, await self._groups.fill_in(event.tenant_id, event.place))

    async def open(self, helpdesk: Helpdesk, new: NewConversation) -> Sent:
        """Open it, rather without some properties than not at all: an account may lack a `cf_*` field."""
        until, known = self._known_fields.get(helpdesk, (0.0, {}))
        if self._clock() < until:
            new = _fitting(new, known)
        try:
            return await helpdesk.open_conversation(new)
        except Rejected as error:
            fewer = await self._without_misfits(helpdesk, new)
            if fewer == new:  # it is refused for something else
                raise
            refused = sorted(new.properties.keys() - fewer.properties.keys())
            self._telemetry.error("properties_refused", code=error.code, properties=refused)
        try:
            return await helpdesk.open_conversation(fewer)
        except Rejected:
            if not fewer.properties:
                raise
        return await helpdesk.open_conversation(_fitting(new, {}))

    async def _without_misfits(self, helpdesk: Helpdesk, new: NewConversation) -> NewConversation:
        """Leave out what the account has no field for, and remember its fields; all, if it does not tell them."""
        if not new.properties:
            return new
        fields = await helpdesk.conversation_fields()
        fewer = _fitting(new, fields or {})
        if fields and fewer != new:
            self._known_fields[helpdesk] = (self._clock() + FIELDS_SECONDS, fields)
        return fewer


def _fitting(new: NewConversation, fields: Fields) -> NewConversation:
    kept = {name: value for name, value in new.properties.items() if _takes(fields, name, value)}
    return replace(new, properties=kept)


def _takes(fields: Fields, name: str, value: str) -> bool:
    choices = fields.get(name, frozenset())
    return choices is None or value in choices
