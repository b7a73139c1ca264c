"""Queues without sessions, driven by the unmodified SDK."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusReceivedMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.aio import AutoLockRenewer
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    ServiceBusQuotaExceededError,
)

from tests.peers.service_bus.tests.rig import Rig, message, nothing, take, text, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
]


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_one_a_list_and_a_batch_arrive_in_order(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message("1"))
    await sender.send_messages([message("2"), message("3")])
    batch = await sender.create_message_batch()
    batch.add_message(message("4"))
    await sender.send_messages(batch)
    got = await take(receiver, 4)
    assert [text(each) for each in got] == ["1", "2", "3", "4"]
    assert [each.sequence_number for each in got] == [1, 2, 3, 4]
    for each in got:
        await receiver.complete_message(each)
    assert await nothing(receiver)


async def test_properties_travel_unchanged(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    sent = message(
        b"\x00\xff" * 300,
        message_id="id-1",
        content_type="application/json",
        subject="s",
        correlation_id="c",
        reply_to="r",
        to="t",
        partition_key="p",
        application_properties={"text": "äöü 한국어", "number": 2**30, "yes": True, "real": 1.5, "bytes": b"\x01"},
    )
    await sender.send_messages(sent)
    [got] = await take(receiver)
    assert b"".join(got.body) == b"\x00\xff" * 300
    assert (got.message_id, got.content_type, got.subject) == ("id-1", "application/json", "s")
    assert (got.correlation_id, got.reply_to, got.to, got.partition_key) == ("c", "r", "t", "p")
    assert got.application_properties == {
        b"text": "äöü 한국어".encode(), b"number": 2**30, b"yes": True, b"real": 1.5, b"bytes": b"\x01"
    }  # fmt: skip
    assert got.enqueued_time_utc is not None
    assert abs(got.enqueued_time_utc.timestamp() - time.time()) < 5
    await receiver.complete_message(got)


async def test_a_body_that_looks_like_a_message_stays_one(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    nested = b"\x00\x53\x75\xa0\x01x"
    await sender.send_messages(message(nested))
    [got] = await take(receiver)
    assert b"".join(got.body) == nested
    await receiver.complete_message(got)


async def test_abandoned_until_the_limit_it_is_a_dead_letter(bus: Rig) -> None:
    queue = bus.queue(max_delivery_count=3)
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message("again", application_properties={"kept": "yes"}))
    counts = []
    for _ in range(3):
        [got] = await take(receiver)
        counts.append(got.delivery_count)
        await receiver.abandon_message(got)
    assert counts == [0, 1, 2]
    assert await nothing(receiver)
    below = await bus.receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
    [dead] = await take(below)
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert dead.delivery_count == 3
    assert (dead.application_properties or {})[b"kept"] == b"yes"
    await below.complete_message(dead)
    assert bus.peer.queue(queue).snapshot()["dead"] == 0


async def test_a_dead_letter_has_its_reason_and_its_first_number(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    await sender.send_messages([message("fine"), message("bad")])
    fine, bad = await take(receiver, 2)
    await receiver.complete_message(fine)
    await receiver.dead_letter_message(bad, reason="broken", error_description="cannot be read")
    below = await bus.receiver(queue, sub_queue="deadletter")
    [dead] = await take(below)
    assert (text(dead), dead.dead_letter_reason, dead.dead_letter_error_description) == (
        "bad", "broken", "cannot be read"
    )  # fmt: skip
    assert dead.enqueued_sequence_number == 2
    await below.complete_message(dead)


async def test_renewing_restarts_the_whole_lock(bus: Rig) -> None:
    queue = bus.queue(lock_duration=2)
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message())
    [got] = await take(receiver)
    first = got.locked_until_utc
    await asyncio.sleep(0.5)
    renewed = await receiver.renew_message_lock(got)
    assert first is not None
    assert timedelta(seconds=0.4) < renewed - first
    assert renewed.timestamp() == pytest.approx(time.time() + 2, abs=0.5)
    await receiver.complete_message(got)


async def test_a_renewer_keeps_a_lock_over_several_durations(bus: Rig) -> None:
    queue = bus.queue(lock_duration=1.5)
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message())
    [got] = await take(receiver)
    async with AutoLockRenewer() as renewer:
        renewer.register(receiver, got, max_lock_renewal_duration=20)
        await asyncio.sleep(4)
        await receiver.complete_message(got)
    assert bus.peer.queue(queue).stats["locks-expired"] == 0


async def test_an_expired_lock_brings_it_back_and_the_old_copy_cannot_settle(bus: Rig) -> None:
    queue = bus.queue(lock_duration=1)
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message())
    [old] = await take(receiver)
    [new] = await take(receiver)
    assert (old.delivery_count, new.delivery_count) == (0, 1)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(old)
    trusting(old)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(old)
    await receiver.complete_message(new)


def trusting(got: ServiceBusReceivedMessage) -> None:
    """Make the SDK believe that the lock still holds, so that it asks the peer."""
    annotations = got._raw_amqp_message.annotations
    for key in list(annotations):
        if key == b"x-opt-locked-until":
            annotations[key] = round((time.time() + 60) * 1000)
    got._expiry = None


async def test_a_lock_outlives_its_link(bus: Rig) -> None:
    queue = bus.queue()
    patient = bus.other(retry_total=3, retry_backoff_factor=0.1)
    sender, receiver = await bus.sender(queue), await bus.receiver(queue, patient)
    await sender.send_messages(message())
    [got] = await take(receiver)
    assert bus.peer.detach(queue) == 2
    assert not await receiver.receive_messages(1, max_wait_time=4)
    await receiver.complete_message(got)
    assert bus.peer.queue(queue).stats["manage:update-disposition"] == 1
    assert bus.peer.queue(queue).snapshot()["locked"] == 0


async def test_scheduled_messages_wait_show_their_state_and_can_be_cancelled(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    at = in_seconds(2)
    [soon, never] = await sender.schedule_messages([message("soon"), message("never")], at)
    await sender.send_messages(message("by property", scheduled_enqueue_time_utc=at))
    peeked = await receiver.peek_messages(10)
    assert [(text(each), each.state.value) for each in peeked] == [("soon", 2), ("never", 2), ("by property", 2)]
    assert peeked[0].sequence_number == soon
    await sender.cancel_scheduled_messages(never)
    assert await nothing(receiver)
    got = await take(receiver, 2)
    assert {text(each) for each in got} == {"soon", "by property"}
    assert all(each.enqueued_time_utc is not None and each.enqueued_time_utc >= at - timedelta(0, 0.1) for each in got)
    for each in got:
        await receiver.complete_message(each)


async def test_duplicates_are_dropped_inside_a_batch_and_across_sends(bus: Rig) -> None:
    queue = bus.queue(duplicate_detection=1.5)
    sender, receiver = await bus.pair(queue)
    await sender.send_messages([message("1", message_id="same"), message("2", message_id="same")])
    await sender.send_messages(message("3", message_id="same"))
    await sender.schedule_messages(message("4", message_id="same"), in_seconds(0.5))
    await sender.send_messages(message("5", message_id="other"))
    got = await take(receiver, 2)
    assert [text(each) for each in got] == ["1", "5"]
    assert bus.peer.queue(queue).stats["duplicates"] == 3
    for each in got:
        await receiver.complete_message(each)
    await asyncio.sleep(1.6)
    await sender.send_messages(message("6", message_id="same"))
    assert [text(each) for each in await take(receiver)] == ["6"]


async def test_deferred_messages_are_reached_by_number_only(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    await sender.send_messages(message("later"))
    [got] = await take(receiver)
    number = got.sequence_number or 0
    await receiver.defer_message(got)
    assert await nothing(receiver)
    assert [each.state.value for each in await receiver.peek_messages(sequence_number=1)] == [1]
    [again] = await receiver.receive_deferred_messages([number])
    assert (text(again), again.sequence_number) == ("later", number)
    await receiver.complete_message(again)
    with pytest.raises(MessageNotFoundError):
        await receiver.receive_deferred_messages([number])


async def test_receive_and_delete_iterating_and_prefetch(bus: Rig) -> None:
    queue = bus.queue()
    sender = await bus.sender(queue)
    await sender.send_messages([message(str(each)) for each in range(20)])
    deleting = await bus.receiver(queue, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
    assert [text(each) for each in await take(deleting, 5)] == ["0", "1", "2", "3", "4"]
    await deleting.close()
    fetching = await bus.receiver(queue, prefetch_count=5, max_wait_time=2)
    seen = []
    async for each in fetching:
        seen.append(text(each))
        await fetching.complete_message(each)
        if len(seen) == 15:
            break
    assert seen == [str(each) for each in range(5, 20)]
    assert bus.peer.queue(queue).snapshot()["active"] == 0


async def test_competing_receivers_get_each_message_once(bus: Rig) -> None:
    queue = bus.queue()
    sender, one, two = await bus.sender(queue), await bus.receiver(queue), await bus.receiver(queue)
    waiting = asyncio.gather(take(one, 10), take(two, 10))
    await asyncio.sleep(0.3)
    await sender.send_messages([message(str(each)) for each in range(20)])
    first, second = await waiting
    assert sorted(int(text(each)) for each in first + second) == list(range(20))


async def test_what_comes_while_nobody_receives_is_given_back_uncounted(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    assert not await receiver.receive_messages(5, max_wait_time=0.3)
    await sender.send_messages(message())
    [got] = await take(receiver)
    assert got.delivery_count == 0
    await receiver.complete_message(got)


async def test_time_to_live_drops_or_buries(bus: Rig) -> None:
    plain, strict = bus.queue(), bus.queue(dead_letter_on_expiry=True, ttl=1)
    receiver = await bus.receiver(plain)
    await (await bus.sender(plain)).send_messages(message("gone", time_to_live=timedelta(seconds=1)))
    await (await bus.sender(strict)).send_messages(message("buried", time_to_live=timedelta(hours=1)))
    await until(lambda: bus.peer.queue(strict).snapshot()["dead"] == 1)
    assert await nothing(receiver)
    assert bus.peer.queue(plain).snapshot()["dead"] == 0
    below = await bus.receiver(strict, sub_queue="deadletter")
    [dead] = await take(below)
    assert dead.dead_letter_reason == "TTLExpiredException"


async def test_a_large_message_goes_both_ways_in_many_frames(bus: Rig) -> None:
    queue = bus.queue(max_size=1024 * 1024)
    sender, receiver = await bus.pair(queue)
    body = bytes(range(256)) * 2800
    await sender.send_messages(message(body))
    [got] = await take(receiver, wait=10)
    assert b"".join(got.body) == body
    await receiver.complete_message(got)


async def test_a_message_over_the_limit_is_refused_and_the_link_lives_on(bus: Rig) -> None:
    queue = bus.queue(max_size=100 * 1024)
    sender = await bus.sender(queue)
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages(message(b"x" * 150 * 1024), timeout=10)
    await sender.send_messages(message("small"))
    assert bus.peer.queue(queue).snapshot()["active"] == 1


async def test_a_full_queue_says_so(bus: Rig) -> None:
    queue = bus.queue(max_bytes=1000)
    sender = await bus.sender(queue)
    with pytest.raises(ServiceBusQuotaExceededError):
        for _ in range(20):
            await sender.send_messages(message("x" * 100), timeout=10)


async def test_peeking_pages_through_all(bus: Rig) -> None:
    queue = bus.queue()
    sender, receiver = await bus.pair(queue)
    await sender.send_messages([message(str(each)) for each in range(300)])
    first = await receiver.peek_messages(300)
    assert len(first) == 250
    rest = await receiver.peek_messages(300, sequence_number=250 + 1)
    assert [text(each) for each in first + rest] == [str(each) for each in range(300)]
    assert bus.peer.queue(queue).snapshot()["active"] == 300
