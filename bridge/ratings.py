"""Ratings: a panel of stars after the end of a conversation, and what was pressed on its way to the helpdesk, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bridge import ids
from bridge.delivery import Done
from bridge.journal import Journal
from bridge.panels import Button, Panel, Section
from bridge.ports import Attempt, Envelope, Helpdesk
from bridge.text import read_stored

RATING = "rating"
"""`Envelope.kind` of a rating."""
STARS = 5
MAX_COMMENT = 1000
"""Characters."""


def rating_panel(say: Callable[..., str], locale: str | None) -> Panel:
    """Ask for one to five stars, each a button, and for a comment that goes with it."""
    title = say("rating_title", locale)
    stars = tuple(Button("★" * number, reply=str(number)) for number in range(1, STARS + 1))
    return Panel(words="", lines=title, sections=(Section((title,), stars),), rates=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """How satisfied somebody is with a conversation: 1 to 5."""

    conversation: str
    stars: int
    comment: str

    def to_bytes(self) -> bytes:
        """Write it as an envelope's body."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Rating:
        """Read what `to_bytes` wrote."""
        return cls(**read_stored(body))


class Ratings:
    """Delivers ratings."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def deliver(self, helpdesk: Helpdesk, envelope: Envelope) -> Done:
        """Tell the helpdesk; raises as `Helpdesk`."""
        rating = Rating.from_bytes(envelope.body)
        tenant, key = ids.parse_dedupe_id(envelope.message_id)

        async def call() -> str:
            await helpdesk.rate(rating.conversation, rating.stars, rating.comment)
            return ids.sent_key(rating.conversation, key)

        async def look_back(_: Attempt) -> Sequence[str]:
            return ()  # Freshchat has no call that reads a rating: docs/own-words.md

        await self._journal.once(tenant, ids.step_key(key, "rate"), call, look_back, trace=envelope.trace)
        return Done({"conversation": rating.conversation, "rating": "given"})
