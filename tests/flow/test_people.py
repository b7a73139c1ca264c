"""Who asks, where, and in which mood: what the agent sees of it in the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, word

from tests.peers.language import LanguagePeer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(tmp_path_factory.mktemp("people"), sandbox=["--crowd"]) as stack:
        yield stack


def properties(user: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in user["properties"]}


async def test_the_agent_sees_who_asks(stack: Stack) -> None:
    """With what the roster, Entra and the message itself tell."""
    question = word()
    await stack.say(question, user="minjun")
    user = (await conversation_with(stack, question))["user"]
    person = next(one for one in stack.config["users"] if one["key"] == "minjun")
    assert (f"{user['first_name']} {user['last_name']}", user["email"]) == (person["name"], person["mail"])
    wanted = {"department": "경영지원팀", "title": "시설 담당", "locale": "ko-KR", "time_zone": "Asia/Seoul"}
    assert properties(user) == wanted


async def test_a_conversation_leads_back_to_its_thread(stack: Stack) -> None:
    """In a channel to the thread, in a group chat to the chat; a personal chat has no link that others could open."""
    found = {}
    for place in ({"channel": "general"}, {"scope": "groupChat"}, {"scope": "personal"}):
        question = word()
        said = await stack.say(question, **place)
        found[place.get("scope", "channel")] = said, (await conversation_with(stack, question))["properties"]
    said, labels = found["channel"]
    link = urlsplit(labels["cf_teams_link"])
    world, root = stack.config, said["thread"]
    assert (link.hostname, link.path.rsplit("/", 1)[1]) == ("teams.microsoft.com", root)
    group = world["team"]["aad_group_id"]
    assert parse_qs(link.query) == {"tenantId": [world["tenant"]], "groupId": [group], "parentMessageId": [root]}
    assert "/l/chat/19:" in found["groupChat"][1]["cf_teams_link"]
    assert "cf_teams_link" not in found["personal"][1]


@pytest.mark.parametrize("place", [{"channel": "general"}, {"scope": "groupChat", "chat": "everybody"}])
async def test_three_speakers_are_told_apart(stack: Stack, place: dict[str, str]) -> None:
    """Also when the one who joined first opens the next conversation: then it is theirs, and others are named."""
    ours = [word() for _ in range(6)]
    said = await stack.say(ours[0], user="ada", **place)
    first = await conversation_with(stack, ours[0])
    more = place | ({"thread": said["thread"]} if "channel" in place else {})
    for text, user in zip(ours[1:4], ("lena", "samir", "ada"), strict=True):
        await stack.say(text, user=user, **more)
        await conversation_with(stack, text)
    shown = [text for text in texts(await conversation_with(stack, ours[0]), "user") if text in _named(ours)]
    assert shown == [ours[0], f"Lena Ortiz: {ours[1]}", f"Samir Haddad: {ours[2]}", ours[3]]
    await stack.post("freshchat/resolve", conversation_id=first["conversation_id"], agent="grace")
    await stack.settled()
    await stack.say(ours[4], user="lena", **more)
    second = await conversation_with(stack, ours[4])
    await stack.say(ours[5], user="ada", **more)
    assert texts(await conversation_with(stack, ours[5]), "user") == [ours[4], f"Ada Fenn: {ours[5]}"]
    assert second["conversation_id"] != first["conversation_id"]
    assert [one["user"]["first_name"] for one in (first, second)] == ["Ada", "Lena"]


def _named(words: list[str]) -> set[str]:
    return {text for one in words for text in (one, f"Lena Ortiz: {one}", f"Samir Haddad: {one}")}


MOODS = {
    "This is terrible, nothing works": "negative",
    "언제나 감사합니다": "positive",
    "Which floor is it?": "neutral",
}


@pytest.mark.parametrize("text", MOODS)
async def test_the_mood_of_a_question_is_told(stack: Stack, text: str) -> None:
    question = f"{text} {word()}"
    await stack.say(question)
    assert (await conversation_with(stack, question))["properties"]["cf_sentiment"] == MOODS[text]


async def test_without_the_permission_the_roster_is_enough(stack: Stack) -> None:
    """One line in the log, and the question goes its way."""
    await stack.fault("graph", "status", status=403, match="GET .*/users/.*", times=None)
    questions = [word(), word()]
    for question, user in zip(questions, ("seoyeon", "samir"), strict=True):
        await stack.say(question, user=user, scope="personal")
    known = [properties((await conversation_with(stack, question))["user"]) for question in questions]
    await stack.clear_faults()
    assert known[0] == {"locale": "ko-KR", "time_zone": "Asia/Seoul"}
    assert [r["permission"] for r in stack.log() if r.get("action") == "profiles_refused"] == ["User.Read.All"]


async def test_only_the_refused_property_is_left_out(stack: Stack, tmp_path: Path) -> None:
    """An account without such a field: the others arrive."""
    async with running(tmp_path, FRESHCHAT_LINK_PROPERTY="cf_unknown") as other:
        await other.fault("freshchat", "status", status=400, match="POST .*/conversations", times=1)
        question = f"This is terrible {word()}"
        await other.say(question)
        labels = (await conversation_with(other, question))["properties"]
        assert labels == {"cf_sentiment": "negative"}
        (refused,) = [r for r in other.log() if r.get("action") == "properties_refused"]
        assert refused["properties"] == ["cf_unknown"]


async def test_moods_by_azure_within_their_budget(tmp_path: Path) -> None:
    """A service that hangs costs a question its mood and no time."""
    async with LanguagePeer(moods={}) as peer:
        settings = {"BRIDGE_SENTIMENT": "azure.language", "AZURE_LANGUAGE_ENDPOINT": peer.url}
        async with running(tmp_path, AZURE_LANGUAGE_KEY=peer.key, FRESHCHAT_LINK_PROPERTY="off", **settings) as other:
            question = word()
            peer.moods[question] = "positive"
            await other.say(question)
            assert (await conversation_with(other, question))["properties"] == {"cf_sentiment": "positive"}
            async with other.session.post(f"{peer.url}/_peer/faults", json={"delay": 60, "status": 503}) as answer:
                assert answer.status == 200
            question = word()
            await other.say(question)
            assert (await conversation_with(other, question))["properties"] == {}
            assert await other.metric("bridge_events_total", what="no_sentiment") == 1
