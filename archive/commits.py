"""Pages that are read at the same moment are kept by one commit, which costs little more than the commit of one.

Whoever has read a page goes on when it is kept, so a crash costs no more than the pages that were under way.
"""

from __future__ import annotations

import asyncio

from archive.state import Read, State


class Commits:
    """Collects what the workers have read in one turn of the event loop, and keeps it in the next."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: list[tuple[Read, asyncio.Future[None]]] = []

    async def commit(self, read: Read) -> None:
        """Return when it is kept; raise what the state raises."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._keep)
        self._waiting.append((read, kept))
        await kept

    def _keep(self) -> None:
        waiting, self._waiting = self._waiting, []
        error: Exception | None = None
        try:
            self._state.commit([read for read, _ in waiting])
        except Exception as failed:  # raised where it is waited for
            error = failed
        for _, kept in waiting:
            if kept.done():
                continue
            if error is None:
                kept.set_result(None)
            else:
                kept.set_exception(error)
