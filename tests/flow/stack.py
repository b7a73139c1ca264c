"""The sandbox and the bridge as two real processes on loopback, and a person's hands on both sides."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
DIRECTIONS = ("to-freshchat", "to-teams")


def free_port() -> int:
    """Find a port that nobody listens on, below those that systems give to connections.

    So nobody has taken it when a process that was killed comes back to it.
    """
    for port in random.SystemRandom().sample(range(15_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Stack:
    """Sandbox, bridge and an HTTP session; start the bridge, stop it, kill it, start it again."""

    def __init__(
        self, folder: Path, session: aiohttp.ClientSession, extra: Mapping[str, str], sandbox: Sequence[str] = ()
    ) -> None:
        self.folder, self.session, self.extra, self.options = folder, session, dict(extra), list(sandbox)
        self.port = free_port()
        self.bridge_url = f"http://127.0.0.1:{self.port}"
        self.url = ""
        self.config: dict[str, Any] = {}
        self._started_at: dict[str, int] = {}
        self._sandbox: asyncio.subprocess.Process | None = None
        self._bridge: asyncio.subprocess.Process | None = None

    # --- processes

    async def start_sandbox(self) -> None:
        """Start the sandbox and read its configuration."""
        self._sandbox = await self._spawn(
            ["-m", "sandbox", "--port", "0", "--bridge", self.bridge_url, *self.options], None, "sandbox"
        )
        self.url = (await self._ready(self._sandbox, "sandbox"))["ready"]
        self.config = await self.get("config")

    def environment(self) -> dict[str, str]:
        """Give the bridge's whole environment: nothing is inherited but what Python needs."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        own = {
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "BRIDGE_DATA_DIR": str(self.folder / "data"),
            "BRIDGE_LOG_LEVEL": "DEBUG",
            "BRIDGE_PICTURES": "off",  # read beside the messages, they would take faults that are meant for those
            "PYTHONPATH": str(ROOT),
        }
        return kept | self.config["env"] | own | self.extra

    @property
    def bridge_pid(self) -> int:
        """The bridge's process id."""
        assert self._bridge is not None
        return self._bridge.pid

    async def start_bridge(self) -> dict[str, Any]:
        """Start the bridge; give its `ready` record."""
        self._bridge = await self._spawn([str(ROOT / "app.py")], self.environment(), "bridge")
        return await self._ready(self._bridge, "bridge")

    async def stop_bridge(self) -> int:
        """Stop it as a platform does, with SIGTERM; give its exit code."""
        assert self._bridge is not None
        if self._bridge.returncode is None:
            self._bridge.terminate()
        return await asyncio.wait_for(self._bridge.wait(), 40)

    async def kill_bridge(self) -> None:
        """Kill it with SIGKILL."""
        assert self._bridge is not None
        self._bridge.kill()
        await self._bridge.wait()

    async def close(self) -> None:
        """End both processes."""
        for child in (self._bridge, self._sandbox):
            if child is not None and child.returncode is None:
                child.terminate()
                try:
                    await asyncio.wait_for(child.wait(), 40)
                except TimeoutError:
                    child.kill()
                    await child.wait()

    def log(self) -> list[dict[str, Any]]:
        """Read the bridge's log records so far."""
        return records(self.folder / "bridge.log", 0)

    async def bridgectl(self, *arguments: str, given: str = "") -> tuple[int, str, str]:
        """Run a command with the bridge's environment and this input; give exit code, output, error output."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bridgectl",
            *arguments,
            cwd=self.folder,
            env=self.environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(child.communicate(given.encode()), 60)
        return child.returncode or 0, out.decode(), err.decode()

    async def _spawn(
        self, arguments: list[str], environment: Mapping[str, str] | None, name: str
    ) -> asyncio.subprocess.Process:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._started_at[name] = log.tell()
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                cwd=ROOT if environment is None else self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    async def _ready(self, child: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
        """Wait for the line that says it listens, among those of this run."""
        path, deadline = self.folder / f"{name}.log", time.monotonic() + PATIENCE
        while time.monotonic() < deadline and child.returncode is None:
            for record in records(path, self._started_at[name]):
                if "ready" in record or record.get("action") == "ready":
                    return record
            await asyncio.sleep(0.02)
        raise AssertionError(f"{name} did not start:\n{path.read_text(encoding='utf-8')[-3000:]}")

    # --- hands

    async def get(self, path: str) -> Any:
        """Ask the sandbox's control API."""
        async with self.session.get(f"{self.url}/_sandbox/{path}") as answer:
            assert answer.status == 200, (path, answer.status, await answer.text())
            return await answer.json()

    async def post(self, path: str, **body: Any) -> Any:
        """Tell the sandbox's control API."""
        async with self.session.post(f"{self.url}/_sandbox/{path}", json=body) as answer:
            text = await answer.text()
            assert answer.status < 300, (path, answer.status, text)
            return json.loads(text) if text else None

    async def say(self, text: str, **more: Any) -> Any:
        """Write as a Teams user; the bridge must have answered 200."""
        said = await self.post(
            "teams/messages",
            **({"scope": "channel", "user": "ada", "channel": "general", "mention": True, "text": text} | more),
        )
        assert said["status"] == 200, said
        return said

    async def answer(self, conversation_id: str, text: str, **more: Any) -> Any:
        """Answer as a Freshchat agent."""
        return await self.post(
            "freshchat/reply", **({"conversation_id": conversation_id, "agent": "grace", "text": text} | more)
        )

    async def fault(self, on: str, kind: str, **more: Any) -> str:
        """Make an upstream misbehave."""
        return str((await self.post("faults", on=on, kind=kind, **more))["id"])

    async def clear_faults(self) -> None:
        """End all misbehaviour."""
        async with self.session.delete(f"{self.url}/_sandbox/faults") as answer:
            assert answer.status < 300

    async def conversations(self) -> list[dict[str, Any]]:
        """List the Freshchat conversations, oldest first."""
        return list((await self.get("freshchat/state"))["conversations"])

    async def threads(self) -> list[dict[str, Any]]:
        """List the Teams threads."""
        return list((await self.get("teams/state"))["threads"])

    async def metric(self, name: str, **labels: str) -> float:
        """Add up a counter of the bridge over the series that carry these labels."""
        return await self._metric(self.bridge_url, name, labels)

    async def _metric(self, url: str, name: str, labels: Mapping[str, str]) -> float:
        async with self.session.get(f"{url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith((f"{name}{{", f"{name} ")) and all(w in line for w in wanted)
        )

    async def effects(self) -> dict[str, Any]:
        """Give everything that an accepted message would change, to compare before and after."""
        counted = {d: await self.metric("bridge_accepted_total", direction=d, outcome="stored") for d in DIRECTIONS}
        return {
            "stored": counted,
            "waiting": await self.waiting(),
            "dead": await self.metric("bridge_queue_dead"),
            "said": [message for thread in await self.threads() for message in thread["messages"]],
            "conversations": await self.conversations(),
        }

    async def raw(self, path: str, body: Any, headers: Mapping[str, str], method: str = "POST") -> tuple[int, Any, str]:
        """Send a request to the bridge as it is; give status, headers and text of the answer."""
        async with self.session.request(
            method, f"{self.bridge_url}{path}", data=body, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.text()

    async def waiting(self) -> float:
        """Count what is in both queues."""
        return await self.metric("bridge_queue_waiting")

    async def until(self, what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Wait until `await what()` is true; give its value."""
        deadline, value = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            value = await what()
            if value:
                return value
            await asyncio.sleep(0.05)
        raise AssertionError(f"did not happen within {seconds} s; last: {value!r}\n{self._tail()}")

    def _tail(self) -> str:
        return (self.folder / "bridge.log").read_text(encoding="utf-8")[-3000:]

    async def settled(self, seconds: float = PATIENCE) -> None:
        """Wait until nothing waits in the bridge and no webhook is on its way."""

        async def quiet() -> bool:
            return (await self.get("webhooks"))["pending"] == 0 and await self.waiting() == 0

        await self.until(quiet, seconds)
        await asyncio.sleep(0.1)
        await self.until(quiet, seconds)


def records(path: Path, start: int) -> list[dict[str, Any]]:
    """Read the log records of a file from this byte on; a line that is not whole yet is none."""
    lines = path.read_bytes()[start:].decode("utf-8", "replace").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]


@asynccontextmanager
async def running(
    folder: Path, *, bridge: bool = True, sandbox: Sequence[str] = (), **extra: str
) -> AsyncIterator[Stack]:
    """Run the sandbox (with these options) and, unless told otherwise, the bridge."""
    timeout = aiohttp.ClientTimeout(total=90)
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        stack = Stack(folder, session, extra, sandbox)
        try:
            await stack.start_sandbox()
            if bridge:
                await stack.start_bridge()
            yield stack
        finally:
            await stack.close()


def texts(conversation: Mapping[str, Any], *kinds: str) -> list[str]:
    """List the texts of a conversation's messages by these actors (all if none is named)."""
    return [m["text"] for m in conversation["messages"] if not kinds or m["actor_type"] in kinds]


@asynccontextmanager
async def nothing_happens(stack: Stack) -> AsyncIterator[None]:
    """Check that what is done meanwhile has no effect, and that the bridge calls none of it a bug."""
    before = await stack.effects()
    yield
    assert await stack.effects() == before
    assert not [r for r in stack.log() if r.get("action") == "bug"]
    assert "Traceback" not in (stack.folder / "bridge.log").read_text(encoding="utf-8")
