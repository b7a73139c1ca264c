"""Upstreams misbehave: messages come late, never get lost, never come twice."""

from __future__ import annotations

from typing import Any

import pytest
from stack import Stack, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRESHCHAT_FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 429, "retry_after": None},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "status_after", "status": 500},
    {"kind": "status_after", "status": 504},
]


def name(fault: dict[str, Any]) -> str:
    """Name a fault for the test's id."""
    return f"{fault['kind']}-{fault.get('status', '')}-{fault.get('retry_after', '')}".strip("-")


@pytest.mark.parametrize(
    "path",
    ["POST .*/v2/conversations$", "POST .*/v2/conversations/.*/messages$", "POST .*/v2/users$"],
    ids=["open", "append", "user"],
)
@pytest.mark.parametrize("fault", FRESHCHAT_FAULTS, ids=name)
async def test_freshchat_faults(stack: Stack, fault: dict[str, Any], path: str) -> None:
    """Whatever happens to the call, the agent reads both messages once and in order."""
    await stack.post("reset")
    first, second = word(), word()
    await stack.fault("freshchat", match=path, times=2, **fault)
    said = await stack.say(first)
    await stack.say(second, thread=said["thread"])
    await stack.until(lambda: _has(stack, second))
    await stack.settled()
    await stack.clear_faults()
    conversations = await stack.conversations()
    assert [texts(c, "user") for c in conversations] == [[first, second]]
    assert await stack.metric("bridge_queue_dead") == 0


async def _has(stack: Stack, text: str) -> bool:
    return any(text in "".join(texts(c, "user")) for c in await stack.conversations())


CONNECTOR_FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 412},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503},
    {"kind": "drop_before"},
]


@pytest.mark.parametrize("fault", CONNECTOR_FAULTS, ids=name)
async def test_connector_faults(stack: Stack, fault: dict[str, Any]) -> None:
    """The connector refuses twice: the answers come late, once and in order."""
    question, first, second = word(), word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.fault("connector", match="POST .*/activities", times=2, **fault)
    await stack.answer(conversation, first)
    await stack.answer(conversation, second)
    await thread_with(stack, second)
    await stack.settled()
    await stack.clear_faults()
    thread = await thread_with(stack, second)
    assert [m["text"] for m in thread["messages"] if first in m["text"] or second in m["text"]] != []
    bot = [m["text"] for m in thread["messages"] if m["from"]["kind"] == "bot"]
    assert [first in bot[-2], second in bot[-1]] == [True, True]
    assert sum(first in text for text in bot) == sum(second in text for text in bot) == 1


LOST_ANSWERS: list[dict[str, Any]] = [
    {"kind": "drop_after"},
    {"kind": "status_after", "status": 502},
    {"kind": "status_after", "status": 504},
]


@pytest.mark.parametrize("where", [{"scope": "channel", "channel": "general"}, {"scope": "groupChat"}], ids=str)
@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=name)
async def test_the_connector_answers_nothing_but_has_posted(
    stack: Stack, fault: dict[str, Any], where: dict[str, str]
) -> None:
    """The bot reads back through Graph, as the app package allows it, and adopts what is there."""
    question, first, second = word(), word(), word()
    await stack.say(question, **where)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.fault("connector", match="POST .*/activities", times=1, **fault)
    await stack.answer(conversation, first)
    await stack.answer(conversation, second)
    await thread_with(stack, second)
    await stack.settled()
    await stack.clear_faults()
    bot = [m["text"] for m in (await thread_with(stack, second))["messages"] if m["from"]["kind"] == "bot"]
    assert [sum(text in one for one in bot) for text in (first, second)] == [1, 1]
    assert first in bot[-2]
    assert second in bot[-1]


async def test_freshchat_401_holds_and_says_so(stack: Stack) -> None:
    """A refused API token holds the queue: nothing is dead-lettered, and everything arrives once it is right."""
    await stack.post("reset")
    await stack.fault("freshchat", "status", status=401, times=None)
    questions = [word() for _ in range(3)]
    for text in questions:
        await stack.say(text)
    await stack.until(lambda: _held(stack))
    async with stack.session.get(f"{stack.bridge_url}/readyz") as answer:
        assert (await answer.json())["held"] == {"to-freshchat": [stack.config["tenant"]]}
    assert any(r["action"] == "hold" and r["level"] == "error" for r in stack.log())
    assert await stack.metric("bridge_queue_dead") == 0
    await stack.clear_faults()
    for text in questions:
        await stack.until(lambda text=text: _has(stack, text), 60)
    assert await stack.metric("bridge_queue_dead") == 0


async def _held(stack: Stack) -> bool:
    return await stack.metric("bridge_held", direction="to-freshchat") == 1


async def test_refused_message_is_a_dead_letter_and_the_thread_goes_on(stack: Stack) -> None:
    """Freshchat refuses one message for good: it can be replayed, and the next one is not held up."""
    first, bad, after = word(), word(), word()
    said = await stack.say(first)
    await conversation_with(stack, first)
    await stack.fault("freshchat", "status", match="POST .*/messages$", status=400, times=1)
    await stack.say(bad, thread=said["thread"])
    await stack.say(after, thread=said["thread"])
    await conversation_with(stack, after)
    await stack.clear_faults()
    code, out, err = await stack.bridgectl("dlq", "list", "--json")
    assert code == 0, err
    assert bad not in out
    import json

    letters = json.loads(out)
    assert [letter["code"] for letter in letters] == ["freshchat_400"]
    code, out, err = await stack.bridgectl("dlq", "show", letters[0]["id"])
    assert code == 0, err
    assert bad not in out, "what people wrote is shown only when asked for"
    code, out, _ = await stack.bridgectl("dlq", "replay", "--all", "--dry-run")
    assert (code, out.strip()) == (0, "Would have replayed 1.")
    code, out, err = await stack.bridgectl("dlq", "replay", letters[0]["id"])
    assert (code, out.strip()) == (0, "Replayed 1."), err
    conversation = await conversation_with(stack, bad)
    assert texts(conversation, "user") == [first, after, bad]
    assert json.loads((await stack.bridgectl("dlq", "list", "--json"))[1]) == []


async def test_new_signing_key_works_at_once(stack: Stack) -> None:
    """Microsoft changes its key: the next message is taken, one with a token of the old key is not."""
    old = (await stack.post("teams/token"))["token"]
    await stack.post("rotate", what="bot_keys")
    text = word()
    await stack.say(text)
    await conversation_with(stack, text)
    said = await stack.post("teams/activity", activity={"serviceUrl": stack.config["service_url"]}, token={"raw": old})
    assert said["status"] == 401
