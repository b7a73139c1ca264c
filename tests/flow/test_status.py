"""People see in their thread what happens to their question, each change once."""

from __future__ import annotations

from typing import Any

import pytest
from stack import Stack, running
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def lines(stack: Stack, question: str) -> list[str]:
    """List what the bot said in the thread of a question."""
    thread = await thread_with(stack, question)
    return [m["text"] for m in thread["messages"] if m["from"]["kind"] == "bot"]


async def lined(stack: Stack, question: str, line: str) -> list[str]:
    """Wait until the last thing that the bot said in the thread is this line; give all of them."""

    async def said() -> Any:
        found = await lines(stack, question)
        return found if found[-1:] == [line] else None

    return list(await stack.until(said))


async def asked(stack: Stack, **where: str) -> tuple[str, str]:
    """Ask; give the question and its conversation."""
    question = word()
    await stack.say(question, **where)
    return question, str((await conversation_with(stack, question))["conversation_id"])


@pytest.mark.parametrize("scope", ["channel", "groupChat", "personal"])
async def test_assigned_resolved_and_reopened_are_one_line_each(stack: Stack, scope: str) -> None:
    """In every scope, in the order in which they happen."""
    question, conversation = await asked(stack, scope=scope)
    before = len(await lines(stack, question))
    await stack.post("freshchat/assign", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Assigned: Grace Park")
    await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Resolved. Your next message starts a new conversation.")
    await stack.post("freshchat/reopen", conversation_id=conversation, agent="grace")
    said = await lined(stack, question, "Reopened.")
    assert len(said) - before == 3


async def test_lines_are_in_the_language_of_the_thread(stack: Stack) -> None:
    """Min-jun's Teams is Korean."""
    question, conversation = await asked(stack, user="minjun", channel="it-help")
    await stack.post("freshchat/assign", conversation_id=conversation, agent="grace")
    await lined(stack, question, "담당자: Grace Park")


async def test_the_same_state_is_told_once(stack: Stack) -> None:
    """Assigned to the same agent again, resolved again: other webhooks, but nothing new."""
    question, conversation = await asked(stack)
    for _ in range(2):
        await stack.post("freshchat/assign", conversation_id=conversation, agent="grace")
    for _ in range(2):
        await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Resolved. Your next message starts a new conversation.")
    await stack.settled()
    assert len(await lines(stack, question)) == 2


async def test_what_happens_to_an_old_conversation_is_not_told(stack: Stack) -> None:
    """The thread has gone on with a new conversation: lines about the old one would mislead."""
    question, old = await asked(stack)
    thread = (await thread_with(stack, question))["thread"]
    await stack.post("freshchat/resolve", conversation_id=old, agent="grace")
    await lined(stack, question, "Resolved. Your next message starts a new conversation.")
    again = word()
    await stack.say(again, thread=thread)
    await conversation_with(stack, again)
    await stack.settled()
    await stack.post("freshchat/reopen", conversation_id=old, agent="grace")
    await stack.settled()
    assert len(await lines(stack, question)) == 1


async def test_a_line_is_small(stack: Stack) -> None:
    """It does not look like an answer."""
    question, conversation = await asked(stack)
    await stack.post("freshchat/assign", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Assigned: Grace Park")
    shown = [m["html"] for m in (await thread_with(stack, question))["messages"] if m["from"]["kind"] == "bot"]
    assert shown == ["<p><em>Assigned: Grace Park</em></p>"]


async def test_a_switch_turns_the_lines_off(tmp_path: Any) -> None:
    """`BRIDGE_STATUS_NOTICES=false`: the state is followed, and nothing is said."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_STATUS_NOTICES="false") as quiet:
        question, conversation = await asked(quiet)
        await quiet.post("freshchat/resolve", conversation_id=conversation, agent="grace")
        await quiet.settled()
        assert await lines(quiet, question) == []
        thread = (await thread_with(quiet, question))["thread"]
        again = word()
        await quiet.say(again, thread=thread)
        assert (await conversation_with(quiet, again))["conversation_id"] != conversation
