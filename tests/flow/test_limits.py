"""Teams enforces its published limits: a channel's backlog drains at its pace, in order, and holds nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graph(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Answers go through Graph, and the limits are known beforehand."""
    async with running(tmp_path_factory.mktemp("graph"), bridge=False, TEAMS_LIMITS="published") as stack:
        code, _, err = await stack.bridgectl("graph", "login")
        assert code == 0, err
        await stack.start_bridge()
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Answers go through the connector, and the limits have to be found out."""
    async with running(tmp_path_factory.mktemp("bot"), bridge=False, TEAMS_REPLY_VIA="bot") as stack:
        await stack.start_bridge()
        yield stack


async def asked(stack: Stack, threads: int, **place: str) -> list[str]:
    """Open conversations, each from a thread of its own."""
    questions = [word() for _ in range(threads)]
    for question in questions:
        await stack.say(question, **place)
    return [(await conversation_with(stack, question))["conversation_id"] for question in questions]


async def answered(stack: Stack, conversations: list[str], rounds: int) -> dict[str, list[str]]:
    """Answer each conversation several times."""
    said: dict[str, list[str]] = {one: [] for one in conversations}
    for _ in range(rounds):
        for one in conversations:
            said[one].append(word())
            await stack.answer(one, said[one][-1])
    return said


async def in_threads(stack: Stack) -> list[list[str]]:
    """List what we posted, thread by thread."""
    return [[m["text"] for m in t["messages"] if m["via"] != "user"] for t in await stack.threads()]


async def check(stack: Stack, said: dict[str, list[str]]) -> None:
    """Every answer is in the thread of its question, once, in order; nothing counted as a failure."""
    posted = await in_threads(stack)
    for texts in said.values():
        assert [[a for text in thread for a in texts if a in text] for thread in posted].count(texts) == 1
    log = stack.log()
    assert not [r for r in log if r.get("action") == "dead_letter"]
    assert await stack.metric("bridge_queue_dead") == 0


async def refused(stack: Stack, service: str) -> int:
    """Count the calls that the sandbox answered 429."""
    calls: list[dict[str, Any]] = await stack.get(f"requests?on={service}")
    return sum(call["status"] == 429 for call in calls)


async def test_graph_is_never_asked_too_often(graph: Stack) -> None:
    """Fifteen answers for one channel, one a second; an answer for another channel does not wait for them."""
    busy, [free] = await asked(graph, 5), await asked(graph, 1, channel="it-help")
    await graph.post("settings", enforce_limits=True)
    said = await answered(graph, busy, 3)
    text = word()
    await graph.answer(free, text)

    async def arrived() -> bool:
        return any(text in one for thread in await in_threads(graph) for one in thread)

    await graph.until(arrived)
    assert await graph.waiting() > 0, "the busy channel still has a line"
    await graph.settled(60)
    await check(graph, said | {free: [text]})
    assert await refused(graph, "graph") == 0
    assert await graph.metric("bridge_retries_total", code="graph_pace") > 0
    assert not [r for r in graph.log() if r.get("action") == "retry"], "waiting for one's turn warns nobody"


async def test_the_connectors_limits_are_found_out(bot: Stack) -> None:
    """Forty answers at once: some are refused before the limits are believed, then hardly any."""
    conversations = await asked(bot, 8)
    await bot.post("settings", enforce_limits=True)
    said = await answered(bot, conversations, 5)
    await bot.settled(60)
    await check(bot, said)
    assert 0 < await refused(bot, "connector") < 20
