"""People are told: a message that is given up becomes one short notice to its sender, with a reference to read out.

A notice is itself a message of the queue, for the other direction: durable, tried again, in order with what else is
said there. Its message id is made from that of the message it is about, so there is never a second one, but for the
last word on a message that was tried again in vain. What it says is in `cards/texts.py`, its body here holds no text.
A notice that is given up is a dead letter and nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Literal

from bridge import ids
from bridge.delivery import Bug
from bridge.errors import BridgeError, NotLinked, Unavailable
from bridge.events import Event, Place
from bridge.letters import tried_again
from bridge.ports import Delivery, Direction, Envelope, Queue
from bridge.telemetry import Telemetry
from bridge.text import read_stored

NOTICE = "notice"
"""`Envelope.kind` of a notice."""

Reason = Literal["unavailable", "not_linked", "refused", "internal"]
OTHER: dict[Direction, Direction] = {"to-freshchat": "to-teams", "to-teams": "to-freshchat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Where the sender of a message that was given up reads a notice, and in which language.

    `session` orders it among the other messages there. A question has a `place`, an answer a `conversation_id`.
    """

    session: str
    locale: str | None
    place: Place | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a notice says, and where. `kept_trying`: the message is tried again without anybody doing anything.

    `files` (name, reason): the message arrived, and these files of it were kept out (`bridge/file_notices.py`).
    """

    reason: Reason
    kept_trying: bool
    locale: str | None
    place: Place | None = None
    conversation_id: str | None = None
    files: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """Write it as an envelope's body."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Notice:
        """Read what `to_bytes` wrote."""
        fields = read_stored(body)
        place, files = fields.pop("place"), fields.pop("files", ())
        return cls(**fields, place=place and Place(**place), files=tuple((name, reason) for name, reason in files))

    def text(self, say: Callable[..., str], what: Literal["question", "answer"], trace: str) -> str:
        """Say it in the sender's language; the same at every try."""
        if self.files:
            lines = [
                say("file_line", self.locale, name=name, reason=say(f"file_reason_{reason}", self.locale))
                for name, reason in self.files
            ]
            reference = ids.reference(trace)
            return say(f"{what}_files_kept", self.locale, files="\n".join(lines), reference=reference)
        reason = say(f"reason_{self.reason}", self.locale)
        key = f"{what}_kept" if self.kept_trying else f"{what}_failed"
        return say(key, self.locale, reason=reason, reference=ids.reference(trace))


FindAddressee = Callable[[Delivery], Awaitable[Addressee | None]]
"""Finds out who waits for a message to arrive: None if nobody does. Raises as a delivery does."""


class Notices:
    """Puts notices in the queue: `tell` is what a `Worker` calls before it writes a dead letter.

    Who was told that the message is tried again learns, once, when that has ended without success.
    """

    def __init__(self, queue: Queue, find: FindAddressee, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self._queue, self._find, self._telemetry, self._clock = queue, find, telemetry, clock

    async def tell(self, delivery: Delivery, error: BridgeError) -> None:
        """Tell the sender, once; raises when that cannot be done (nobody can be named, or nothing stored)."""
        if delivery.envelope.kind == NOTICE:
            return
        to = await self._find(delivery)
        if to is None:
            return
        envelope = self._envelope(delivery, to, error)
        if await self._queue.put(envelope):
            self._telemetry.info(
                "notice", direction=envelope.direction, trace=envelope.trace, key=envelope.message_id, code=error.code
            )

    def _envelope(self, delivery: Delivery, to: Addressee, error: BridgeError) -> Envelope:
        about, reason = delivery.envelope, _reason(error)
        kept_trying = tried_again(transient=reason in ("unavailable", "not_linked"), replays=delivery.replays)
        notice = Notice(
            reason=reason,
            kept_trying=kept_trying,
            locale=to.locale,
            place=to.place,
            conversation_id=to.conversation_id,
        )
        tenant, key = ids.parse_dedupe_id(about.message_id)
        last = delivery.replays > 0 and not kept_trying
        return Envelope(
            direction=OTHER[about.direction],
            tenant=about.tenant,
            message_id=ids.dedupe_id(tenant, ids.notice_key(key, last=last)),
            session=to.session,
            kind=NOTICE,
            trace=about.trace,
            span=about.span,
            body=notice.to_bytes(),
            received_at=self._clock(),
        )


def awaited(event: Event) -> bool:
    """Whether somebody waits for this to arrive: words of a person, an agent or a bot; not deletes or states."""
    return event.kind in ("create", "edit") and event.sender.kind != "system"


def _reason(error: BridgeError) -> Reason:
    if isinstance(error, Bug):
        return "internal"
    if isinstance(error, NotLinked):
        return "not_linked"
    return "unavailable" if isinstance(error, Unavailable) else "refused"
