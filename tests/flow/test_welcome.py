"""Where the app is added, it says what to do: once, in the language of who added it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACES = [
    {"scope": "channel"},
    {"scope": "groupChat"},
    {"scope": "personal", "user": "ada"},
]


async def install(stack: Stack, action: str, **where: str) -> None:
    """Add or remove the app; Teams tells it twice."""
    told = await stack.post("teams/install", action=action, **where)
    assert told["statuses"] == [200, 200], told


async def welcomes(stack: Stack) -> list[tuple[str, str]]:
    """List the cards that the bot has shown, each with its conversation."""
    return [
        (thread["conversation_id"], json.dumps(card, ensure_ascii=False))
        for thread in await stack.threads()
        for message in thread["messages"]
        for card in message.get("cards", ())
    ]


async def welcomed(stack: Stack, number: int) -> list[tuple[str, str]]:
    """Wait for so many."""

    async def enough() -> Any:
        found = await welcomes(stack)
        return found if len(found) >= number else None

    found = await stack.until(enough)
    await stack.settled()
    assert await welcomes(stack) == found
    return list(found)


@pytest.mark.parametrize("where", PLACES, ids=["team", "group", "personal"])
async def test_each_place_is_greeted_once(stack: Stack, where: dict[str, str]) -> None:
    """Two events tell of one installation; telling it again changes nothing; after removal it is new."""
    before = len(await welcomes(stack))
    await install(stack, "add", **where)
    await welcomed(stack, before + 1)
    await install(stack, "add", **where)
    assert len(await welcomed(stack, before + 1)) == before + 1
    await install(stack, "remove", **where)
    await install(stack, "add", **where)
    found = await welcomed(stack, before + 2)
    assert len(found) == before + 2
    assert "Ask the support team" in found[-1][1]


async def test_a_greeting_is_in_the_language_of_who_added_it(stack: Stack) -> None:
    """Min-jun adds the app to his own list."""
    before = len(await welcomes(stack))
    await install(stack, "add", scope="personal", user="minjun")
    assert "지원팀에 질문하기" in (await welcomed(stack, before + 1))[-1][1]


async def test_a_greeting_opens_no_conversation(stack: Stack) -> None:
    """Agents hear nothing of it."""
    before = len(await stack.conversations())
    await install(stack, "remove", scope="groupChat")
    await install(stack, "add", scope="groupChat")
    await stack.settled()
    assert len(await stack.conversations()) == before
