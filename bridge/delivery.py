"""Delivery: takes sessions from the queue, hands each message to its direction, and settles it.

Knows no vendor: an error's three answers (`bridge/errors.py`) decide between trying again, holding, and giving up.
A failing message holds its own thread only, for a bounded time; then it becomes a dead letter and the thread goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bridge import ids
from bridge.errors import BridgeError, Forbidden, LeaseLost, StoreFull, Throttled, Unavailable
from bridge.events import Ignored
from bridge.outage import Outage
from bridge.patience import Holds, Patience
from bridge.ports import Delivery, Direction, Failure, Queue, Session
from bridge.telemetry import Telemetry
from bridge.turns import Turns

ACCEPTORS = 16
TELL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """A delivery that had its effect; `fields` are ids for the log."""

    fields: dict[str, object] = field(default_factory=dict)


Outcome = Done | Ignored
Handler = Callable[[Delivery], Awaitable[Outcome]]
Tell = Callable[[Delivery, BridgeError], Awaitable[None]]
"""Called once before a delivery becomes a dead letter, so that the people concerned learn of it."""


class Worker:
    """Works on one direction, `concurrency` sessions at a time; owns every task it starts."""

    def __init__(
        self,
        queue: Queue,
        direction: Direction,
        handler: Handler,
        telemetry: Telemetry,
        *,
        clock: Callable[[], float],
        concurrency: int = 64,
        patience: Patience | None = None,
        turns: Turns | None = None,
        tell: Tell | None = None,
    ) -> None:
        self.direction = direction
        self._queue, self._direction, self._handler = queue, direction, handler
        self._telemetry, self._clock = telemetry, clock
        self._patience = patience or Patience()
        self._turns = turns or Turns(concurrency)
        self._tell = tell
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._outage = Outage(telemetry, direction)
        self.holds = Holds(self._patience.hold, clock)
        self.delivered_at: dict[str, float] = {}
        """When a delivery of a tenant last had its effect, in this process."""

    async def run(self) -> None:
        """Serve until `stop`; survives a store that is away (waits and tries again).

        Several loops accept at once: a store that groups its commits leases many sessions with one.
        """
        await asyncio.gather(*(self._serve() for _ in range(ACCEPTORS)))

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            await self._slots.acquire()
            session = None if self._stopping.is_set() else await self._accept()
            if session is not None and not self._stopping.is_set():
                self._start(session)  # its end frees the slot
                continue
            self._slots.release()
            if session is not None:
                await session.release()

    async def _accept(self) -> Session | None:
        try:
            session = await self._queue.accept(self._direction, wait=1.0, room=self._turns.room)
        except (StoreFull, Unavailable) as error:
            self._outage.begin(error)
            await asyncio.sleep(1.0)
            return None
        if session is not None:  # a lease is a write; a look that finds nothing tells nothing about the store
            self._outage.end()
        return session

    def _start(self, session: Session) -> None:
        task = asyncio.create_task(self._work(session), name=f"deliver {session.key}")
        self._tasks.add(task)
        self._turns.begin(session.tenant)
        task.add_done_callback(lambda done: self._finished(done, session.tenant))

    def _finished(self, task: asyncio.Task[None], tenant: str) -> None:
        self._tasks.discard(task)
        if self._turns.end(tenant):
            self._ring()
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._telemetry.error("worker_error", direction=self._direction, error=type(error).__name__)

    def _ring(self) -> None:
        self._queue.ring(self._direction)

    async def drain(self) -> int:
        """Work until nothing is ready now; return how many sessions were worked on. For tests and one-shot runs."""
        count = 0
        while (session := await self._queue.accept(self._direction, wait=0, room=self._turns.room)) is not None:
            await self._work(session)
            count += 1
        return count

    async def stop(self, grace: float) -> None:
        """Take no more; finish what is under way within `grace` seconds, give the rest back."""
        self._stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turns.close()

    async def _work(self, session: Session) -> None:
        try:
            while not self._stopping.is_set():
                delivery = await session.next()
                if delivery is None or not self._turns.spend(session.tenant, self._ring):
                    break
                if not await self._deliver(session, delivery):
                    break
        except LeaseLost:
            self._telemetry.warning("lease_lost", direction=self._direction, session=ids.for_log(session.key))
        except (StoreFull, Unavailable) as error:
            self._outage.begin(error)
            await asyncio.sleep(1.0)
        finally:
            await session.release()

    async def _deliver(self, session: Session, delivery: Delivery) -> bool:
        """Try one message and settle it; False when the session was given back."""
        tenant = delivery.envelope.tenant
        if (held := self.holds.remaining(tenant)) > 0:
            await session.retry(delivery, held + random.uniform(0, 1), _held(), count=False)  # noqa: S311
            return False
        with self._telemetry.work(delivery):
            return await self._attempt(session, delivery)

    async def _attempt(self, session: Session, delivery: Delivery) -> bool:
        tenant = delivery.envelope.tenant
        try:
            outcome = await self._try(delivery)
        except BridgeError as error:
            self._telemetry.failed(error.code, error.component)
            return await self._failed(session, delivery, error)
        with self._telemetry.step("queue complete", "internal"):
            await session.complete(delivery)
        self._settled(tenant, outcome)
        self._report(delivery, outcome)
        return True

    def _settled(self, tenant: str, outcome: Outcome) -> None:
        if isinstance(outcome, Ignored):
            self.holds.pass_on(tenant)
            return
        self.delivered_at[tenant] = self._clock()
        if self.holds.end(tenant):
            self._telemetry.held(self._direction, tenant, held=False)
            self._telemetry.warning("hold_ended", direction=self._direction, tenant=tenant)

    async def _try(self, delivery: Delivery) -> Outcome:
        try:
            async with asyncio.timeout(self._patience.timeout):
                return await self._handler(delivery)
        except TimeoutError:
            raise Unavailable("the delivery took too long", code="timeout", component=self._direction) from None
        except (BridgeError, LeaseLost, StoreFull):
            raise
        except Exception as error:
            self._telemetry.error(
                "bug",
                direction=self._direction,
                trace=delivery.envelope.trace,
                error=type(error).__name__,
                where=_where(error),
            )
            raise Bug(f"{type(error).__name__} in our own code", code="bug", component=self._direction) from error

    async def _failed(self, session: Session, delivery: Delivery, error: BridgeError) -> bool:
        transient = error.again == "yes" and not isinstance(error, Bug)
        failure = Failure(code=error.code, message=str(error), component=error.component, transient=transient)
        if isinstance(error, Forbidden):
            await self._hold(session, delivery, failure)
            return False
        if isinstance(error, Throttled) and error.ours:
            await self._await_turn(session, delivery, error, failure)
            return False
        if error.again == "yes" and not self._given_up(delivery, error):
            wait = self._patience.wait(error, delivery.attempts)
            await session.retry(delivery, wait, failure)
            self._telemetry.retried(
                self._direction,
                error.code,
                trace=delivery.envelope.trace,
                attempt=delivery.attempts + 1,
                wait=round(wait, 2),
            )
            return False
        await self._tell_people(delivery, error)
        await session.dead_letter(delivery, failure)
        self._telemetry.ended(
            self._direction,
            "dead_letter",
            delivery.envelope.received_at,
            trace=delivery.envelope.trace,
            key=delivery.envelope.message_id,
            code=error.code,
            attempts=delivery.attempts + 1,
            replays=delivery.replays,
        )
        return True

    async def _await_turn(self, session: Session, delivery: Delivery, error: Throttled, failure: Failure) -> None:
        """Give back until our own limit allows it: no failure, however long the line is."""
        await session.retry(delivery, error.after or 0.0, failure, count=False)
        self._telemetry.paced(self._direction, error.code, trace=delivery.envelope.trace, wait=error.after)

    async def _tell_people(self, delivery: Delivery, error: BridgeError) -> None:
        """Before the letter is written: a crash between the two tells again, and `tell` makes that one effect.

        Whatever goes wrong here, the letter must be written, or its thread would wait for ever.
        """
        if self._tell is None:
            return
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._tell(delivery, error)
        except Exception as trouble:
            self._telemetry.error("not_told", trace=delivery.envelope.trace, error=type(trouble).__name__)

    def _given_up(self, delivery: Delivery, error: BridgeError) -> bool:
        if isinstance(error, Bug) and delivery.attempts + 1 >= self._patience.bug_attempts:
            return True
        return self._patience.exhausted(delivery, self._clock())

    async def _hold(self, session: Session, delivery: Delivery, failure: Failure) -> None:
        tenant = delivery.envelope.tenant
        if self.holds.begin(tenant):
            self._telemetry.held(self._direction, tenant, held=True)
            self._telemetry.error(
                "hold", direction=self._direction, tenant=tenant, code=failure.code, component=failure.component
            )
        await session.retry(delivery, self._patience.hold, failure, count=False)

    def _report(self, delivery: Delivery, outcome: Outcome) -> None:
        envelope = delivery.envelope
        facts = {"trace": envelope.trace, "key": envelope.message_id, "kind": envelope.kind}
        if isinstance(outcome, Ignored):
            self._telemetry.ended(self._direction, "ignored", envelope.received_at, reason=outcome.reason, **facts)
        else:
            self._telemetry.ended(
                self._direction,
                "delivered",
                envelope.received_at,
                attempts=delivery.attempts + 1,
                **facts,
                **outcome.fields,
            )


class Bug(Unavailable):
    """An exception that nobody expected: tried a few times, then kept as a dead letter for a fixed version."""


def _held() -> Failure:
    return Failure(code="held", message="the upstream refuses our credentials", component="delivery")


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
