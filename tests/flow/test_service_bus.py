"""The whole bridge with its queue in Service Bus: the real process and SDK, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from stack import Stack, running, texts

from tests.peers.service_bus import ServiceBusPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUIET = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RECONCILE_SECONDS": "0", "BRIDGE_RETRY_WAIT": "0.2"}


def settings(peer: ServiceBusPeer) -> dict[str, str]:
    """Keep the queue in this namespace."""
    where = {"BRIDGE_QUEUE": "azure.service_bus", "AZURE_SERVICEBUS_CONNECTION_STRING": peer.connection_string()}
    return where | QUIET


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer() -> AsyncIterator[ServiceBusPeer]:
    async with ServiceBusPeer() as peer:
        for name in ("to-freshchat", "to-teams"):
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


@pytest.mark.parametrize("trouble", ["kill", "restart", "cut", "locks"])
async def test_nothing_is_lost_or_doubled_or_moved(stack: Stack, peer: ServiceBusPeer, trouble: str) -> None:
    """The process is killed, the service goes away, connections are cut, locks are lost: in the middle of the work."""
    thread, conversation = await opened(stack, f"{trouble} 0")
    first = (await said(stack, conversation))[0]
    for number in range(1, 9):
        await stack.say(f"message {number}", thread=thread)
        if number != 4:
            continue
        if trouble == "kill":
            await stack.kill_bridge()
            await stack.start_bridge()
        elif trouble == "restart":
            await peer.restart(0.2)
        elif trouble == "cut":
            peer.drop_connections()
        else:
            peer.lose_locks("to-freshchat")

    async def all_there() -> bool:
        return len(await said(stack, conversation)) >= 9

    await stack.until(all_there)
    await stack.settled()
    assert await said(stack, conversation) == [first, *(f"message {number}" for number in range(1, 9))]


async def test_what_is_wrong_is_said_once_at_the_start(peer: ServiceBusPeer, tmp_path: Path) -> None:
    """And not as a stack trace."""
    async with running(tmp_path, bridge=False, **(settings(peer) | {"AZURE_SERVICEBUS_PREFIX": "typo-"})) as stack:
        with pytest.raises(AssertionError, match="bridge did not start"):
            await stack.start_bridge()
        log = (tmp_path / "bridge.log").read_text(encoding="utf-8")
    assert "no such queue" in log
    assert "Traceback" not in log


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
    names = ("to-freshchat", "to-teams")
    assert await doctor(stack) == [("ok", f"{name}: 0 waiting, 0 dead letters") for name in names]
    assert await doctor(stack, "--offline") == [("skipped", "--offline")]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"AZURE_SERVICEBUS_PREFIX": "typo-"}, "no such queue"),
        ({"AZURE_SERVICEBUS_CONNECTION_STRING": "nonsense"}, "not a connection string"),
    ],
)
async def test_doctor_says_what_is_wrong(stack: Stack, changed: dict[str, str], says: str) -> None:
    """One problem, named."""
    ((status, seen),) = await doctor(stack, **changed)
    assert status == "problem"
    assert says in seen
