"""The calls about a conversation as a service: its hours, its end and its rating. A part of `FreshchatHelpdesk`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from adapters.freshchat.rest import FreshchatRest
from adapters.pace import Once
from bridge.errors import Rejected, Unavailable
from bridge.ports import ConversationClosed

HOURS_SECONDS = 60.0
HOURS_TIMEOUT = 3.0
MAX_GROUPS = 1000


class ServiceCalls:
    """Implements its part of `bridge.ports.Helpdesk`."""

    def __init__(self, rest: FreshchatRest, clock: Callable[[], float]) -> None:
        self._rest, self._clock = rest, clock
        self._hours: dict[str, tuple[float, bool | None]] = {}
        self._asking: Once[bool | None] = Once()

    async def resolve(self, conversation_id: str) -> None:
        """End a conversation; one that is gone or has ended is no error. Safe to repeat."""
        try:
            await self._rest.put(f"conversations/{quote(conversation_id, safe='')}", {"status": "resolved"})
        except ConversationClosed:
            return
        except Rejected as refused:
            if refused.code != "freshchat_404":
                raise

    async def rate(self, conversation_id: str, stars: int, comment: str) -> None:
        """Store how satisfied the user is, 1 to 5. Cannot be read back; an answer without a body is one too."""
        body: dict[str, object] = {"rating": stars} | ({"comment": comment} if comment else {})
        try:
            await self._rest.post(f"csat/{quote(conversation_id, safe='')}", body)
        except Unavailable as unclear:
            if unclear.code != "freshchat_no_id":
                raise

    async def within_business_hours(self, group_id: str | None) -> bool | None:
        """Tell whether somebody should be there now (known for a minute); None if it cannot be told. Never raises."""
        group = group_id or ""
        known = self._hours.get(group)
        if known is not None and known[0] > self._clock():
            return known[1]
        return await self._asking.get(group, lambda: self._ask_hours(group))

    async def _ask_hours(self, group: str) -> bool | None:
        try:
            query = {"group_id": group} if group else None
            within = read_hours(await self._rest.get("business-hours/within-bh", query, timeout=HOURS_TIMEOUT))
        except Exception:  # hours are never worth a failed delivery; the next question is a minute away
            within = None
        self._hours.pop(group, None)
        while len(self._hours) >= MAX_GROUPS:
            del self._hours[next(iter(self._hours))]
        self._hours[group] = (self._clock() + HOURS_SECONDS, within)
        return within


def read_hours(answer: Any) -> bool | None:
    """Read the answer about business hours: an object with one truth value (its name is documented nowhere we know)."""
    found = list(answer.values()) if isinstance(answer, dict) else [answer]
    flags = [value for value in found if isinstance(value, bool)]
    return flags[0] if len(flags) == 1 else None
