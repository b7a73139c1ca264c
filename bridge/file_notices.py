"""Who sent a file that was kept out is told, once for all files of a message, where they read answers."""

from __future__ import annotations

from bridge import ids
from bridge.events import Event
from bridge.notices import NOTICE, OTHER, Addressee, Notice
from bridge.ports import Direction, Envelope

Kept = tuple[tuple[str, str], ...]
"""Name and reason of each file."""


def files_notice(direction: Direction, event: Event, to: Addressee, kept: Kept, now: float) -> Envelope:
    """Make the notice about a message that went in this `direction`; the same message id at every try."""
    notice = Notice(
        reason="refused",
        kept_trying=False,
        locale=to.locale,
        place=to.place,
        conversation_id=to.conversation_id,
        files=kept,
    )
    return Envelope(
        direction=OTHER[direction],
        tenant=event.tenant_id,
        message_id=ids.dedupe_id(event.tenant_id, ids.files_notice_key(event.idempotency_key)),
        session=to.session,
        kind=NOTICE,
        trace=event.trace,
        body=notice.to_bytes(),
        received_at=now,
    )
