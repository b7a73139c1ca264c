"""What the bridge stores of a message that was deleted in Teams is deleted too, where a tenant wants that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from bridge import ids
from bridge.events import Event
from bridge.ports import DeadLetter, Queue
from bridge.telemetry import Telemetry

PAGE = 100
MOST = 10_000
"""Letters that are looked through for one deletion."""


class Redaction:
    """Drops the dead letters of deleted messages and what is stored of their files, for the tenants named."""

    def __init__(
        self,
        queue: Queue,
        tenants: frozenset[str],
        telemetry: Telemetry,
        files: Callable[[Event], Awaitable[None]] | None = None,
    ) -> None:
        """`files` deletes what is stored of the files of the message that an event deletes."""
        self._queue, self._tenants, self._telemetry, self._files = queue, tenants, telemetry, files

    def wanted(self, tenant: str) -> bool:
        """Whether a tenant wants it."""
        return tenant in self._tenants

    async def redact(self, event: Event) -> None:
        """Drop the letters that hold a version of the message that `event` deletes, and its files.

        Raises Unavailable or StoreFull.
        """
        if self._files is not None:
            await self._files(event)
        found = [letter.id async for letter in self._letters() if _holds(letter, event)]
        for letter in found:
            if await self._queue.drop(letter):
                self._telemetry.count("letter_redacted")
                self._telemetry.info("letter_redacted", tenant=event.tenant_id, trace=event.trace)

    async def _letters(self) -> AsyncIterator[DeadLetter]:
        after = None
        for _ in range(MOST // PAGE):
            page = await self._queue.dead_letters("to-freshchat", limit=PAGE, after=after)
            for letter in page:
                yield letter
            if len(page) < PAGE:
                return
            after = page[-1].id


def _holds(letter: DeadLetter, event: Event) -> bool:
    """Tell whether a letter is a version of the event's message; the team is not compared, edits come without it."""
    envelope = letter.envelope
    try:
        theirs = ids.parse_teams_key(ids.parse_dedupe_id(envelope.message_id)[1])
        ours = ids.parse_teams_key(event.idempotency_key)
    except ValueError:
        return False
    return (
        envelope.tenant == event.tenant_id
        and theirs.action in ("create", "edit")
        and theirs[1:4] == ours[1:4]  # channel, thread, message
    )
