"""Webhooks that are lost for good: every answer arrives all the same, once, and nothing arrives that must not."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, nothing_happens, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="function")

ANSWERS = 16
PLACES: list[dict[str, str]] = [
    *[{"scope": "channel", "channel": "general"}] * 8,
    *[{"scope": "channel", "channel": "it-help"}] * 8,
    {"scope": "groupChat"},
    {"scope": "personal", "user": "ada"},
    {"scope": "personal", "user": "minjun"},
]
LOSE = {"on": "webhook", "kind": "lose", "times": None}


@dataclass
class Talk:
    """One conversation, and the thread it belongs to."""

    name: str
    thread: str
    conversation: str
    inbox: str


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Two inboxes, and no timer yet: what is lost stays lost until a test says otherwise."""
    extra = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RECONCILE_SECONDS": "0", "BRIDGE_LOG_LEVEL": "INFO"}
    async with running(tmp_path, bridge=False, **extra) as stack:
        channel, inbox = stack.config["channels"][1]["id"], stack.config["inboxes"][1]["id"]
        routing = tmp_path / "routing.toml"
        routing.write_text(f'[[route]]\nchannel = "{channel}"\ninbox = "{inbox}"\n', encoding="utf-8")
        stack.extra["BRIDGE_ROUTING_FILE"] = str(routing)
        await stack.start_bridge()
        yield stack


async def ask(stack: Stack, places: list[dict[str, str]]) -> list[Talk]:
    """Ask one question in each place."""
    said = [await stack.say(f"question t{n:02}.", **place) for n, place in enumerate(places)]

    async def asked() -> dict[str, dict[str, Any]]:
        found = {
            name: c for c in await stack.conversations() for name in re.findall(r"question (t\d+)\.", str(texts(c)))
        }
        return found if len(found) == len(places) else {}

    found = await stack.until(asked, 60)
    return [
        Talk(name, one["thread"], found[name]["conversation_id"], found[name]["inbox"])
        for name, one in ((f"t{n:02}", one) for n, one in enumerate(said))
    ]


async def answer(stack: Stack, talk: Talk, numbers: range) -> None:
    """Answer as agent and bot, minutes ago, with a private note before each."""
    for number in numbers:
        ago = 400 - 10 * number
        await stack.answer(talk.conversation, f"secret {talk.name}.", type="private", ago=ago)
        actor = "bot" if number % 4 == 3 else "agent"
        await stack.answer(talk.conversation, f"answer {talk.name} {number}.", actor_type=actor, ago=ago - 1)


async def arrived(stack: Stack) -> dict[tuple[str, str], list[int]]:
    """List the answers by thread and conversation, in the order in which they arrived."""
    found: dict[tuple[str, str], list[int]] = {}
    for thread in await stack.threads():
        for message in thread["messages"]:
            assert "secret" not in message["text"]
            for name, number in re.findall(r"answer (t\d+) (\d+)\.", message["text"]):
                found.setdefault((thread["thread"], name), []).append(int(number))
    return found


async def reconcile(stack: Stack, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command; give its exit code and what it prints as JSON."""
    code, out, err = await stack.bridgectl("reconcile", "--json", *options)
    assert "Traceback" not in err
    return code, json.loads(out)


def written(missing: dict[str, Any], conversations: list[dict[str, Any]]) -> tuple[str, int]:
    """Tell which answer a row of the command is about."""
    message = re.fullmatch(r"freshchat:.+/(.+):create", missing["key"])
    assert message is not None
    (text,) = (m["text"] for c in conversations for m in c["messages"] if m["id"] == message[1])
    found = re.fullmatch(r"answer (t\d+) (\d+)\.", text)
    assert found is not None, "only answers are ever missing"
    return found[1], int(found[2])


async def test_a_tenth_of_all_webhooks_is_lost_and_every_answer_arrives_once(stack: Stack) -> None:
    """Hundreds of answers over both inboxes and all scopes; a dry run names just the lost ones and changes nothing."""
    talks = await ask(stack, PLACES)
    assert len({talk.inbox for talk in talks}) == 2
    homes = {(talk.thread, talk.name): list(range(ANSWERS)) for talk in talks}
    await stack.post("faults", **LOSE, probability=0.1)
    await asyncio.gather(*(answer(stack, talk, range(ANSWERS)) for talk in talks))
    await stack.settled(90)
    before = await arrived(stack)
    assert all(found == sorted(found) for found in before.values())
    lost = {(name, n) for (thread, name), all_of_it in homes.items() for n in all_of_it} - {
        (name, n) for (_, name), found in before.items() for n in found
    }
    assert lost, "the fault has lost nothing"

    async with nothing_happens(stack):
        code, found = await reconcile(stack, "--dry-run")
    conversations = await stack.conversations()
    assert code == 1
    assert {written(row, conversations) for row in found["missing"]} == lost
    assert (found["conversations"], found["answers"]) == (len(talks), len(talks) * ANSWERS)
    assert "secret" not in json.dumps(found)

    stack.extra["BRIDGE_RECONCILE_SECONDS"] = "900"
    await stack.stop_bridge()
    await stack.start_bridge()

    async def healed() -> bool:
        return sum(len(found) for found in (await arrived(stack)).values()) >= len(talks) * ANSWERS

    await stack.until(healed, 90)
    await stack.settled()
    after = await arrived(stack)
    assert {home: sorted(found) for home, found in after.items()} == homes
    for home, found in after.items():
        for part in ([n for n in found if ((home[1], n) in lost) is which] for which in (True, False)):
            assert part == sorted(part)
    assert await stack.metric("bridge_reconciled_total") == len(lost)
    await stack.until(lambda: more_passes(stack, 1))
    (report,) = [r for r in stack.log() if r.get("action") == "reconciled"]
    assert (report["missing"], report["failed"], report["read"]) == (len(lost), 0, len(talks))
    assert not [r for r in stack.log() if r.get("action") == "bug"]
    code, found = await reconcile(stack, "--dry-run", "--since", "1d")
    assert (code, found["missing"], found["answers"]) == (0, [], len(talks) * ANSWERS)


async def test_what_was_said_while_the_bridge_was_down_arrives_when_it_is_back(stack: Stack) -> None:
    """Marked late; a conversation that was resolved meanwhile takes no more questions."""
    talks = await ask(stack, [{"scope": "channel", "channel": "general"}, {"scope": "personal", "user": "minjun"}])
    await stack.settled()
    await stack.stop_bridge()
    await stack.post("faults", **LOSE)
    for talk in talks:
        await answer(stack, talk, range(5))
        await stack.post("freshchat/resolve", conversation_id=talk.conversation, agent="grace")
    stack.extra["BRIDGE_RECONCILE_SECONDS"] = "900"
    await stack.start_bridge()

    async def all_there() -> bool:
        return await arrived(stack) == {(talk.thread, talk.name): list(range(5)) for talk in talks}

    await stack.until(all_there)
    marks = [m["html"] for t in await stack.threads() for m in t["messages"] if "answer" in m["text"]]
    assert Counter(("delivered late" in mark, "늦게 전달" in mark) for mark in marks) == {
        (True, False): 5,
        (False, True): 5,
    }

    code, found = await reconcile(stack, "--since", "1h")
    assert (code, found["missing"], found["statuses"]) == (0, [], 2)
    await stack.clear_faults()
    more = word()
    await stack.say(more, thread=talks[0].thread)
    assert (await conversation_with(stack, more))["conversation_id"] != talks[0].conversation


async def test_the_timer_heals_while_the_bridge_runs(stack: Stack) -> None:
    """With webhooks and lost webhooks mixed, and a duplicate of the lost one coming after all."""
    await stack.stop_bridge()
    stack.extra["BRIDGE_RECONCILE_SECONDS"] = "1"
    await stack.start_bridge()
    (talk,) = await ask(stack, [{"scope": "channel", "channel": "it-help"}])
    for number in range(6):
        fault = await stack.fault("webhook", "lose", times=None) if number % 2 else None
        await answer(stack, talk, range(number, number + 1))
        await stack.settled()
        if fault:
            await stack.clear_faults()

    async def all_there() -> bool:
        return sorted((await arrived(stack)).get((talk.thread, talk.name), [])) == list(range(6))

    await stack.until(all_there, 60)
    passes = await passes_of(stack)
    await stack.until(lambda: more_passes(stack, passes + 2), 60)
    assert Counter((await arrived(stack))[talk.thread, talk.name]) == dict.fromkeys(range(6), 1)


async def passes_of(stack: Stack) -> int:
    """Count the passes that the bridge has told of."""
    return sum(r.get("action") == "reconciled" for r in stack.log())


async def more_passes(stack: Stack, wanted: int) -> bool:
    """Tell whether so many passes were made."""
    return await passes_of(stack) >= wanted


async def test_an_operator_heals_at_once(stack: Stack) -> None:
    """Also what is too young for the timer; one conversation or all; the bridge delivers."""
    question, lost = word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.settled()
    await stack.fault("webhook", "lose", times=None)
    await stack.answer(conversation, lost)
    code, found = await reconcile(stack, "--dry-run")
    assert (code, found["missing"]) == (0, []), "its webhook may still be on its way"
    code, out, _ = await stack.bridgectl("reconcile", "--dry-run", "--conversation", conversation)
    assert code == 1
    assert conversation in out and "Missing answers: 1 (would be queued)" in out
    code, found = await reconcile(stack, "--conversation", conversation)
    assert (code, len(found["missing"])) == (0, 1)
    thread = await thread_with(stack, lost)
    assert "delivered late" not in thread["messages"][-1]["html"]
    code, found = await reconcile(stack, "--since", "2h")
    assert (code, found["missing"]) == (0, [])
    await stack.settled()
    assert [m["text"] for m in (await thread_with(stack, lost))["messages"]].count(thread["messages"][-1]["text"]) == 1


async def test_what_cannot_be_done_is_said(stack: Stack) -> None:
    """Exit code 2, and one line that says why."""
    question = word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.settled()
    cases = [
        (["--tenant", "nobody"], "there is no tenant nobody"),
        (["--conversation", "nobody's"], "No Teams thread is linked"),
        (["--since", "60d"], "--since may be 28 days ago"),
        (["--since", "yesterday"], "is no time"),
    ]
    for options, reason in cases:
        code, out, err = await stack.bridgectl("reconcile", *options)
        assert (code, "Traceback" in err) == (2, False)
        assert reason in " ".join(re.sub("[│╭╰─╮╯]", " ", out + err).split())
    await stack.fault("freshchat", "status", status=401, times=None)
    code, _, err = await stack.bridgectl("reconcile", "--conversation", conversation)
    assert (code, "Forbidden" in err, "Traceback" in err) == (2, True, False)


async def test_what_lies_in_the_dead_letters_is_not_missing(stack: Stack) -> None:
    """It waits for `dlq replay`; reconciliation neither reports nor repeats it."""
    question, refused = word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.settled()
    await stack.stop_bridge()
    stack.extra |= {"BRIDGE_RETRY_WINDOW": "0.5", "BRIDGE_RETRY_WAIT": "0.2"}
    await stack.start_bridge()
    await stack.fault("token", "status", status=503, times=None)
    await stack.answer(conversation, refused)

    async def dead() -> bool:
        return await stack.metric("bridge_queue_dead", direction="to-teams") > 0

    await stack.until(dead)
    code, found = await reconcile(stack, "--dry-run", "--since", "1h")
    assert (code, found["missing"], found["dead_letters"]) == (0, [], 1)
    code, found = await reconcile(stack, "--since", "1h")
    assert (code, found["missing"]) == (0, [])
    await stack.clear_faults()
    assert not [t for t in await stack.threads() if refused in str(t)]
