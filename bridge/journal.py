"""At most one effect per outside call, across failures and crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from bridge.errors import BridgeError
from bridge.ports import Attempt, ConversationClosed, ThreadMap

Call = Callable[[], Awaitable[str]]
LookBack = Callable[[Attempt], Awaitable[Sequence[str] | None]]


class Journal:
    """Wraps calls that must not happen twice. One per process; all state is in the thread map."""

    def __init__(self, threads: ThreadMap, clock: Callable[[], float]) -> None:
        self._threads, self._clock = threads, clock

    async def once(
        self, tenant: str, key: str, call: Call, look_back: LookBack, note: Mapping[str, str] | None = None
    ) -> str:
        """Make `call` unless it was made before; return the sent id (`bridge.ids.sent_key`).

        A durable row is written before the call. If an earlier attempt left a row without a result, it may have
        had its effect: `look_back` lists candidates since then (oldest first), and the first one that no other
        delivery made is adopted. What remains open is written down in docs/guarantees.md.
        """
        attempt = await self._threads.start(tenant, key, self._clock(), note)
        if attempt.sent_id is not None:
            return attempt.sent_id
        sent = None if attempt.first else await self._adopt(tenant, await look_back(attempt))
        if sent is None:
            sent = await self._call(tenant, key, call, attempt)
        await self._threads.done(tenant, key, sent)
        return sent

    async def _call(self, tenant: str, key: str, call: Call, attempt: Attempt) -> str:
        try:
            return await call()
        except (BridgeError, ConversationClosed) as error:
            if attempt.first and not getattr(error, "maybe_done", False):
                await self._threads.abandon(tenant, key)
            raise

    async def _adopt(self, tenant: str, candidates: Sequence[str] | None) -> str | None:
        for candidate in candidates or ():
            if await self._threads.origin(tenant, candidate) is None:
                return candidate
        return None
