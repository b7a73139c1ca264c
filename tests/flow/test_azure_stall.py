"""A worker loses its session and lives: it stood still (SIGSTOP) for longer than its lock, or its connection broke.

Service Bus gives the session to another one, so two workers have the same message: what happens must happen once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from stack import texts

from bench.chaos_azure_stack import ChaosAzureStack
from bench.chaos_stack import Aim
from tests.flow.azure_stack import engine, running_on_azure

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 60.0
SLOW, NEXT = "worker0", "worker1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChaosAzureStack]:
    """One web process and two workers; one thread has been there and back, which names the points."""
    folder = tmp_path_factory.mktemp("stall")
    settings = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RETRY_WAIT": "0.2", "BRIDGE_RECONCILE_SECONDS": "0"}
    async with (
        engine(lock_seconds=4.0) as peers,
        running_on_azure(folder, peers, web=1, workers=2, kind=ChaosAzureStack, **settings) as stack,
    ):
        assert isinstance(stack, ChaosAzureStack)
        asked = await stack.say("first")
        await stack.settled()
        await stack.say("second", thread=asked["thread"])
        await stack.settled()
        yield stack


CASES = [
    pytest.param("CosmosThreadMap.start", "after", id="before its call"),
    pytest.param("_append.call", "during", id="in its call"),
]


def _lost(stack: ChaosAzureStack) -> int:
    return sum(record.get("action") == "lease_lost" for record in stack.log_of(SLOW))


@pytest.mark.parametrize(("mark", "when"), CASES)
async def test_what_a_frozen_worker_was_about_to_do_is_done_once(stack: ChaosAzureStack, mark: str, when: str) -> None:
    """And in order: the other worker delivers what was frozen, then what came later."""
    name = f"{mark} {when}"
    marks = ("_append", mark, "DataQueue.read")
    point = next(one for one in stack.points() if all(word in one for word in marks) and "look_back" not in one)
    thread = (await stack.say(f"{name} 0"))["thread"]
    await stack.settled()
    await asyncio.gather(stack.kill(SLOW), stack.kill(NEXT))
    await stack.aim(SLOW, Aim(point, when, 1, "SIGSTOP"))
    await stack.listening(SLOW)
    await stack.say(f"{name} 1", thread=thread)

    async def struck() -> bool:
        return stack.struck(SLOW)

    await stack.until(struck)
    await stack.start(NEXT)
    await stack.say(f"{name} 2", thread=thread)
    await stack.settled(PATIENCE)
    lost = _lost(stack)
    stack.process(SLOW).send_signal(signal.SIGCONT)

    async def knows() -> bool:
        return _lost(stack) > lost

    await stack.until(knows)
    await stack.say(f"{name} 3", thread=thread)
    await stack.settled(PATIENCE)
    (found,) = [c for c in await stack.conversations() if name in texts(c, "user")[0]]
    assert [text[-len(name) - 2 :] for text in texts(found, "user")] == [f"{name} {number}" for number in range(4)]


async def test_an_answer_under_way_when_connections_break_is_shown_once(stack: ChaosAzureStack) -> None:
    """In a personal chat, where nobody can look whether it arrived: the worker that sent it lives, and notes that."""
    await stack.say("personal question", scope="personal")
    await stack.settled()
    (asked,) = [c for c in await stack.conversations() if texts(c, "user")[0].endswith("personal question")]
    slow = await stack.fault("connector", "delay", delay_ms=2000, match="^POST .*/activities")
    await stack.answer(asked["conversation_id"], "personal answer")

    async def under_way() -> bool:
        return any(fault["id"] == slow and fault["hits"] for fault in await stack.get("faults"))

    await stack.until(under_way)
    await stack.engine.bus.do("drop")
    await stack.settled(PATIENCE)
    shown = [message["text"] for thread in await stack.threads() for message in thread["messages"]]
    assert sum("personal answer" in text for text in shown) == 1


async def test_nobody_called_it_a_bug(stack: ChaosAzureStack) -> None:
    """A lease that is lost is a warning."""
    assert not [record for record in stack.log() if record.get("action") in ("bug", "worker_error")]
