"""What the bridge itself says in a Teams thread: answers to commands, greetings, hints.

A saying is a message of the queue to Teams: durable, tried again, in order with what agents say there, posted once.
Its body names a text of `cards/texts.py` and holds what is filled in. One that is given up is a dead letter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from bridge import ids
from bridge.events import Event, Place
from bridge.ports import Envelope, Queue
from bridge.text import read_stored

SAYING = "saying"
"""`Envelope.kind` of a saying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One text for one thread: its key, its values and its language; or, instead of the text, a panel by its name."""

    text: str
    place: Place
    locale: str | None
    values: Mapping[str, str] = field(default_factory=dict)
    panel: str = ""

    def to_bytes(self) -> bytes:
        """Write it as an envelope's body."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Saying:
        """Read what `to_bytes` wrote."""
        fields = read_stored(body)
        return cls(**fields | {"place": Place(**fields["place"])})

    def words(self, say: Callable[..., str]) -> str:
        """Say it; the same at every try."""
        return say(self.text, self.locale, **self.values)


class Sayings:
    """Puts sayings in the queue, one for each event and purpose."""

    def __init__(self, queue: Queue, clock: Callable[[], float]) -> None:
        self._queue, self._clock = queue, clock

    async def put(
        self,
        event: Event,
        conversation_id: str | None,
        text: str,
        *,
        about: str,
        values: Mapping[str, str] | None = None,
        panel: str = "",
    ) -> None:
        """Answer an event in its thread, behind what agents have said there; again is harmless.

        `about` is the purpose: an event has one saying for each. Raises Unavailable or StoreFull.
        """
        place = event.place
        assert place is not None
        saying = Saying(text=text, place=place, locale=event.sender.locale, values=values or {}, panel=panel)
        session = event.thread_key or ""
        if conversation_id is not None:  # behind the answers of this conversation
            session = ids.conversation_key(event.tenant_id, conversation_id)
        await self._queue.put(
            Envelope(
                direction="to-teams",
                tenant=event.tenant_id,
                message_id=ids.dedupe_id(event.tenant_id, ids.saying_key(event.idempotency_key, about)),
                session=session,
                kind=SAYING,
                trace=event.trace,
                body=saying.to_bytes(),
                received_at=self._clock(),
            )
        )
