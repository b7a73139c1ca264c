"""What the SDK does not do: hostile bytes, ranges of dispositions, small windows, drains, tokens that are renewed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.peers.service_bus import ServiceBusPeer, codec, frames, messages
from tests.peers.service_bus.frames import Attach, Begin, Close, Detach, Disposition, Flow, Open, Transfer
from tests.peers.service_bus.tests.raw import RawClient, raw_client, ready, section
from tests.peers.service_bus.tests.rig import until
from tests.peers.tls import Certificate

BODY = section(0x75, codec.binary(b"body"))


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[ServiceBusPeer]:
    """A peer with one queue."""
    async with ServiceBusPeer() as running:
        running.create_queue("q")
        yield running


async def sent(client: RawClient, count: int, handle: int = 2) -> None:
    """Send so many messages to `q`, and see all of them accepted."""
    client.attach("s", handle, sends=True, address="q")
    await client.expect(Flow)
    for _ in range(count):
        client.transfer(handle, BODY)
    for _ in range(count):
        answer, _ = await client.expect(Disposition)
        assert (answer.role, answer.settled, answer.state.descriptor) == (frames.RECEIVER, True, 0x24)


async def test_a_range_of_deliveries_is_settled_at_once(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        await sent(client, 10)
        client.attach("r", 3, sends=False, address="amqps://host/Q")
        client.send(Flow(0, 1000, 0, 1000, 3, 0, 10))
        got = [(await client.expect(Transfer))[0] for _ in range(10)]
        assert [each.delivery_id for each in got] == list(range(got[0].delivery_id, got[0].delivery_id + 10))
        client.settle(got[0].delivery_id, got[7].delivery_id, settled=False)
        answers = [(await client.expect(Disposition))[0] for _ in range(8)]
        assert {each.role for each in answers} == {frames.SENDER}
        assert peer.queue("q").snapshot()["locked"] == 2
        client.settle(0, 2**32 - 1)
        await until(lambda: not peer.queue("q").messages)


async def test_the_clients_window_is_kept(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        await sent(client, 6)
        before = 1  # the answer of $cbs used one frame of the window already
        client.attach("r", 3, sends=False, address="q")
        client.send(Flow(before, 2, 0, 1000, 3, 0, 100))
        for _ in range(2):
            await client.expect(Transfer)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.expect(Transfer), 0.3)
        client.send(Flow(before + 2, 100, 0, 1000))
        for _ in range(4):
            await client.expect(Transfer)


async def test_a_drain_gives_the_credit_back(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        client.attach("r", 3, sends=False, address="q")
        await client.expect(Attach)
        client.send(Flow(1, 1000, 0, 1000, 3, 0, 25, None, True))
        answer, _ = await client.expect(Flow)
        assert (answer.handle, answer.delivery_count, answer.link_credit, answer.drain) == (3, 25, 0, True)
        await sent(client, 1, handle=4)
        assert peer.queue("q").snapshot()["active"] == 1


async def test_a_renewed_token_keeps_the_link_alive(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q", seconds=2)
        client.attach("r", 3, sends=False, address="q")
        await client.expect(Attach)
        assert await client.put_token("q", seconds=4) == 202
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.expect(Detach), 2.5)
        ended, _ = await client.expect(Detach)
        assert ended.error.value[0] == "amqp:link:detach-forced"


async def test_nothing_opens_without_a_token(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await client.handshake()
        client.attach("s", 3, sends=True, address="q")
        answer, _ = await client.expect(Attach)
        assert (answer.source, answer.target) == (None, None)
        ended, _ = await client.expect(Detach)
        assert ended.error.value[0] == "amqp:unauthorized-access"


async def test_a_token_for_one_queue_opens_no_other(peer: ServiceBusPeer) -> None:
    peer.create_queue("q2")
    async with raw_client(peer) as client:
        await ready(client, "q")
        client.attach("s", 3, sends=True, address="q2")
        ended, _ = await client.expect(Detach)
        assert ended.error.value[0] == "amqp:unauthorized-access"


async def test_an_aborted_message_is_forgotten(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        client.attach("s", 2, sends=True, address="q")
        await client.expect(Flow)
        client.send(Transfer(2, 5, b"5", 0, False, True), BODY[:3])
        client.send(Transfer(2, None, None, None, None, False, None, None, None, True))
        client.send(Transfer(2, 6, b"6", 0, False, False), BODY)
        answer, _ = await client.expect(Disposition)
        assert answer.first == 6
        assert len(peer.queue("q").messages) == 1


async def test_a_broken_message_is_refused_and_the_link_lives(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        client.attach("s", 2, sends=True, address="q")
        await client.expect(Flow)
        client.transfer(2, b"\x00\x53\x75\xb0\xff\xff\xff\xff")
        answer, _ = await client.expect(Disposition)
        assert (answer.state.descriptor, answer.state.value[0].value[0]) == (0x25, "amqp:decode-error")
        client.transfer(2, BODY)
        answer, _ = await client.expect(Disposition)
        assert answer.state.descriptor == 0x24


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
        pytest.param(b"AMQP\x00\x01\x00\x00", id="no SASL"),
        pytest.param(frames.SASL_HEADER + frames.frame(0, Open("x")), id="open before SASL"),
        pytest.param(frames.SASL_HEADER + b"\xff\xff\xff\xff\x02\x01\x00\x00", id="a huge frame"),
        pytest.param(frames.SASL_HEADER + b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\xff\xff\xff", id="no performative"),
    ],
)
async def test_hostile_beginnings_end_the_connection(peer: ServiceBusPeer, hostile: bytes) -> None:
    async with raw_client(peer) as client:
        client.send_bytes(hostile)
        while await client.piece():
            pass
    await until(lambda: not peer.namespace.connections)


async def test_a_frame_on_a_channel_that_has_not_begun_ends_the_connection(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await client.handshake()
        client.send(Flow(0, 1, 0, 1), channel=7)
        ended, _ = await client.expect(Close)
        assert ended.error.value[0] == "amqp:not-allowed"


async def test_a_channel_or_a_handle_cannot_be_used_twice(peer: ServiceBusPeer) -> None:
    async with raw_client(peer) as client:
        await client.handshake()
        client.send(Begin(None, 0, 10, 10))
        ended, _ = await client.expect(Close)
        assert ended.error.value[0] == "amqp:not-allowed"


async def test_a_quiet_connection_is_closed(peer: ServiceBusPeer) -> None:
    peer.namespace.idle_timeout = 0.5
    async with raw_client(peer) as client:
        await client.handshake()
        ended, _ = await client.expect(Close)
        assert ended.error.value[0] == "amqp:connection:forced"


async def test_empty_frames_keep_a_connection_open_both_ways(peer: ServiceBusPeer) -> None:
    peer.namespace.idle_timeout = 1.0
    async with raw_client(peer) as client:
        client.send_bytes(frames.SASL_HEADER)
        client.send(frames.SaslInit(codec.Symbol("ANONYMOUS")), channel=0, kind=frames.SASL_FRAME)
        client.send_bytes(frames.AMQP_HEADER)
        client.send(Open("raw", "localhost", 1 << 20, None, 400), channel=0)
        await client.expect(Open)
        beats = 0
        for _ in range(12):
            assert await client.piece() == frames.HEARTBEAT
            client.send_bytes(frames.HEARTBEAT)
            beats += 1
        assert beats * 0.2 > 2 * 1.0, "longer than the peer's idle time-out"
        assert peer.namespace.connections


@pytest.mark.parametrize(
    "performative",
    [
        Attach("l", "three", False, 0, 0),
        Flow(0, 10, 0, 10, 3, "many", 5),
        Transfer(2, "id", b"x", 0, False, False),
        Disposition(True, "first", None, True),
        Disposition(True, 0, 2**32 - 1, True),
        Detach(None, True),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_fields_of_the_wrong_type_end_at_most_their_connection(
    peer: ServiceBusPeer, performative: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_client(peer) as client:
        await ready(client, "q")
        await sent(client, 1)
        fields = codec.sequence(codec.uint(each) if type(each) is int else codec.encode(each) for each in performative)
        code = {Attach: 0x12, Flow: 0x13, Transfer: 0x14, Disposition: 0x15, Detach: 0x16}[type(performative)]
        body = codec.described(code, fields)
        client.send_bytes((8 + len(body)).to_bytes(4, "big") + b"\x02\x00\x00\x01" + body)
        await client.drain()
        async with raw_client(peer) as other:
            await ready(other, "q")
            await sent(other, 1)


@pytest.mark.parametrize("seed", range(20))
async def test_a_conversation_with_flipped_bits_hurts_nobody_else(peer: ServiceBusPeer, seed: int) -> None:
    chance = random.Random(seed)
    attach = Attach("s", 2, False, 0, 0, None, codec.described(0x29, codec.sequence([codec.string("q")])))
    talk = (
        frames.frame(1, Begin(None, 0, 10, 10)) + frames.frame(1, attach) + frames.frame(1, Flow(0, 5, 0, 5, 2, 0, 9))
    )
    async with raw_client(peer) as client:
        await ready(client, "q")
        broken = bytearray(talk.replace(b"\x02\x00\x00\x01", b"\x02\x00\x00\x02"))
        for _ in range(3):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        client.send_bytes(bytes(broken))
        await client.drain()
        async with raw_client(peer) as other:
            await ready(other, "q")
            await sent(other, 1)


async def test_faults_at_the_door(peer: ServiceBusPeer) -> None:
    peer.fault(point="connect", action="refuse", condition="amqp:resource-limit-exceeded", description="too many")
    async with raw_client(peer) as client:
        client.greet()
        ended, _ = await client.expect(Close)
        assert ended.error.value[:2] == ["amqp:resource-limit-exceeded", "too many"]
    peer.fault(point="connect", action="drop")
    async with raw_client(peer) as client:
        with pytest.raises((ConnectionError, AssertionError)):
            await client.handshake()
    peer.fault(point="connect", action="silence")
    async with raw_client(peer) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.handshake(), 0.3)
    peer.fault(point="token", action="refuse", status=401, description="not today")
    async with raw_client(peer) as client:
        await client.handshake()
        await client.open_tokens()
        assert await client.put_token("q") == 401
        assert await client.put_token("q") == 202
    peer.fault(point="attach", action="silence", queue="q")
    async with raw_client(peer) as client:
        await ready(client, "q")
        client.attach("s", 2, sends=True, address="q")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.expect(Attach), 0.3)


async def test_the_number_of_connections_is_bounded(peer: ServiceBusPeer) -> None:
    peer.namespace.max_connections = 1
    async with raw_client(peer) as first, raw_client(peer) as second:
        await first.handshake()
        second.greet()
        ended, _ = await second.expect(Close)
        assert ended.error.value[0] == "amqp:resource-limit-exceeded"


async def test_links_may_come_and_go_a_thousand_times(peer: ServiceBusPeer) -> None:
    """Nothing of a link stays behind."""
    peer.create_queue("s", requires_session=True)
    async with raw_client(peer) as client:
        await ready(client, "s")
        for number in range(1000):
            await client.accept(f"r{number}", 3, "s", f"r{number}")
            client.send(Detach(3, True))
            await client.expect(Detach)
        assert peer.queue("s").snapshot()["links"] == 0
        assert peer.queue("s").snapshot()["sessions"] == 0


async def test_tls(certificate: Certificate) -> None:
    async with ServiceBusPeer(tls=certificate.server_context()) as peer:
        peer.create_queue("q")
        async with raw_client(peer, certificate.client_context()) as client:
            await ready(client, "q")
            await sent(client, 3)


async def managing(client: RawClient, queue: str) -> None:
    """Attach to a queue's management node on handles 5 and 6."""
    client.attach("replies", 5, sends=False, address=f"{queue}/$management")
    client.attach("requests", 6, sends=True, address=f"{queue}/$management")
    client.send(Flow(0, 1 << 30, 0, 1 << 30, 5, 0, 100))
    await client.expect(Flow)


async def test_a_lost_session_is_not_delivered_to_its_old_holder_again(peer: ServiceBusPeer) -> None:
    queue = peer.create_queue("s", requires_session=True)
    message = section(0x73, codec.sequence((*(codec.NULL,) * 10, codec.string("a")))) + BODY
    queue.put([each for _ in range(2) for each in messages.split(message, 0)])
    async with raw_client(peer) as client:
        await ready(client, "s")
        await client.accept("r", 3, "s", None, credit=10)
        for _ in range(2):
            await client.expect(Transfer)
        peer.lose_locks("s")
        await client.expect(Detach)
    assert queue.stats["delivered"] == 2


async def test_message_sessions_are_listed_by_content_or_by_change(peer: ServiceBusPeer) -> None:
    queue = peer.create_queue("s", requires_session=True)
    for name in "abc":
        message = section(0x73, codec.sequence((*(codec.NULL,) * 10, codec.string(name)))) + BODY
        queue.put(messages.split(message, 0))
    async with raw_client(peer) as client:
        await ready(client, "s")
        await managing(client, "s")
        ask = {"operation": "com.microsoft:get-message-sessions"}
        every = {
            "last-updated-time": codec.timestamp(253_402_300_800),
            "skip": codec.integer(1),
            "top": codec.integer(5),
        }
        answer, found = await client.request(6, ask, every)
        assert (answer["statusCode"], found) == (200, {"skip": 3, "sessions-ids": ["b", "c"]})
        changed = {**every, "last-updated-time": codec.timestamp(0), "skip": codec.integer(0)}
        answer, _ = await client.request(6, ask, changed)
        assert answer["statusCode"] == 204
        await client.accept("r", 3, "s", "b")
        state = {"session-id": "b", "session-state": b"x"}
        await client.request(6, {"operation": "com.microsoft:set-session-state", "associated-link-name": "r"}, state)
        answer, found = await client.request(6, ask, changed)
        assert found == {"skip": 1, "sessions-ids": ["b"]}


@pytest.mark.parametrize(
    ("operation", "body", "status", "condition"),
    [
        ("renew-session-lock", {"session-id": "a"}, 410, "com.microsoft:session-lock-lost"),
        ("get-session-state", {"session-id": "nobody"}, 410, "com.microsoft:session-lock-lost"),
        ("renew-lock", {"lock-tokens": [uuid4()]}, 410, "com.microsoft:session-lock-lost"),
        ("receive-by-sequence-number", {"sequence-numbers": []}, 410, "com.microsoft:session-lock-lost"),
        ("cancel-scheduled-message", {"sequence-numbers": codec.longs([7])}, 404, "com.microsoft:message-not-found"),
        ("renew-lock", {}, 400, "com.microsoft:argument-error"),
        ("make-coffee", {}, 501, "amqp:not-implemented"),
    ],
)
async def test_management_refuses_by_status_and_condition(
    peer: ServiceBusPeer, operation: str, body: dict[str, Any], status: int, condition: str
) -> None:
    peer.create_queue("s", requires_session=True)
    async with raw_client(peer) as client:
        await ready(client, "s")
        await client.accept("holder", 3, "s", "a")
        await managing(client, "s")
        properties = {"operation": f"com.microsoft:{operation}", "associated-link-name": "somebody else"}
        answer, _ = await client.request(6, properties, body)
        assert (answer["statusCode"], answer["errorCondition"]) == (status, condition)
