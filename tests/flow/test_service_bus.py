"""The whole bridge with its queue in Service Bus: the real process and SDK, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from stack import DIRECTIONS, Stack, running, texts

from tests.flow.azure_stack import changed, problems, refusal
from tests.peers.service_bus import ServiceBusPeer
from tests.peers.service_bus.peer import KEY
from tests.peers.service_bus.process import peer_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUIET = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RECONCILE_SECONDS": "0", "BRIDGE_RETRY_WAIT": "0.2"}


def settings(peer: ServiceBusPeer) -> dict[str, str]:
    """Keep the queue in this namespace."""
    where = {"BRIDGE_QUEUE": "azure.service_bus", "AZURE_SERVICEBUS_CONNECTION_STRING": peer.connection_string()}
    return where | QUIET


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer() -> AsyncIterator[ServiceBusPeer]:
    async with ServiceBusPeer(frame_size=2048) as peer:  # so that messages come in parts
        for name in DIRECTIONS:
            peer.create_queue(name, requires_session=True, duplicate_detection=600.0, max_delivery_count=2000)
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(peer: ServiceBusPeer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(tmp_path_factory.mktemp("service-bus"), **settings(peer)) as stack:
        yield stack


async def said(stack: Stack, conversation: str) -> list[str]:
    (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    return [text[-9:] for text in texts(found, "user")]


async def opened(stack: Stack, question: str) -> tuple[str, str]:
    """Ask in a new thread; give the thread and its conversation."""
    asked = await stack.say(question)
    await stack.settled()
    (found,) = [c for c in await stack.conversations() if texts(c, "user")[0].endswith(question)]
    return asked["thread"], found["conversation_id"]


async def test_a_thread_goes_there_and_back_in_order(stack: Stack) -> None:
    thread, conversation = await opened(stack, "question0")
    for number in range(1, 6):
        await stack.say(f"question{number}", thread=thread)
    await stack.answer(conversation, "an answer")
    await stack.settled()
    assert await said(stack, conversation) == [f"question{number}" for number in range(6)]


async def kill(stack: Stack, _peer: ServiceBusPeer, _thread: str) -> None:
    """Kill the process and start another one."""
    await stack.kill_bridge()
    await stack.start_bridge()


async def restart(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """Let the service be away for a moment."""
    await peer.restart(0.2)


async def cut(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """Cut all connections."""
    peer.drop_connections()


async def cut_in_the_middle(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """Cut connections while a message comes in, while one goes out, and before an answer to a settlement."""
    peer.fault(point="receive", action="drop", queue="to-freshchat")
    peer.fault(point="deliver", action="cut", queue="to-freshchat")
    peer.fault(point="settle", action="drop-after", operation="complete")


async def lose_locks(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """End all locks."""
    peer.lose_locks("to-freshchat")


async def lose_locks_in_a_call(stack: Stack, peer: ServiceBusPeer, thread: str) -> list[str]:
    """End all locks while Freshchat takes its time over a message: another try begins beside the first."""
    slow = await stack.fault("freshchat", "delay", delay_ms=2000, match="POST .*/messages")

    async def called() -> bool:
        return any(one["id"] == slow and one["hits"] for one in await stack.get("faults"))

    await stack.say("message x", thread=thread)
    await stack.until(called)
    peer.lose_locks("to-freshchat")
    return ["message x"]


async def expire_tokens(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """End all tokens: the service detaches every link."""
    peer.expire_tokens()


async def throttle(_stack: Stack, peer: ServiceBusPeer, _thread: str) -> None:
    """Refuse links and settlements as busy."""
    peer.fault(point="attach", action="refuse", times=3)
    peer.fault(point="settle", action="refuse", times=2)


Trouble = Callable[[Stack, ServiceBusPeer, str], Awaitable[list[str] | None]]
TROUBLES: tuple[Trouble, ...] = (
    kill,
    restart,
    cut,
    cut_in_the_middle,
    lose_locks,
    lose_locks_in_a_call,
    expire_tokens,
    throttle,
)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_nothing_is_lost_or_doubled_or_moved(stack: Stack, peer: ServiceBusPeer, trouble: Trouble) -> None:
    """Whatever happens in the middle of the work; and what was ordered did happen."""
    thread, conversation = await opened(stack, f"{trouble.__name__} 0")
    wanted = await said(stack, conversation)
    for number in range(1, 9):
        wanted.append(f"message {number}")
        await stack.say(wanted[-1], thread=thread)
        if number == 4:
            wanted += await trouble(stack, peer, thread) or []

    async def all_there() -> bool:
        return len(await said(stack, conversation)) >= len(wanted)

    await stack.until(all_there, 60)
    await stack.settled()
    assert await said(stack, conversation) == wanted

    async def struck() -> bool:
        return peer.namespace.faults.left == 0

    await stack.until(struck, 60)


async def doctor(stack: Stack, *arguments: str, **changed: str) -> list[tuple[str, str]]:
    """Say what doctor finds about the namespace: status and what it saw."""
    before, stack.extra = stack.extra, stack.extra | changed
    try:
        _, out, err = await stack.bridgectl("doctor", "--json", *arguments)
    finally:
        stack.extra = before
    assert stack.extra["AZURE_SERVICEBUS_CONNECTION_STRING"] not in out + err
    checks = json.loads(out)["checks"]
    return [(found["status"], found["seen"]) for found in checks if found["check"] == "service bus"]


async def test_doctor_looks_at_both_queues(stack: Stack) -> None:
    assert await doctor(stack) == [("ok", f"{name}: 0 waiting, 0 dead letters") for name in DIRECTIONS]
    assert await doctor(stack, "--offline") == [("skipped", "--offline")]


# --- what is wrong with the namespace, or with what we know of it

HERE = "AZURE_SERVICEBUS_CONNECTION_STRING"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(peer: ServiceBusPeer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose bridge does not run."""
    for direction in DIRECTIONS:
        peer.create_queue(f"plain-{direction}")
    for right in ("Send", "Listen"):
        peer.add_key(f"only-{right}", KEY, frozenset({right}))
    async with running(tmp_path_factory.mktemp("wrong"), bridge=False, **settings(peer)) as stack:
        yield stack


WRONG: dict[str, tuple[Callable[[ServiceBusPeer], dict[str, str]], str]] = {
    "missing": (lambda _: {"AZURE_SERVICEBUS_PREFIX": "typo-"}, "or there is no such queue"),
    "no sessions": (lambda _: {"AZURE_SERVICEBUS_PREFIX": "plain-"}, "must be created with sessions"),
    "send only": (lambda peer: {HERE: peer.connection_string("only-Send")}, "the right to listen is missing"),
    "listen only": (lambda peer: {HERE: peer.connection_string("only-Listen")}, "the right to send is missing"),
    "wrong key": (lambda peer: {HERE: peer.connection_string(key=KEY[::-1])}, "refuses our credentials"),
    "no text": (lambda _: {HERE: "nonsense"}, "not a connection string"),
    "nobody": (lambda peer: {HERE: peer.connection_string().replace(f":{peer.port}", ":1")}, "Connection refused"),
    "no host": (lambda peer: {HERE: peer.connection_string().replace("127.0.0.1", "name.invalid")}, "no such host"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_is_said_once(idle: Stack, peer: ServiceBusPeer, wrong: str) -> None:
    """At the start, and by doctor; without the key."""
    change, says = WRONG[wrong]
    async with changed(idle, **change(peer)):
        said, found = await asyncio.gather(refusal(idle), problems(idle, "service bus"))
    assert says in said
    assert [says in one for one in found] == [True], found
    assert KEY not in said + str(found)


@pytest.mark.parametrize(
    ("ahead", "says"),
    [(-3600.0, "a new lock ends -3"), (1800.0, "a new lock ends 1"), (7200.0, "finds our token expired")],
)
async def test_a_clock_that_is_wrong_is_said(idle: Stack, ahead: float, says: str) -> None:
    """`ahead` is how far the service is: a lock of ours would be over before it began, or our tokens are."""
    async with peer_process(f"--clock-ahead={ahead}") as there:
        for name in DIRECTIONS:
            await there.do("queues", name=name, requires_session=True)
        async with changed(idle, **{HERE: there.connection_string}):
            said, found = await asyncio.gather(refusal(idle), problems(idle, "service bus"))
    assert says in said
    assert "clock is wrong" in said
    assert [says in one for one in found] == [True], found
