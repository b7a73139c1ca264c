"""Answers through Graph, as the signed-in service account; the bot steps in where Graph cannot or will not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

POSTS = "POST .*/replies$"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graph(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The service account is signed in before the bridge runs for the first time."""
    async with running(tmp_path_factory.mktemp("graph"), bridge=False, BRIDGE_RETRY_WAIT="0.1") as stack:
        code, out, err = await stack.bridgectl("graph", "status", "--json")
        assert (code, json.loads(out)["problem"]) == (1, "graph_not_signed_in"), err
        code, out, err = await stack.bridgectl("graph", "login")
        assert code == 0, err
        assert "Support Desk" in out
        await stack.start_bridge()
        yield stack


async def linked(stack: Stack, **place: str) -> tuple[dict[str, Any], str]:
    """Ask something; give what was said and the conversation it opened."""
    question = word()
    said = await stack.say(question, **place)
    return said, (await conversation_with(stack, question))["conversation_id"]


def of_us(thread: dict[str, Any]) -> list[tuple[str, str]]:
    """List (via, text) of what the bridge posted."""
    return [(m["via"], m["text"]) for m in thread["messages"] if m["via"] != "user"]


async def test_status_names_the_account(graph: Stack) -> None:
    """Signed in: exit code 0, and no token is shown."""
    code, out, _ = await graph.bridgectl("graph", "status", "--json")
    assert (code, json.loads(out)["account"], json.loads(out)["problem"]) == (0, "Support Desk", None)
    assert "eyJ" not in out


@pytest.mark.parametrize("channel", ["general", "it-help"])
async def test_channel_is_answered_by_the_service_account(graph: Stack, channel: str) -> None:
    """The answer is a reply under the root of the question, by the account, naming the agent."""
    said, conversation = await linked(graph, channel=channel)
    answer = word()
    await graph.answer(conversation, answer)
    thread = await thread_with(graph, answer)
    assert (thread["thread"], thread["channel"]) == (said["thread"], channel)
    last = thread["messages"][-1]
    assert (last["via"], last["from"]["kind"], last["from"]["name"]) == ("graph", "service", "Support Desk")
    assert "Grace Park" in last["html"]


@pytest.mark.parametrize("scope", ["groupChat", "personal"])
async def test_chats_are_answered_by_the_bot(graph: Stack, scope: str) -> None:
    """The service account is no member of a chat; the bot is."""
    _, conversation = await linked(graph, scope=scope)
    answer = word()
    await graph.answer(conversation, answer)
    thread = await thread_with(graph, answer)
    assert thread["scope"] == scope
    assert of_us(thread)[-1][0] == "connector"


async def test_own_answer_that_teams_sends_back_is_not_carried(graph: Stack) -> None:
    """With resource-specific consent Teams reports the account's own post: no echo, no loop."""
    _, conversation = await linked(graph)
    await graph.settled()
    before = sum(r.get("reason") == "own_message" for r in graph.log())
    answer = word()
    await graph.answer(conversation, answer)
    await thread_with(graph, answer)

    async def reported() -> bool:
        return sum(r.get("reason") == "own_message" for r in graph.log()) > before

    await graph.until(reported)
    await graph.settled()
    said = next(c for c in await graph.conversations() if c["conversation_id"] == conversation)
    assert answer not in "".join(texts(said, "user"))
    assert len(texts(said)) == 2


async def test_person_who_quotes_the_answer_is_carried(graph: Stack) -> None:
    """The loop is broken by who posted, not by what the text is: a colleague may repeat an answer word for word."""
    said, conversation = await linked(graph)
    answer = word()
    await graph.answer(conversation, answer)
    await thread_with(graph, answer)
    await graph.say(answer, thread=said["thread"], user="minjun", mention=False)
    found = await conversation_with(graph, answer)
    assert found["conversation_id"] == conversation


FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 0.3},
    {"kind": "status", "status": 429, "retry_after": None},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 504},
    {"kind": "status_after", "status": 504},
    {"kind": "status_after", "status": 500},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['kind']}-{f.get('status', '')}-{f.get('retry_after', '')}")
async def test_graph_faults_never_lose_or_double_an_answer(graph: Stack, fault: dict[str, Any]) -> None:
    """Graph fails before or after the work, twice: the answers come late, each once, in order, and through Graph."""
    _, conversation = await linked(graph)
    answers = [word() for _ in range(3)]
    await graph.fault("graph", match=POSTS, times=2, **fault)
    for answer in answers:
        await graph.answer(conversation, answer)
    thread = await thread_with(graph, answers[-1])
    await graph.settled()
    await graph.clear_faults()
    thread = await thread_with(graph, answers[-1])
    assert [(via, next(a for a in answers if a in text)) for via, text in of_us(thread)] == [
        ("graph", answer) for answer in answers
    ]
    assert await graph.metric("bridge_queue_dead") == 0


async def test_same_words_twice_are_two_answers(graph: Stack) -> None:
    """Reading back must not take the first "ok" for the second one whose answer was lost."""
    _, conversation = await linked(graph)
    answer = word()
    await graph.answer(conversation, answer)
    await thread_with(graph, answer)
    await graph.fault("graph", "status_after", match=POSTS, status=504, times=1)
    await graph.answer(conversation, answer)
    await graph.settled()
    await graph.fault("graph", "status", match=POSTS, status=504, times=1)
    await graph.answer(conversation, answer)
    await graph.settled()
    await graph.clear_faults()
    thread = await thread_with(graph, answer)
    assert [answer in text for _, text in of_us(thread)] == [True] * 3


async def test_refused_account_falls_back_to_the_bot_and_alerts(graph: Stack) -> None:
    """403: the bot answers in the same thread at once, an error is logged, and Graph is used again when it may be."""
    said, conversation = await linked(graph)
    first, second = word(), word()
    await graph.fault("graph", "status", match=POSTS, status=403, times=None)
    await graph.answer(conversation, first)
    thread = await thread_with(graph, first)
    await graph.clear_faults()
    await graph.answer(conversation, second)
    await thread_with(graph, second)
    await graph.settled()
    thread = await thread_with(graph, second)
    assert thread["thread"] == said["thread"]
    assert [(via, first in text, second in text) for via, text in of_us(thread)] == [
        ("connector", True, False),
        ("graph", False, True),
    ]
    alerts = [r for r in graph.log() if r["action"] == "graph_refused"]
    assert [(r["level"], r["code"]) for r in alerts] == [("error", "graph_forbidden")]


async def test_revoked_sign_in_falls_back_and_a_new_one_is_taken_up(graph: Stack) -> None:
    """The account's session ends: answers go on through the bot, status says so; a new login needs no restart."""
    _, conversation = await linked(graph)
    answers = [word() for _ in range(3)]
    await graph.post("rotate", what="revoke_signin")
    for answer in answers[:2]:
        await graph.answer(conversation, answer)
        await thread_with(graph, answer)
    code, out, _ = await graph.bridgectl("graph", "status", "--json")
    assert (code, json.loads(out)["problem"]) == (1, "graph_signin_lost")
    assert (await graph.bridgectl("graph", "login"))[0] == 0
    await graph.answer(conversation, answers[2])
    thread = await thread_with(graph, answers[2])
    assert [via for via, _ in of_us(thread)] == ["connector", "connector", "graph"]
    assert await graph.metric("bridge_queue_dead") == 0


async def test_declined_sign_in_says_so(graph: Stack) -> None:
    """Entra is away or refuses the client: one clear line, exit code 2, and the present sign-in stays."""
    await graph.fault("token", "status", match="devicecode", status=400, times=1, body={"error": "unauthorized_client"})
    code, out, err = await graph.bridgectl("graph", "login")
    assert code == 2
    assert "Traceback" not in out + err
    assert len(err.strip().splitlines()) == 1
    assert (await graph.bridgectl("graph", "status"))[0] == 0


async def test_graph_only_holds_without_a_sign_in_and_loses_nothing(tmp_path: Path) -> None:
    """TEAMS_REPLY_VIA=graph and nobody signed in: answers are held, none is given up, and all come after the login."""
    async with running(tmp_path, TEAMS_REPLY_VIA="graph", BRIDGE_RETRY_WAIT="0.1") as stack:
        _, conversation = await linked(stack)
        answers = [word() for _ in range(3)]
        for answer in answers:
            await stack.answer(conversation, answer)

        async def held() -> bool:
            return await stack.metric("bridge_held", direction="to-teams") == 1

        await stack.until(held)
        assert (await stack.bridgectl("graph", "login"))[0] == 0
        thread = await thread_with(stack, answers[-1])
        assert [(via, next(a for a in answers if a in text)) for via, text in of_us(thread)] == [
            ("graph", answer) for answer in answers
        ]
        assert await stack.metric("bridge_queue_dead") == 0
        assert await stack.metric("bridge_held", direction="to-teams") == 0
