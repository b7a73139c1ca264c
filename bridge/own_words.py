"""What the bridge itself shows in Teams: a text, a line, a panel; each posted once, the way answers are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Protocol

from bridge import ids
from bridge.delivery import Done
from bridge.events import Event, Place
from bridge.groups import Groups
from bridge.journal import Cause
from bridge.panel_posts import PanelPosts
from bridge.panels import Panel
from bridge.ports import Envelope, Link, Reply
from bridge.ratings import rating_panel
from bridge.sayings import Saying
from bridge.welcomes import welcome_panel

Say = Callable[..., str]

PANELS: Mapping[str, Callable[[Say, str | None, Mapping[str, str]], Panel]] = {"welcome": welcome_panel}
"""Panels that a saying may name."""


class Post(Protocol):
    """Posts one reply for a cause, once; `step` tells it apart from others, `panel` asks for the bot. Gives its key."""

    def __call__(self, cause: Cause, place: Place, reply: Reply, step: str, *, panel: bool) -> Awaitable[str]: ...


class OwnWords:
    """Shows sayings, status lines and rating panels; raises BridgeError as a delivery does."""

    def __init__(self, post: Post, groups: Groups, panels: PanelPosts | None, say: Say) -> None:
        """Without `panels` there are none, and what one says is a text."""
        self._post, self._groups, self._panels, self._say = post, groups, panels, say

    async def speak(self, envelope: Envelope) -> Done:
        """Deliver one saying."""
        saying = Saying.from_bytes(envelope.body)
        tenant, key = ids.parse_dedupe_id(envelope.message_id)
        reply = self._reply(saying, ids.card_id(tenant, key))
        place = await self._groups.fill_in(tenant, saying.place)
        sent = await self._post(Cause(tenant, key, envelope.trace), place, reply, "0", panel=reply.card is not None)
        return Done({"message": ids.parse_sent_key(sent)[1]})

    def _reply(self, saying: Saying, card_id: str) -> Reply:
        if not saying.panel:
            return Reply(text=saying.words(self._say))
        panel = PANELS[saying.panel](self._say, saying.locale, saying.values)
        card = self._panels.card(panel, card_id, saying.locale) if self._panels else None
        return Reply(text=panel.lines, card=card, starts=True)

    async def line(self, event: Event, link: Link, reply: Reply) -> None:
        """Post a status line into the thread."""
        place = await self._groups.fill_in(link.tenant_id, link.place)
        await self._post(Cause.of(event), place, reply, "line", panel=False)

    async def ask(self, event: Event, link: Link) -> None:
        """Ask in the thread how a conversation went that has ended."""
        if self._panels is None:
            return
        panel = rating_panel(self._say, link.locale)
        reply = await self._panels.reply(replace(event, panel=panel), link, {})
        if reply is not None:
            place = await self._groups.fill_in(link.tenant_id, link.place)
            await self._post(Cause.of(event), place, reply, "0", panel=True)
