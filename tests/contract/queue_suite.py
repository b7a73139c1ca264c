"""What every `Queue` promises. A new adapter joins by giving a `QueueRig` fixture (see `test_queue.py`)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from bridge.errors import LeaseLost, StoreFull, Unavailable
from bridge.ports import Delivery, Direction, Envelope, Failure, Queue, Session
from tests.contract.queue_model import Model

TO_FRESHCHAT: Direction = "to-freshchat"
TO_TEAMS: Direction = "to-teams"
FAILED = Failure(code="upstream_500", message="the upstream is down", component="freshchat")
WEEK = 7 * 86_400


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class QueueRig:
    """How the suite uses one adapter, and what that adapter can be made to do.

    `open` gives one more queue object on the same store, like another process; the fixture closes them all.
    `open_bounded(limit)` gives one that takes so many waiting messages per direction, if the bound is the adapter's.
    `clock` is None where time is the store's own: then the suite waits. `short_lease` is a lease of less than a
    second, if the adapter can have one: then `open(short_lease)` is used too. `fill`/`free` make the store refuse
    writes and take them again; `lock`/`unlock` make it read-only.
    """

    open: Callable[..., Awaitable[Queue]]
    lease_seconds: float
    clock: Clock | None = None
    short_lease: float | None = None
    open_bounded: Callable[[int], Awaitable[Queue]] | None = None
    fill: Callable[[Queue], Awaitable[None]] | None = None
    free: Callable[[Queue], Awaitable[None]] | None = None
    lock: Callable[[Queue], Awaitable[None]] | None = None
    unlock: Callable[[Queue], Awaitable[None]] | None = None
    fair: bool = True
    tells_duplicates: bool = True
    """Whether `put` says False for a duplicate; it is dropped in any case."""
    patience: float = 0.05
    """How long an accept that should find nothing is given; longer for a store behind a network."""
    run: str = ""
    """Goes into message ids, where the store remembers those of earlier tests."""
    ids: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def now(self) -> float:
        return self.clock() if self.clock else time.time()

    async def pass_time(self, seconds: float) -> None:
        if self.clock:
            self.clock.time += seconds
        else:
            await asyncio.sleep(seconds)

    def envelope(
        self, session: str = "s", *, tenant: str = "t", direction: Direction = TO_FRESHCHAT, body: bytes = b"{}"
    ) -> Envelope:
        """The next envelope of a session; its number is the last part of its message id."""
        self.ids[session] += 1
        return Envelope(
            direction=direction,
            tenant=tenant,
            message_id=f"{tenant}|teams:{self.run}{session}/{self.ids[session]:04}",
            session=f"{tenant}/{session}",
            kind="message",
            trace=f"{len(self.ids):032x}",
            body=body,
            received_at=self.now(),
        )

    async def put_again(self, queue: Queue, envelope: Envelope) -> None:
        """Put what was put before."""
        assert await queue.put(envelope) is not self.tells_duplicates

    async def put(self, queue: Queue, count: int = 1, session: str = "s", **more: object) -> list[Envelope]:
        envelopes = [self.envelope(session, **more) for _ in range(count)]  # type: ignore[arg-type]
        for envelope in envelopes:
            assert await queue.put(envelope)
        return envelopes


async def accept(queue: Queue, direction: Direction = TO_FRESHCHAT, wait: float = 2.0) -> Session:
    """Accept a session that must be there."""
    session = await queue.accept(direction, wait)
    assert session is not None
    return session


async def head(session: Session) -> Delivery:
    """Take a message that must be there."""
    delivery = await session.next()
    assert delivery is not None
    return delivery


async def drain(queue: Queue, direction: Direction = TO_FRESHCHAT, wait: float = 0.05) -> list[Envelope]:
    """Complete all that is ready; wait longer for the first session than for the others."""
    done: list[Envelope] = []
    while session := await queue.accept(direction, min(wait, 0.05) if done else wait):
        while delivery := await session.next():
            done.append(delivery.envelope)
            await session.complete(delivery)
    return done


class QueueSuite:
    """Order, leases, retries, dedupe and dead letters."""

    # --- Put, take, settle

    async def test_gives_back_exactly_what_was_put(self, rig: QueueRig) -> None:
        """Every field of an envelope survives, any bytes and any language."""
        queue = await rig.open()
        body = bytes(range(256)) * 1024
        sent = await rig.put(queue, session="채팅/1", tenant="회사", body=body)
        sent += await rig.put(queue, session="empty", body=b"")
        assert sorted(await drain(queue), key=lambda e: e.session) == sorted(sent, key=lambda e: e.session)

    async def test_a_session_keeps_the_order_of_arrival(self, rig: QueueRig) -> None:
        queue = await rig.open()
        sent = await rig.put(queue, 20)
        assert await drain(queue) == sent

    async def test_directions_are_apart(self, rig: QueueRig) -> None:
        """The same session key in the other direction is another session."""
        queue = await rig.open()
        there = await rig.put(queue, direction=TO_FRESHCHAT)
        back = await rig.put(queue, direction=TO_TEAMS)
        assert await drain(queue, TO_TEAMS) == back
        assert await drain(queue, TO_FRESHCHAT) == there

    async def test_sessions_run_in_parallel(self, rig: QueueRig) -> None:
        queue = await rig.open()
        for name in "abc":
            await rig.put(queue, 2, name)
        sessions = [await accept(queue) for _ in "abc"]
        assert {s.key for s in sessions} == {"t/a", "t/b", "t/c"}
        assert {(await head(s)).envelope.session for s in sessions} == {"t/a", "t/b", "t/c"}

    async def test_a_leased_session_is_invisible_to_others(self, rig: QueueRig) -> None:
        """Also when more messages arrive for it, and also for another process."""
        queue, other = await rig.open(), await rig.open()
        await rig.put(queue, 2)
        session = await accept(queue)
        await rig.put(queue, 1)
        assert await queue.accept(TO_FRESHCHAT, rig.patience) is None
        assert await other.accept(TO_FRESHCHAT, rig.patience) is None
        await session.complete(await head(session))

    async def test_the_holder_gets_what_arrives_meanwhile(self, rig: QueueRig) -> None:
        queue = await rig.open()
        sent = await rig.put(queue)
        session = await accept(queue)
        first = await head(session)
        sent += await rig.put(queue)
        await session.complete(first)
        second = await head(session)
        assert [first.envelope, second.envelope] == sent

    async def test_next_is_idempotent_until_settled(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue, 2)
        session = await accept(queue)
        assert await session.next() == await session.next()

    async def test_an_empty_session_is_released(self, rig: QueueRig) -> None:
        """After its last message `next` says None, and whoever comes first gets the next message."""
        queue, other = await rig.open(), await rig.open()
        await rig.put(queue)
        session = await accept(queue)
        await session.complete(await head(session))
        assert await session.next() is None
        assert await session.next() is None
        sent = await rig.put(queue)
        assert await drain(other, wait=2) == sent

    async def test_release_gives_back_at_once_and_in_order(self, rig: QueueRig) -> None:
        queue, other = await rig.open(), await rig.open()
        sent = await rig.put(queue, 3)
        session = await accept(queue)
        delivery = await head(session)
        await session.release()
        await session.release()
        with pytest.raises(LeaseLost):
            await session.complete(delivery)
        again = await accept(other)
        assert (await head(again)).attempts == 0
        await again.release()
        assert await drain(other) == sent

    async def test_what_was_put_is_there_for_the_next_process(self, rig: QueueRig) -> None:
        queue = await rig.open()
        sent = await rig.put(queue, 3)
        await queue.close()
        assert await drain(await rig.open(), wait=2) == sent

    # --- Waiting

    async def test_accept_gives_up_in_time(self, rig: QueueRig) -> None:
        queue = await rig.open()
        started = time.monotonic()
        assert await queue.accept(TO_FRESHCHAT, 0.1) is None
        assert 0.09 <= time.monotonic() - started < 1.0 + rig.patience

    async def test_accept_with_no_wait_still_looks(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue)
        assert await queue.accept(TO_FRESHCHAT, rig.patience if rig.patience > 0.05 else 0) is not None

    async def test_accept_wakes_when_a_message_arrives(self, rig: QueueRig) -> None:
        """One put wakes one of many waiting workers; also a put by another process."""
        queue, other = await rig.open(), await rig.open()
        for putter in (queue, other):
            workers = [asyncio.create_task(queue.accept(TO_FRESHCHAT, 5)) for _ in range(3)]
            await asyncio.sleep(0.05)
            await rig.put(putter, session=f"s{id(putter)}")
            done, waiting = await asyncio.wait(workers, timeout=2, return_when=asyncio.FIRST_COMPLETED)
            assert [t.result() is not None for t in done] == [True]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def test_accept_wakes_when_a_retry_falls_due(self, rig: QueueRig) -> None:
        if rig.clock:
            pytest.skip("needs real time")
        queue = await rig.open()
        await rig.put(queue)
        session = await accept(queue)
        waiting = asyncio.create_task(queue.accept(TO_FRESHCHAT, 5))
        await session.retry(await head(session), 0.2, FAILED)
        started = time.monotonic()
        assert await waiting is not None
        assert 0.15 <= time.monotonic() - started < 1.0 + rig.patience

    async def test_a_cancelled_accept_keeps_no_session(self, rig: QueueRig) -> None:
        """Whenever a worker is cancelled, what it was about to get goes to somebody else."""
        queue = await rig.open()
        sent = await rig.put(queue)
        for turn in range(40):
            task = asyncio.create_task(queue.accept(TO_FRESHCHAT, 1))
            for _ in range(turn % 8):
                await asyncio.sleep(0)
            await asyncio.sleep(turn % 5 / 2000)
            if not task.cancel():
                session = task.result()
                assert session is not None
                await session.release()
            await asyncio.gather(task, return_exceptions=True)
        assert await drain(queue, wait=1 + rig.patience) == sent

    async def test_the_longest_waiting_session_comes_first(self, rig: QueueRig) -> None:
        queue = await rig.open()
        for name in "cab":
            await rig.put(queue, session=name)
            await rig.pass_time(0.01)
        assert [(await accept(queue)).key for _ in "cab"] == ["t/c", "t/a", "t/b"]

    async def test_tenants_take_turns(self, rig: QueueRig) -> None:
        """A tenant with much to do does not keep another one waiting."""
        if not rig.fair:
            pytest.skip("this store gives the longest waiting first, whoever it is")
        queue = await rig.open()
        for number in range(20):
            await rig.put(queue, session=f"busy{number}", tenant="busy")
        for number in range(3):
            await rig.put(queue, session=f"calm{number}", tenant="calm")
        taken = [(await accept(queue)).key.split("/")[0] for _ in range(6)]
        assert taken.count("calm") == 3
        assert len(set(pairwise(taken))) == 2

    # --- Retry

    async def test_retry_keeps_order_and_holds_only_its_session(self, rig: QueueRig) -> None:
        queue = await rig.open()
        held = await rig.put(queue, 3, "held")
        session = await accept(queue)
        free = await rig.put(queue, 3, "free")
        after = max(0.3, 3 * rig.patience)
        await session.retry(await head(session), after, FAILED)
        assert await drain(queue, wait=rig.patience) == free
        await rig.pass_time(after + 0.05)
        assert await drain(queue, wait=rig.patience) == held

    async def test_retry_counts_and_dates_the_first_failure(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue)
        seen = []
        started = rig.now()
        for counts in (True, False, True):
            session = await accept(queue)
            delivery = await head(session)
            seen.append((delivery.attempts, delivery.first_failed_at))
            await session.retry(delivery, 0.01, FAILED, count=counts)
            await rig.pass_time(0.02)
        delivery = await head(await accept(queue))
        assert [attempts for attempts, _ in seen] == [0, 1, 1]
        assert delivery.attempts == 2
        assert seen[0][1] is None
        assert seen[1][1] == pytest.approx(started, abs=1)
        assert delivery.first_failed_at == seen[2][1] == seen[1][1]

    async def test_an_uncounted_retry_leaves_no_mark(self, rig: QueueRig) -> None:
        """A held upstream is not the message's failure."""
        queue = await rig.open()
        await rig.put(queue)
        session = await accept(queue)
        await session.retry(await head(session), 0, FAILED, count=False)
        delivery = await head(await accept(queue))
        assert (delivery.attempts, delivery.first_failed_at) == (0, None)

    async def test_retry_ends_the_lease(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue, 2)
        session = await accept(queue)
        delivery = await head(session)
        await session.retry(delivery, 0, FAILED)
        for settle in (session.complete(delivery), session.retry(delivery, 0, FAILED), session.next()):
            with pytest.raises(LeaseLost):
                await settle

    # --- Leases

    async def test_a_lease_that_ran_out_goes_to_another(self, rig: QueueRig) -> None:
        """The late worker settles nothing, in no way; the new one gets the same message."""
        if rig.clock is None:
            pytest.skip("the holder renews by itself; needs a clock to run out")
        late, other = await rig.open(), await rig.open()
        sent = await rig.put(late, 2)
        session = await accept(late)
        delivery = await head(session)
        await rig.pass_time(rig.lease_seconds + 1)
        new = await accept(other)
        for settle in (
            session.next(),
            session.complete(delivery),
            session.retry(delivery, 0, FAILED),
            session.dead_letter(delivery, FAILED),
        ):
            with pytest.raises(LeaseLost):
                await settle
        await session.release()
        assert await late.accept(TO_FRESHCHAT, rig.patience) is None
        assert (await head(new)).envelope == sent[0]
        await new.release()
        assert await drain(other) == sent
        assert await late.dead_letters() == []

    async def test_a_lease_that_ran_out_unnoticed_is_lost_all_the_same(self, rig: QueueRig) -> None:
        if rig.clock is None:
            pytest.skip("the holder renews by itself; needs a clock to run out")
        queue = await rig.open()
        sent = await rig.put(queue)
        session = await accept(queue)
        delivery = await head(session)
        await rig.pass_time(rig.lease_seconds + 1)
        with pytest.raises(LeaseLost):
            await session.complete(delivery)
        assert await drain(queue) == sent

    async def test_a_held_lease_is_renewed(self, rig: QueueRig) -> None:
        """Work may take longer than a lease lasts."""
        if rig.clock or rig.short_lease is None:
            pytest.skip("needs real time and short leases")
        queue, other = await rig.open(rig.short_lease), await rig.open()
        await rig.put(queue)
        session = await accept(queue)
        delivery = await head(session)
        assert await other.accept(TO_FRESHCHAT, rig.short_lease * 2) is None
        await session.complete(delivery)
        assert await drain(other) == []

    async def test_a_closed_queue_holds_nothing_back(self, rig: QueueRig) -> None:
        queue, other = await rig.open(), await rig.open()
        sent = await rig.put(queue)
        session = await accept(queue)
        await queue.close()
        assert await drain(other, wait=2) == sent
        assert session.key == "t/s"

    # --- Dedupe

    async def test_a_duplicate_is_refused_waiting_done_or_dead(self, rig: QueueRig) -> None:
        queue = await rig.open()
        (envelope,) = await rig.put(queue)
        await rig.put_again(queue, envelope)
        session = await accept(queue)
        await rig.put_again(queue, envelope)
        await session.complete(await head(session))
        assert await session.next() is None
        await rig.put_again(queue, envelope)
        (dead,) = await rig.put(queue)
        session = await accept(queue)
        await session.dead_letter(await head(session), FAILED)
        assert await session.next() is None
        await rig.put_again(queue, dead)
        assert await drain(queue) == []

    async def test_of_many_equal_puts_exactly_one_counts(self, rig: QueueRig) -> None:
        queues = [await rig.open(), await rig.open()]
        envelope = rig.envelope()
        answers = await asyncio.gather(*(queues[i % 2].put(envelope) for i in range(50)))
        assert answers.count(False) == (49 if rig.tells_duplicates else 0)
        assert await drain(queues[0]) == [envelope]

    async def test_dedupe_ends_after_seven_days(self, rig: QueueRig) -> None:
        if rig.clock is None:
            pytest.skip("needs a clock")
        queue = await rig.open()
        (envelope,) = await rig.put(queue)
        await rig.pass_time(WEEK - 1)
        assert not await queue.put(envelope)
        await rig.pass_time(2)
        assert await queue.put(envelope)

    # --- Dead letters

    async def test_a_dead_letter_is_whole_and_the_session_goes_on(self, rig: QueueRig) -> None:
        queue = await rig.open()
        bad, good = await rig.put(queue, 2, body=b"raw \x00 body")
        session = await accept(queue)
        await session.retry(await head(session), 0, FAILED)
        session = await accept(queue)
        first_failed_at = (await head(session)).first_failed_at
        await rig.pass_time(0.02)
        refused = Failure(code="bad_event", message="cannot be understood", component="translate")
        await session.dead_letter(await head(session), refused)
        assert (await head(session)).envelope == good
        (letter,) = await queue.dead_letters()
        assert (letter.envelope, letter.failure, letter.attempts) == (bad, refused, 2)
        assert letter.first_failed_at == first_failed_at
        assert letter.last_failed_at == pytest.approx(rig.now(), abs=1 + rig.patience)
        assert letter.last_failed_at > letter.first_failed_at

    async def _bury(self, rig: QueueRig, queue: Queue, count: int, direction: Direction) -> list[Envelope]:
        sent = await rig.put(queue, count, session=f"dead-{direction}", direction=direction)
        session = await accept(queue, direction)
        while delivery := await session.next():
            await session.dead_letter(delivery, FAILED)
        return sent

    async def test_dead_letters_are_listed_in_pages(self, rig: QueueRig) -> None:
        queue = await rig.open()
        there = await self._bury(rig, queue, 5, TO_FRESHCHAT)
        back = await self._bury(rig, queue, 2, TO_TEAMS)
        assert [m.envelope for m in await queue.dead_letters()] == there + back
        assert [m.envelope for m in await queue.dead_letters(TO_TEAMS)] == back
        pages, after = [], None
        while page := await queue.dead_letters(TO_FRESHCHAT, limit=2, after=after):
            pages.append([m.envelope for m in page])
            after = page[-1].id
        assert pages == [there[:2], there[2:4], there[4:]]

    async def test_a_letter_is_found_by_its_id(self, rig: QueueRig) -> None:
        queue, other = await rig.open(), await rig.open()
        await self._bury(rig, queue, 2, TO_FRESHCHAT)
        for letter in await queue.dead_letters():
            assert await other.find_dead_letter(letter.id) == letter
        for unknown in ("", "0", "999999", "-1", "no such letter", "９", "1" * 40):
            assert await queue.find_dead_letter(unknown) is None
            assert not await queue.replay(unknown)
            assert not await queue.drop(unknown)

    async def test_replay_goes_to_the_end_of_its_session(self, rig: QueueRig) -> None:
        """Under its old message id, with its failures forgotten; once."""
        queue = await rig.open()
        dead = await self._bury(rig, queue, 1, TO_FRESHCHAT)
        later = await rig.put(queue, 2, session=f"dead-{TO_FRESHCHAT}")
        (letter,) = await queue.dead_letters()
        assert await queue.replay(letter.id)
        assert not await queue.replay(letter.id)
        assert await queue.dead_letters() == []
        await rig.put_again(queue, dead[0])
        session = await accept(queue)
        got = []
        while delivery := await session.next():
            got.append(delivery)
            await session.complete(delivery)
        assert [d.envelope for d in got] == later + dead
        assert (got[-1].attempts, got[-1].first_failed_at) == (0, None)

    async def test_replay_wakes_a_waiting_worker(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await self._bury(rig, queue, 1, TO_FRESHCHAT)
        (letter,) = await queue.dead_letters()
        waiting = asyncio.create_task(queue.accept(TO_FRESHCHAT, 5))
        await asyncio.sleep(0.05)
        await queue.replay(letter.id)
        assert await asyncio.wait_for(waiting, 2) is not None

    async def test_a_dropped_letter_is_gone(self, rig: QueueRig) -> None:
        queue = await rig.open()
        (dead,) = await self._bury(rig, queue, 1, TO_FRESHCHAT)
        (letter,) = await queue.dead_letters()
        assert await queue.drop(letter.id)
        assert not await queue.drop(letter.id)
        assert not await queue.replay(letter.id)
        assert await queue.find_dead_letter(letter.id) is None
        await rig.put_again(queue, dead)
        assert await drain(queue) == []

    # --- Depth, refusals

    async def test_depth_counts_what_is_not_settled(self, rig: QueueRig) -> None:
        queue = await rig.open()
        empty = await queue.depth(TO_FRESHCHAT)
        assert (empty.waiting, empty.dead, empty.oldest_age) == (0, 0, 0.0)
        await rig.put(queue, 3)
        await rig.pass_time(0.2)
        await rig.put(queue, 1, "other")
        session = await accept(queue)
        depth = await queue.depth(TO_FRESHCHAT)
        assert (depth.waiting, depth.dead) == (4, 0)
        assert 0.2 <= depth.oldest_age + 1e-6 < 2
        await session.complete(await head(session))
        await session.dead_letter(await head(session), FAILED)
        depth = await queue.depth(TO_FRESHCHAT)
        assert (depth.waiting, depth.dead) == (2, 1)
        assert (await queue.depth(TO_TEAMS)).waiting == 0

    async def test_ping_passes_when_it_works(self, rig: QueueRig) -> None:
        await (await rig.open()).ping()

    async def test_a_full_store_says_so_and_recovers(self, rig: QueueRig) -> None:
        """Nothing that was accepted is lost, nothing that was refused is there, work goes on without a restart."""
        if rig.fill is None or rig.free is None:
            pytest.skip("this store cannot be filled")
        queue = await rig.open()
        sent = await rig.put(queue, 3)
        await rig.fill(queue)
        big = [rig.envelope(f"big{n}", body=b"x" * 100_000) for n in range(5)]
        answers = await asyncio.gather(*(queue.put(e) for e in big), return_exceptions=True)
        assert {type(a) for a in answers} == {StoreFull}
        assert await drain(queue) == sent  # so that it can get emptier again
        await rig.free(queue)
        assert all(await asyncio.gather(*(queue.put(e) for e in big)))
        assert sorted(e.session for e in await drain(queue)) == sorted(e.session for e in big)

    async def test_a_read_only_store_says_so_and_recovers(self, rig: QueueRig) -> None:
        if rig.lock is None or rig.unlock is None:
            pytest.skip("this store cannot be made read-only")
        queue = await rig.open()
        sent = await rig.put(queue, 2)
        session = await accept(queue)
        delivery = await head(session)
        await rig.lock(queue)
        with pytest.raises(StoreFull):
            await queue.put(rig.envelope("other"))
        with pytest.raises((StoreFull, Unavailable)):
            await queue.ping()
        with pytest.raises((StoreFull, Unavailable)):
            await session.complete(delivery)
        with pytest.raises((StoreFull, Unavailable)):
            await queue.accept(TO_FRESHCHAT, 0.2)
        await session.release()
        await rig.unlock(queue)
        await queue.ping()
        if rig.clock:
            rig.clock.time += rig.lease_seconds + 1
            assert await drain(queue, wait=0.2) == sent

    # --- Everything at once

    @pytest.mark.parametrize("seed", range(4))
    async def test_order_and_completeness_under_concurrency(self, rig: QueueRig, seed: int) -> None:
        """Two processes, many workers that fail at random: each session in order, one holder, everything once."""
        dice = random.Random(seed)
        queues = [await rig.open(), await rig.open()]
        done: dict[str, list[str]] = defaultdict(list)
        sent: dict[str, list[str]] = defaultdict(list)
        holders: dict[str, int] = defaultdict(int)
        dead: set[str] = set()

        async def produce(name: str) -> None:
            for _ in range(15):
                envelope = rig.envelope(name, tenant=name[0])
                sent[envelope.session].append(envelope.message_id)
                assert await dice.choice(queues).put(envelope)
                await asyncio.sleep(dice.random() / 200)

        async def handle(session: Session, delivery: Delivery) -> bool:
            fate = dice.random()
            if fate < 0.1:
                await session.retry(delivery, dice.choice([0, 0.001]), FAILED)
            elif fate < 0.15:
                await session.release()
            elif fate < 0.2:
                dead.add(delivery.envelope.message_id)
                await session.dead_letter(delivery, FAILED)
            else:
                done[session.key].append(delivery.envelope.message_id)
                await session.complete(delivery)
            return fate >= 0.15

        async def hold(session: Session) -> None:
            holders[session.key] += 1
            assert holders[session.key] == 1
            going = True
            while going and (delivery := await session.next()):
                await asyncio.sleep(dice.choice([0, 0.001]))
                holders[session.key] -= 1  # from here on it may be somebody else's
                going = await handle(session, delivery)
                holders[session.key] += going
            holders[session.key] -= going

        async def work(queue: Queue) -> None:
            while sum(map(len, done.values())) + len(dead) < total:
                if session := await queue.accept(TO_FRESHCHAT, 0.05):
                    await hold(session)
                if rig.clock:
                    rig.clock.time += 0.001

        names = [f"{tenant}{number}" for tenant in "ab" for number in range(4)]
        total = 15 * len(names)
        await asyncio.gather(*map(produce, names), *(work(q) for q in queues * 4))
        for key, numbers in sent.items():
            assert done[key] == [n for n in numbers if n not in dead]
        assert {m.envelope.message_id for m in await queues[0].dead_letters(limit=1000)} == dead
        assert (await queues[1].depth(TO_FRESHCHAT)).waiting == 0

    @pytest.mark.parametrize("seed", range(25))
    async def test_any_sequence_of_calls_behaves_like_the_model(self, rig: QueueRig, seed: int) -> None:
        """Random walks over all calls by two processes, compared after each step with a model of a few lines."""
        if rig.clock is None:
            pytest.skip("needs a clock")
        model = Model(random.Random(seed), [await rig.open(), await rig.open()], rig.clock, rig.lease_seconds)
        for _ in range(120):
            await model.step()
