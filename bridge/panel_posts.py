"""A panel in Teams: a card whose buttons come back to us, remembered so that a press can be checked and answered.

The card carries an opaque id and a number. What they stand for, and in which thread, is a fact that is written before
the card is posted, so that no press comes too early.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from bridge import ids
from bridge.delivery import Done, Outcome
from bridge.errors import Rejected
from bridge.events import Event, Ignored, Place
from bridge.panels import Panel
from bridge.ports import Card, Envelope, Link, Reply, TeamsCards, ThreadMap
from bridge.text import read_stored

CARD = "card"
"""`Envelope.kind` of a card that is to show what was chosen."""
CARD_STEP = "reply.0"
"""Journal step of the card's message: what is read back counts as answered by this step (`bridge/reconcile.py`)."""
KEPT = 30 * 86_400.0
"""Seconds for which buttons work; the journal remembers presses as long, from the press on."""


class Render(Protocol):
    """Writes a panel as a card, with the choice once there is one; None if Teams would not take it."""

    def __call__(
        self,
        panel: Panel,
        card_id: str,
        *,
        locale: str | None,
        author: str | None,
        late: str | None,
        chosen: int | None,
    ) -> Card | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A card as it was posted: `key` is the idempotency key of the message that offers, `thread` where it was shown."""

    key: str
    thread: str
    conversation: str
    panel: str
    locale: str = ""
    author: str = ""
    late: str = ""

    def card(self, render: Render, card_id: str, chosen: int | None) -> Card | None:
        """Render it; the same at every try."""
        panel, locale = Panel.from_json(self.panel), self.locale or None
        author, late = self.author or None, self.late or None
        return render(panel, card_id, locale=locale, author=author, late=late, chosen=chosen)


async def posted(threads: ThreadMap, tenant: str, card_id: str) -> Posted | None:
    """Recall a card; None if it was not ours or is too old."""
    fact = await threads.fact(tenant, "card", card_id)
    return None if fact is None else Posted(**fact)


class PanelPosts:
    """Makes the replies that show panels, and changes them when somebody has chosen."""

    def __init__(self, threads: ThreadMap, cards: TeamsCards, render: Render) -> None:
        self._threads, self._cards, self._render = threads, cards, render

    async def reply(self, event: Event, link: Link, head: Mapping[str, str | None]) -> Reply | None:
        """Give the reply that shows an event's panel; None if it must be said as text. `head`: author and late."""
        assert event.panel is not None
        card_id = ids.card_id(event.tenant_id, event.idempotency_key)
        known = await posted(self._threads, event.tenant_id, card_id)
        record = known or Posted(
            key=event.idempotency_key,
            thread=link.thread_key,
            conversation=link.conversation_id,
            panel=event.panel.to_json(),
            locale=link.locale or "",
            **{name: text for name, text in head.items() if text},
        )
        card = record.card(self._render, card_id, None)
        if card is None:
            return None
        if known is None:
            await self._threads.learn(event.tenant_id, "card", card_id, asdict(record), KEPT)
        return Reply(text=event.panel.lines, card=card)

    def card(self, panel: Panel, card_id: str, locale: str | None) -> Card | None:
        """Draw a panel with nothing to press, which nobody has to remember."""
        return self._render(panel, card_id, locale=locale, author=None, late=None, chosen=None)

    async def show(self, envelope: Envelope) -> Outcome:
        """Show everybody what was chosen; raises BridgeError."""
        change = Change.from_bytes(envelope.body)
        record = await posted(self._threads, envelope.tenant, change.card)
        card = record.card(self._render, change.card, change.chosen) if record else None
        if card is None:
            return Ignored("card_too_old")
        try:
            await self._cards.update(change.place, change.message, card)
        except Rejected:  # deleted, or the bot is no member any more: there is nobody to whom it could be shown
            return Ignored("card_gone")
        return Done({"message": change.message})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The message in which a card is to show what was chosen."""

    card: str
    chosen: int
    message: str
    place: Place

    def to_bytes(self) -> bytes:
        """Write it as an envelope's body."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Change:
        """Read what `to_bytes` wrote."""
        fields = read_stored(body)
        return cls(**fields | {"place": Place(**fields["place"])})
