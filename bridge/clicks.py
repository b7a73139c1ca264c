"""A press of a card's button: checked against what we posted, claimed so that one of many counts, and queued.

The claim is a row of the journal that holds the winner's whole message. Whoever presses then, or again after a crash,
finds that row, queues the very same message under the same key if that was not done, and sees what was chosen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge import ids
from bridge.events import Place
from bridge.intake import Intake
from bridge.panel_posts import CARD, CARD_STEP, Change, Posted, Render, posted
from bridge.panels import Panel
from bridge.ports import Attempt, Card, ThreadMap
from bridge.ratings import RATING, Rating

LOOKS, LOOK_SECONDS = 10, 0.1
"""A card can be pressed before it is noted as which message it was posted: looked for so often, so far apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A press, as Teams told it. `key` and `frame` are those of the message that it becomes, but for its words.

    `thread` is where it was pressed, `message` the id of the message that holds the card, `comment` what was written
    in the card's field.
    """

    tenant: str
    thread: str
    place: Place
    message: str
    card: str
    choice: int
    key: str
    frame: Mapping[str, Any]
    comment: str = ""

    def body(self, text: str, now: float) -> str:
        """Write the message that says `text`."""
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        return json.dumps({**self.frame, "timestamp": stamp, "textFormat": "plain", "text": text})


class Clicks:
    """Takes presses. The core of the door's answer to an invoke."""

    def __init__(self, threads: ThreadMap, intake: Intake, render: Render, clock: Callable[[], float]) -> None:
        self._threads, self._intake, self._render, self._clock = threads, intake, render, clock

    async def press(self, click: Click) -> Card | None:
        """Queue the choice if it is the first; give the card as it is now, None if it is not (any more) to be pressed.

        Raises StoreFull or Unavailable when nothing could be stored.
        """
        record = await posted(self._threads, click.tenant, click.card)
        if record is None or not await self._is_shown_there(click, record):
            return None
        panel = Panel.from_json(record.panel)
        if not 0 <= click.choice < len(panel.choices):
            return None
        attempt = await self._claim(click, record, panel)
        chosen = int(attempt.note["choice"])
        if attempt.sent_id is None:
            await self._store(click, record, attempt, chosen)
        return record.card(self._render, click.card, chosen)

    async def _is_shown_there(self, click: Click, record: Posted) -> bool:
        """Tell whether the press comes from the very message, in the very thread, where we posted the card."""
        if record.thread != click.thread:
            return False
        container = ids.split_conversation(click.place.conversation_id)[0]
        sent = ids.sent_key(container, click.message)
        for _ in range(LOOKS):
            origin = await self._threads.origin(click.tenant, sent)
            if origin is not None:
                return origin == ids.step_key(record.key, CARD_STEP)
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _claim(self, click: Click, record: Posted, panel: Panel) -> Attempt:
        now, reply = self._clock(), panel.choices[click.choice].reply or ""
        if panel.rates:
            rating = Rating(conversation=record.conversation, stars=int(reply), comment=click.comment)
            message = {"kind": RATING, "key": ids.step_key(record.key, RATING), "message": rating.to_bytes().decode()}
        else:
            message = {"kind": "create", "key": click.key, "message": click.body(reply, now)}
        note = {"choice": str(click.choice), **message}
        return await self._threads.start(click.tenant, ids.step_key(record.key, "click"), now, note)

    async def _store(self, click: Click, record: Posted, claim: Attempt, chosen: int) -> None:
        """Queue the winner's message, and the change of the card for all who see it; then note that both are queued."""
        tenant, note = click.tenant, claim.note
        await self._intake.store(
            "to-freshchat", tenant, note["key"], record.thread, note["kind"], note["message"].encode()
        )
        change = Change(card=click.card, chosen=chosen, message=click.message, place=click.place)
        session = ids.conversation_key(tenant, record.conversation)
        await self._intake.store(
            "to-teams", tenant, ids.step_key(record.key, "chosen"), session, CARD, change.to_bytes()
        )
        await self._threads.done(tenant, ids.step_key(record.key, "click"), ids.sent_key(click.card, "click"))
