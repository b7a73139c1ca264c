"""Many threads at once, in any order, doubled and failing: nothing is lost, comes twice, overtakes or crosses over."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stack import Stack, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

EACH_WAY = 340
"""Messages per example; three examples make more than a thousand each way."""

USERS = ("ada", "minjun", "lena", "seoyeon", "samir")
PLACES: list[dict[str, str]] = [
    {"scope": "channel", "channel": "general"},
    {"scope": "channel", "channel": "general"},
    {"scope": "channel", "channel": "it-help"},
    {"scope": "groupChat", "chat": "facilities-chat"},
    {"scope": "groupChat", "chat": "everybody"},
    *({"scope": "personal", "user": user} for user in USERS),
]

FAULTS: list[dict[str, Any]] = [
    {"on": "freshchat", "kind": "status", "status": 503},
    {"on": "freshchat", "kind": "drop_before"},
    {"on": "freshchat", "kind": "status_after", "status": 504, "match": "^POST .*/messages$"},
    {"on": "freshchat", "kind": "drop_after", "match": "^POST .*/(conversations|messages)$"},
    {"on": "connector", "kind": "status", "status": 429, "retry_after": 0.2},
    {"on": "connector", "kind": "status", "status": 503},
    {"on": "connector", "kind": "drop_before"},
    {"on": "teams", "kind": "duplicate"},
    {"on": "webhook", "kind": "duplicate"},
]

THROTTLED = [
    {"on": "freshchat", "kind": "status", "status": 429, "retry_after": 0.2},
    {"on": "freshchat", "kind": "status", "status": 429, "retry_after": None},
    {"on": "connector", "kind": "status", "status": 429, "retry_after": None},
]
"""Kept apart: after a 429 the bridge slows down for a while, on purpose."""

runs = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Five people, two channels, two group chats."""
    folder = tmp_path_factory.mktemp("interleavings")
    async with running(
        folder, sandbox=["--crowd"], TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.1", BRIDGE_LOG_LEVEL="INFO"
    ) as stack:
        yield stack


@dataclass(frozen=True)
class Plan:
    """One interleaving: its random choices, how often messages come twice, and what goes wrong how often."""

    each_way: int
    seed: int
    doubled: float
    hurry: float
    faults: list[dict[str, Any]]
    share: float


plans = st.builds(
    Plan,
    each_way=st.just(EACH_WAY),
    seed=st.integers(0, 2**32),
    doubled=st.floats(0.02, 0.3),
    hurry=st.floats(0.2, 1.0),
    faults=st.lists(st.sampled_from(FAULTS), min_size=3, max_size=6, unique_by=str),
    share=st.floats(0.01, 0.04),
)


@dataclass
class Talk:
    """One thread: what is going to be said in it, and where it turned out to be."""

    name: str
    place: dict[str, str]
    speakers: list[str]
    questions: list[str]
    answers: list[str]
    thread: str | None = None
    conversation: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


def talks_of(run: str, each_way: int, dice: random.Random) -> list[Talk]:
    """Spread the messages of both sides over ten threads."""
    asked, answered = ([1] * len(PLACES) for _ in range(2))
    for counts in (asked, answered):
        for _ in range(each_way - len(PLACES)):
            counts[dice.randrange(len(PLACES))] += 1
    found = []
    for number, place in enumerate(PLACES):
        name = f"{run}t{number}"
        members = USERS[:2] if place.get("chat") == "facilities-chat" else USERS
        speakers = [place.get("user") or dice.choice(members) for _ in range(asked[number])]
        questions = [f"{name} q{n}." for n in range(asked[number])]
        found.append(Talk(name, place, speakers, questions, [f"{name} a{n}." for n in range(answered[number])]))
    return found


async def ask(stack: Stack, talk: Talk, plan: Plan, dice: random.Random) -> None:
    """Write one thread's questions one after the other, as Teams does, faster or slower."""
    for text, user in zip(talk.questions, talk.speakers, strict=True):
        times = 2 if dice.random() < plan.doubled else 1
        said = await stack.say(text, **(talk.place | {"user": user}), thread=talk.thread, times=times)
        talk.thread = said["thread"]
        await asyncio.sleep(0 if dice.random() < plan.hurry else dice.random() / 20)


async def reply(stack: Stack, talk: Talk, plan: Plan, dice: random.Random) -> None:
    """Answer as an agent as soon as the conversation is there."""
    conversation = await talk.conversation
    for text in talk.answers:
        times = 2 if dice.random() < plan.doubled else 1
        await stack.answer(conversation, text, agent=dice.choice(["grace", "tom"]), times=times)
        await asyncio.sleep(0 if dice.random() < plan.hurry else dice.random() / 20)


async def find_conversations(stack: Stack, talks: list[Talk]) -> None:
    """Tell the agents where their questions arrived."""
    missing = {talk.name: talk for talk in talks}

    async def all_found() -> bool:
        for conversation in await stack.conversations():
            for name in {name for name, _, _ in said_in(conversation)} & set(missing):
                missing.pop(name).conversation.set_result(conversation["conversation_id"])
        return not missing

    await stack.until(all_found, 60)


def said_in(container: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """List (thread, side, number) of all test messages in a conversation or a Teams thread, in order of arrival."""
    found = (re.findall(r"(r\d+t\d+) ([qa])(\d+)\.", message["text"]) for message in container["messages"])
    return [(name, side, int(number)) for message in found for name, side, number in message]


def check_side(containers: list[dict[str, Any]], talks: list[Talk], side: str) -> dict[str, dict[str, Any]]:
    """Each thread's messages of one side are in one container, alone, each once and in order."""
    homes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    run = talks[0].name.partition("t")[0]
    for container in containers:
        names = {name for name, which, _ in said_in(container) if which == side and name.startswith(f"{run}t")}
        assert len(names) <= 1, f"messages of {names} met in one place"
        for name in names:
            homes[name].append(container)
    for talk in talks:
        assert len(homes[talk.name]) == 1, f"{talk.name} is in {len(homes[talk.name])} places"
        numbers = [n for name, which, n in said_in(homes[talk.name][0]) if (name, which) == (talk.name, side)]
        wanted = talk.questions if side == "q" else talk.answers
        assert numbers == list(range(len(wanted))), f"{talk.name}: side {side} arrived as {numbers}"
    return {name: found[0] for name, found in homes.items()}


async def play(stack: Stack, plan: Plan) -> None:
    """Let everybody talk as planned, then look at both sides."""
    dice = random.Random(plan.seed)
    talks = talks_of(f"r{next(runs)}", plan.each_way, dice)
    for fault in plan.faults:
        await stack.post("faults", **{"times": None, "probability": plan.share} | fault)
    work = [step(stack, talk, plan, random.Random(dice.random())) for talk in talks for step in (ask, reply)]
    dice.shuffle(work)
    await asyncio.gather(find_conversations(stack, talks), *work)
    await stack.settled(90)
    await stack.clear_faults()

    conversations, threads = await stack.conversations(), await stack.threads()
    asked = check_side(conversations, talks, "q")
    answered = check_side(threads, talks, "a")
    assert len({c["conversation_id"] for c in asked.values()}) == len(talks), "a conversation belongs to one thread"
    for talk in talks:
        assert asked[talk.name]["conversation_id"] == talk.conversation.result()
        home = answered[talk.name]
        assert (home["scope"], home["thread"]) == (talk.place["scope"], talk.thread)
        assert home["user" if home["scope"] == "personal" else "scope"] in talk.place.values()
        numbers = [n for name, side, n in said_in(home) if (name, side) == (talk.name, "q")]
        assert numbers == list(range(len(talk.questions))), "the answers are in the thread in which the questions are"
    assert await stack.metric("bridge_queue_dead") == 0
    assert not [record for record in stack.log() if record.get("action") in ("bug", "worker_error", "claim_lost")]


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(plan=plans)
async def test_any_interleaving_arrives_once_in_order_in_its_own_thread(crowd: Stack, plan: Plan) -> None:
    """Ten threads, five users, three scopes, 340 messages each way, duplicates and failing calls mixed in."""
    await play(crowd, plan)


async def test_throttled_upstreams_change_nothing_but_the_pace(crowd: Stack) -> None:
    """Both sides answer 429 now and then, with and without a time to wait: late, but once and in order."""
    await play(crowd, Plan(each_way=80, seed=429, doubled=0.1, hurry=0.8, faults=THROTTLED, share=0.04))
