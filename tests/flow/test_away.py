"""Outside business hours, whoever asks is told so; nobody waits for it, and nothing fails for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, thread_with, word
from test_status import asked, lines

pytestmark = pytest.mark.asyncio(loop_scope="module")

AWAY = "The support team is away now"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack at night."""
    async with running(tmp_path_factory.mktemp("night"), TEAMS_REPLY_VIA="bot") as stack:
        await stack.post("settings", business_hours=False)
        yield stack


async def hinted(stack: Stack, question: str) -> list[str]:
    """Wait for the hint; give what the bot said in the thread."""

    async def said() -> Any:
        return [line for line in await lines(stack, question) if line.startswith(AWAY)]

    await stack.until(said)
    await stack.settled()
    return await lines(stack, question)


async def test_a_question_at_night_is_carried_and_hinted_at_once(closed: Stack) -> None:
    """The second message of the conversation brings no second hint; a new conversation does."""
    question, conversation = await asked(closed)
    assert len(await hinted(closed, question)) == 1
    thread = (await thread_with(closed, question))["thread"]
    more = word()
    await closed.say(more, thread=thread)
    assert (await conversation_with(closed, more))["conversation_id"] == conversation
    assert len(await hinted(closed, question)) == 1
    other, _ = await asked(closed, channel="it-help")
    assert len(await hinted(closed, other)) == 1


async def test_the_hint_is_in_the_language_of_who_asks(closed: Stack) -> None:
    """Min-jun asks in Korean."""
    question, _ = await asked(closed, user="minjun")
    (line,) = await closed.until(lambda: lines(closed, question))
    assert line.startswith("지금은 업무 시간이")


async def test_nothing_is_said_in_business_hours(stack: Stack) -> None:
    """Nor asked more than once a minute."""
    for _ in range(3):
        question, _ = await asked(stack)
        await stack.settled()
        assert await lines(stack, question) == []
    calls = [r for r in await stack.get("requests") if "business-hours" in r["path"]]
    assert len(calls) == 1


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "delay", "delay_ms": 20_000}])
async def test_hours_that_cannot_be_had_stop_nobody(tmp_path: Any, fault: dict[str, Any]) -> None:
    """The question arrives, and nothing is said."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        await stack.post("settings", business_hours=False)
        await stack.fault("freshchat", match="GET .*/business-hours", times=None, **fault)
        question, _ = await asked(stack)
        await stack.settled()
        assert await lines(stack, question) == []


async def test_a_switch_turns_the_hint_off(tmp_path: Any) -> None:
    """`BRIDGE_AWAY_NOTICES=false`: Freshchat is not even asked."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_AWAY_NOTICES="false") as stack:
        await stack.post("settings", business_hours=False)
        question, _ = await asked(stack)
        await stack.settled()
        assert await lines(stack, question) == []
        assert not [r for r in await stack.get("requests") if "business-hours" in r["path"]]
