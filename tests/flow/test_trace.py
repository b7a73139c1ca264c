"""`bridgectl trace`: a reference that a person reads out tells an operator what became of the message."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge that gives up early."""
    folder = tmp_path_factory.mktemp("trace")
    settings = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RETRY_WAIT": "0.1", "BRIDGE_RETRY_WINDOW": "0.3"}
    async with running(folder, **settings) as stack:
        yield stack


async def explained(stack: Stack, reference: str) -> tuple[dict[str, Any], str]:
    """Trace a reference; give the one story as data and as text."""
    code, out, err = await stack.bridgectl("trace", reference, "--json")
    assert code == 0, err
    [story] = json.loads(out)
    code, text, err = await stack.bridgectl("trace", reference)
    assert code == 0, err
    return story, text


def traces(stack: Stack, action: str) -> list[str]:
    """List the trace ids of log records with this action."""
    return [record["trace"] for record in stack.log() if record["action"] == action and "trace" in record]


def hops(story: dict[str, Any]) -> list[str]:
    """Name the hops of a story."""
    return [hop["hop"] for hop in story["hops"]]


async def test_delivered_question_and_its_answer(stack: Stack) -> None:
    """Both are explained, and the answer names the question it belongs to; nothing personal is printed."""
    question, answer = word(), word()
    said = await stack.say(question, scope="personal", user="minjun")
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.settled()
    asked = traces(stack, "delivered")[-1]
    await stack.answer(conversation, answer)
    await thread_with(stack, answer)
    await stack.settled()
    answered = traces(stack, "delivered")[-1]
    assert asked != answered

    first, first_text = await explained(stack, asked)
    assert hops(first) == ["accepted", "call"]
    assert (first["hops"][0]["source"], first["hops"][0]["direction"]) == ("Teams", "to-freshchat")
    assert first["hops"][1]["made"].startswith(f"{conversation}/")
    assert first["hops"][1]["ms"] >= 0
    assert f"first question of conversation {conversation}" in first_text

    short = f"{answered[:4]}-{answered[4:8]}"
    second, second_text = await explained(stack, short)
    assert (second["trace"], second["reference"]) == (answered, short.upper())
    assert hops(second) == ["accepted", "call"]
    assert (second["hops"][0]["source"], second["hops"][1]["via"]) == ("Freshchat", "bot")
    [belongs] = second["conversations"]
    assert (belongs["conversation"], belongs["question"]) == (conversation, asked)
    assert first["reference"] in second_text

    [person] = [one for one in stack.config["users"] if one["key"] == "minjun"]
    agents = [one["name"] for one in stack.config["agents"]]
    known = [str(value) for name, value in person.items() if name != "key" and not str(value).startswith("a:")]
    personal = [question, answer, *agents, *known]
    told = json.dumps([first, second], ensure_ascii=False) + first_text + second_text
    assert [secret for secret in personal if secret in told] == []
    assert said["status"] == 200


async def test_message_that_waits_is_given_up_told_and_replayed(stack: Stack) -> None:
    """The story grows: retrying, given up with its notice, delivered."""
    await stack.stop_bridge()
    stack.extra["BRIDGE_RETRY_WINDOW"] = "8"
    await stack.start_bridge()
    question = word()
    await stack.fault("freshchat", "status", match="POST .*/conversations$", status=503, times=None)
    said = await stack.say(question, scope="personal", user="ada")

    async def retried() -> list[str]:
        return traces(stack, "retry")

    reference = (await stack.until(retried))[-1][:8].upper()
    story, text = await explained(stack, reference)
    assert hops(story) == ["accepted", "call", "retrying"]
    assert (story["hops"][2]["code"], story["hops"][2]["attempts"] >= 1) == ("freshchat_503", True)
    assert "no result is known" in text
    assert "waiting to be tried again" in text

    async def dead() -> bool:
        return await stack.metric("bridge_queue_dead") == 1

    await stack.until(dead)
    await stack.settled()
    story, text = await explained(stack, reference.lower())
    assert set(hops(story)) == {"accepted", "call", "dead_letter", "notice"}
    letter = next(hop for hop in story["hops"] if hop["hop"] == "dead_letter")
    assert (letter["component"], letter["next_replay"] is not None) == ("freshchat", True)
    assert "is put back by itself from" in text
    assert "the sender is told via bot: done" in text

    await stack.clear_faults()
    code, _, err = await stack.bridgectl("dlq", "replay", letter["id"])
    assert code == 0, err
    await conversation_with(stack, question)
    await stack.settled()
    story, _ = await explained(stack, reference)
    assert "dead_letter" not in hops(story)
    assert sorted(hops(story)) == ["accepted", "call", "notice"]
    assert said["status"] == 200


async def test_held_message(stack: Stack) -> None:
    """Freshchat refuses our token: the message is said to be held, not failing."""
    await stack.fault("freshchat", "status", status=401, times=None)
    await stack.say(word(), scope="groupChat")

    async def held() -> bool:
        return await stack.metric("bridge_held", direction="to-freshchat") == 1

    await stack.until(held)
    story, text = await explained(stack, traces(stack, "accepted")[-1][:8])
    assert hops(story) == ["accepted", "held"]
    assert "held until the upstream takes our credentials again: freshchat_401" in text
    await stack.clear_faults()
    await stack.settled(60)


async def test_what_is_not_known(stack: Stack) -> None:
    """Exit code 1, and what that can mean; 2 for what is no reference."""
    code, out, err = await stack.bridgectl("trace", "0000-0000")
    assert (code, out) == (1, "")
    assert "mistyped" in err
    code, out, _ = await stack.bridgectl("trace", "0000-0000", "--json")
    assert (code, json.loads(out)) == (1, [])
    for wrong in ("7F3A", "not-a-ref", "7F3A-09BC" * 5):
        code, _, err = await stack.bridgectl("trace", wrong)
        assert (code, "Traceback" in err) == (2, False)
        assert wrong in err
