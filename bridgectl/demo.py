"""`bridgectl sandbox`: the whole product on one machine, with a page to type on both sides."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from bridge.errors import Misconfigured
from bridgectl.output import run

ROOT = Path(__file__).parent.parent
BATCH = 200
SHOWN = {"BRIDGE_REACTIONS": "on", "BRIDGE_CSAT": "on"}
"""What is off by default and shown by the demo, unless the environment says otherwise."""


def sandbox(
    port: Annotated[int, typer.Option(help="Port of the page, and of everything that the sandbox plays.")] = 4100,
    bridge_port: Annotated[int, typer.Option(help="Port of the bridge.")] = 3978,
    graph: Annotated[bool, typer.Option(help="Answer in channels through Graph, as a signed-in account.")] = True,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the bridge's data here instead of a temporary folder.")
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Only the sandbox; start the bridge yourself.")] = False,
) -> None:
    """Play Teams and Freshchat on this machine, run the bridge between them, and serve a page to try it."""
    run(_Demo(port, bridge_port, graph, data_dir).run(alone))


class _Demo:
    """Two child processes, and the bridge's log carried to the page's timeline."""

    def __init__(self, port: int, bridge_port: int, graph: bool, data_dir: Path | None) -> None:
        self._url, self._port, self._bridge_port, self._graph = f"http://127.0.0.1:{port}", port, bridge_port, graph
        self._data_dir = data_dir
        self._children: list[asyncio.subprocess.Process] = []

    async def run(self, alone: bool) -> None:
        """Run until SIGINT or SIGTERM, or until a child ends."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        folder = self._data_dir or Path(tempfile.mkdtemp(prefix="bridge-demo-"))
        try:
            async with aiohttp.ClientSession() as session:
                await self._run(session, folder, alone, stop)
        finally:
            await self._end()
            if self._data_dir is None:
                shutil.rmtree(folder, ignore_errors=True)

    async def _run(self, session: aiohttp.ClientSession, folder: Path, alone: bool, stop: asyncio.Event) -> None:
        bridge_url = f"http://127.0.0.1:{self._bridge_port}"
        played = await self._start("-m", "sandbox", "--port", str(self._port), "--bridge", bridge_url)
        await _ready(played, "the sandbox", self._port)
        async with session.get(f"{self._url}/_sandbox/config") as answer:
            settings: dict[str, str] = (await answer.json())["env"]
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(_drain(played))]
        if alone:
            for name, value in settings.items():
                typer.echo(f"{name}={value}")
        else:
            waiting += await self._bridge(session, settings, folder)
        typer.echo(
            f"\n  Open {self._url}  —  type as a Teams user on the left, answer as an agent on the right."
            "\n  Ctrl-C stops everything.\n"
        )
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _bridge(
        self, session: aiohttp.ClientSession, settings: Mapping[str, str], folder: Path
    ) -> list[asyncio.Task[Any]]:
        own = {
            "PORT": str(self._bridge_port),
            "HOST": "127.0.0.1",
            "BRIDGE_DATA_DIR": str(folder),
            "BRIDGE_LOG_LEVEL": "DEBUG",
        }
        environment = SHOWN | os.environ | dict(settings) | own
        if self._graph:
            login = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bridgectl",
                "graph",
                "login",
                cwd=ROOT,
                env=environment,
                stdout=asyncio.subprocess.DEVNULL,
            )
            if await login.wait() != 0:
                raise Misconfigured("the sandbox's Graph sign-in failed; see above, or use --no-graph")
        bridge = await self._start("app.py", environment=environment)
        await _ready(bridge, "the bridge", self._bridge_port)
        return [asyncio.create_task(self._carry_log(session, bridge))]

    async def _start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, limit=2**20
        )
        self._children.append(child)
        return child

    async def _carry_log(self, session: aiohttp.ClientSession, bridge: asyncio.subprocess.Process) -> None:
        """Give the bridge's log records to the page, in batches; warnings and errors are printed too."""
        assert bridge.stdout is not None
        while first := await bridge.stdout.readline():
            lines = [first]
            while len(lines) < BATCH:
                try:
                    lines.append(await asyncio.wait_for(bridge.stdout.readline(), 0.02))
                except TimeoutError:
                    break
            records = [record for line in lines if (record := _record(line))]
            for record in records:
                if record.get("level") in ("warning", "error"):
                    typer.echo(json.dumps(record, ensure_ascii=False))
            async with session.post(f"{self._url}/_sandbox/timeline", json=records):
                pass

    async def _end(self) -> None:
        for child in reversed(self._children):
            if child.returncode is None:
                child.terminate()
        for child in self._children:
            try:
                await asyncio.wait_for(child.wait(), 25)
            except TimeoutError:
                child.kill()
                await child.wait()


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


async def _ready(child: asyncio.subprocess.Process, name: str, port: int) -> None:
    """Wait for the child's line that says it listens."""
    assert child.stdout is not None
    while line := await child.stdout.readline():
        record = _record(line) or {}
        if "ready" in record or record.get("action") == "ready":
            return
    raise Misconfigured(f"{name} did not start; is port {port} in use? The reason stands above.")


async def _drain(child: asyncio.subprocess.Process) -> None:
    assert child.stdout is not None
    while await child.stdout.readline():
        pass
