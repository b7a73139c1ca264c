"""What every `Queue` promises to people who ask, to automatic replay, and to workers that have little room."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.errors import StoreFull
from bridge.ports import RECENT, Delivery, Direction, Envelope, Failure, Queue
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, QueueRig, accept, drain, head

PASSING = replace(FAILED, transient=True)
TRACE = "7f3a09bc" + "0" * 24


async def bury(rig: QueueRig, queue: Queue, failure: Failure = FAILED, direction: Direction = TO_FRESHCHAT) -> Envelope:
    """Make one dead letter."""
    (sent,) = await rig.put(queue, session="dead", direction=direction)
    session = await accept(queue, direction)
    await session.dead_letter(await head(session), failure)
    assert await session.next() is None
    return sent


async def first(queue: Queue) -> Delivery:
    """Take the first message of the only session, which stays leased."""
    return await head(await accept(queue))


class QueueRecordsSuite:
    """Failures with their kind, replays that count, messages found by their trace."""

    async def test_the_span_travels_along(self, rig: QueueRig) -> None:
        """Through the queue, through the dead letters, and back."""
        queue = await rig.open()
        assert await queue.put(replace(rig.envelope(), span="00f067aa0ba902b7"))
        session = await accept(queue)
        delivery = await head(session)
        assert delivery.envelope.span == "00f067aa0ba902b7"
        await session.dead_letter(delivery, FAILED)
        assert await session.next() is None
        (letter,) = await queue.dead_letters()
        assert letter.envelope.span == "00f067aa0ba902b7"
        await queue.replay(letter.id)
        assert (await first(queue)).envelope.span == "00f067aa0ba902b7"

    async def test_a_session_names_its_tenant(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue, tenant="회사")
        assert (await accept(queue)).tenant == "회사"

    # --- Replay

    @pytest.mark.parametrize("failure", [FAILED, PASSING])
    async def test_a_letter_tells_whether_its_cause_may_pass(self, rig: QueueRig, failure: Failure) -> None:
        queue = await rig.open()
        await bury(rig, queue, failure)
        (letter,) = await queue.dead_letters()
        assert (letter.failure, letter.replays) == (failure, 0)

    async def test_an_automatic_replay_counts_and_forgets_nothing(self, rig: QueueRig) -> None:
        """So it is bounded, and does not hold its thread for another whole window."""
        queue = await rig.open()
        await bury(rig, queue, PASSING)
        for replays in (1, 2):
            (letter,) = await queue.dead_letters()
            await rig.pass_time(0.02)
            assert await queue.replay(letter.id, automatic=True)
            session = await accept(queue)
            delivery = await head(session)
            assert (delivery.replays, delivery.attempts) == (replays, letter.attempts)
            assert delivery.first_failed_at == letter.first_failed_at
            await session.dead_letter(delivery, PASSING)
            assert await session.next() is None
            (again,) = await queue.dead_letters()
            assert (again.replays, again.attempts) == (replays, letter.attempts + 1)
            assert again.first_failed_at == letter.first_failed_at < again.last_failed_at

    async def test_an_automatic_replay_changes_nobody_else(self, rig: QueueRig) -> None:
        """Neither those before it in its session, nor those behind it."""
        queue = await rig.open()
        dead = await bury(rig, queue, PASSING)
        before = await rig.put(queue, 1, "dead")
        (letter,) = await queue.dead_letters()
        assert await queue.replay(letter.id, automatic=True)
        behind = await rig.put(queue, 1, "dead")
        session = await accept(queue)
        got = []
        while delivery := await session.next():
            got.append(delivery)
            await session.complete(delivery)
        assert [d.envelope for d in got] == [*before, dead, *behind]
        assert [(d.replays, d.attempts) for d in got] == [(0, 0), (1, 1), (0, 0)]

    async def test_a_person_lets_it_start_afresh(self, rig: QueueRig) -> None:
        """Also what was replayed automatically before."""
        queue = await rig.open()
        await bury(rig, queue, PASSING)
        (letter,) = await queue.dead_letters()
        await queue.replay(letter.id, automatic=True)
        session = await accept(queue)
        await session.dead_letter(await head(session), PASSING)
        assert await session.next() is None
        (letter,) = await queue.dead_letters()
        assert await queue.replay(letter.id)
        delivery = await first(queue)
        assert (delivery.replays, delivery.attempts, delivery.first_failed_at) == (0, 0, None)

    async def test_no_letter_is_replayed_automatically_that_is_not_there(self, rig: QueueRig) -> None:
        assert not await (await rig.open()).replay("999999", automatic=True)

    async def test_depth_counts_the_letters_of_the_last_minutes(self, rig: QueueRig) -> None:
        """Of its direction; those replayed or dropped are not there any more."""
        queue = await rig.open()
        for _ in range(3):
            await bury(rig, queue)
        await bury(rig, queue, direction=TO_TEAMS)
        assert (await queue.depth(TO_FRESHCHAT)).dead_recently == 3
        assert (await queue.depth(TO_TEAMS)).dead_recently == 1
        letters = await queue.dead_letters(TO_FRESHCHAT)
        await queue.drop(letters[0].id)
        await queue.replay(letters[1].id)
        assert (await queue.depth(TO_FRESHCHAT)).dead_recently == 1

    async def test_depth_forgets_older_letters(self, rig: QueueRig) -> None:
        if rig.clock is None:
            pytest.skip("needs a clock")
        queue = await rig.open()
        await bury(rig, queue)
        await rig.pass_time(RECENT - 1)
        await bury(rig, queue)
        assert (await queue.depth(TO_FRESHCHAT)).dead_recently == 2
        await rig.pass_time(2)
        depth = await queue.depth(TO_FRESHCHAT)
        assert (depth.dead, depth.dead_recently) == (2, 1)

    # --- Find

    async def test_a_waiting_message_is_found_by_its_trace(self, rig: QueueRig) -> None:
        """By the whole of it or its beginning, in either direction, under lease or not; not when it is done."""
        queue, other = await rig.open(), await rig.open()
        there = replace(rig.envelope(), trace=TRACE)
        back = replace(rig.envelope("back", direction=TO_TEAMS), trace=TRACE[:8] + "1" * 24)
        for envelope in (there, back):
            await queue.put(envelope)
        await rig.put(queue, 3, "others")
        assert [w.envelope for w in await other.find(TRACE)] == [there]
        assert [w.envelope for w in await other.find(TRACE[:8])] == [there, back]
        assert len(await other.find(TRACE[:8], limit=1)) == 1
        assert await other.find("f" * 8) == []
        session = await accept(queue, TO_TEAMS)
        delivery = await head(session)
        assert [w.envelope for w in await other.find(TRACE[:8])] == [there, back]
        await session.complete(delivery)
        assert [w.envelope for w in await other.find(TRACE[:8])] == [there]

    async def test_it_tells_why_a_message_waits(self, rig: QueueRig) -> None:
        """Counted or not; the last reason counts."""
        queue = await rig.open()
        await queue.put(replace(rig.envelope(), trace=TRACE))
        (fresh,) = await queue.find(TRACE)
        assert (fresh.attempts, fresh.first_failed_at, fresh.failure) == (0, None, None)
        started = rig.now()
        for failure, count in ((PASSING, True), (replace(FAILED, code="held"), False)):
            session = await accept(queue)
            await session.retry(await head(session), 0, failure, count=count)
            (waiting,) = await queue.find(TRACE)
            assert (waiting.attempts, waiting.failure) == (1, failure)
            assert waiting.first_failed_at == pytest.approx(started, abs=1)

    async def test_a_replayed_message_waits_without_its_old_reason(self, rig: QueueRig) -> None:
        queue = await rig.open()
        dead = await bury(rig, queue)
        assert await queue.find(dead.trace) == []
        (letter,) = await queue.dead_letters()
        await queue.replay(letter.id)
        (waiting,) = await queue.find(dead.trace)
        assert (waiting.envelope, waiting.failure) == (dead, None)


class Rooms:
    """How much room each tenant has; counts how often it was asked."""

    def __init__(self, **rooms: int) -> None:
        self.rooms = rooms
        self.asked = 0

    def __call__(self, tenant: str) -> int:
        self.asked += 1
        return self.rooms.get(tenant, 0)


class QueueRoomSuite:
    """Workers that have little room, and a queue that has."""

    async def test_a_tenant_without_room_is_passed_over(self, rig: QueueRig) -> None:
        queue = await rig.open()
        await rig.put(queue, 3, "first", tenant="busy")
        await rig.pass_time(0.01)
        await rig.put(queue, 3, "second", tenant="calm")
        rooms = Rooms(busy=0, calm=5)
        session = await queue.accept(TO_FRESHCHAT, 2, rooms)
        assert session is not None
        assert session.tenant == "calm"
        assert await queue.accept(TO_FRESHCHAT, rig.patience, rooms) is None

    async def test_no_more_sessions_than_there_is_room_for(self, rig: QueueRig) -> None:
        """Also when many workers ask at the same moment."""
        queue = await rig.open()
        for tenant in ("a", "b"):
            for number in range(6):
                await rig.put(queue, 1, f"{tenant}{number}", tenant=tenant)
        rooms = Rooms(a=2, b=1)
        taken: list[str] = []

        async def work() -> None:
            if session := await queue.accept(TO_FRESHCHAT, 0.3, rooms):
                rooms.rooms[session.tenant] -= 1
                taken.append(session.tenant)

        await asyncio.gather(*(work() for _ in range(8)))
        assert sorted(taken) == ["a", "a", "b"]

    async def test_a_ring_tells_that_there_is_room(self, rig: QueueRig) -> None:
        """Who waits in `accept` looks again at once, and until then does not keep asking."""
        queue = await rig.open()
        await rig.put(queue, tenant="busy")
        rooms = Rooms(busy=0)
        waiting = asyncio.create_task(queue.accept(TO_FRESHCHAT, 20, rooms))
        await asyncio.sleep(max(0.3, rig.patience))
        assert not waiting.done()
        assert 1 <= rooms.asked <= 5
        rooms.rooms["busy"] = 1
        queue.ring(TO_FRESHCHAT)
        session = await asyncio.wait_for(waiting, 5)
        assert session is not None
        assert session.tenant == "busy"

    async def test_a_ring_without_need_is_harmless(self, rig: QueueRig) -> None:
        queue = await rig.open()
        queue.ring(TO_FRESHCHAT)
        waiting = asyncio.create_task(queue.accept(TO_FRESHCHAT, 5))
        await asyncio.sleep(0.05)
        queue.ring(TO_FRESHCHAT)
        queue.ring(TO_TEAMS)
        await rig.put(queue)
        assert await asyncio.wait_for(waiting, 2) is not None

    async def test_a_full_direction_says_so_and_takes_again_when_it_drains(self, rig: QueueRig) -> None:
        """The other direction, settling and replaying go on; a duplicate is still known as one."""
        if rig.open_bounded is None:
            pytest.skip("this store has a bound of its own")
        queue = await rig.open_bounded(3)
        sent = await rig.put(queue, 3)
        late = rig.envelope()
        with pytest.raises(StoreFull, match="3 messages"):
            await queue.put(late)
        assert not await queue.put(sent[0])
        await rig.put(queue, direction=TO_TEAMS)
        session = await accept(queue)
        await session.dead_letter(await head(session), FAILED)
        assert await queue.put(late)
        (letter,) = await queue.dead_letters()
        assert await queue.replay(letter.id), "what was accepted once is not refused"
        assert (await queue.depth(TO_FRESHCHAT)).waiting == 4
        await session.release()
        assert await drain(queue) == [*sent[1:], late, sent[0]]
        await rig.put(queue, 3)

    async def test_of_many_at_once_only_as_many_are_taken_as_fit(self, rig: QueueRig) -> None:
        """Two processes, one store: together they keep the bound, and the first come are the ones that got in."""
        if rig.open_bounded is None:
            pytest.skip("this store has a bound of its own")
        queue, other = await rig.open_bounded(10), await rig.open_bounded(10)
        envelopes = [rig.envelope(f"s{number}") for number in range(20)]
        answers = await asyncio.gather(*map(queue.put, envelopes), return_exceptions=True)
        assert answers[:10] == [True] * 10
        assert {type(answer) for answer in answers[10:]} == {StoreFull}
        with pytest.raises(StoreFull):
            await other.put(rig.envelope())
        assert len(await drain(other)) == 10
        assert await queue.put(envelopes[15])
