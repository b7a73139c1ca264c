"""Conversations that webhooks name and that are not ours: only their ids, which an archive also starts from."""

from __future__ import annotations

from bridge.ports import ThreadMap

MOST = 10_000
"""Ids that a process remembers to have kept; then it forgets them all and may keep one again, which changes nothing."""


class Seen:
    """Keeps each id once, in the thread map."""

    def __init__(self, threads: ThreadMap) -> None:
        self._threads = threads
        self._lately: set[tuple[str, str]] = set()

    async def note(self, tenant: str, conversation_id: str) -> None:
        """Keep the id; of a conversation that was kept lately, nothing is written. Raises as the thread map."""
        one = (tenant, conversation_id)
        if one in self._lately:
            return
        await self._threads.learn(tenant, "seen", conversation_id, {}, None)
        if len(self._lately) >= MOST:
            self._lately.clear()
        self._lately.add(one)
