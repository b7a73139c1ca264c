"""A question in Teams is answered from Freshchat, in the very thread where it was asked."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from stack import Stack, texts

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = ("안녕하세요, 프린터가 고장났어요 🖨️👩‍💻. שלום עולם, مرحبا بالعالم. Plain words too.\n") * 280


def word() -> str:
    """A text that no other test uses."""
    return f"question {uuid.uuid4().hex[:8]}"


async def conversation_with(stack: Stack, text: str, seconds: float = 30.0) -> dict[str, Any]:
    """Wait for the conversation that holds this text."""

    async def found() -> Any:
        return [c for c in await stack.conversations() if text in "".join(texts(c, "user"))]

    conversations = await stack.until(found, seconds)
    assert len(conversations) == 1, "one question, one conversation"
    return dict(conversations[0])


async def thread_with(stack: Stack, text: str) -> dict[str, Any]:
    """Wait for the Teams thread that holds this text."""

    async def found() -> Any:
        return [t for t in await stack.threads() if any(text in m["text"] for m in t["messages"])]

    threads = await stack.until(found)
    assert len(threads) == 1, "an answer is in one thread only"
    return dict(threads[0])


@pytest.mark.parametrize(
    "place",
    [
        {"scope": "channel", "channel": "general"},
        {"scope": "channel", "channel": "it-help"},
        {"scope": "groupChat"},
        {"scope": "personal"},
    ],
    ids=["general", "it-help", "group", "personal"],
)
async def test_answer_comes_back_to_the_thread_of_the_question(stack: Stack, place: dict[str, str]) -> None:
    """Ask in any scope, answer in Freshchat: the answer is in that thread and names the agent."""
    question, answer = word(), word()
    said = await stack.say(question, **place)
    conversation = await conversation_with(stack, question)
    assert texts(conversation, "user")[-1].endswith(question), "the bot's mention is not part of the text"
    assert conversation["user"]["reference_id"].startswith("teams:")
    await stack.answer(conversation["conversation_id"], answer)
    thread = await thread_with(stack, answer)
    assert thread["thread"] == said["thread"]
    last = thread["messages"][-1]
    assert last["from"]["kind"] == "bot"
    assert "Grace Park" in last["html"]


async def test_three_scopes_of_one_user_are_three_conversations(stack: Stack) -> None:
    """The same person in a channel, a group chat and a personal chat: answers never cross."""
    questions = {scope: word() for scope in ("channel", "groupChat", "personal")}
    said = {scope: await stack.say(text, scope=scope, user="minjun") for scope, text in questions.items()}
    found = {scope: await conversation_with(stack, text) for scope, text in questions.items()}
    assert len({c["conversation_id"] for c in found.values()}) == 3
    for scope, conversation in found.items():
        answer = word()
        await stack.answer(conversation["conversation_id"], answer)
        assert (await thread_with(stack, answer))["thread"] == said[scope]["thread"]


async def test_five_parallel_first_messages_open_one_conversation(stack: Stack) -> None:
    """Five people press Enter at once in a new thread: one conversation holds all five."""
    root = await stack.post(
        "teams/messages", scope="channel", user="ada", channel="general", text="root", mention=True, deliver=False
    )
    questions = [word() for _ in range(5)]
    await asyncio.gather(
        *(stack.say(text, thread=root["thread"], user="ada" if n % 2 else "minjun") for n, text in enumerate(questions))
    )
    await stack.settled()
    holders = [c for c in await stack.conversations() if any(q in "".join(texts(c, "user")) for q in questions)]
    assert len(holders) == 1
    assert len(texts(holders[0], "user")) == 5


async def test_same_activity_five_times_is_one_message(stack: Stack) -> None:
    """Teams may send an activity again; it has one effect."""
    question = word()
    await stack.say(question, times=5)
    conversation = await conversation_with(stack, question)
    await stack.settled()
    conversation = await conversation_with(stack, question)
    assert len(texts(conversation, "user")) == 1


async def test_same_webhook_five_times_is_one_answer(stack: Stack) -> None:
    """Freshchat may send a webhook again; it has one effect."""
    question, answer = word(), word()
    await stack.say(question)
    conversation = await conversation_with(stack, question)
    await stack.answer(conversation["conversation_id"], answer, times=5)
    await thread_with(stack, answer)
    await stack.settled()
    thread = await thread_with(stack, answer)
    assert sum(answer in m["text"] for m in thread["messages"]) == 1


async def test_private_notes_and_system_messages_never_pass(stack: Stack) -> None:
    """What agents write for agents stays with agents."""
    question, secret, system, answer = word(), word(), word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.answer(conversation, secret, type="private")
    await stack.answer(conversation, system, actor_type="system")
    await stack.answer(conversation, answer)
    await thread_with(stack, answer)
    await stack.settled()
    everything = "".join(m["text"] + m["html"] for t in await stack.threads() for m in t["messages"])
    assert secret not in everything
    assert system not in everything


async def test_unmentioned_reply_in_a_linked_thread_is_carried_and_names_another_speaker(stack: Stack) -> None:
    """A colleague joins the thread without mentioning the bot: the agent sees who wrote."""
    question, more = word(), word()
    said = await stack.say(question)
    await conversation_with(stack, question)
    await stack.say(more, thread=said["thread"], user="minjun", mention=False)
    conversation = await conversation_with(stack, more)
    assert texts(conversation, "user") == [question, f"Min-jun Kim (김민준): {more}"]


async def test_question_after_resolve_opens_a_new_conversation_in_the_same_thread(stack: Stack) -> None:
    """A resolved conversation stays closed; the thread goes on with a new one, and both answer into the thread."""
    first, second, answer = word(), word(), word()
    said = await stack.say(first)
    old = await conversation_with(stack, first)
    await stack.post("freshchat/resolve", conversation_id=old["conversation_id"], agent="grace")
    await stack.settled()
    await stack.say(second, thread=said["thread"])
    new = await conversation_with(stack, second)
    assert new["conversation_id"] != old["conversation_id"]
    await stack.answer(new["conversation_id"], answer)
    assert (await thread_with(stack, answer))["thread"] == said["thread"]


async def test_not_the_latest_conversation_switches_and_loses_nothing(stack: Stack) -> None:
    """Freshchat refuses to append (its webhook about the end was lost): a new conversation takes the message."""
    first, second = word(), word()
    said = await stack.say(first)
    old = await conversation_with(stack, first)
    await stack.post("settings", not_latest=True)
    lost = await stack.fault("webhook", "lose")
    await stack.post("freshchat/resolve", conversation_id=old["conversation_id"], agent="grace")
    await stack.clear_faults()
    assert lost
    await stack.say(second, thread=said["thread"])
    new = await conversation_with(stack, second)
    await stack.post("settings", not_latest=False)
    assert new["conversation_id"] != old["conversation_id"]


async def test_long_texts_in_every_script_survive_both_ways(stack: Stack) -> None:
    """28 KB of Korean, emoji, Hebrew and Arabic arrive whole and in order, in as many pieces as it takes."""
    assert len(LONG.encode()) > 28_000
    blanks = str.maketrans("", "", " \n\u00a0")
    question, answer = (f"{word()}\n{LONG}\n{word()}" for _ in range(2))
    said = await stack.say(question, scope="personal", user="minjun")
    conversation = await conversation_with(stack, question[-17:])
    assert question.translate(blanks) in "".join(texts(conversation, "user")).translate(blanks)
    await stack.answer(conversation["conversation_id"], answer)
    thread = await thread_with(stack, answer[-17:])
    assert thread["thread"] == said["thread"]
    got = "".join(m["text"] for m in thread["messages"] if m["from"]["kind"] == "bot")
    assert answer.translate(blanks) in got.translate(blanks)


async def test_edit_and_delete_reach_the_agent(stack: Stack) -> None:
    """An edit is a follow-up that says so; a delete is a notice."""
    question, edited = word(), word()
    said = await stack.say(question)
    await conversation_with(stack, question)
    for kind, text in (("messageUpdate", edited), ("messageDelete", None)):
        activity = {
            "type": kind,
            "id": said["id"],
            "timestamp": "2026-01-01T00:05:00Z",
            "channelId": "msteams",
            "serviceUrl": stack.config["service_url"],
            "from": {
                "id": stack.config["users"][0]["teams_id"],
                "name": "Ada Fenn",
                "aadObjectId": stack.config["users"][0]["aad_id"],
            },
            "conversation": {
                "conversationType": "channel",
                "isGroup": True,
                "tenantId": stack.config["tenant"],
                "id": said["conversation_id"],
            },
            "recipient": {"id": stack.config["bot"]["id"]},
            "channelData": {"tenant": {"id": stack.config["tenant"]}},
        } | ({"text": text} if text else {})
        assert (await stack.post("teams/activity", activity=activity))["status"] == 200
    await stack.settled()
    conversation = await conversation_with(stack, question)
    assert texts(conversation, "user")[1:] == [
        f"(edited: edit 1 of “{question}”) {edited}",
        f"(A message was deleted in Teams: “{question}”.)",
    ]
