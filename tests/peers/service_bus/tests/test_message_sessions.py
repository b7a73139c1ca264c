"""Message sessions, driven by the unmodified SDK."""

from __future__ import annotations

import asyncio
import time

import pytest
from azure.servicebus import NEXT_AVAILABLE_SESSION
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.peers.service_bus.tests.rig import Rig, message, nothing, take, text, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
]


async def accept(bus: Rig, queue: str, session_id: str | None = None, wait: float | None = 5) -> ServiceBusReceiver:
    """Accept a session, or the next available one."""
    return await bus.receiver(queue, session_id=session_id or NEXT_AVAILABLE_SESSION, max_wait_time=wait)


async def test_two_sessions_in_parallel_each_in_order(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    sender = await bus.sender(queue)
    for number in range(5):
        await sender.send_messages([message(f"a{number}", session_id="a"), message(f"b{number}", session_id="b")])
    one, two = await accept(bus, queue), await accept(bus, queue)
    assert {one.session.session_id, two.session.session_id} == {"a", "b"}
    for receiver in (one, two):
        got = await take(receiver, 5)
        assert [text(each) for each in got] == [f"{receiver.session.session_id}{number}" for number in range(5)]
        for each in got:
            assert each.session_id == receiver.session.session_id
            await receiver.complete_message(each)


async def test_the_session_that_has_waited_longest_comes_first(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    sender = await bus.sender(queue)
    for each in ("x", "y", "z", "x"):
        await sender.send_messages(message(each, session_id=each))
    order = [(await accept(bus, queue)).session.session_id for _ in range(3)]
    assert order == ["x", "y", "z"]


async def test_a_session_is_one_receivers_until_it_closes(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    sender = await bus.sender(queue)
    await sender.send_messages([message("1", session_id="s"), message("2", session_id="s")])
    first = await accept(bus, queue, "s")
    [one] = await take(first)
    with pytest.raises(SessionCannotBeLockedError):
        await accept(bus, queue, "s")
    await first.close()
    second = await accept(bus, queue, "s")
    got = await take(second, 2)
    assert [(text(each), each.delivery_count) for each in got] == [("1", 0), ("2", 0)]
    assert one.sequence_number == got[0].sequence_number


async def test_no_session_available_ends_with_a_time_out(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    began = time.monotonic()
    with pytest.raises(OperationTimeoutError):
        await accept(bus, queue, wait=1)
    assert time.monotonic() - began >= 1
    assert bus.peer.queue(queue).snapshot()["links"] == 0


async def test_who_waits_gets_the_session_that_becomes_available(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    sender = await bus.sender(queue)
    waiting = asyncio.create_task(accept(bus, queue, wait=10))
    await until(lambda: bus.peer.queue(queue).links and bus.peer.namespace.stats["attach"])
    await asyncio.sleep(0.2)
    await sender.send_messages(message("now", session_id="late"))
    receiver = await waiting
    assert receiver.session.session_id == "late"
    assert [text(each) for each in await take(receiver)] == ["now"]


async def test_state_outlives_the_session(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    first = await accept(bus, queue, "kept")
    assert await first.session.get_state() is None
    await first.session.set_state(b'{"a": 1}')
    await first.close()
    second = await accept(bus, queue, "kept")
    assert await second.session.get_state() == b'{"a": 1}'
    await second.session.set_state(None)
    assert await second.session.get_state() is None


async def test_renewing_moves_the_end_of_the_lock(bus: Rig) -> None:
    queue = bus.queue(requires_session=True, lock_duration=3)
    receiver = await accept(bus, queue, "s")
    first = receiver.session.locked_until_utc
    await asyncio.sleep(0.5)
    renewed = await receiver.session.renew_lock()
    assert first is not None
    assert (renewed - first).total_seconds() > 0.4
    assert renewed.timestamp() == pytest.approx(time.time() + 3, abs=0.5)


async def test_a_lost_session_lock_is_told_and_counts(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    await (await bus.sender(queue)).send_messages([message("1", session_id="s"), message("2", session_id="s")])
    receiver = await accept(bus, queue, "s")
    [got] = await take(receiver)
    bus.peer.lose_locks(queue)
    with pytest.raises((SessionLockLostError, ServiceBusError)) as caught:
        await receiver.complete_message(got)
        await receiver.receive_messages(1, max_wait_time=2)
    assert isinstance(caught.value, SessionLockLostError)
    again = await take(await accept(bus, queue, "s"), 2)
    assert [(text(each), each.delivery_count) for each in again] == [("1", 1), ("2", 0)]


async def test_a_session_lock_expires_by_itself(bus: Rig) -> None:
    queue = bus.queue(requires_session=True, lock_duration=1)
    await (await bus.sender(queue)).send_messages(message("1", session_id="s"))
    receiver = await accept(bus, queue, "s")
    await take(receiver)
    await until(lambda: bus.peer.queue(queue).stats["session-locks-expired"] == 1)
    other = await accept(bus, queue, "s")
    [again] = await take(other)
    assert again.delivery_count == 1
    await other.complete_message(again)


async def test_a_message_given_back_keeps_its_place(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    await (await bus.sender(queue)).send_messages([message(str(each), session_id="s") for each in range(3)])
    receiver = await accept(bus, queue, "s")
    [got] = await take(receiver)
    await receiver.abandon_message(got)
    await receiver.close()
    again = await take(await accept(bus, queue, "s"), 3)
    assert [(text(each), each.delivery_count) for each in again] == [("0", 1), ("1", 0), ("2", 0)]


async def test_dead_letters_of_a_session_are_read_without_one(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    await (await bus.sender(queue)).send_messages(message("bad", session_id="s"))
    receiver = await accept(bus, queue, "s")
    [got] = await take(receiver)
    await receiver.dead_letter_message(got, reason="r", error_description="d")
    [dead] = await take(await bus.receiver(queue, sub_queue="deadletter"))
    assert (dead.session_id, dead.dead_letter_reason) == ("s", "r")


async def test_deferred_and_peeked_inside_a_session(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    await (await bus.sender(queue)).send_messages([message("a", session_id="a"), message("b", session_id="b")])
    receiver = await accept(bus, queue, "a")
    [got] = await take(receiver)
    await receiver.defer_message(got)
    assert [text(each) for each in await receiver.peek_messages(5, sequence_number=1)] == ["a"]
    [again] = await receiver.receive_deferred_messages([got.sequence_number or 0])
    await receiver.complete_message(again)
    assert await nothing(receiver)


async def test_sending_without_a_session_id_is_refused(bus: Rig) -> None:
    queue = bus.queue(requires_session=True)
    sender = await bus.sender(queue)
    with pytest.raises(ServiceBusError, match="SessionId"):
        await sender.send_messages(message("no id"), timeout=10)


async def test_the_wrong_kind_of_receiver_is_refused(bus: Rig) -> None:
    plain, fifo = bus.queue(), bus.queue(requires_session=True)
    with pytest.raises(ServiceBusError, match="does not support sessions"):
        await accept(bus, plain, "s")
    with pytest.raises(ServiceBusError, match="requires sessions"):
        await bus.receiver(fifo)
