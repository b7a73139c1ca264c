"""What goes wrong, as the unmodified SDK tells it: refusals, faults, broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.servicebus import ServiceBusReceiveMode
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from tests.peers.service_bus.cbs import LISTEN, SEND
from tests.peers.service_bus.tests.rig import Rig, message, nothing, take, text, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and says so while collecting it
]
PATIENT: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.1}


@contextmanager
def answered(bus: Rig, status: int) -> Iterator[None]:
    """Check that one token was refused with this status: the SDK's exception does not say which."""
    before = bus.peer.namespace.stats[f"token-{status}"]
    yield
    assert bus.peer.namespace.stats[f"token-{status}"] == before + 1


async def test_a_wrong_key_proves_nothing(bus: Rig) -> None:
    queue = bus.queue()
    stranger = bus.other(bus.peer.connection_string(key="d3Jvbmc="))
    with answered(bus, 401), pytest.raises(ServiceBusAuthenticationError):
        await bus.sender(queue, stranger)


async def test_an_unknown_key_name_proves_nothing(bus: Rig) -> None:
    stranger = bus.other(bus.peer.connection_string("Nobody", "d3Jvbmc="))
    with answered(bus, 401), pytest.raises(ServiceBusAuthenticationError):
        await bus.sender(bus.queue(), stranger)


async def test_a_key_gives_its_rights_only(bus: Rig) -> None:
    bus.peer.add_key("sends", "c2VuZA==", frozenset({SEND}))
    bus.peer.add_key("listens", "bGlzdGVu", frozenset({LISTEN}))
    queue = bus.queue()
    sends = bus.other(bus.peer.connection_string("sends"))
    await (await bus.sender(queue, sends)).send_messages(message())
    with pytest.raises(ServiceBusAuthorizationError, match="'Listen' claim"):
        await bus.receiver(queue, sends)
    with pytest.raises(ServiceBusAuthorizationError, match="'Send' claim"):
        await bus.sender(queue, bus.other(bus.peer.connection_string("listens")))


async def test_an_unknown_queue_is_refused_with_the_token(bus: Rig) -> None:
    with answered(bus, 404), pytest.raises(ServiceBusAuthenticationError):
        await bus.sender("no-such-queue")
    with answered(bus, 404), pytest.raises(ServiceBusAuthenticationError):
        await bus.receiver("no-such-queue")


async def test_a_refused_attach_names_its_condition(bus: Rig) -> None:
    queue = bus.queue()
    bus.peer.fault(point="attach", action="refuse", queue=queue, condition="amqp:not-found", description="gone")
    with pytest.raises(MessagingEntityNotFoundError, match="gone"):
        await bus.receiver(queue)


async def test_throttling_is_told_and_a_patient_client_gets_through(bus: Rig) -> None:
    queue = bus.queue()
    sender = await bus.sender(queue)
    bus.peer.fault(point="send", action="refuse", queue=queue)
    with pytest.raises(ServiceBusServerBusyError):
        await sender.send_messages(message("refused"), timeout=10)
    bus.peer.fault(point="send", action="refuse", queue=queue, times=2)
    patient = await bus.sender(queue, bus.other(**PATIENT))
    await patient.send_messages(message("stored"))
    assert [text(each) for each in await take(await bus.receiver(queue))] == ["stored"]


async def test_stored_but_never_acknowledged_is_sent_again(bus: Rig) -> None:
    """The reason for duplicate detection."""
    queue = bus.queue(duplicate_detection=60)
    patient = await bus.sender(queue, bus.other(**PATIENT))
    bus.peer.fault(point="send", action="drop-after", queue=queue)
    await patient.send_messages(message("once", message_id="m"))
    assert bus.peer.queue(queue).stats == {"accepted": 1, "duplicates": 1}


async def test_a_connection_lost_before_storing_loses_nothing(bus: Rig) -> None:
    queue = bus.queue()
    patient = await bus.sender(queue, bus.other(**PATIENT))
    bus.peer.fault(point="send", action="drop", queue=queue)
    await patient.send_messages(message("once"))
    assert bus.peer.queue(queue).stats == {"accepted": 1}


async def test_a_connection_cut_in_the_middle_of_a_clients_message(bus: Rig) -> None:
    queue = bus.queue(max_size=1024 * 1024)
    patient = await bus.sender(queue, bus.other(**PATIENT))
    bus.peer.fault(point="receive", action="drop", queue=queue)
    await patient.send_messages(message(b"x" * 300_000))
    assert bus.peer.namespace.faults.fired["receive/drop"] == 1
    assert bus.peer.queue(queue).stats == {"accepted": 1}


async def test_a_connection_cut_in_the_middle_of_a_delivery(bus: Rig) -> None:
    queue = bus.queue(lock_duration=2)
    await (await bus.sender(queue)).send_messages(message(b"y" * 50_000))
    receiver = await bus.receiver(queue, bus.other(**PATIENT))
    bus.peer.fault(point="deliver", action="cut", queue=queue)
    [got] = await take(receiver, wait=8)
    assert bus.peer.namespace.faults.fired["deliver/cut"] == 1
    assert got.delivery_count == 1
    await receiver.complete_message(got)


async def test_a_settlement_that_is_lost_on_the_way(bus: Rig) -> None:
    queue = bus.queue()
    await (await bus.sender(queue)).send_messages(message())
    receiver = await bus.receiver(queue)
    [got] = await take(receiver)
    bus.peer.fault(point="settle", action="drop-after", queue=queue, operation="complete")
    with pytest.raises(ServiceBusError):
        await receiver.complete_message(got)
    assert bus.peer.queue(queue).snapshot()["locked"] == 0
    assert bus.peer.queue(queue).stats["completed"] == 1


async def test_a_refused_settlement_raises_its_condition(bus: Rig) -> None:
    queue = bus.queue()
    await (await bus.sender(queue)).send_messages(message())
    receiver = await bus.receiver(queue)
    [got] = await take(receiver)
    bus.peer.fault(point="settle", action="refuse", queue=queue, condition="com.microsoft:message-lock-lost")
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(got)


async def test_a_refused_management_request(bus: Rig) -> None:
    receiver = await bus.receiver(queue := bus.queue())
    bus.peer.fault(point="manage", action="refuse", queue=queue, operation="peek-message")
    with pytest.raises(ServiceBusServerBusyError):
        await receiver.peek_messages()
    assert await receiver.peek_messages() == []


async def test_lost_locks_bring_messages_back(bus: Rig) -> None:
    queue = bus.queue()
    await (await bus.sender(queue)).send_messages(message())
    receiver = await bus.receiver(queue)
    [got] = await take(receiver)
    bus.peer.lose_locks(queue)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(got)
    [again] = await take(receiver)
    assert again.delivery_count == 1


async def test_a_forced_detach_is_told_and_a_patient_client_goes_on(bus: Rig) -> None:
    queue = bus.queue()
    patient = bus.other(**PATIENT)
    sender, receiver = await bus.sender(queue, patient), await bus.receiver(queue, patient)
    await sender.send_messages(message("1"))
    assert bus.peer.detach(queue) == 2
    await sender.send_messages(message("2"))
    assert [text(each) for each in await take(receiver, 2)] == ["1", "2"]


async def test_an_expired_token_ends_the_links_until_a_new_one_comes(bus: Rig) -> None:
    queue = bus.queue()
    impatient = await bus.receiver(queue)
    patient = bus.other(**PATIENT)
    sender, receiver = await bus.sender(queue, patient), await bus.receiver(queue, patient)
    bus.peer.expire_tokens()
    assert bus.peer.queue(queue).snapshot()["links"] == 0
    with pytest.raises(ServiceBusConnectionError, match="RenewToken"):
        await impatient.receive_messages(1, max_wait_time=5)
    await sender.send_messages(message("later"))
    assert [text(each) for each in await take(receiver)] == ["later"]


async def test_a_stall_delays_and_loses_nothing(bus: Rig) -> None:
    queue = bus.queue()
    sender = await bus.sender(queue)
    bus.peer.stall(1.5)
    sending = asyncio.create_task(sender.send_messages(message("late")))
    await asyncio.sleep(0.7)
    assert not sending.done()
    await sending
    assert bus.peer.queue(queue).stats == {"accepted": 1}


async def test_a_restart_between_calls_and_while_a_receive_waits(bus: Rig) -> None:
    queue = bus.queue()
    patient = bus.other(**PATIENT)
    sender = await bus.sender(queue, patient)
    receiver = await bus.receiver(queue, patient, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
    await sender.send_messages(message("before"))
    assert [text(each) for each in await take(receiver)] == ["before"]
    waiting = asyncio.create_task(take(receiver, wait=15))
    await asyncio.sleep(0.3)
    await bus.peer.restart(0.5)
    await sender.send_messages(message("after"))
    assert [text(each) for each in await waiting] == ["after"]


async def test_faults_strike_as_often_as_they_say(bus: Rig) -> None:
    queue = bus.queue()
    sender = await bus.sender(queue)
    bus.peer.fault(point="send", action="refuse", queue=queue, skip=1, times=1)
    await sender.send_messages(message("passes"))
    with pytest.raises(ServiceBusServerBusyError):
        await sender.send_messages(message("struck"), timeout=10)
    await sender.send_messages(message("passes"))
    with pytest.raises(ValueError, match="no fault"):
        bus.peer.fault(point="send", action="explode")


async def test_a_closed_link_leaves_its_queue(bus: Rig) -> None:
    queue = bus.queue()
    receiver = await bus.receiver(queue)
    assert await nothing(receiver)
    await receiver.close()
    await until(lambda: not bus.peer.queue(queue).links)
