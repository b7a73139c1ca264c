"""The product on the Azure engine as real processes: web and worker processes, both peers, a balancer, the sandbox.

`engine()` runs the peers and gives the settings; `running_on_azure()` runs everything else on it. Processes are named
`web0`, `web1`, …, `worker0`, …; each has its own port and its own log file `<name>.log`. The data folder is shared, but
on this engine it holds nothing but secrets and files.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.flow.stack import DIRECTIONS, ROOT, Stack, free_port, records
from tests.peers.process import HttpPeerProcess, http_peer_process
from tests.peers.service_bus.process import PeerProcess, peer_process

STOP_SECONDS = 60.0


@dataclass(slots=True)
class Engine:
    """A Service Bus namespace with both queues, and a Cosmos DB account; each peer is a process of its own."""

    bus: PeerProcess
    cosmos: HttpPeerProcess

    @property
    def settings(self) -> dict[str, str]:
        """Give the settings of a bridge on it."""
        return {
            "BRIDGE_QUEUE": "azure.service_bus",
            "BRIDGE_THREADS": "azure.cosmos",
            "AZURE_SERVICEBUS_CONNECTION_STRING": self.bus.connection_string,
            "AZURE_COSMOS_ENDPOINT": self.cosmos.url,
            "AZURE_COSMOS_KEY": self.cosmos.told["key"],
        }

    async def queue(self, name: str) -> dict[str, Any]:
        """Tell what the namespace counts of a queue: `active`, `locked`, `dead`, …"""
        found: dict[str, Any] = (await self.bus.stats())["queues"][name]
        return found

    async def waiting(self) -> int:
        """Count the messages of both queues, under lock or not; dead letters are none."""
        queues = [await self.queue(name) for name in DIRECTIONS]
        return sum(queue["active"] + queue["locked"] + queue["scheduled"] + queue["deferred"] for queue in queues)

    async def dead(self) -> int:
        """Count the dead letters of both queues."""
        return sum([(await self.queue(name))["dead"] for name in DIRECTIONS])


@asynccontextmanager
async def engine(*, lock_seconds: float = 60.0, **queue: Any) -> AsyncIterator[Engine]:
    """Run both peers, with both queues; `queue` are further `QueueOptions`."""
    options = {
        "requires_session": True,
        "duplicate_detection": 600.0,
        "lock_duration": lock_seconds,
        "max_delivery_count": 2000,
    } | queue
    async with peer_process("--port", str(free_port())) as bus, http_peer_process("cosmos") as cosmos:
        for name in DIRECTIONS:
            await bus.do("queues", name=name, **options)
        yield Engine(bus, cosmos)


class AzureStack(Stack):
    """Sandbox, balancer, and processes by name; what `Stack` does with the bridge is done with all of them."""

    def __init__(
        self,
        folder: Path,
        session: aiohttp.ClientSession,
        engine: Engine,
        extra: Mapping[str, str],
        sandbox: Sequence[str] = (),
        *,
        web: int = 2,
        workers: int = 3,
    ) -> None:
        super().__init__(folder, session, engine.settings | dict(extra), sandbox)
        self.engine = engine
        self.webs = [f"web{number}" for number in range(web)]
        self.workers = [f"worker{number}" for number in range(workers)]
        self.names = [*self.webs, *self.workers]
        self.ports = {name: free_port() for name in self.names}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._front: asyncio.subprocess.Process | None = None

    # --- one process

    def environment_of(self, name: str) -> dict[str, str]:
        """Give a process's whole environment."""
        return self.environment() | {"PORT": str(self.ports[name]), "BRIDGE_PUBLIC_URL": self.bridge_url}

    def role(self, name: str) -> str:
        """Tell a process's role: `web` or `worker`."""
        return name.rstrip("0123456789")

    async def launch(self, name: str, *command: str, **more: str) -> None:
        """Start a process without waiting for it; `command` replaces `app.py --role …`, `more` adds variables."""
        arguments = list(command) or [str(ROOT / "app.py"), "--role", self.role(name)]
        self._processes[name] = await self._spawn(arguments, self.environment_of(name) | more, name)

    async def ready(self, name: str) -> dict[str, Any]:
        """Wait until a process listens; give its `ready` record. AssertionError if it ended."""
        return await self._ready(self._processes[name], name)

    async def start(self, name: str) -> dict[str, Any]:
        """Start a process and wait until it listens."""
        await self.launch(name)
        return await self.ready(name)

    async def stop(self, name: str) -> int:
        """Stop a process as a platform does, with SIGTERM; give its exit code."""
        process = self._processes[name]
        if process.returncode is None:
            process.terminate()
        return await asyncio.wait_for(process.wait(), STOP_SECONDS)

    async def kill(self, name: str) -> None:
        """Kill a process with SIGKILL; nothing is done if it has ended."""
        process = self._processes[name]
        if process.returncode is None:
            process.kill()
        await process.wait()

    def process(self, name: str) -> asyncio.subprocess.Process:
        """Give a process, to signal it or to read its exit code."""
        return self._processes[name]

    def running(self) -> list[str]:
        """List the processes that have not ended."""
        return [name for name, process in self._processes.items() if process.returncode is None]

    def url_of(self, name: str) -> str:
        """Tell where a process listens itself."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def log_of(self, name: str) -> list[dict[str, Any]]:
        """Read a process's log records so far, of all its lives."""
        path = self.folder / f"{name}.log"
        return records(path, 0) if path.exists() else []

    async def metric_of(self, process: str, name: str, **labels: str) -> float:
        """Add up a counter of one process over the series that carry these labels."""
        return await self._metric(self.url_of(process), name, labels)

    # --- all of them

    async def start_front(self) -> None:
        """Start the balancer, which passes over web processes that do not run."""
        to = [part for name in self.webs for part in ("--to", str(self.ports[name]))]
        self._front = await self._spawn(["-m", "tests.peers.front", "--port", str(self.port), *to], None, "front")
        await self._ready(self._front, "front")

    async def start_bridge(self) -> dict[str, Any]:
        """Start the balancer and all processes; give the `ready` record of each by name."""
        if self._front is None:
            await self.start_front()
        return dict(zip(self.names, await asyncio.gather(*map(self.start, self.names)), strict=True))

    async def stop_bridge(self) -> int:
        """Stop all processes with SIGTERM; give the worst exit code."""
        return max(await asyncio.gather(*map(self.stop, self._processes)), default=0)

    async def kill_bridge(self) -> None:
        """Kill all processes with SIGKILL."""
        await asyncio.gather(*map(self.kill, self._processes))

    async def close(self) -> None:
        """End everything but the engine."""
        try:
            await self.stop_bridge()
        except TimeoutError:
            await self.kill_bridge()
        if self._front is not None and self._front.returncode is None:
            self._front.terminate()
            await self._front.wait()
        await super().close()

    def log(self) -> list[dict[str, Any]]:
        """Read the log records of all processes, each with its `process`."""
        return [record | {"process": name} for name in self.names for record in self.log_of(name)]

    async def metric(self, name: str, **labels: str) -> float:
        """Add up a counter over all running processes."""
        return sum([await self.metric_of(process, name, **labels) for process in self.running()])

    async def waiting(self) -> float:
        """Count what is in both queues, as the namespace itself counts."""
        return float(await self.engine.waiting())

    def _tail(self) -> str:
        logs = {name: self.folder / f"{name}.log" for name in self.names}
        return "\n".join(f"{name}: {log.read_text('utf-8')[-1000:]}" for name, log in logs.items() if log.exists())


@asynccontextmanager
async def running_on_azure(
    folder: Path,
    engine: Engine,
    *,
    web: int = 2,
    workers: int = 3,
    bridge: bool = True,
    sandbox: Sequence[str] = (),
    kind: type[AzureStack] = AzureStack,
    **extra: str,
) -> AsyncIterator[AzureStack]:
    """Run the sandbox and, unless told otherwise, the balancer and all processes on this engine."""
    timeout = aiohttp.ClientTimeout(total=90)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=200)) as session:
        stack = kind(folder, session, engine, extra, sandbox, web=web, workers=workers)
        try:
            await stack.start_sandbox()
            if bridge:
                await stack.start_bridge()
            yield stack
        finally:
            await stack.close()


@asynccontextmanager
async def changed(stack: Stack, **settings: str) -> AsyncIterator[None]:
    """Let these settings be different for what is started meanwhile."""
    before, stack.extra = stack.extra, stack.extra | settings
    try:
        yield
    finally:
        stack.extra = before


async def refusal(stack: Stack) -> str:
    """Start a bridge that cannot start; give what it says: once, for an administrator, with exit code 2."""
    log = stack.folder / "bridge.log"
    before = len(log.read_text("utf-8")) if log.exists() else 0
    try:
        await stack.start_bridge()
    except AssertionError:
        assert await stack.stop_bridge() == 2
    else:
        raise AssertionError("the bridge started")
    said = log.read_text("utf-8")[before:]
    assert "Traceback" not in said, said
    assert said.count("The bridge cannot start:") == 1, said
    return said.partition("The bridge cannot start:")[2].strip()


async def problems(stack: Stack, check: str) -> list[str]:
    """Ask doctor; give the problems of one check."""
    _, out, _ = await stack.bridgectl("doctor", "--json")
    found = json.loads(out)["checks"]
    return [one["seen"] for one in found if (one["check"], one["status"]) == (check, "problem")]
