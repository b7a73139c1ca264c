"""Dead letters as a work list: chosen, replayed in any state of the bridge, and never sent twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

THREADS, EACH = 20, 10
APPENDS = "POST .*/messages$"
READS = "GET .*/messages"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge that gives up early."""
    folder = tmp_path_factory.mktemp("letters")
    settings = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RETRY_WAIT": "0.1", "BRIDGE_RETRY_WINDOW": "0.3"}
    async with running(folder, **settings) as stack:
        yield stack


async def letters(stack: Stack, *filters: str) -> list[dict[str, Any]]:
    """List letters as a machine does."""
    code, out, err = await stack.bridgectl("dlq", "list", "--json", "--limit", "500", *filters)
    assert code == 0, err
    return list(json.loads(out))


async def replay(stack: Stack, *which: str) -> str:
    """Replay letters; give what was said about it."""
    code, out, err = await stack.bridgectl("dlq", "replay", *which)
    assert code == 0, err
    return out.strip()


async def until_dead(stack: Stack, count: int) -> None:
    """Wait until there are so many letters."""

    async def dead() -> bool:
        return await stack.metric("bridge_queue_dead") == count

    await stack.until(dead, 120)


async def interrupted(stack: Stack, count: int) -> None:
    """Replay all, and interrupt that as soon as it has begun."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridgectl", "dlq", "replay", "--all"),
        cwd=stack.folder,
        env=stack.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def begun() -> bool:
        return child.returncode is not None or await stack.metric("bridge_queue_dead") < count

    await stack.until(begun)
    if child.returncode is None:
        child.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode in (0, 2), err
    assert out.decode().startswith("Replayed "), "it says how far it came"
    assert b"Traceback" not in err


async def test_replay_of_many_that_had_arrived_sends_nothing_twice(stack: Stack) -> None:
    """200 letters whose calls had worked: replayed while the bridge is stopped, interrupted, and while it runs."""
    said = [await stack.say(word()) for _ in range(THREADS)]
    await stack.settled()
    await stack.fault("freshchat", "status_after", match=APPENDS, status=500, times=None)
    await stack.fault("freshchat", "status", match=READS, status=503, times=None)
    wanted = [[word() for _ in range(EACH)] for _ in said]
    for number in range(EACH):
        await asyncio.gather(*(stack.say(w[number], thread=s["thread"]) for s, w in zip(said, wanted, strict=True)))
    await until_dead(stack, THREADS * EACH)
    await stack.clear_faults()

    await stack.stop_bridge()
    found = await letters(stack)
    assert {letter["transient"] for letter in found} == {True}
    half = [letter["id"] for letter in found[: len(found) // 2]]
    assert await replay(stack, *half) == f"Replayed {len(half)}."
    assert len(await letters(stack)) == len(found) - len(half)

    await stack.start_bridge()
    await interrupted(stack, len(found) - len(half))
    await replay(stack, "--all")
    await stack.settled(120)
    assert await letters(stack) == []
    arrived = {c["messages"][0]["text"]: texts(c, "user")[1:] for c in await stack.conversations()}
    assert sorted(arrived.values()) == sorted(wanted), "each once, in order"
    conversation = await conversation_with(stack, wanted[0][-1])
    answer = word()
    await stack.answer(conversation["conversation_id"], answer)
    assert (await thread_with(stack, answer))["thread"] == said[0]["thread"]


@pytest.mark.parametrize("path", ["POST .*/conversations$", APPENDS], ids=["open", "append"])
async def test_replay_after_a_refusal_that_had_its_effect(stack: Stack, path: str) -> None:
    """Freshchat posted and answered 400: the letter's replay finds the message and sends none."""
    first, text = word(), word()
    said = await stack.say(first) if path == APPENDS else {"thread": None}
    await stack.settled()
    await stack.fault("freshchat", "status_after", match=path, status=400, times=2)
    await stack.say(text, **({"thread": said["thread"]} if said["thread"] else {}))
    await until_dead(stack, 1)
    await stack.clear_faults()
    made = [c for c in await stack.conversations() if text in texts(c, "user")]
    [letter] = await letters(stack)
    assert (letter["code"], letter["transient"], letter["next_replay"]) == ("freshchat_400", False, None)
    assert await replay(stack, letter["id"]) == "Replayed 1."
    await stack.settled()
    assert [c for c in await stack.conversations() if text in texts(c, "user")] == made
    assert await letters(stack) == []


async def test_letters_are_chosen_by_what_is_known_of_them(stack: Stack) -> None:
    """One refused, one that waited too long, one unreadable: every filter leaves the right ones."""
    refused, away = word(), word()
    await stack.fault("freshchat", "status", match="POST .*/conversations$", status=400)
    await stack.say(refused)
    await until_dead(stack, 1)
    await stack.clear_faults()
    await stack.fault("freshchat", "status", match="POST .*/conversations$", status=503, times=None)
    await stack.say(away)
    await until_dead(stack, 2)
    await stack.clear_faults()
    body = {"action": "message_create", "actor": {"actor_type": "agent"}, "data": {"message": {"n": word()}}}
    await stack.post("freshchat/webhook", body=body)
    await until_dead(stack, 3)

    now = datetime.now(UTC)
    expected = {
        (): ["freshchat_400", "freshchat_503", "not_understood"],
        ("--transient",): ["freshchat_503"],
        ("--permanent",): ["freshchat_400", "not_understood"],
        ("--component", "freshchat", "--permanent"): ["freshchat_400", "not_understood"],
        ("--component", "graph"): [],
        ("--since", "1h"): ["freshchat_400", "freshchat_503", "not_understood"],
        ("--until", "1h"): [],
        ("--since", f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"): [],
        ("--until", (now + timedelta(hours=1)).isoformat()): ["freshchat_400", "freshchat_503", "not_understood"],
        ("--direction", "to-freshchat", "--permanent"): ["freshchat_400"],
    }
    found = await asyncio.gather(*(letters(stack, *filters) for filters in expected))
    assert [[letter["code"] for letter in one] for one in found] == list(expected.values())
    transient = found[1][0]
    assert transient["attempts"] > 1
    assert transient["replays"] == 0
    assert transient["first_failed_at"] <= transient["last_failed_at"] < transient["next_replay"]
    _, table, _ = await stack.bridgectl("dlq", "list")
    assert all(word in table for word in (transient["reference"], transient["next_replay"], "not_understood"))

    wrong = [
        ("list", "--since", "yesterday"),
        ("replay", "--all", "--until", "x"),
        ("drop", "1", "--transient", "--yes"),
    ]
    answers = await asyncio.gather(*(stack.bridgectl("dlq", *arguments) for arguments in wrong))
    assert [code for code, _, _ in answers] == [2, 2, 2]
    assert all("Traceback" not in err for _, _, err in answers)
    code, out, _ = await stack.bridgectl("dlq", "drop", "--all", "--permanent", "--yes")
    assert (code, out.strip()) == (0, "Dropped 2.")
    assert await replay(stack, "--all", "--transient") == "Replayed 1."
    assert (await conversation_with(stack, away))["messages"]


async def test_letter_that_came_back_often_enough_says_so(stack: Stack) -> None:
    """After the seventh automatic replay it is listed among those that wait for a person."""
    await stack.settled()
    await stack.bridgectl("dlq", "drop", "--all", "--yes")
    await stack.fault("freshchat", "status", match="POST .*/conversations$", status=503, times=None)
    await stack.say(word())
    await until_dead(stack, 1)
    [letter] = await letters(stack, "--transient")
    await stack.stop_bridge()
    with closing(sqlite3.connect(stack.folder / "data" / "bridge.db", isolation_level=None)) as store:
        store.execute("UPDATE dead_letters SET replays = 7 WHERE id = ?", (int(letter["id"]),))
    assert await letters(stack, "--transient") == []
    [same] = await letters(stack, "--permanent")
    assert (same["id"], same["replays"], same["next_replay"], same["given_up"]) == (letter["id"], 7, None, True)
    _, table, _ = await stack.bridgectl("dlq", "list")
    assert "given up" in table
