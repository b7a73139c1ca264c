"""The processes of a chaos run on the Azure engine: the flow tests' stack, with workers that were told where to die."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.chaos_board import Note, read
from bench.chaos_stack import Aim
from tests.flow.azure_stack import AzureStack


class ChaosAzureStack(AzureStack):
    """Workers are started by `bench.chaos_app`, each with a folder of its own for its board and its points."""

    def home(self, name: str) -> Path:
        """Give a worker's folder."""
        folder = self.folder / "chaos" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def launch(self, name: str, *command: str, **more: str) -> None:
        """Start a process without waiting for it."""
        if self.role(name) == "worker" and not command:
            for left in ("death", "board"):
                (self.home(name) / left).unlink(missing_ok=True)
            command = ("-m", "bench.chaos_app")
            more = {"CHAOS_FOLDER": str(self.home(name)), "CHAOS_ROLE": "worker"} | more
        await super().launch(name, *command, **more)

    async def close(self) -> None:
        """End everything, also what stands still."""
        for name in self.running():
            self.process(name).send_signal(signal.SIGCONT)
        await super().close()

    async def aim(self, name: str, aim: Aim) -> None:
        """Start a worker that dies, or stands still, at a point."""
        await self.launch(name, **aim.variables)

    async def listening(self, name: str) -> bool:
        """Wait until a process listens; False if it came to its point before."""
        try:
            await self.ready(name)
        except AssertionError:
            if not self.struck(name):
                raise
            return False
        return True

    def listens(self, name: str) -> bool:
        """Whether a process has come to listen in its present life."""
        path = self.folder / f"{name}.log"
        return b'"action": "ready"' in path.read_bytes()[self._started_at[name] :]

    def died(self, name: str) -> bool:
        """Whether a process was killed; anything else that ends it is a failure."""
        code = self.process(name).returncode
        assert code in (None, -signal.SIGKILL), f"{name} ended by itself: {code}\n{self._tail()}"
        return code is not None

    def struck(self, name: str) -> bool:
        """Whether an aimed worker has come to its point."""
        return (self.home(name) / "death").exists()

    def notes(self, name: str) -> list[Note]:
        """Tell what a worker's deliveries are doing, or were when it died; a web process has none."""
        return read(self.home(name) / "board") if self.role(name) == "worker" else []

    def points(self) -> list[str]:
        """List the points that workers have passed so far, in the order of their discovery by each."""
        found: dict[str, None] = {}
        for name in self.workers:
            path = self.home(name) / "points"
            found |= dict.fromkeys(path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
        return [*found]

    @property
    def logs(self) -> list[Path]:
        """List the log files of all processes."""
        return [self.folder / f"{name}.log" for name in self.names]

    def untaken(self, keys: Iterable[str]) -> list[str]:
        """Give those answers that no door has told to have taken: Freshchat gave them up."""
        taken = {record["key"] for record in self._accepted()}
        return [key for key in keys if key not in taken]

    def keys(self) -> dict[str, str]:
        """Tell which message has which trace id."""
        return {record["trace"]: record["key"] for record in self._accepted()}

    def _accepted(self) -> list[dict[str, Any]]:
        return [record for record in self.log() if record.get("action") == "accepted" and "key" in record]
