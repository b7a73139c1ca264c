"""After the end of a conversation its people are asked how it went; the first star counts, once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_commands import command
from test_conversation import thread_with
from test_status import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

THANKS, KOREAN_THANKS = "Thank you for your rating.", "평가해 주셔서 감사합니다."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge that asks for ratings."""
    folder = tmp_path_factory.mktemp("rating")
    async with running(folder, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2", BRIDGE_CSAT="true") as running_stack:
        yield running_stack


async def cards(stack: Stack, question: str) -> list[dict[str, Any]]:
    """List the messages with cards in the thread of a question."""
    return [m for m in (await thread_with(stack, question))["messages"] if m.get("cards")]


async def resolved(stack: Stack, question: str, conversation: str) -> dict[str, Any]:
    """Resolve; give the message with the new card."""
    before = len(await cards(stack, question))
    await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")

    async def asks() -> Any:
        found = await cards(stack, question)
        return found[-1] if len(found) > before else None

    return dict(await stack.until(asks))


def data_of(card: dict[str, Any], stars: int) -> dict[str, Any]:
    """Give what the button with so many stars carries."""
    (section,) = card["cards"][0]["body"]
    actions = [action for element in section["items"] for action in element.get("actions", ())]
    return next(dict(action["data"]) for action in actions if action["title"] == "★" * stars)


async def press(stack: Stack, question: str, card: dict[str, Any], stars: int, **more: Any) -> Any:
    """Press so many stars, as a client whose card may be an old one; give the answer that Teams gets."""
    where = {"conversation_id": (await thread_with(stack, question))["conversation_id"], "message": card["id"]}
    pressed = await stack.post("teams/press", **where, **({"data": data_of(card, stars), "user": "ada"} | more))
    assert pressed["status"] == 200, pressed
    return json.loads(pressed["body"])


async def thanked(stack: Stack, question: str, card: dict[str, Any], thanks: str = THANKS) -> dict[str, Any]:
    """Wait until everybody sees that the card says thanks, and has nothing to press; give it."""

    async def says() -> Any:
        (shown,) = [m["cards"][0] for m in await cards(stack, question) if m["id"] == card["id"]]
        return shown if thanks in json.dumps(shown, ensure_ascii=False) else None

    shown = dict(await stack.until(says))
    assert not any(part in json.dumps(shown) for part in ("Action.", "Input."))
    return shown


async def ratings(stack: Stack, conversation: str) -> tuple[Any, int]:
    """Give the rating that Freshchat has, and how often it was told one."""
    found = next(c for c in await stack.conversations() if c["conversation_id"] == conversation)
    told = [r for r in await stack.get("requests?on=freshchat") if r["path"].endswith(f"/csat/{conversation}")]
    return found["csat"], len([r for r in told if r["status"] < 300])


@pytest.mark.parametrize("where", [{"scope": "channel"}, {"scope": "groupChat"}, {"scope": "personal"}])
async def test_a_star_is_told_and_thanked_for(stack: Stack, where: dict[str, str]) -> None:
    """With its comment; the card has no button left, and no agent reads a message about it."""
    question, conversation = await asked(stack, **where)
    card = await resolved(stack, question, conversation)
    answer = await press(stack, question, card, 4, inputs={"comment": "  quick help "})
    assert await thanked(stack, question, card) == answer["value"]
    await stack.settled()
    assert await ratings(stack, conversation) == ({"rating": 4, "comment": "quick help"}, 1)
    found = next(c for c in await stack.conversations() if c["conversation_id"] == conversation)
    assert texts(found, "user")[-1].endswith(question)


async def test_double_clicks_and_a_second_person_have_one_effect(stack: Stack) -> None:
    """The first star counts; nobody is told which it was."""
    question, conversation = await asked(stack)
    card = await resolved(stack, question, conversation)
    first = await press(stack, question, card, 2, times=3)
    assert await press(stack, question, card, 5, user="minjun") == first
    assert "★" not in json.dumps(first, ensure_ascii=False)
    await thanked(stack, question, card)
    await stack.settled()
    assert await ratings(stack, conversation) == ({"rating": 2}, 1)


async def test_who_asked_in_korean_is_asked_in_korean(stack: Stack) -> None:
    """Min-jun's Teams is Korean."""
    question, conversation = await asked(stack, user="minjun", channel="it-help")
    card = await resolved(stack, question, conversation)
    assert "도움이 얼마나 만족스러우셨나요?" in json.dumps(card["cards"], ensure_ascii=False)
    await press(stack, question, card, 5, user="minjun")
    await thanked(stack, question, card, KOREAN_THANKS)


async def test_a_helpdesk_that_is_away_gets_the_rating_later(stack: Stack) -> None:
    """Refused twice with 503, told once; the card does not wait for it."""
    question, conversation = await asked(stack)
    card = await resolved(stack, question, conversation)
    await stack.fault("freshchat", "status", status=503, times=2, match="POST .*/csat/")
    await press(stack, question, card, 3)
    await thanked(stack, question, card)
    await stack.settled()
    assert await ratings(stack, conversation) == ({"rating": 3}, 1)


async def test_close_asks_too_and_the_second_end_asks_again(stack: Stack) -> None:
    """Each end of a conversation has its own card; resolving twice is one end."""
    question, conversation = await asked(stack)
    await command(stack, "close", question)

    async def one() -> Any:
        return len(await cards(stack, question)) == 1

    await stack.until(one)
    await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")
    await stack.settled()
    assert len(await cards(stack, question)) == 1
    await stack.post("freshchat/reopen", conversation_id=conversation, agent="grace")
    await stack.settled()
    await resolved(stack, question, conversation)
    assert len(await cards(stack, question)) == 2


async def test_a_forged_press_rates_nothing(stack: Stack) -> None:
    """Neither a card of another thread, nor more stars than there are, nor a card that is not there."""
    question, conversation = await asked(stack)
    card = await resolved(stack, question, conversation)
    other, theirs = await asked(stack, channel="it-help")
    their_card = await resolved(stack, other, theirs)
    data = data_of(card, 1)
    refused = [
        await press(stack, other, their_card, 1, data=data),
        await press(stack, question, card, 1, data=data | {"choice": "5"}),
        await press(stack, question, card, 1, data=data | {"card": "f" * 32}),
    ]
    assert {answer["statusCode"] for answer in refused} == {400}
    await stack.settled()
    assert await ratings(stack, conversation) == await ratings(stack, theirs) == (None, 0)
    assert not await stack.metric("bridge_queue_dead")


async def test_a_card_whose_receipt_is_lost_is_shown_once_and_works(stack: Stack) -> None:
    """The bot can read the thread back, and finds its card by the id in it."""
    question, conversation = await asked(stack)
    await stack.settled()
    await stack.fault("connector", "status_after", match="POST .*/activities$", status=504, times=2)
    card = await resolved(stack, question, conversation)
    await stack.settled()
    await stack.clear_faults()
    assert len(await cards(stack, question)) == 1
    await press(stack, question, card, 4)
    await thanked(stack, question, card)


async def test_a_rating_that_is_refused_is_a_letter_and_tells_nobody(tmp_path: Any) -> None:
    """Whoever rated has been thanked; an operator finds it."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_CSAT="true") as stack:
        question, conversation = await asked(stack)
        card = await resolved(stack, question, conversation)
        await stack.fault("freshchat", "status", status=400, times=1, match="POST .*/csat/")
        await press(stack, question, card, 1)

        async def given_up() -> Any:
            return await stack.metric("bridge_queue_dead")

        await stack.until(given_up)
        await stack.settled()
        assert await ratings(stack, conversation) == (None, 0)
        assert not [record for record in stack.log() if record.get("action") in ("notice", "not_told")]


async def test_a_press_survives_a_killed_bridge(tmp_path: Any) -> None:
    """What the card has thanked for is told."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2", BRIDGE_CSAT="true") as stack:
        question, conversation = await asked(stack)
        card = await resolved(stack, question, conversation)
        await stack.settled()
        await stack.fault("freshchat", "status", status=503, times=None, match="POST .*/csat/")
        await press(stack, question, card, 1, inputs={"comment": "slow"})
        await stack.kill_bridge()
        await stack.clear_faults()
        await stack.start_bridge()
        await stack.settled()
        assert await ratings(stack, conversation) == ({"rating": 1, "comment": "slow"}, 1)


async def test_nothing_is_asked_without_the_switch(tmp_path: Any) -> None:
    """It is off unless an administrator wants it."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as quiet:
        question, conversation = await asked(quiet)
        await quiet.post("freshchat/resolve", conversation_id=conversation, agent="grace")
        await quiet.settled()
        assert await cards(quiet, question) == []
