"""Outside business hours, whoever asks is told so, once for each conversation."""

from __future__ import annotations

from bridge.events import Event
from bridge.ports import Helpdesk, ThreadMap
from bridge.sayings import Sayings
from bridge.states import KEPT


class Away:
    """Asks the helpdesk for its hours, and hints at them."""

    def __init__(self, threads: ThreadMap, sayings: Sayings) -> None:
        self._threads, self._sayings = threads, sayings

    async def hint(self, event: Event, helpdesk: Helpdesk, conversation_id: str, group: str | None) -> None:
        """Say that nobody is there, if that is known. In business hours this costs a look into memory."""
        if event.kind != "create" or await helpdesk.within_business_hours(group) is not False:
            return
        tenant = event.tenant_id
        if await self._threads.fact(tenant, "away", conversation_id) is None:
            await self._sayings.put(event, conversation_id, "away", about="away")
            await self._threads.learn(tenant, "away", conversation_id, {"at": event.timestamp}, KEPT)
