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
from bridge.ports import Delivery, Direction, Failure, Queue, Session
from bridge.telemetry import Telemetry

ACCEPTORS = 16


@dataclass(frozen=True, slots=True)
class Done:
    """A delivery that had its effect; `fields` are ids for the log."""

    fields: dict[str, object] = field(default_factory=dict)


Outcome = Done | Ignored
Handler = Callable[[Delivery], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often to try. Seconds throughout."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    window: float = 3600.0
    timeout: float = 120.0
    hold: float = 15.0
    bug_attempts: int = 5

    def wait(self, error: BridgeError, attempts: int) -> float:
        """Seconds until the next try: what the upstream asked for, else doubling with jitter."""
        after = error.after if isinstance(error, Throttled) else None
        backoff = min(self.longest_wait, self.first_wait * 2.0 ** min(attempts, 16))
        jittered = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        return jittered if after is None else after + jittered * 0.1

    def exhausted(self, delivery: Delivery, now: float) -> bool:
        """Whether the message has held its thread long enough."""
        return delivery.first_failed_at is not None and now - delivery.first_failed_at >= self.window


class Holds:
    """Tenants whose upstream refuses our credentials. Deliveries of a held tenant wait; one probe at a time asks."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._until: dict[str, float] = {}

    def remaining(self, tenant: str) -> float:
        """Seconds to wait before this tenant's next try; 0 when there is no hold or a probe is due."""
        until = self._until.get(tenant)
        if until is None:
            return 0.0
        now = self._clock()
        if until > now:
            return until - now
        self._until[tenant] = now + self._seconds
        return 0.0

    def begin(self, tenant: str) -> bool:
        """Hold a tenant; True if it was not held before."""
        fresh = tenant not in self._until
        self._until[tenant] = self._clock() + self._seconds
        return fresh

    def pass_on(self, tenant: str) -> None:
        """Let the next delivery be the probe: the last one was ignored and asked nobody."""
        if tenant in self._until:
            self._until[tenant] = self._clock()

    def end(self, tenant: str) -> bool:
        """End a hold; True if there was one."""
        return self._until.pop(tenant, None) is not None

    def tenants(self) -> list[str]:
        """Tenants held now."""
        return sorted(self._until)


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
    ) -> None:
        self.direction = direction
        self._queue, self._direction, self._handler = queue, direction, handler
        self._telemetry, self._clock = telemetry, clock
        self._patience = patience or Patience()
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.holds = Holds(self._patience.hold, clock)

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
            return await self._queue.accept(self._direction, wait=1.0)
        except (StoreFull, Unavailable) as error:
            self._telemetry.error("queue_unavailable", direction=self._direction, error=type(error).__name__)
            await asyncio.sleep(1.0)
            return None

    def _start(self, session: Session) -> None:
        task = asyncio.create_task(self._work(session), name=f"deliver {session.key}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._telemetry.error("worker_error", direction=self._direction, error=type(error).__name__)

    async def drain(self) -> int:
        """Work until nothing is ready now; return how many sessions were worked on. For tests and one-shot runs."""
        count = 0
        while (session := await self._queue.accept(self._direction, wait=0)) is not None:
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

    async def _work(self, session: Session) -> None:
        try:
            while not self._stopping.is_set():
                delivery = await session.next()
                if delivery is None or not await self._deliver(session, delivery):
                    break
        except LeaseLost:
            self._telemetry.warning("lease_lost", direction=self._direction, session=ids.for_log(session.key))
        except (StoreFull, Unavailable) as error:
            self._telemetry.error("queue_unavailable", direction=self._direction, error=type(error).__name__)
            await asyncio.sleep(1.0)
        finally:
            await session.release()

    async def _deliver(self, session: Session, delivery: Delivery) -> bool:
        """Try one message and settle it; False when the session was given back."""
        tenant = delivery.envelope.tenant
        if (held := self.holds.remaining(tenant)) > 0:
            await session.retry(delivery, held + random.uniform(0, 1), _held(), count=False)  # noqa: S311
            return False
        try:
            outcome = await self._try(delivery)
        except BridgeError as error:
            return await self._failed(session, delivery, error)
        await session.complete(delivery)
        if isinstance(outcome, Ignored):
            self.holds.pass_on(tenant)
        elif self.holds.end(tenant):
            self._telemetry.held(self._direction, tenant, held=False)
            self._telemetry.warning("hold_ended", direction=self._direction, tenant=tenant)
        self._report(delivery, outcome)
        return True

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
        failure = Failure(code=error.code, message=str(error), component=error.component)
        if isinstance(error, Forbidden):
            await self._hold(session, delivery, failure)
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
        await session.dead_letter(delivery, failure)
        self._telemetry.ended(
            self._direction,
            "dead_letter",
            delivery.envelope.received_at,
            trace=delivery.envelope.trace,
            key=delivery.envelope.message_id,
            code=error.code,
            attempts=delivery.attempts + 1,
        )
        return True

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
