"""Cards, both ways: what agents offer is pressed in Teams, and what other apps show there is read by agents."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from stack import Stack, nothing_happens, running, texts
from test_conversation import conversation_with, word
from test_formatting import asked, graph, somewhere  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

Somewhere = tuple[Stack, dict[str, str], str]
GROUP = {"scope": "groupChat"}


def quick(*labels: str) -> list[dict[str, Any]]:
    """Quick replies, as a bot sends them."""
    return [{"collection": {"sub_parts": [{"quick_reply_button": {"label": label}} for label in labels]}}]


async def offered(stack: Stack, conversation: str, mark: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Offer something to press; give its thread and the message with the card, after the words."""
    await stack.answer(conversation, mark, **({"reply_parts": quick("Yes", "No")} | more))

    async def found() -> Any:
        for thread in await stack.threads():
            for before, message in zip(thread["messages"], thread["messages"][1:], strict=False):
                if message["card"] and mark in before["text"]:
                    return thread, message
        return None

    thread, message = await stack.until(found)
    return thread, message


async def press(stack: Stack, thread: dict[str, Any], message: dict[str, Any], title: str, **more: Any) -> Any:
    """Press a button; give the answer that Teams gets."""
    where = {"conversation_id": thread["conversation_id"], "message": message["id"]}
    pressed = await stack.post("teams/press", **(where | {"title": title, "user": "ada"} | more))
    assert pressed["status"] == 200, pressed
    return json.loads(pressed["body"])


async def users_words(stack: Stack, conversation: str, since: int = 0) -> list[str]:
    """List what users said in a conversation, but for the first ones: tests share chats."""
    await stack.settled()
    (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    return texts(found, "user")[since:]


def chosen(card: dict[str, Any]) -> str:
    return str(card["body"][-1]["inlines"][0]["text"])


async def card_now(stack: Stack, message: dict[str, Any]) -> Any:
    """Give the card as everybody sees it."""
    shown = [m for thread in await stack.threads() for m in thread["messages"] if m["id"] == message["id"]]
    return shown[0]["cards"][0]


async def test_a_press_is_an_answer_everywhere(somewhere: Somewhere) -> None:  # noqa: F811
    """The bot posts the card, also where Graph answers; the press arrives as the label, and everybody sees it."""
    stack, place, _ = somewhere
    _, conversation = await asked(stack, place)
    before = len(await users_words(stack, conversation))
    thread, message = await offered(stack, conversation, word())
    assert message["via"] == "connector"
    answer = await press(stack, thread, message, "Yes")
    assert (answer["statusCode"], answer["type"]) == (200, "application/vnd.microsoft.card.adaptive")
    assert chosen(answer["value"]) == "✓ Chosen: Yes" and "Action.Execute" not in json.dumps(answer)
    assert await users_words(stack, conversation, before) == ["Yes"]
    assert await card_now(stack, message) == answer["value"]


async def test_two_people_and_double_clicks_are_one_answer(stack: Stack) -> None:
    """All of them see the same choice."""
    _, conversation = await asked(stack, GROUP)
    before = len(await users_words(stack, conversation))
    thread, message = await offered(stack, conversation, word())
    people = [("ada", "Yes"), ("minjun", "No")] * 2
    presses = [press(stack, thread, message, title, user=user, times=3) for user, title in people]
    answers = await asyncio.gather(*presses)
    assert len({chosen(one["value"]) for one in answers}) == 1
    (said,) = await users_words(stack, conversation, before)
    assert chosen(answers[0]["value"]).endswith(said.split(": ")[-1])
    assert chosen(await card_now(stack, message)) == chosen(answers[0]["value"])


async def test_a_drop_down_and_a_carousel_are_pressed(stack: Stack) -> None:
    """What is picked arrives; a link's button stays on an answered card."""
    _, conversation = await asked(stack, GROUP)
    before = len(await users_words(stack, conversation))
    options = [{"quick_reply_button": {"label": f"option {n}"}} for n in range(9)]
    template = {"type": "quick_reply_dropdown", "sections": [{"name": "options", "parts": options}]}
    thread, message = await offered(stack, conversation, word(), reply_parts=[{"template_content": template}])
    pick = next(e for c in message["cards"][0]["body"] for e in c["items"] if e["type"] == "Input.ChoiceSet")
    answer = await press(stack, thread, message, "Send", inputs={pick["id"]: "7"})
    assert chosen(answer["value"]) == "✓ Chosen: option 7"
    mark = word()
    parts = [
        {"text": {"content": mark}},
        {"callback": {"label": "Call", "payload": "x"}},
        {"url_button": {"label": "Guide", "url": "https://help.example/1"}},
    ]
    thread, message = await offered(stack, conversation, mark, parts=parts, reply_parts=[])
    answer = await press(stack, thread, message, "Call")
    assert "https://help.example/1" in json.dumps(answer["value"])
    assert await users_words(stack, conversation, before) == ["option 7", "Call"]


async def test_what_cannot_be_shown_names_where_it_can_be_seen(stack: Stack) -> None:
    """Agents who read along in Teams come to the conversation with one click."""
    _, conversation = await asked(stack, GROUP)
    await stack.answer(conversation, "", parts=[{"text_input": {"placeholder": "Your name"}}])
    link = "https://desk.example/inbox/open/0/conversation/"

    async def explained() -> bool:
        said = [message["text"] for thread in await stack.threads() for message in thread["messages"]]
        return any("[unsupported content: text_input]" in text and link in text for text in said)

    await stack.until(explained)


async def test_a_forged_press_is_refused(stack: Stack) -> None:
    """Neither a card of another chat, nor another message, nor a button that is not there."""
    _, mine = await asked(stack, {"scope": "personal"})
    _, theirs = await asked(stack, GROUP)
    my_thread, my_message = await offered(stack, mine, word())
    thread, message = await offered(stack, theirs, word())
    await stack.settled()
    data = json.loads(json.dumps(message["cards"][0]))
    carried = next(a["data"] for c in data["body"] for e in c["items"] for a in e.get("actions", ()))
    async with nothing_happens(stack):
        for where, more in [
            ((my_thread, my_message), {"data": carried}),
            ((my_thread, my_message), {"data": carried, "reply_to": message["id"]}),
            ((thread, message), {"reply_to": "1767225600000"}),
            ((thread, message), {"data": carried | {"choice": "2"}}),
            ((thread, message), {"data": carried | {"choice": "x"}}),
            ((thread, message), {"data": {}}),
        ]:
            answer = await press(stack, *where, "Yes", **more)
            assert (answer["statusCode"], answer["type"]) == (400, "application/vnd.microsoft.error")


async def test_where_the_bot_may_post_no_card_it_is_said_as_text(stack: Stack) -> None:
    """Nothing of the answer is lost."""
    _, conversation = await asked(stack, GROUP)
    mark = word()
    await stack.fault("connector", "status", status=400, times=1, match="POST .*/activities")
    await stack.answer(conversation, mark, reply_parts=quick("Yes"))

    async def shown() -> Any:
        said = [m["text"] for thread in await stack.threads() for m in thread["messages"]]
        return [text for text in said if mark in text and "[Yes]" in text]

    await stack.until(shown)
    await stack.clear_faults()


async def test_a_card_of_another_app_is_read_by_the_agent(stack: Stack) -> None:
    """Its facts and links, below what was said."""
    facts = {"type": "FactSet", "facts": [{"title": "Build", "value": "failed"}]}
    link = {"type": "Action.OpenUrl", "title": "Log", "url": "https://ci.example/7"}
    card = {"type": "AdaptiveCard", "version": "1.5", "body": [facts], "actions": [link]}
    question = word()
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    await stack.say(question, attachments=[attachment], scope="personal")
    shown = texts(await conversation_with(stack, question), "user")
    assert shown[-1] == f"{question}\nBuild: failed\nLog: https://ci.example/7"


async def test_a_press_survives_a_killed_bridge(tmp_path: Path) -> None:
    """What Teams was told is done: the agent reads the choice once, and everybody sees it."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2") as stack:
        _, conversation = await asked(stack, GROUP)
        before = len(await users_words(stack, conversation))
        thread, message = await offered(stack, conversation, word())
        await stack.settled()
        for upstream in ("freshchat", "connector"):
            await stack.fault(upstream, "status", status=503, times=None)
        await press(stack, thread, message, "No")
        await stack.kill_bridge()
        await stack.clear_faults()
        await stack.start_bridge()
        again = await press(stack, thread, message, "Yes", user="minjun")
        assert chosen(again["value"]) == "✓ Chosen: No"
        assert await users_words(stack, conversation, before) == ["No"]
        assert await card_now(stack, message) == again["value"]


async def test_a_card_whose_receipt_is_lost_is_shown_once_and_works(stack: Stack) -> None:
    """It is found again by its id: the bot can read group chats back."""
    _, conversation = await asked(stack, GROUP)
    await stack.settled()
    mark = word()
    await stack.fault("connector", "status_after", match="POST .*/activities$", status=504, times=1)
    parts = [{"callback": {"label": mark, "payload": "x"}}]
    await stack.answer(conversation, mark, parts=parts)
    await stack.settled()
    await stack.clear_faults()
    found = [(t, m) for t in await stack.threads() for m in t["messages"] if mark in json.dumps(m.get("cards"))]
    ((thread, message),) = found
    assert chosen((await press(stack, thread, message, mark))["value"]) == f"✓ Chosen: {mark}"
