"""Chaos on the Azure engine: webs and workers are killed or frozen in turn, and the services fail meanwhile."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chaos_azure_stack import ChaosAzureStack
from bench.chaos_board import place_of
from bench.chaos_judge import SETTLE_SECONDS, Ending, heal, judge
from bench.chaos_plan import OPENING, RANDOM, SANDBOX, SETTINGS, STARTING, WHENS, Size, share
from bench.chaos_stack import Aim
from bench.chaos_traffic import Traffic
from bench.chaos_verdict import Kill, Result, excused, unrecorded
from tests.flow.azure_stack import engine, running_on_azure

CONCURRENCY = "2"
"""Few sessions for each worker, or those that have asked for one first would take all."""
LOCK_SECONDS = 5.0
STILL_SECONDS = LOCK_SECONDS + 2.0
"""How long a worker is frozen: another one has its sessions then."""
PATIENCE = 3.0
"""Seconds that an armed worker is given to come to its point, before people talk more, and then once more."""
SLOW_MS = 600
"""How long every other post to an upstream takes, so that calls are under way when something goes wrong."""
ARMED = "worker0"
KILLS = ("worker", "worker", "web", "web")
TROUBLES = ("restart", "cut", "detach", "locks", "throttle", "away", "unanswered", "freeze")


@dataclass
class AzureRun:
    """One run over two web and three worker processes, one of which is armed at a time."""

    stack: ChaosAzureStack
    size: Size
    rng: random.Random
    tell: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)
    usual: list[str] = field(default_factory=list)
    visits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    deck: list[str] = field(default_factory=list)
    frozen: set[asyncio.Task[None]] = field(default_factory=set)

    async def go(self) -> Result:
        """Prepare, record, strike, settle, judge."""
        marks = [time.monotonic()]
        self.traffic = Traffic(self.stack, self.rng)
        await self._prepare()
        await self._record()
        marks.append(time.monotonic())
        while self._killed < self.size.kills or self._said < self.size.messages:
            await self._round()
        marks.append(time.monotonic())
        healed = await self._settle()
        marks.append(time.monotonic())
        names = ("recording", "killing", "settling")
        facts = {
            "frozen": len(self.kills) - self._killed,
            "troubles of the services": dict(self.troubles),
            "fault points": len({place_of(point) for point in self.stack.points()}),
            "seconds": {name: round(marks[n + 1] - marks[n]) for n, name in enumerate(names)},
        }
        window = excused(self.kills, self.traffic.sent)
        window += unrecorded(self.stack.log(), self.stack.keys(), self.traffic.keys)
        ending = Ending(self.stack.logs, await self.stack.engine.dead(), healed, window)
        hit = {kill.point for kill in self.kills}
        missed = {name: count for name, count in self.missed.items() if name not in hit}
        return await judge(self.stack, self.traffic, self.kills, ending, facts, missed)

    @property
    def _said(self) -> int:
        return sum(self.traffic.messages.values())

    @property
    def _killed(self) -> int:
        return sum(kill.when != "frozen" for kill in self.kills)

    # --- before and after

    async def _prepare(self) -> None:
        await self.stack.post("settings", webhook_retry_seconds=1.0)
        await self.traffic.learn_shapes()
        code, _, err = await self.stack.bridgectl("graph", "login")
        assert code == 0, err
        await self.stack.start_bridge()

    async def _record(self) -> None:
        """Let everything happen once without a kill: these are the points to begin with. Then posts get slow."""
        for batch in OPENING:
            self.traffic.say(batch)
            await self.traffic.finish(60)
            await self.stack.settled(60)
            await self.traffic.look()
        self.usual = [*dict.fromkeys(map(place_of, self.stack.points()))]
        self.tell(f"{len(self.usual)} fault points without a fault")
        for upstream in ("freshchat", "graph", "connector"):
            await self.stack.fault(upstream, "delay", delay_ms=SLOW_MS, probability=0.5, times=None, match="^POST ")

    async def _settle(self) -> frozenset[str]:
        await asyncio.gather(*self.frozen)
        for name in self.stack.names:
            if self.stack.died(name):
                await self.stack.launch(name)
            await self.stack.ready(name)
        await self.traffic.finish(SETTLE_SECONDS)
        await self.stack.settled(SETTLE_SECONDS)
        untaken = self.stack.untaken(self.traffic.keys)
        return await heal(self.stack, self.traffic, untaken, self.stack.logs)

    # --- strikes

    async def _round(self) -> None:
        """Arm one worker, let people talk and something else go wrong, and see the armed one come to its point."""
        aim = self._aim()
        if not self.stack.died(ARMED):
            await self._kill(ARMED)
        await self.stack.aim(ARMED, aim)
        await self.stack.listening(ARMED)
        self._talk(aim)
        await self._trouble()
        await self._end(aim)
        await self.traffic.look()

    def _talk(self, aim: Aim) -> None:
        self.traffic.say(share(self.size, self._said, self._killed, self.rng, 6 if "_status" in aim.point else 1))

    def _aim(self) -> Aim:
        """Choose one of the places that were aimed at least often; half of the time one that needs no trouble."""
        places = [*dict.fromkeys(map(place_of, self.stack.points()))]
        if self.rng.random() < 0.5:
            places = self.usual
        self.rng.shuffle(places)
        place = min(places, key=lambda name: self.visits[name])
        self.visits[place] += 1
        how = "SIGSTOP" if self.rng.random() < 0.2 else "SIGKILL"
        return Aim(place, self.rng.choice(WHENS), 1, how)

    async def _end(self, aim: Aim) -> None:
        """Wait until the armed worker has come to its point, or has had every chance."""
        for _ in range(2):
            deadline = time.monotonic() + PATIENCE
            while not self.stack.struck(ARMED) and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            if not self.stack.struck(ARMED):
                self._talk(aim)
        if not self.stack.struck(ARMED):
            self.missed[aim.point] += 1
        elif aim.how == "SIGSTOP":
            self.kills.append(Kill(aim.point, "frozen", self.stack.notes(ARMED)))
            await self._thaw(ARMED)
        else:
            await self.stack.process(ARMED).wait()
            self._note(Kill(aim.point, aim.when, self.stack.notes(ARMED)))

    async def _kill(self, name: str) -> None:
        point = RANDOM if self.stack.listens(name) else STARTING
        await self.stack.kill(name)
        self._note(Kill(point, "random", self.stack.notes(name)))

    def _note(self, kill: Kill) -> None:
        self.kills.append(kill)
        if self._killed % 10 == 0:
            self.tell(f"{self._killed} kills, {self._said} messages, {self.traffic.saying} under way")

    async def _thaw(self, name: str) -> None:
        await asyncio.sleep(STILL_SECONDS)
        with suppress(ProcessLookupError):  # killed meanwhile
            self.stack.process(name).send_signal(signal.SIGCONT)

    # --- what else goes wrong

    async def _trouble(self) -> None:
        """Take the next card: each comes up once before any comes again."""
        if not self.deck:
            self.deck = [*KILLS, *TROUBLES]
            self.rng.shuffle(self.deck)
        card = self.deck.pop()
        await asyncio.sleep(self.rng.uniform(0.0, 0.5))
        if card in ("worker", "web"):
            await self._kill_another(card)
            return
        if card != "freeze":
            self.troubles[card] += 1
        troubles: dict[str, Callable[[], Awaitable[object]]] = {
            "restart": lambda: self.stack.engine.bus.do("restart", seconds=self.rng.uniform(0.1, 1.5)),
            "cut": lambda: self.stack.engine.bus.do("drop"),
            "detach": lambda: self.stack.engine.bus.do("detach", queue=self._queue()),
            "locks": lambda: self.stack.engine.bus.do("lose-locks", queue=self._queue()),
            "throttle": lambda: self._database(
                1.0, status=429, substatus=3200, headers={"x-ms-retry-after-ms": "150"}, count=10_000
            ),
            "away": lambda: self._database(self.rng.uniform(0.3, 2.0), drop="before", count=10_000),
            "unanswered": lambda: self._database(0.5, drop="after", count=10),
            "freeze": self._freeze,
        }
        await troubles[card]()

    def _queue(self) -> str:
        return self.rng.choice(("to-freshchat", "to-teams"))

    async def _database(self, seconds: float, **fault: object) -> None:
        await self.stack.engine.cosmos.fault(**fault)
        await asyncio.sleep(seconds)
        await self.stack.engine.cosmos.clear_faults()

    def _another(self, role: str) -> str:
        names = self.stack.webs if role == "web" else [name for name in self.stack.workers if name != ARMED]
        return self.rng.choice(names)

    async def _kill_another(self, role: str) -> None:
        name = self._another(role)
        await self._kill(name)
        await self.stack.launch(name)

    async def _freeze(self) -> None:
        """Freeze one of the other workers, and let it go on while the run does."""
        name = self._another("worker")
        self.stack.process(name).send_signal(signal.SIGSTOP)
        self.kills.append(Kill(RANDOM, "frozen", self.stack.notes(name)))
        task = asyncio.create_task(self._thaw(name))
        self.frozen.add(task)
        task.add_done_callback(self.frozen.discard)


async def run_azure(folder: Path, size: Size, seed: int, tell: Callable[[str], None]) -> Result:
    """Run chaos in a folder, on two web and three worker processes and the peers of both services."""
    settings: dict[str, Any] = (
        SETTINGS
        | {"BRIDGE_LOG_LEVEL": "DEBUG", "BRIDGE_CONCURRENCY": CONCURRENCY}
        | {"BRIDGE_LOG_LEVEL": "DEBUG"}
        | {"BRIDGE_LOG_LEVEL": "DEBUG"}
    )
    async with (
        engine(lock_seconds=LOCK_SECONDS) as peers,
        running_on_azure(folder, peers, bridge=False, sandbox=SANDBOX, kind=ChaosAzureStack, **settings) as stack,
    ):
        assert isinstance(stack, ChaosAzureStack)
        return await AzureRun(stack, size, random.Random(seed), tell).go()
