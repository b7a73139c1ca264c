"""At most one effect per outside call, across failures, crashes, and workers that take each other's place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from bridge.errors import BridgeError, Rejected, Throttled, Unavailable
from bridge.events import Event
from bridge.ports import Attempt, ConversationClosed, ThreadMap

Call = Callable[[], Awaitable[str]]
LookBack = Callable[[Attempt], Awaitable[Sequence[str] | None]]

QUIET = 10.0
"""Seconds after which a call that another worker had under way is not expected to show its effect any more."""
STALE = 5.0
"""Seconds between the row and its call after which a worker must have stood still: another may be at it by now."""
REMEMBERED = 10_000


class Cause(NamedTuple):
    """What a call is made for: an event or a notice, by its idempotency key."""

    tenant: str
    key: str
    trace: str

    @classmethod
    def of(cls, event: Event) -> Cause:
        """Name an event as the cause."""
        return cls(event.tenant_id, event.idempotency_key, event.trace)


class Journal:
    """Wraps calls that must not happen twice. One per process; what several processes share is in the thread map."""

    def __init__(self, threads: ThreadMap, clock: Callable[[], float]) -> None:
        self._threads, self._clock = threads, clock
        self._began = clock()
        self._ended: dict[tuple[str, str], float] = {}

    async def once(
        self,
        tenant: str,
        key: str,
        call: Call,
        look_back: LookBack,
        note: Mapping[str, str] | None = None,
        trace: str = "",
    ) -> str:
        """Make `call` unless it was made before; return the sent id (`bridge.ids.sent_key`).

        A durable row is written before the call. If an earlier attempt left a row without a result, it may have
        had its effect: `look_back` lists candidates since then (oldest first), and the first one that no other
        delivery made is adopted. What remains open is written down in docs/guarantees.md.
        """
        attempt = await self._threads.start(tenant, key, self._clock(), note, trace)
        if attempt.sent_id is not None:
            return attempt.sent_id
        looked_at = self._clock()
        sent = None if attempt.first else await self._adopted(tenant, key, await look_back(attempt))
        if sent is None:
            tried_at = attempt.tried_at if attempt.first else await self._try_again(tenant, key, attempt, looked_at)
            sent = await self._call(tenant, key, call, tried_at, first=attempt.first)
            await self._threads.done(tenant, key, sent)
        self._ended.pop((tenant, key), None)
        return sent

    async def found(self, tenant: str, key: str, look_back: LookBack) -> str | None:
        """Give what an earlier attempt sent, looking back if that was not written down; None if it sent nothing."""
        attempt = await self._threads.recall(tenant, key)
        if attempt is None:
            return None
        return attempt.sent_id or await self._adopted(tenant, key, await look_back(attempt))

    async def _try_again(self, tenant: str, key: str, attempt: Attempt, looked_at: float) -> float:
        """Journal that the call is made once more; give when. Raises Throttled while it may be under way elsewhere.

        That nothing was found when we began to look proves nothing then. Where nothing can be read back, a worker
        that lives and has only lost its lease can still write down what it sent.
        """
        if self._ended.get((tenant, key)) != attempt.tried_at:
            age = looked_at - max(attempt.tried_at, self._began)
            if abs(age) < QUIET:  # below 0: the other worker's clock is ahead of ours
                raise _under_way(QUIET - age)
        now = self._clock()
        if not await self._threads.again(tenant, key, attempt, now):
            raise _under_way(QUIET)
        return now

    async def _call(self, tenant: str, key: str, call: Call, tried_at: float, *, first: bool) -> str:
        """Make the call; what certainly had no effect is taken back.

        A refusal is not certain: a platform may have posted and then answered 400. Nothing repeats it but a replay,
        which looks back for the price of one read.
        """
        try:
            return await self._until_ended(tenant, key, call, tried_at)
        except (BridgeError, ConversationClosed) as error:
            certain = not isinstance(error, Rejected) and not getattr(error, "maybe_done", False)
            if first and certain:
                await self._threads.abandon(tenant, key)
            raise

    async def _until_ended(self, tenant: str, key: str, call: Call, tried_at: float) -> str:
        """Make the call, and remember that it is not under way any more, however it ended."""
        try:
            if self._clock() - tried_at > STALE:
                raise Unavailable("this worker stood still before its call", code="stood_still", component="journal")
            return await call()
        finally:
            self._ended[tenant, key] = tried_at
            if len(self._ended) > REMEMBERED:
                del self._ended[next(iter(self._ended))]

    async def _adopted(self, tenant: str, key: str, candidates: Sequence[str] | None) -> str | None:
        for candidate in candidates or ():
            if await self._threads.adopt(tenant, key, candidate):
                return candidate
        return None


def _under_way(seconds: float) -> Throttled:
    return Throttled("a call may be under way", code="under_way", component="journal", after=seconds)
