"""Traffic for a bridge that keeps dying: people, whose words Teams repeats until it gets its 200, and agents."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.flow.stack import Stack

PEOPLE = ("ada", "minjun", "lena", "seoyeon", "samir")
GROUPS = ("facilities-chat", "everybody")
AGENTS = ("grace", "tom")
RETRY_SECONDS = 0.15
GIVE_UP_SECONDS = 180.0
FIRST_ID = 1_500_000_000_000
"""Ids of Teams messages are milliseconds; these are years before those that the sandbox gives."""
TOKEN = re.compile(r"\b([qa]-t\d+-\d+\.\d+)\b")
LONG = "x" * 11_500
"""Two of these do not fit into one message, on neither side; the cut comes between them, at the line's end."""


@dataclass
class Talk:
    """One Teams thread or chat, and all that is said about it. Tokens are in the order in which they were said."""

    name: str
    place: dict[str, Any]
    template: dict[str, Any]
    column: str
    asked: list[str] = field(default_factory=list)
    answered: dict[str, list[str]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    resolved: int = 0

    @property
    def conversation_id(self) -> str:
        """The id of the Teams thread, as the sandbox lists it."""
        return str(self.template["conversation"]["id"])


@dataclass
class Batch:
    """What one cycle says: how many of each, and how many of these take more than one message."""

    threads: int = 2
    questions: int = 4
    answers: int = 6
    chats: int = 3
    chat_answers: int = 3
    long: int = 0
    statuses: int = 1


class Traffic:
    """Everything that is said in a run, with the tasks that are still saying it."""

    def __init__(self, stack: Stack, rng: random.Random) -> None:
        self._stack, self._rng = stack, rng
        self._ids = FIRST_ID
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel: dict[str, Any] = {}
        self.talks: list[Talk] = []
        self.chats: list[Talk] = []
        self.linked: dict[str, str] = {}
        self.sent: dict[str, list[str]] = {}
        self.keys: dict[str, list[str]] = {}
        self.messages = {"to-freshchat": 0, "to-teams": 0}

    async def learn_shapes(self) -> None:
        """Have each place's activity made by the sandbox, while no bridge listens: these are the moulds of ours."""
        for channel in ("general", "it-help"):
            self._channel[channel] = await self._mould(scope="channel", channel=channel, user="ada")
        for person in PEOPLE:
            place = {"scope": "personal", "user": person}
            self.chats.append(Talk(f"t{len(self.chats)}", place, await self._mould(**place), "bot"))
        for chat in GROUPS:
            place = {"scope": "groupChat", "chat": chat, "user": "ada"}
            self.chats.append(Talk(f"t{len(self.chats)}", place, await self._mould(**place), "bot"))

    async def _mould(self, **place: str) -> dict[str, Any]:
        said = await self._stack.post("teams/messages", text="mould", mention=False, **place)
        sent = await self._stack.get("requests?on=teams&bodies=1")
        mould: dict[str, Any] = json.loads(sent[-1]["body"])
        assert mould["id"] == said["id"], (said, mould)
        mould["attachments"] = []
        return mould

    # --- saying

    def say(self, batch: Batch) -> None:
        """Start to say all of it."""
        for _ in range(batch.threads):
            self._start(self._new_thread())
        asked = self._rng.choices(self.talks, k=batch.questions) if self.talks else []
        asked += self._rng.choices(self.chats, k=batch.chats)
        for number, talk in enumerate(asked):
            self._start(self._ask(talk, long=number < batch.long))
        self._answer_some([t for t in self.talks if t.name in self.linked], batch.answers, batch.long)
        self._answer_some([t for t in self.chats if t.name in self.linked], batch.chat_answers, 0)
        linked = [t for t in (*self.talks, *self.chats) if t.name in self.linked]
        for talk in self._rng.choices(linked, k=batch.statuses) if linked else ():
            self._start(self._status(talk))

    def _answer_some(self, talks: list[Talk], count: int, long: int) -> None:
        for number, talk in enumerate(self._rng.choices(talks, k=count) if talks else ()):
            self._start(self._answer(talk, long=number < long))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def saying(self) -> int:
        """How many are still being said."""
        return len(self._tasks)

    async def finish(self, seconds: float) -> None:
        """Wait until all is said; raises what went wrong."""
        if self._tasks:
            done, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            assert not late, f"{len(late)} messages could not be handed over"
            for task in done:
                task.result()

    async def _new_thread(self) -> None:
        """Ada starts a thread of which the bridge does not hear; the first who asks is often new to Freshchat."""
        channel = self._rng.choice(("general", "it-help"))
        place = {"scope": "channel", "channel": channel, "user": "ada"}
        root = await self._stack.post("teams/messages", text="root", deliver=False, **place)
        mould = copy.deepcopy(self._channel[channel])
        mould["conversation"]["id"] = root["conversation_id"]
        if self._rng.random() < 0.6:
            who = uuid.UUID(int=self._rng.getrandbits(128), version=4)
            mould["from"] = {"id": f"29:{who.hex}", "name": f"Guest {who.hex[:4]}", "aadObjectId": str(who)}
        talk = Talk(f"t{100 + len(self.talks)}", place, mould, "graph")
        self.talks.append(talk)
        for _ in range(self._rng.randint(1, 2)):
            await self._ask(talk, long=False)

    async def _ask(self, talk: Talk, *, long: bool) -> None:
        async with talk.lock:
            tokens, text = _text("q", talk.name, len(talk.asked), long)
            self._ids += 1
            activity = copy.deepcopy(talk.template) | {"id": str(self._ids), "text": text}
            talk.asked.extend(tokens)
            self.messages["to-freshchat"] += 1
            await self._until_accepted(activity)

    async def _until_accepted(self, activity: Mapping[str, Any]) -> None:
        """Do as Teams may: send the same activity until it is answered with 200."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        status = None
        while time.monotonic() < deadline:
            status = (await self._stack.post("teams/activity", activity=activity))["status"]
            if status == 200:
                return
            assert status == 0 or status >= 500, f"the door refused an activity: {status}"
            await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError(f"the door never took an activity; last status {status}")

    async def _answer(self, talk: Talk, *, long: bool) -> None:
        async with talk.lock:
            conversation = self.linked[talk.name]
            said = talk.answered.setdefault(conversation, [])
            number = sum(len(one) for one in talk.answered.values())
            tokens, text = _text("a", talk.name, number, long)
            said.extend(tokens)
            self.messages["to-teams"] += 1
            sent = await self._stack.answer(conversation, text, agent=self._rng.choice(AGENTS))
            self.sent[sent["id"]] = tokens
            self.keys[f"freshchat:{conversation}/{sent['id']}:create"] = tokens

    async def _status(self, talk: Talk) -> None:
        """Assign, or resolve: then the next question opens a new conversation."""
        async with talk.lock:
            kind = self._rng.choice(("assign", "resolve"))
            talk.resolved += kind == "resolve"
            self.messages["to-teams"] += 1
            conversation = self.linked[talk.name]
            await self._stack.post(f"freshchat/{kind}", conversation_id=conversation, agent=self._rng.choice(AGENTS))

    # --- looking

    async def look(self) -> list[dict[str, Any]]:
        """Learn which conversation each talk has now; give all conversations, oldest first."""
        conversations = await self._stack.conversations()
        for conversation in conversations:
            for token in tokens_of(conversation["messages"][:1]):
                self.linked[token.split("-")[1]] = conversation["conversation_id"]
        return conversations


def _text(kind: str, name: str, number: int, long: bool) -> tuple[list[str], str]:
    """Write a text with its token; a long one has a token per piece."""
    tokens = [f"{kind}-{name}-{number}.0", *([f"{kind}-{name}-{number}.1"] if long else [])]
    return tokens, "\n".join(f"{token} {LONG if long else 'the printer says 49.4C02'}" for token in tokens)


def tokens_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the tokens in some messages, in order."""
    return [token for message in messages for token in TOKEN.findall(message["text"])]
