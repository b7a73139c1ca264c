"""At most one effect per outside call, across failures and crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from bridge.errors import BridgeError, Rejected, Throttled
from bridge.events import Event
from bridge.ports import Attempt, ConversationClosed, ThreadMap

Call = Callable[[], Awaitable[str]]
LookBack = Callable[[Attempt], Awaitable[Sequence[str] | None]]

QUIET = 10.0
"""Seconds after which a call that a dead process had under way is not expected to show its effect any more."""
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
    """Wraps calls that must not happen twice. One per process; all state is in the thread map."""

    def __init__(self, threads: ThreadMap, clock: Callable[[], float]) -> None:
        self._threads, self._clock = threads, clock
        self._began = clock()
        self._ended: dict[tuple[str, str], None] = {}

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
        sent = None if attempt.first else await self._found(tenant, key, attempt, look_back)
        if sent is None:
            sent = await self._call(tenant, key, call, attempt)
        await self._threads.done(tenant, key, sent)
        self._ended.pop((tenant, key), None)
        return sent

    async def _found(self, tenant: str, key: str, attempt: Attempt, look_back: LookBack) -> str | None:
        """Look back. Nothing there proves nothing while the call of a process that died may still be under way."""
        candidates = await look_back(attempt)
        sent = await self._adopt(tenant, candidates)
        if sent is None and candidates is not None and (tenant, key) not in self._ended:
            age = self._clock() - max(attempt.started_at, self._began)  # the row dates the first try, not the last
            if 0 <= age < QUIET:
                raise Throttled("a call may be under way", code="under_way", component="journal", after=QUIET - age)
        return sent

    async def _call(self, tenant: str, key: str, call: Call, attempt: Attempt) -> str:
        """Make the call; what certainly had no effect is taken back.

        A refusal is not certain: a platform may have posted and then answered 400. Nothing repeats it but a replay,
        which looks back for the price of one read.
        """
        try:
            return await self._until_ended(tenant, key, call)
        except (BridgeError, ConversationClosed) as error:
            certain = not isinstance(error, Rejected) and not getattr(error, "maybe_done", False)
            if attempt.first and certain:
                await self._threads.abandon(tenant, key)
            raise

    async def _until_ended(self, tenant: str, key: str, call: Call) -> str:
        """Make the call, and remember that it is not under way any more, however it ended."""
        try:
            return await call()
        finally:
            self._ended[tenant, key] = None
            if len(self._ended) > REMEMBERED:
                del self._ended[next(iter(self._ended))]

    async def _adopt(self, tenant: str, candidates: Sequence[str] | None) -> str | None:
        for candidate in candidates or ():
            if await self._threads.origin(tenant, candidate) is None:
                return candidate
        return None
