"""The queue on Service Bus when the service refuses, throttles, goes away, or a replica does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.servicebus import ServiceBusMessage
from cryptography.hazmat.primitives import serialization

from adapters.azure import service_bus_acceptor
from adapters.azure.service_bus import ServiceBusQueue, open_client, open_queue
from adapters.azure.service_bus_messages import Record, describe, fit
from adapters.local.files_objects import LocalObjects
from adapters.local.files_secrets import LocalSecrets
from bridge.errors import LeaseLost, Misconfigured, StoreFull, Throttled, Unavailable
from bridge.ports import DIRECTIONS, Delivery, Envelope, Failure, Session
from bridge.settings import load
from tests.peers.managed_identity import Issuer, ManagedIdentityPeer
from tests.peers.service_bus import ServiceBusPeer

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and says so while collecting it
]
OPTIONS: dict[str, Any] = {"requires_session": True, "duplicate_detection": 600.0, "max_delivery_count": 2000}
FAILED = Failure(code="upstream_500", message="the upstream is down", component="freshchat")
_NUMBERS = count(1)


def envelope(session: str = "s", body: bytes = b"{}", tenant: str = "t") -> Envelope:
    return Envelope(
        direction="to-freshchat",
        tenant=tenant,
        message_id=f"{tenant}|m{next(_NUMBERS)}",
        session=f"{tenant}/{session}",
        kind="message",
        trace="0" * 32,
        body=body,
        received_at=time.time(),
    )


async def take(queue: ServiceBusQueue, wait: float = 5) -> tuple[Session, Delivery]:
    session = await queue.accept("to-freshchat", wait)
    assert session is not None
    delivery = await session.next()
    assert delivery is not None
    return session, delivery


async def rest(queue: ServiceBusQueue, wait: float = 5) -> list[Delivery]:
    """Complete what is there."""
    found: list[Delivery] = []
    while session := await queue.accept("to-freshchat", 0 if found else wait):
        while delivery := await session.next():
            found.append(delivery)
            await session.complete(delivery)
    return found


async def rest_after(queue: ServiceBusQueue) -> list[Delivery]:
    """As `rest`, past the trouble that the last poll has met, which `accept` tells until it is time to poll again."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await rest(queue, 20)
            except Unavailable:
                await asyncio.sleep(0.1)


def shelf(folder: Path) -> LocalObjects:
    return LocalObjects(folder, LocalSecrets(folder, {}), "http://127.0.0.1")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
async def peer() -> AsyncIterator[ServiceBusPeer]:
    async with ServiceBusPeer(websocket_port=0) as peer:
        for direction in DIRECTIONS:
            peer.create_queue(direction, lock_duration=10, **OPTIONS)
        yield peer


@pytest.fixture
async def open_bus(peer):
    """Open a queue with a client of its own, as another process would."""
    async with AsyncExitStack() as stack:

        async def open_bus(**more: Any) -> ServiceBusQueue:
            client = open_client(peer.connection_string(), "", None, **({"websockets": False} | more.pop("client", {})))
            queue = ServiceBusQueue(client, **more)
            stack.push_async_callback(queue.close)
            return queue

        yield open_bus


# --- Start


async def _start(peer: ServiceBusPeer, text: str | None = None, **settings: Any) -> None:
    text = peer.connection_string() if text is None else text
    values = {"AZURE_SERVICEBUS_CONNECTION_STRING": text, **settings}
    async with open_queue(load(**values)):
        pass


async def test_a_good_namespace_is_taken(peer: ServiceBusPeer) -> None:
    await _start(peer)


async def test_a_missing_queue_is_named(peer: ServiceBusPeer) -> None:
    with pytest.raises(Misconfigured, match="no such queue"):
        await _start(peer, AZURE_SERVICEBUS_PREFIX="other-")


async def test_a_queue_without_sessions_is_named(peer: ServiceBusPeer) -> None:
    for direction in DIRECTIONS:
        peer.create_queue(f"plain-{direction}")
    with pytest.raises(Misconfigured, match="with sessions"):
        await _start(peer, AZURE_SERVICEBUS_PREFIX="plain-")


async def test_a_wrong_key_is_refused_at_the_start(peer: ServiceBusPeer) -> None:
    with pytest.raises(Misconfigured, match="refuses our credentials"):
        await _start(peer, peer.connection_string(key="d3Jvbmc="))


async def test_a_service_that_is_away_is_told_at_the_start(peer: ServiceBusPeer) -> None:
    await peer.stop()
    with pytest.raises(Unavailable, match=f"at 127.0.0.1:{peer.port}: Connection refused"):
        await _start(peer)


async def test_a_busy_service_is_no_reason_not_to_start(peer: ServiceBusPeer) -> None:
    peer.fault(point="attach", action="refuse", times=None)
    await _start(peer)
    assert peer.stats()["faults"]["attach/refuse"] == 4


async def test_a_machine_without_an_identity_is_told_so(peer: ServiceBusPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ManagedIdentityPeer(system_assigned=False) as machine:
        for name, value in machine.app_service_environment().items():
            monkeypatch.setenv(name, value)
        async with ManagedIdentityCredential() as credential:
            client = open_client("", f"127.0.0.1:{peer.port}", credential, websockets=False, use_tls=False)
            queue = ServiceBusQueue(client)
            with pytest.raises(Misconfigured, match="this machine gets no token"):
                await queue.check()
            await queue.close()


async def test_the_look_at_the_start_takes_no_session(peer: ServiceBusPeer, open_bus: Any) -> None:
    """What waits stays free for others, and nothing is left of the session that was asked for."""
    queue = await open_bus()
    await queue.put(sent := envelope())
    async with open_queue(load(AZURE_SERVICEBUS_CONNECTION_STRING=peer.connection_string())):
        assert [one.envelope for one in await rest(queue)] == [sent]
    assert peer.queue("to-freshchat").snapshot()["sessions"] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "not a connection string"),
        ("", "AZURE_SERVICEBUS_NAMESPACE"),
        ("Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=a2V5;EntityPath=to-teams", "EntityPath"),
    ],
)
async def test_settings_that_cannot_work_say_so(peer: ServiceBusPeer, text: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        await _start(peer, text)


async def test_a_machine_is_known_by_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any key: managed identity gives the token, the service checks who signed it."""
    issuer = Issuer()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    signer = issuer._key.public_key().public_bytes(serialization.Encoding.PEM, form)
    async with (
        ManagedIdentityPeer(issuer, identities={"client": "object"}) as machine,
        ServiceBusPeer(jwt_keys=(signer,)) as peer,
    ):
        for name, value in machine.app_service_environment().items():
            monkeypatch.setenv(name, value)
        for direction in DIRECTIONS:
            peer.create_queue(direction, **OPTIONS)
        credential = ManagedIdentityCredential(client_id="client")
        client = open_client("", f"127.0.0.1:{peer.port}", credential, websockets=False, use_tls=False)
        queue = ServiceBusQueue(client, credential=credential)
        await queue.check()
        await queue.put(sent := envelope())
        assert [one.envelope for one in await rest(queue)] == [sent]
        await queue.close()


# --- Retry


async def test_a_retry_survives_its_replica(peer: ServiceBusPeer, open_bus: Any) -> None:
    """Another replica gets the whole session, not before its time, with what is known of its failures."""
    queue, other = await open_bus(), await open_bus()
    sent = [envelope(), envelope()]
    for one in sent:
        await queue.put(one)
    session, delivery = await take(queue)
    await session.retry(delivery, 4, FAILED)
    failed_at = time.time()
    await queue.close()
    session, delivery = await take(other, wait=20)
    assert time.time() - failed_at >= 3.5
    assert (delivery.envelope, delivery.attempts) == (sent[0], 1)
    assert delivery.first_failed_at == pytest.approx(failed_at, abs=2)
    await session.complete(delivery)
    following = await session.next()
    assert following is not None
    assert (following.envelope, following.attempts) == (sent[1], 0)


async def test_many_retries_never_reach_the_limit_of_the_service(peer: ServiceBusPeer, open_bus: Any) -> None:
    """Only the first one counts there: the service makes dead letters of its own at its limit."""
    peer.create_queue("few-to-freshchat", **{**OPTIONS, "max_delivery_count": 3})
    peer.create_queue("few-to-teams", **OPTIONS)
    queue = await open_bus(prefix="few-")
    await queue.put(envelope())
    for attempts in range(8):
        session, delivery = await take(queue)
        assert delivery.attempts == attempts
        await session.retry(delivery, 0, FAILED)
    assert await queue.dead_letters() == []


async def test_a_session_that_waits_costs_no_links(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    await queue.put(envelope("late"))
    session, delivery = await take(queue)
    await session.retry(delivery, 60, FAILED)
    assert await queue.accept("to-freshchat", 2) is None
    before = peer.queue("to-freshchat").stats["sessions-accepted"]
    assert await queue.accept("to-freshchat", 2) is None
    assert peer.queue("to-freshchat").stats["sessions-accepted"] == before == 1


async def test_what_is_held_is_bounded(peer: ServiceBusPeer, open_bus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go back to the service keep their time, and do not keep others from being worked on."""
    monkeypatch.setattr(service_bus_acceptor, "HELD", 2)
    queue = await open_bus()
    for number in range(4):
        await queue.put(envelope(f"late{number}"))
    for _ in range(4):
        session, delivery = await take(queue)
        await session.retry(delivery, 60, FAILED)
    await queue.put(envelope("now"))
    session, delivery = await take(queue, wait=20)
    assert delivery.envelope.session == "t/now"
    assert await queue.accept("to-freshchat", 3) is None
    assert len(queue._sides["to-freshchat"].acceptor.links) <= 2


# --- Loss


async def test_a_lock_that_was_lost_settles_nothing(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue, other = await open_bus(), await open_bus()
    sent = envelope()
    await queue.put(sent)
    session, delivery = await take(queue)
    peer.lose_locks("to-freshchat")
    with pytest.raises(LeaseLost):
        await session.complete(delivery)
    with pytest.raises(LeaseLost):
        await session.next()
    await session.release()
    assert [one.envelope for one in await rest(other)] == [sent]


async def test_a_cut_connection_loses_the_session_and_no_message(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    sent = envelope()
    await queue.put(sent)
    session, delivery = await take(queue)
    peer.drop_connections()
    with pytest.raises((LeaseLost, Unavailable)):
        await session.complete(delivery)
    await session.release()
    assert [one.envelope for one in await rest(queue, wait=20)] == [sent]


async def test_a_lock_is_renewed_while_the_session_is_held(peer: ServiceBusPeer, open_bus: Any) -> None:
    for direction in DIRECTIONS:
        peer.create_queue(f"short-{direction}", lock_duration=2, **OPTIONS)
    queue, other = await open_bus(prefix="short-"), await open_bus(prefix="short-")
    await queue.put(envelope())
    session, delivery = await take(queue)
    assert await other.accept("to-freshchat", 5) is None
    await session.complete(delivery)
    assert await rest(other, wait=0) == []


@pytest.mark.parametrize("trouble", ["detach", "restart", "tokens"])
async def test_it_goes_on_after_the_service_ended_its_links(peer: ServiceBusPeer, open_bus: Any, trouble: str) -> None:
    queue = await open_bus()
    await queue.put(first := envelope())
    assert [one.envelope for one in await rest(queue)] == [first]
    if trouble == "detach":
        peer.detach("to-freshchat")
    elif trouble == "restart":
        await peer.restart(0.5)
    else:
        peer.expire_tokens()
    await queue.put(second := envelope())
    assert [one.envelope for one in await rest_after(queue)] == [second]
    assert (await queue.depth("to-freshchat")).waiting == 0


async def test_a_service_that_is_away_says_so_and_comes_back(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    await peer.stop()
    with pytest.raises(Unavailable):
        await queue.accept("to-freshchat", 10)
    for call in (queue.put(envelope()), queue.ping(), queue.depth("to-freshchat"), queue.dead_letters()):
        with pytest.raises(Unavailable):
            await call
    await peer.start()
    await asyncio.sleep(1)
    await queue.ping()
    await queue.put(sent := envelope())
    assert [one.envelope for one in await rest(queue, wait=20)] == [sent]


async def test_a_call_that_is_cancelled_ends(open_bus: Any) -> None:
    """At whatever moment; the SDK now and then takes a cancellation for the end of a read, and goes on."""

    async def cancelled(moment: float) -> bool:
        looking = asyncio.create_task((await open_bus()).depth("to-freshchat"))
        await asyncio.sleep(moment)
        looking.cancel()
        await asyncio.wait({looking})
        return looking.cancelled()

    assert all(await asyncio.gather(*(cancelled(moment / 20) for moment in range(8))))


# --- Put


async def test_a_throttled_put_says_how_long_to_wait(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    peer.fault(point="send", action="refuse")
    with pytest.raises(Throttled) as caught:
        await queue.put(envelope())
    assert caught.value.after == 10
    assert await queue.put(envelope())


async def test_a_full_queue_and_a_body_too_large_are_told(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    with pytest.raises(StoreFull, match="larger"):
        await queue.put(envelope(body=b"x" * 300_000))
    peer.fault(point="send", action="refuse", condition="amqp:resource-limit-exceeded")
    with pytest.raises(StoreFull, match="size"):
        await queue.put(envelope())
    assert await rest(queue, wait=0) == []


async def test_an_answer_that_was_lost_makes_no_second_message(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    peer.fault(point="send", action="drop-after")
    await queue.put(sent := envelope())
    assert [one.envelope for one in await rest(queue)] == [sent]
    assert peer.queue("to-freshchat").stats["duplicates"] == 1


async def test_ids_longer_than_the_service_takes_are_hashed_and_kept(open_bus: Any) -> None:
    queue = await open_bus()
    sent = [replace(envelope("길다" * 100), message_id=f"t|{number}{'길다' * 100}") for number in range(2)]
    for one in sent:
        await queue.put(one)
    assert [one.envelope for one in await rest(queue)] == sent
    assert fit("x" * 128) == "x" * 128
    assert fit("x" * 129).startswith("sha256:")
    assert fit("😀" * 65).startswith("sha256:")


@pytest.mark.filterwarnings("ignore:ssl=None:DeprecationWarning")  # how the SDK calls its WebSocket library
async def test_it_works_over_web_sockets(peer: ServiceBusPeer, open_bus: Any) -> None:
    address = f"sb://127.0.0.1:{peer.websocket_port}"
    queue = await open_bus(client={"websockets": True, "custom_endpoint_address": address})
    await queue.put(sent := envelope())
    assert [one.envelope for one in await rest(queue, wait=15)] == [sent]


# --- Large bodies


async def test_a_large_body_travels_through_the_object_store(open_bus: Any, tmp_path: Path) -> None:
    """Also into the dead letters and back; it is deleted with its message."""
    queue = await open_bus(objects=shelf(tmp_path))
    sent = envelope(body=b"x" * 400_000)
    await queue.put(envelope("small"))
    await queue.put(sent)
    assert len(files(tmp_path)) == 1
    assert len(await rest(queue)) == 2
    assert files(tmp_path) == []
    await queue.put(dead := envelope(body=b"y" * 400_000))
    session, delivery = await take(queue)
    await session.dead_letter(delivery, FAILED)
    await session.release()
    (letter,) = await queue.dead_letters()
    assert letter.envelope == dead
    assert await queue.replay(letter.id)
    assert [one.envelope for one in await rest(queue)] == [dead]
    assert files(tmp_path) == []


async def test_a_body_that_is_gone_is_a_dead_letter_and_the_session_goes_on(open_bus: Any, tmp_path: Path) -> None:
    queue = await open_bus(objects=shelf(tmp_path))
    await queue.put(envelope(body=b"x" * 400_000))
    await queue.put(small := envelope())
    for kept in files(tmp_path):
        kept.unlink()
    assert [one.envelope for one in await rest(queue)] == [small]
    (letter,) = await queue.dead_letters()
    assert (letter.failure.code, letter.envelope.body) == ("body_missing", b"")


# --- Dead letters


async def test_a_message_that_is_not_ours_does_not_stop_its_session(peer: ServiceBusPeer, open_bus: Any) -> None:
    queue = await open_bus()
    async with queue._sides["to-freshchat"].open_sender() as sender:
        await sender.send_messages(ServiceBusMessage(b"?", session_id="t/s"))
    await queue.put(sent := envelope())
    assert [one.envelope for one in await rest(queue)] == [sent]
    assert await queue.dead_letters() == []
    assert (await queue.depth("to-freshchat")).dead == 1


async def test_a_replay_that_was_cut_off_is_one_message(peer: ServiceBusPeer, open_bus: Any) -> None:
    """Between the sending and the removing of the letter."""
    queue = await open_bus()
    await queue.put(sent := envelope())
    session, delivery = await take(queue)
    await session.dead_letter(delivery, FAILED)
    await session.release()
    (letter,) = await queue.dead_letters()
    peer.fault(point="settle", action="drop")
    with pytest.raises((Unavailable, LeaseLost)):
        await queue.replay(letter.id)
    assert len(await queue.dead_letters()) == 1
    await asyncio.sleep(10.5)  # the lock of the letter runs out
    assert await queue.replay(letter.id)
    assert await queue.dead_letters() == []
    assert [one.envelope for one in await rest(queue)] == [sent]
    await queue.put(sent)
    assert await rest(queue, wait=0) == []


async def test_a_letter_behind_others_is_taken_and_they_keep_their_places(open_bus: Any) -> None:
    queue = await open_bus()
    sent = [envelope() for _ in range(4)]
    for one in sent:
        await queue.put(one)
    session, delivery = await take(queue)
    while delivery is not None:
        await session.dead_letter(delivery, FAILED)
        delivery = await session.next()
    letters = await queue.dead_letters()
    assert await queue.drop(letters[2].id)
    assert await queue.replay(letters[1].id)
    assert [one.envelope for one in await queue.dead_letters()] == [sent[0], sent[3]]
    assert [one.envelope for one in await rest(queue)] == [sent[1]]


async def test_a_letter_of_the_service_itself_is_told_as_such(peer: ServiceBusPeer, open_bus: Any) -> None:
    peer.create_queue("one-to-freshchat", **{**OPTIONS, "max_delivery_count": 1})
    peer.create_queue("one-to-teams", **OPTIONS)
    queue = await open_bus(prefix="one-")
    await queue.put(sent := envelope())
    await take(queue)
    peer.lose_locks("one-to-freshchat")
    (letter,) = await queue.dead_letters()
    assert letter.envelope == sent
    assert (letter.failure.code, letter.failure.component) == ("MaxDeliveryCountExceeded", "service-bus")


@pytest.mark.parametrize("text", ["x" * 9_000, "길" * 9_000, '"\\\n' * 3_000])
def test_a_reason_fits_the_service(text: str) -> None:
    assert len(describe(replace(FAILED, message=text), Record(), 1.0)) <= 4_096
