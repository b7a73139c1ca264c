"""What a message in Teams says now, noted by the door when an edit or a deletion comes in.

Its original may still wait for its delivery, in front of the edit in the same session: then the original says the
newest text at once (`bridge/revisions.py`). The edit itself is queued as any other message, so a note that could not be
written costs nothing but a follow-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.errors import BridgeError, StoreFull
from bridge.ports import ThreadMap
from bridge.telemetry import Telemetry
from bridge.text import json_text, read_stored

LONGEST = 100_000
"""Bytes of a body that is noted; what Teams sends is shorter."""
SECONDS = 2.0
"""The door waits no longer for a note: Teams wants its answer."""
KEPT = 7 * 86_400.0
"""Seconds; longer than a message that was given up is tried again by itself."""


class Newest:
    """Notes of messages by `bridge.ids.sent_key` of chat or channel and message id."""

    def __init__(self, threads: ThreadMap, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self._threads, self._telemetry, self._clock = threads, telemetry, clock

    async def note(self, tenant: str, message: str, changed_at: str, body: bytes) -> None:
        """Note the raw body of an edit or a deletion, unless a newer one is known. Never raises.

        `changed_at` is the version's time (RFC 3339), empty if Teams did not tell it: then it counts as the newest.
        """
        if len(body) > LONGEST:
            return
        try:
            async with asyncio.timeout(SECONDS):
                known = await self._threads.fact(tenant, "edit", message) or {}
                if not changed_at or changed_at >= known.get("changed_at", ""):
                    value = {"changed_at": changed_at, "body": json_text(body), "at": str(self._clock())}
                    await self._threads.learn(tenant, "edit", message, value, KEPT)
        except (BridgeError, StoreFull, TimeoutError) as error:
            self._telemetry.count("edit_not_noted")
            self._telemetry.warning("edit_not_noted", tenant=tenant, error=type(error).__name__)

    async def read(self, tenant: str, message: str) -> tuple[dict[str, Any], float] | None:
        """Give the raw activity of the newest version, and when it came in; None if the message was not changed."""
        known = await self._threads.fact(tenant, "edit", message)
        return (read_stored(known["body"].encode()), float(known["at"])) if known else None

    async def forget(self, tenant: str, message: str) -> None:
        """Keep no text of a message any longer than it is needed."""
        if await self._threads.fact(tenant, "edit", message):
            await self._threads.learn(tenant, "edit", message, {}, 1.0)
