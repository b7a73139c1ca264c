"""Reconciliation: an answer whose webhook was lost is read back from the helpdesk and delivered all the same, once.

A pass reads the conversations that were active lately, one at a time, and puts what no delivery knows of into the
queue, in the form and under the keys that its webhook would have had. So the queue's dedupe and the journal make it
once, whoever else does the same: several replicas, the command line, or the webhook itself, come late.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridge.errors import BridgeError, Rejected, StoreFull, Throttled, Unavailable
from bridge.events import Event, Ignored
from bridge.intake import Intake
from bridge.links import HOUR
from bridge.ports import Helpdesk, Link, ReadBack, Said, ThreadMap
from bridge.reply_posts import reply_step
from bridge.retirement import read_retirement
from bridge.telemetry import Telemetry
from bridge.to_teams import LATE

DAY = 86_400.0
LONGEST_DAYS = 28.0
"""How far back a pass may read: an older answer may have left the journal, and would be delivered again."""
OVERLAP = 600.0
"""Seconds read again before the last pass began: clocks differ, and what was young then was left to its webhook."""
YOUNG = LATE
"""Seconds that a message is left to its webhook, which the helpdesk repeats a while; what is healed is thus late."""
START, AGAIN = 5.0, 60.0
"""Seconds from the start of the process to its first pass, and from a pass that could not be finished to the next."""
GAP = 0.25
"""Seconds between two conversations, for the live traffic of the same account."""
WAITS = (2.0, 10.0, 30.0)
"""Seconds before a conversation is read again, unless the helpdesk tells how long to wait."""
TOGETHER = 3
"""So many conversations in a row that cannot be read mean that the helpdesk is away, and end the pass."""

Keys = Callable[[dict[str, Any], str], tuple[str, str, str] | Ignored]
"""Takes idempotency key, session and kind of a webhook body, as the door does."""
Translate = Callable[[dict[str, Any], str], Event | Ignored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a pass shall read; by default what was said since the last complete one.

    An order `by_hand` names a time or a conversation: it takes the newest messages too, and leaves the mark alone.
    """

    since: float | None = None
    conversation: str | None = None
    dry_run: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether somebody asked for something in particular."""
        return self.since is not None or self.conversation is not None


@dataclass(frozen=True, slots=True)
class Missing:
    """An answer that no delivery knows of."""

    tenant: str
    conversation: str
    key: str
    at: float


@dataclass(slots=True)
class Result:
    """What a pass counted: conversations read, gone and failed; answers found and missing; statuses corrected."""

    read: int = 0
    gone: int = 0
    failed: int = 0
    found: int = 0
    missing: int = 0
    statuses: int = 0


class Reconciler:
    """Reads conversations back. Works beside the doors and deliveries of any process; keeps its place in the stores."""

    def __init__(
        self,
        *,
        helpdesks: Mapping[str, Helpdesk],
        threads: ThreadMap,
        intake: Intake,
        keys: Keys,
        translate: Translate,
        telemetry: Telemetry,
        clock: Callable[[], float],
        days: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """A conversation is read for `days` after a message last went through it."""
        self._helpdesks, self._threads, self._intake = helpdesks, threads, intake
        self._keys, self._translate = keys, translate
        self._telemetry, self._clock, self._sleep = telemetry, clock, sleep
        self._window = days * DAY

    async def serve(self, interval: float) -> None:
        """Make a pass soon, and then one every `interval` seconds or so, until cancelled; each tenant for itself.

        None while the bridge is retired.
        """
        await asyncio.gather(*(self._serve(tenant, interval) for tenant in self._helpdesks))

    async def _serve(self, tenant: str, interval: float) -> None:
        wait, first = START, True
        while True:
            await self._sleep(wait * random.uniform(0.9, 1.1))  # noqa: S311 - replicas shall not go in step
            wait = min(interval, AGAIN)
            try:
                if await read_retirement(self._threads) is not None:
                    wait = interval  # a retired bridge takes nothing more, from nowhere
                    continue
                if first or not await self._done_within(tenant, interval / 2):
                    await self.run(tenant)
                wait, first = interval, False
            except (BridgeError, StoreFull) as error:
                self._telemetry.warning("reconcile_stopped", tenant=tenant, code=getattr(error, "code", "store"))
            except Exception as error:  # the timer outlives a bug
                self._telemetry.error("bug", component="reconcile", error=type(error).__name__)

    async def run(
        self, tenant: str, order: Order | None = None, seen: Callable[[list[Missing]], None] = lambda _: None
    ) -> Result:
        """Make one pass; `seen` is told of each conversation what was missing in it. Raises BridgeError, StoreFull.

        A pass that does not get through leaves the mark where it was, so that the next one reads the same again.
        """
        order, began, result = order or Order(), self._clock(), Result()
        since = await self._since(tenant, order)
        reader = _Reader(self._helpdesks[tenant], self._sleep, result)
        async for link in self._links(tenant, since, order):
            state = await reader.read(link.conversation_id, since)
            if state is not None:
                seen(await self._missing(link, state, order, result))
                result.statuses += await self._follow(link, state, order)
            await self._sleep(GAP)
        if not order.dry_run:
            self._telemetry.info("reconciled", tenant=tenant, **asdict(result))
        if not (order.by_hand or order.dry_run or result.failed):
            await self._threads.learn(tenant, "mark", "reconcile", {"began": str(began)}, None)
        return result

    # --- what to read

    async def _mark(self, tenant: str) -> float | None:
        """Tell when the last complete pass began."""
        mark = await self._threads.fact(tenant, "mark", "reconcile")
        return float(mark["began"]) if mark else None

    async def _done_within(self, tenant: str, seconds: float) -> bool:
        """Tell whether another replica has just made a pass. Two at once would do no harm, so nothing is claimed."""
        return (await self._mark(tenant) or 0.0) > self._clock() - seconds

    async def _since(self, tenant: str, order: Order) -> float:
        """Tell since when to read: since the mark, however old; without one, the window."""
        mark = None if order.by_hand else await self._mark(tenant)
        since = order.since if mark is None else mark - OVERLAP
        now = self._clock()
        return now - self._window if since is None else max(since, now - LONGEST_DAYS * DAY)

    async def _links(self, tenant: str, since: float, order: Order) -> AsyncIterator[Link]:
        if order.conversation is not None:
            link = await self._threads.by_conversation(tenant, order.conversation)
            if link is not None:
                yield link
            return
        active, last = since - self._window - HOUR, None
        while page := await self._threads.links(tenant, active, after=last):
            for link in page:
                yield link
            last = page[-1]

    # --- what to heal

    async def _missing(self, link: Link, state: ReadBack, order: Order, result: Result) -> list[Missing]:
        """Put what is missing into the queue, oldest first."""
        found = []
        for said in state.said:
            if self._is_young(said.at, order) or (carried := self._carried(said, link.tenant_id)) is None:
                continue
            result.found += 1
            if await self._is_missing(link.tenant_id, said, carried, order):
                found.append(Missing(link.tenant_id, link.conversation_id, carried[0], said.at))
        result.missing += len(found)
        return found

    def _is_young(self, at: float | None, order: Order) -> bool:
        return at is not None and not order.by_hand and at > self._clock() - YOUNG

    def _carried(self, said: Said, tenant: str) -> tuple[str, str, str] | None:
        """Give the keys of a message that its webhook would have brought to Teams.

        One that we recognise but cannot translate is carried too: it becomes a dead letter, as from the door.
        """
        body = dict(said.body)
        try:
            keys = self._keys(body, tenant)
        except Rejected:
            return None  # without its ids it cannot be told from one that was delivered
        try:
            ignored = isinstance(keys, Ignored) or isinstance(self._translate(body, tenant), Ignored)
        except Rejected:
            ignored = False
        return None if ignored or isinstance(keys, Ignored) else keys

    async def _is_missing(self, tenant: str, said: Said, carried: tuple[str, str, str], order: Order) -> bool:
        """Tell whether no delivery knows of it; then it is in the queue now, unless this is a dry run."""
        key, session, kind = carried
        if await self._threads.attempted(tenant, reply_step(key, 0)):
            return False
        if order.dry_run:
            return True
        body = json.dumps(said.body, ensure_ascii=False).encode("utf-8", "replace")
        healed = await self._intake.store("to-teams", tenant, key, session, kind, body)
        if healed:
            self._telemetry.reconciled(tenant, key)
        return healed

    async def _follow(self, link: Link, state: ReadBack, order: Order) -> bool:
        """Correct the link's status if a webhook that told it was lost; True if it was wrong."""
        if state.status is None or link.status in (state.status, "left") or self._is_young(state.changed_at, order):
            return False
        now = await self._threads.by_conversation(link.tenant_id, link.conversation_id)  # reading took a while
        if now is None or now.status in (state.status, "left"):
            return False
        if not order.dry_run:
            await self._threads.update(replace(now, status=state.status))
        return True


class _Reader:
    """Reads conversations of one helpdesk, patiently, and counts what cannot be read."""

    def __init__(self, helpdesk: Helpdesk, sleep: Callable[[float], Awaitable[object]], result: Result) -> None:
        self._helpdesk, self._sleep, self._result = helpdesk, sleep, result
        self._failed_in_a_row = 0

    async def read(self, conversation_id: str, since: float) -> ReadBack | None:
        """Read one; None if it is gone, or fails where others do not. Raises when the helpdesk is away."""
        try:
            state = await self._try(conversation_id, since)
        except Rejected:
            self._result.gone += 1
            self._failed_in_a_row = 0
            return None
        except Unavailable:
            self._result.failed += 1
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= TOGETHER:
                raise
            return None
        self._result.read += 1
        self._failed_in_a_row = 0
        return state

    async def _try(self, conversation_id: str, since: float) -> ReadBack:
        for wait in WAITS:
            try:
                return await self._helpdesk.read_back(conversation_id, since)
            except Unavailable as error:
                after = error.after if isinstance(error, Throttled) else None
                await self._sleep(wait if after is None else after)
        return await self._helpdesk.read_back(conversation_id, since)
