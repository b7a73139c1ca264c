"""Start an HTTP peer as its own process and steer it, for tests in which several processes of ours share it."""

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

_ROOT = Path(__file__).resolve().parents[2]
_START = 20.0


@dataclass(slots=True)
class HttpPeerProcess:
    """A running peer: where it is, and what it told at its start (Cosmos: its `key`). Faults: see `http_peer.py`."""

    url: str
    told: dict[str, str]
    pid: int
    http: aiohttp.ClientSession

    async def fault(self, **fields: Any) -> None:
        """Let something go wrong with the next requests (`http_peer.Fault`)."""
        async with self.http.post(f"{self.url}/_peer/faults", json=fields) as answer:
            answer.raise_for_status()

    async def clear_faults(self) -> None:
        """End all faults."""
        async with self.http.delete(f"{self.url}/_peer/faults") as answer:
            answer.raise_for_status()

    async def counts(self) -> dict[str, int]:
        """Tell how many requests of each kind came."""
        async with self.http.get(f"{self.url}/_peer/counts") as answer:
            found: dict[str, int] = await answer.json()
            return found


@asynccontextmanager
async def http_peer_process(module: str, *arguments: str) -> AsyncIterator[HttpPeerProcess]:
    """Run `python -m tests.peers.<module>` with these arguments until the block ends."""
    command = (sys.executable, "-m", f"tests.peers.{module}", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), _START))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            yield HttpPeerProcess(url=told.pop("ready"), told=told, pid=process.pid, http=http)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _START)
