"""Words to the bridge itself: help, status, close, new. They are answered in the thread, and no agent sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stack import Stack, texts
from test_conversation import conversation_with, thread_with, word
from test_revisions import delete, edit, facts_of, refused
from test_status import asked, lined, lines

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = "This conversation is closed. Your next message starts a new one."
NONE = "There is no open conversation here."
NEXT = "Your next message starts a new conversation."
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"


async def command(stack: Stack, text: str, question: str, **more: Any) -> Any:
    """Write a word in the thread of a question."""
    thread = (await thread_with(stack, question))["thread"]
    return await stack.say(text, thread=thread, **more)


async def answered(stack: Stack, question: str, pattern: str) -> str:
    """Wait until the last thing that the bot said in the thread looks like this."""

    async def said() -> Any:
        found = await lines(stack, question)
        return found[-1] if found and re.fullmatch(pattern, found[-1], re.DOTALL) else None

    return str(await stack.until(said))


async def state_of(stack: Stack, conversation: str) -> dict[str, Any]:
    """Read a conversation."""
    return next(c for c in await stack.conversations() if c["conversation_id"] == conversation)


async def test_help_is_answered_once_and_no_agent_sees_it(stack: Stack) -> None:
    """Also if Teams sends the activity three times; it opens no conversation."""
    before = len(await stack.conversations())
    said = await stack.say("  Help ", scope="channel", times=3)
    thread = said["thread"]

    async def helped() -> Any:
        found = [t for t in await stack.threads() if t["thread"] == thread]
        return [m["text"] for m in found[0]["messages"] if m["from"]["kind"] == "bot"]

    (text,) = await stack.until(helped)
    await stack.settled()
    assert await helped() == [text]
    assert all(name in text for name in ("help:", "status:", "close:", "new:"))
    assert len(await stack.conversations()) == before


async def test_korean_words_are_answered_in_korean(stack: Stack) -> None:
    """도움말, 상태 and 새 대화 in a personal chat need no mention."""
    question, conversation = await asked(stack, user="minjun", scope="personal")
    for said, line in (("도움말", "질문을 쓰면.*"), ("상태", ".*에 접수되어.*"), ("새  대화", "다음 메시지부터.*")):
        await stack.say(said, user="minjun", scope="personal", mention=False)
        await answered(stack, question, line)
    assert texts(await state_of(stack, conversation), "user") == [question]


async def test_a_word_that_is_not_alone_or_not_to_the_bot_goes_to_the_agent(stack: Stack) -> None:
    """`close` in a sentence, and `close` to colleagues in a channel, are words like any others."""
    question, conversation = await asked(stack)
    await command(stack, "close the window please", question)
    await command(stack, "close", question, mention=False)
    await stack.settled()
    found = await state_of(stack, conversation)
    assert texts(found, "user") == [question, "close the window please", "close"]
    assert found["status"] != "resolved"


async def test_status_tells_where_the_question_stands(stack: Stack) -> None:
    """Nothing open, open, assigned, resolved; each with its time."""
    question, conversation = await asked(stack)
    await command(stack, "status", question)
    await answered(stack, question, f"Open since {TIME}, waiting for an agent\\.")
    await stack.post("freshchat/assign", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Assigned: Grace Park")
    await command(stack, "status", question)
    await answered(stack, question, f"Assigned to Grace Park since {TIME}\\.")
    await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")
    await lined(stack, question, "Resolved. " + NEXT)
    await command(stack, "status", question)
    await answered(stack, question, f"Resolved since {TIME}\\.")
    assert texts(await state_of(stack, conversation), "user") == [question]


async def test_close_resolves_and_says_so_once(stack: Stack) -> None:
    """Its webhook adds no second line; a second close has nothing to do; the next message opens a new conversation."""
    question, conversation = await asked(stack)
    await command(stack, "close", question)
    await lined(stack, question, CLOSED)
    assert (await state_of(stack, conversation))["status"] == "resolved"
    await stack.settled()
    assert await lines(stack, question) == [CLOSED]
    await command(stack, "close", question)
    await lined(stack, question, NONE)
    again = word()
    await command(stack, again, question)
    assert (await conversation_with(stack, again))["conversation_id"] != conversation


async def test_close_survives_a_helpdesk_that_is_away(stack: Stack) -> None:
    """It is tried again like a message, and the one behind it waits."""
    question, conversation = await asked(stack)
    again = word()
    await stack.fault("freshchat", "status", status=503, times=2, match="PUT .*/conversations")
    await command(stack, "close", question)
    await command(stack, again, question)
    await lined(stack, question, CLOSED)
    assert (await conversation_with(stack, again))["conversation_id"] != conversation
    assert (await state_of(stack, conversation))["status"] == "resolved"
    await stack.clear_faults()


async def test_new_leaves_the_conversation_to_the_agent(stack: Stack) -> None:
    """The next message opens another one; the old one is still open there, and what its agent says still arrives."""
    question, conversation = await asked(stack)
    await command(stack, "new", question)
    await lined(stack, question, NEXT)
    again, late = word(), word()
    await command(stack, again, question)
    assert (await conversation_with(stack, again))["conversation_id"] != conversation
    assert (await state_of(stack, conversation))["status"] != "resolved"
    await stack.answer(conversation, late)
    assert (await thread_with(stack, late))["thread"] == (await thread_with(stack, question))["thread"]


async def test_reconciliation_does_not_undo_new(stack: Stack) -> None:
    """Freshchat says that the conversation is open; the thread has left it all the same."""
    question, conversation = await asked(stack)
    await command(stack, "new", question)
    await lined(stack, question, NEXT)
    code, out, err = await stack.bridgectl("reconcile", "--conversation", conversation)
    assert code in (0, 1), (out, err)
    again = word()
    await command(stack, again, question)
    assert (await conversation_with(stack, again))["conversation_id"] != conversation


async def test_commands_keep_their_place_among_messages(stack: Stack) -> None:
    """Question, close, question in one breath: two conversations, each with its own question."""
    first, second = word(), word()
    thread = (await stack.say(first))["thread"]
    await stack.say("close", thread=thread)
    await stack.say(second, thread=thread)
    old, new = await conversation_with(stack, first), await conversation_with(stack, second)
    assert texts(old, "user") == [first]
    assert texts(new, "user") == [second]


async def test_an_edit_of_a_command_is_none_and_nobody_hears_of_it(stack: Stack) -> None:
    """Nor of its deletion: the agent never saw the command."""
    question, conversation = await asked(stack)
    said = await command(stack, "status", question)
    await answered(stack, question, f"Open since {TIME}.*")
    await edit(stack, said, **to_the_bot(stack, "close"))
    await stack.settled()
    assert "</at> close" not in "".join(facts_of(stack.folder / "data")), "no longer needed"
    await delete(stack, said)
    await stack.settled()
    found = await state_of(stack, conversation)
    assert (texts(found, "user"), found["status"] == "resolved") == ([question], False)
    assert len(await lines(stack, question)) == 1


async def test_what_became_a_command_before_it_arrived_is_done_once(stack: Stack) -> None:
    """It is read as it says then; the edit itself, which comes behind, has nothing to add."""
    question, conversation = await asked(stack)
    away = await stack.fault("freshchat", "status", status=503, times=None, match="POST .*/v2/.*")
    said = await command(stack, "wait", question)
    await refused(stack, away)
    await edit(stack, said, **to_the_bot(stack, "close"))
    await stack.clear_faults()
    await lined(stack, question, CLOSED)
    await stack.settled()
    assert texts(await state_of(stack, conversation), "user") == [question]
    assert (await lines(stack, question)).count(CLOSED) == 1


def to_the_bot(stack: Stack, text: str) -> dict[str, Any]:
    """Give what an edit holds that says this to the bot."""
    mention = {"type": "mention", "text": "<at>Bot</at>", "mentioned": {"id": stack.config["bot"]["id"]}}
    return {"text": f"<at>Bot</at> {text}", "entities": [mention]}
