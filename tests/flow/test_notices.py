"""People are told, once, that a message did not arrive; the reference they read explains what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

POSTS = "POST .*/(conversations|messages)$"
PLACES = [{"scope": "channel"}, {"scope": "groupChat"}, {"scope": "personal"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge that gives up early; channels are answered by the service account, chats by the bot."""
    folder = tmp_path_factory.mktemp("notices")
    async with running(folder, bridge=False, BRIDGE_RETRY_WAIT="0.1", BRIDGE_RETRY_WINDOW="0.3") as stack:
        code, _, err = await stack.bridgectl("graph", "login")
        assert code == 0, err
        await stack.start_bridge()
        yield stack


async def told(stack: Stack, said: dict[str, Any], how_many: int = 1) -> list[dict[str, Any]]:
    """Wait for what the bridge wrote into the thread of `said`; nothing more may come."""

    async def ours() -> Any:
        [thread] = [t for t in await stack.threads() if t["conversation_id"] == said["conversation_id"]]
        found = [m for m in thread["messages"] if m["via"] != "user"]
        return found if len(found) >= how_many else None

    await stack.until(ours)
    await stack.settled()
    found = await ours()
    assert len(found) == how_many
    return list(found)


async def last_of_us(stack: Stack, said: dict[str, Any]) -> dict[str, Any]:
    """Wait until the last message of the thread is the bridge's, and nothing is under way."""

    async def ours() -> Any:
        [thread] = [t for t in await stack.threads() if t["conversation_id"] == said["conversation_id"]]
        return [m for m in thread["messages"][-1:] if m["via"] != "user"]

    await stack.until(ours)
    await stack.settled()
    return dict((await ours())[0])


async def notes(stack: Stack, conversation: str) -> list[str]:
    """List the private notes of a conversation."""
    [found] = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    return [m["text"] for m in found["messages"] if m["type"] == "private"]


def reference(text: str) -> str:
    """Find the reference in a notice."""
    [found] = re.findall(r"[0-9A-F]{4}-[0-9A-F]{4}", text)
    return found


async def dead(stack: Stack, *filters: str) -> list[dict[str, Any]]:
    """List the dead letters."""
    code, out, err = await stack.bridgectl("dlq", "list", "--json", *filters)
    assert code == 0, err
    return list(json.loads(out))


@pytest_asyncio.fixture(loop_scope="module")
async def clean(stack: Stack) -> None:
    """No fault, no letter of an earlier test."""
    await stack.clear_faults()
    await stack.bridgectl("dlq", "drop", "--all", "--yes")


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place["scope"])
async def test_employee_is_told_in_the_thread(stack: Stack, place: dict[str, str]) -> None:
    """Freshchat refuses the question: the notice is in its thread, Korean for a Korean, and reaches no agent."""
    await stack.fault("freshchat", "status", match=POSTS, status=400)
    before = len(await stack.conversations())
    said = await stack.say(word(), user="minjun", **place)
    notice = await last_of_us(stack, said)
    assert "전달되지 않았습니다" in notice["text"]
    assert notice["via"] == ("graph" if place["scope"] == "channel" else "connector")
    assert len(await stack.conversations()) == before, "the notice is no question"
    [letter] = await dead(stack)
    assert reference(notice["text"]) == letter["reference"]
    assert (letter["transient"], letter["next_replay"]) == (False, None)


@pytest.mark.usefixtures("clean")
async def test_employee_is_told_once(stack: Stack) -> None:
    """Freshchat is away: "we keep trying". Replayed and given up again: silence. Replayed and delivered: silence."""
    question = word()
    await stack.fault("freshchat", "status", match=POSTS, status=503, times=None)
    said = await stack.say(question)
    [notice] = await told(stack, said)
    assert "We keep trying" in notice["text"]
    [letter] = await dead(stack)
    assert letter["transient"]
    assert letter["next_replay"] is not None

    await stack.bridgectl("dlq", "replay", letter["id"])

    async def dead_again() -> bool:
        return [one["reference"] for one in await dead(stack)] == [letter["reference"]]

    await stack.until(dead_again)
    await told(stack, said)

    await stack.clear_faults()
    await stack.bridgectl("dlq", "replay", "--all")
    await conversation_with(stack, question)
    await told(stack, said)
    assert await dead(stack) == []


@pytest.mark.usefixtures("clean")
async def test_agent_is_told_by_a_private_note(stack: Stack) -> None:
    """Teams refuses the answer: one note for agents, which comes back as a webhook and goes no further."""
    question, answer = word(), word()
    said = await stack.say(question, scope="personal", user="ada")
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.fault("connector", "status", match="POST .*/activities", status=403)
    await stack.answer(conversation, answer)

    async def noted() -> list[str]:
        return await notes(stack, conversation)

    [note] = await stack.until(noted)
    await stack.settled()
    assert await notes(stack, conversation) == [note]
    assert note.startswith("This answer could not be shown in Teams: Teams refused it.")
    assert answer not in note
    [letter] = await dead(stack)
    assert reference(note) == letter["reference"]
    [thread] = [t for t in await stack.threads() if t["conversation_id"] == said["conversation_id"]]
    assert not [m for m in thread["messages"] if note in m["text"] or answer in m["text"]]
    assert await stack.metric("bridge_accepted_total", direction="to-teams", outcome="ignored_private") >= 1


@pytest.mark.usefixtures("clean")
async def test_note_whose_answer_was_lost_is_posted_once(stack: Stack) -> None:
    """Freshchat took the note and dropped the connection: the retry reads it back."""
    question = word()
    await stack.say(question, scope="personal", user="minjun")
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.fault("connector", "status", match="POST .*/activities", status=403)
    await stack.fault("freshchat", "drop_after", match="POST .*/messages$")
    await stack.answer(conversation, word())

    async def noted() -> list[str]:
        return await notes(stack, conversation)

    await stack.until(noted)
    await stack.settled()
    assert len(await notes(stack, conversation)) == 1
    assert len(await dead(stack)) == 1


@pytest.mark.usefixtures("clean")
async def test_notice_that_fails_makes_no_further_notice(stack: Stack) -> None:
    """Both sides refuse: two letters, question and notice, and nobody is told of the second."""
    await stack.fault("freshchat", "status", match=POSTS, status=400, times=None)
    await stack.fault("connector", "status", match="POST .*/activities", status=403, times=None)
    await stack.say(word(), scope="personal", user="ada")

    async def both() -> Any:
        return len(found) == 2 and found if (found := await dead(stack)) else None

    letters = await stack.until(both)
    await stack.settled()
    assert [(one["direction"], one["kind"]) for one in await dead(stack)] == [
        ("to-freshchat", "create"),
        ("to-teams", "notice"),
    ]
    assert letters[0]["trace"] == letters[1]["trace"]
    await stack.clear_faults()
    await stack.bridgectl("dlq", "drop", letters[0]["id"], "--yes")
    await stack.bridgectl("dlq", "replay", "--all")
    await stack.settled()
    assert await dead(stack) == []


@pytest.mark.usefixtures("clean")
async def test_nobody_can_be_told_of_what_cannot_be_read(stack: Stack) -> None:
    """A body without a place: a letter, a line in the log, no notice."""
    before = len([r for r in stack.log() if r["action"] == "notice"])
    body = {"action": "message_create", "actor": {"actor_type": "agent"}, "data": {"message": {"n": word()}}}
    assert (await stack.post("freshchat/webhook", body=body))["status"] == [200]

    async def letter() -> Any:
        return await dead(stack)

    [found] = await stack.until(letter)
    not_told = [r for r in stack.log() if r["action"] == "not_told" and r["trace"] == found["trace"]]
    assert [r["error"] for r in not_told] == ["Rejected"]
    assert len([r for r in stack.log() if r["action"] == "notice"]) == before
