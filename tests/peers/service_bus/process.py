"""Start the peer as its own process and steer it, for tests in which several processes of ours share it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

_ROOT = Path(__file__).resolve().parents[3]
_START = 20.0


@dataclass(slots=True)
class PeerProcess:
    """A running peer. `do("faults", point="send", action="drop")` posts to its control port (see `control.py`)."""

    connection_string: str
    port: int
    websocket_port: int | None
    control: str
    pid: int
    http: aiohttp.ClientSession

    async def do(self, action: str, /, **body: Any) -> Any:
        """Post to the control port; give what it says. Raises aiohttp.ClientResponseError."""
        async with self.http.post(f"{self.control}/{action}", json=body) as answer:
            answer.raise_for_status()
            return (await answer.json())["done"]

    async def stats(self) -> dict[str, Any]:
        """Give counters and depths."""
        async with self.http.get(f"{self.control}/stats") as answer:
            found: dict[str, Any] = await answer.json()
            return found


@asynccontextmanager
async def peer_process(*arguments: str) -> AsyncIterator[PeerProcess]:
    """Run `python -m tests.peers.service_bus` with these arguments until the block ends."""
    command = (sys.executable, "-m", "tests.peers.service_bus", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), _START))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            yield PeerProcess(http=http, pid=process.pid, **ready)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _START)
