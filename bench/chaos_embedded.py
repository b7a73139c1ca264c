"""Chaos on the embedded engine: one process, killed with SIGKILL and started again."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from bench.chaos_board import read
from bench.chaos_judge import SETTLE_SECONDS, Ending, heal, judge
from bench.chaos_plan import (
    OPENING,
    RANDOM,
    SANDBOX,
    SETTINGS,
    STARTING,
    WHENS,
    Size,
    is_recovery,
    sample,
    share,
)
from bench.chaos_stack import PATIENCE, Aim, ChaosStack
from bench.chaos_traffic import Batch, Traffic
from bench.chaos_verdict import Kill, Result, excused

QUIET = 0.7
"""Seconds for which an armed process may live without reaching its point, and after the last thing was said to it."""
ONCE = ("connect", "Once", "token", "agent_name", "ask→", "to_thread")
"""Words of points that a process passes when it begins to work, seldom later."""


@dataclass
class Run:
    """One run of chaos over one pair of processes."""

    stack: ChaosStack
    size: Size
    rng: random.Random
    tell: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    recorded: int = 0
    healed: frozenset[str] = frozenset()

    async def go(self) -> Result:
        """Prepare, record, visit every point, strike at random, settle, judge."""
        started = time.monotonic()
        self.traffic = Traffic(self.stack, self.rng)
        await self._prepare()
        await self._record()
        recorded = time.monotonic()
        await self._visit()
        while len(self.kills) < self.size.kills or self._said < self.size.messages:
            await self._strike()
        killing = time.monotonic()
        await self._settle()
        seconds = {
            "recording": recorded - started,
            "killing": killing - recorded,
            "settling": time.monotonic() - killing,
        }
        facts = {"fault points": len(self.points), "seconds": {name: round(value) for name, value in seconds.items()}}
        hit = {kill.point for kill in self.kills}
        missed = {name: count for name, count in self.missed.items() if name not in hit}
        dead = int(await self.stack.metric("bridge_queue_dead"))
        ending = Ending([self._log], dead, self.healed, excused(self.kills, self.traffic.sent))
        return await judge(self.stack, self.traffic, self.kills, ending, facts, missed)

    @property
    def _log(self) -> Path:
        return self.stack.folder / "bridge.log"

    @property
    def _said(self) -> int:
        return sum(self.traffic.messages.values())

    # --- before

    async def _prepare(self) -> None:
        await self.stack.post("settings", webhook_retry_seconds=1.0)
        await self.traffic.learn_shapes()
        code, _, err = await self.stack.bridgectl("graph", "login")
        assert code == 0, err

    async def _record(self) -> None:
        """Let everything happen once without a kill: these are the points to begin with."""
        await self.stack.launch(None)
        assert await self.stack.listening()
        for batch in OPENING:
            self.traffic.say(batch)
            await self.traffic.finish(60)
            await self.stack.settled(60)
            await self.traffic.look()
        self._learn_points()
        self.recorded = len(self.points)
        self.tell(f"{len(self.points)} fault points without a fault")
        await self._kill(RANDOM)

    def _learn_points(self) -> None:
        """Take over the points that were passed for the first time."""
        seen = (self.stack.folder / "points").read_text(encoding="utf-8").splitlines()
        known = set(self.points)
        self.points += [point for point in dict.fromkeys(seen) if point not in known]

    def _provoking(self, point: str) -> Aim:
        """Choose a kill behind which a recovery passes this point: one in the middle of the call in question."""
        calls = {"ToTeams": "_Transport", "_create": "_create.call", "_append": "_append.call"}
        wanted = next((mark for name, mark in calls.items() if name in point), "_append.call")
        found = (one for one in self.points if wanted in one and "look_back" not in one and one.endswith(".read"))
        return Aim(next(found), "during", 1)

    # --- killing

    async def _visit(self) -> None:
        """Kill at every point, in every variant; points that only a recovery passes join as they are found."""
        todo = [*self._visits(self.points)]
        self.rng.shuffle(todo)
        if self.size.rounds is None:
            todo = sample(todo, self.size.kills * 3 // 4)
        while todo:
            known = len(self.points)
            aim = todo.pop()
            recovery = self.points.index(aim.point) >= self.recorded and is_recovery(aim.point)
            if recovery:
                await self._cycle(self._provoking(aim.point), safe=True)
            once = any(word in aim.point for word in ONCE)
            if not await self._cycle(replace(aim, nth=1) if once else aim, safe=not (recovery or once)):
                self.missed[aim.point] += 1
            if self.size.rounds is not None:
                todo += self._visits(self.points[known:])

    def _visits(self, points: Sequence[str]) -> list[Aim]:
        return [
            Aim(point, when, self.rng.choice((1, 1, 1, 2)))
            for point, when, _ in itertools.product(points, WHENS, range(self.size.rounds or 1))
        ]

    async def _cycle(self, aim: Aim, *, safe: bool) -> bool:
        """Run one armed process to its end, with a share of the traffic; False if it never came to its point."""
        self._forget_facts(aim.point)
        await self.stack.launch(aim, safe=safe)
        if await self.stack.listening():
            if safe:
                await self.stack.arm()
            self.traffic.say(self._batch(aim.point))
            await self._death()
        died = self.stack.died
        await self._kill(RANDOM if not died else aim.point, aim.when if died else "random")
        self._learn_points()
        await self.traffic.look()
        return died

    async def _death(self) -> None:
        """Wait until it is dead, or has had every chance."""
        now = time.monotonic()
        deadline, busy = now + PATIENCE, now
        while not self.stack.died and (now := time.monotonic()) < min(deadline, busy + QUIET):
            busy = now if self.traffic.saying else busy
            await asyncio.sleep(0.01)

    async def _strike(self) -> None:
        """Kill at a random moment from outside: in traffic, or now and then while it starts."""
        await self.stack.launch(None)
        if self.rng.random() < 0.15:
            await asyncio.sleep(self.rng.uniform(0.2, 2.0))
            await self._kill(STARTING)
            return
        assert await self.stack.listening()
        if self.rng.random() < 0.5:
            await self.stack.arm()
        self.traffic.say(self._batch(""))
        await asyncio.sleep(self.rng.uniform(0.0, 0.35))
        await self._kill(RANDOM)
        await self.traffic.look()

    async def _kill(self, point: str, when: str = "random") -> None:
        if not self.stack.died:
            await self.stack.kill_bridge()
        self.kills.append(Kill(point, when, read(self.stack.folder / "board")))
        if len(self.kills) % 20 == 0:
            self.tell(f"{len(self.kills)} kills, {self._said} messages, {self.traffic.saying} under way")

    def _batch(self, point: str) -> Batch:
        """Say a share of the messages, and things of the kind whose points are wanted."""
        return share(self.size, self._said, len(self.kills), self.rng, statuses=1 if "_status" not in point else 6)

    def _forget_facts(self, point: str) -> None:
        """What is found out once for good is forgotten now and then, as if it had expired: its points come again."""
        if not any(word in point for word in ("_person", "Groups.", "_user", "fact", "learn", "↳", "Once")):
            return
        with closing(sqlite3.connect(self.stack.folder / "data" / "bridge.db")) as db, db:
            db.execute("DELETE FROM facts")

    # --- after

    async def _settle(self) -> None:
        await self.stack.launch(None)
        assert await self.stack.listening()
        await self.traffic.finish(SETTLE_SECONDS)
        await self.stack.settled(SETTLE_SECONDS)
        untaken = self.stack.untaken(self.traffic.keys)
        self.healed = await heal(self.stack, self.traffic, untaken, [self._log])


async def run_embedded(folder: Path, size: Size, seed: int, tell: Callable[[str], None]) -> Result:
    """Run chaos in a folder, on one process with its stores in it."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=90), connector=aiohttp.TCPConnector(limit=400)
    ) as session:
        stack = ChaosStack(folder, session, SETTINGS, SANDBOX)
        try:
            await stack.start_sandbox()
            return await Run(stack, size, random.Random(seed), tell).go()
        finally:
            await stack.close()
