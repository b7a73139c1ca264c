"""The process of a chaos run on the embedded engine: the flow tests' stack, with a bridge told where to die."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from bridge.ids import dedupe_id
from tests.flow.stack import Stack

PATIENCE = 4.0
"""Seconds that a process may take to come to its point."""


@dataclass(frozen=True)
class Aim:
    """Where the next process is to die (SIGKILL) or to stand still (SIGSTOP)."""

    point: str
    when: str
    nth: int
    how: str = "SIGKILL"

    @property
    def variables(self) -> dict[str, str]:
        """Tell the process."""
        return {
            "CHAOS_POINT": self.point,
            "CHAOS_WHEN": self.when,
            "CHAOS_NTH": str(self.nth),
            "CHAOS_HOW": self.how,
        }


class ChaosStack(Stack):
    """The stack of the flow tests, with the bridge started by `bench.chaos_app`."""

    aim: Aim | None = None
    safe = False

    def environment(self) -> dict[str, str]:
        """Add what the launcher needs."""
        armed = {"CHAOS_FOLDER": str(self.folder)} | (self.aim.variables if self.aim else {})
        return super().environment() | armed | ({"CHAOS_SAFE": "1"} if self.safe else {})

    async def launch(self, aim: Aim | None, *, safe: bool = False) -> None:
        """Start the bridge, aimed or not, without waiting for it; `safe`: it counts from `arm` on only."""
        self.aim, self.safe = aim, safe
        for name in ("death", "board"):
            (self.folder / name).unlink(missing_ok=True)
        self._bridge = await self._spawn(["-m", "bench.chaos_app"], self.environment(), "bridge")

    async def listening(self) -> bool:
        """Wait until it listens; False if it died before."""
        assert self._bridge is not None
        try:
            await self._ready(self._bridge, "bridge")
        except AssertionError:
            if not self.died:
                raise
            return False
        return True

    async def arm(self) -> None:
        """Once no webhook waits any more (Freshchat gives one up after its fifth retry), let it be dangerous."""
        deadline = time.monotonic() + PATIENCE
        while not self.died and time.monotonic() < deadline and (await self.get("webhooks"))["pending"]:
            await asyncio.sleep(0.05)
        if self._bridge is not None and not self.died:
            self._bridge.send_signal(signal.SIGUSR1)

    @property
    def died(self) -> bool:
        """Whether it was killed; anything else that ends it is a failure."""
        assert self._bridge is not None
        assert self._bridge.returncode in (None, -9), f"the bridge ended by itself: {self._bridge.returncode}"
        return self._bridge.returncode is not None

    def untaken(self, keys: Iterable[str]) -> list[str]:
        """Give those answers that the queue does not remember to have taken: Freshchat gave them up."""
        with closing(sqlite3.connect(self.folder / "data" / "bridge.db")) as db:
            known = {row[0] for row in db.execute("SELECT key FROM dedupe")}
        ids = {key: dedupe_id(self.config["tenant"], key) for key in keys}
        return [key for key, one in ids.items() if hashlib.blake2b(one.encode(), digest_size=16).digest() not in known]
