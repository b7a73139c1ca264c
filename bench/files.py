"""Files of questions: how long a picture takes beside its scan, and what many and large ones cost in memory.

The bridge, the sandbox and the real clamd, each in its own process. The sandbox keeps files in memory, so it is what
bounds the sizes, not the bridge.
"""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from adapters.local.clamav import ClamdScanner
from bench.processes import Child, cores, resident_mib
from bench.report import Row
from bench.sandbox import SandboxProcess
from tests.peers.clamd import Clamd, program

MB = 1024 * 1024
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PDF = base64.b64encode(b"%PDF-1.7\n").decode()
PICTURE = 5 * MB
MANY, EACH = 50, MB
LARGE = 100 * MB
SECONDS = 120.0
PATIENCE = 1.5
"""Seconds that a picture may take over its scan."""


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure all three; RuntimeError where clamd is not installed."""
    if program() is None:
        raise RuntimeError("clamd is not installed")
    with Clamd(stream_max=2 * LARGE) as clamd, _running(folder, clamd) as (sandbox, bridge):
        _send(sandbox, "personal", [{"name": "warm.pdf", "base64": PDF}])
        _until(sandbox, 1)
        return [
            _picture(sandbox, clamd, 3 if quick else 15),
            _many(sandbox, bridge, 10 if quick else MANY),
            _large(sandbox, bridge),
        ]


@contextmanager
def _running(folder: Path, clamd: Clamd) -> Iterator[tuple[SandboxProcess, Child]]:
    limits = {"CLAMD_MAX_BYTES": str(2 * LARGE), "BRIDGE_MAX_FILE_BYTES": str(2 * LARGE)}
    with SandboxProcess(folder, cores()[1]) as sandbox:
        env = sandbox.bridge_env(folder / "data", TEAMS_REPLY_VIA="bot", CLAMD_ADDRESS=clamd.unix, **limits)
        script = str(Path(__file__).parents[1] / "app.py")
        with Child([script], folder / "bridge.log", core=cores()[0], env=env) as bridge:
            bridge.ready()
            yield sandbox, bridge


def _picture(sandbox: SandboxProcess, clamd: Clamd, count: int) -> Row:
    """Send pictures one after the other; compare with scans of as many bytes."""
    scans = sorted(asyncio.run(_scan(clamd.unix)) for _ in range(count))
    times = []
    for _ in range(count):
        before = len(_shown(sandbox))
        began = _send(sandbox, "personal", [{"name": "shot.png", "content_type": "image/png", **_sized(PNG, PICTURE)}])
        times.append(_until(sandbox, before + 1)[-1] - began)
    value, scan = median(times), median(scans)
    return Row(
        what="12 Picture of 5 MB",
        value=f"{value:.2f} s (longest {max(times):.2f})",
        baseline=f"{scan:.2f} s, its scan",
        target=f"≤ {PATIENCE} s over the scan",
        met=value - scan <= PATIENCE,
        numbers={"seconds": value, "scan": scan},
    )


async def _scan(address: str) -> float:
    block = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1024

    async def pieces() -> Any:
        for at in range(0, PICTURE, len(block)):
            yield block[: PICTURE - at]

    began = time.perf_counter()
    await ClamdScanner(address, max_bytes=2 * LARGE, timeout=60).scan(pieces(), PICTURE)
    return time.perf_counter() - began


def _many(sandbox: SandboxProcess, bridge: Child, count: int) -> Row:
    """Send a file into each of many threads at once."""
    before = len(_shown(sandbox))
    with _watched(bridge) as memory:
        for number in range(count):
            _send(sandbox, "channel", [{"name": f"plan-{number}.pdf", **_sized(PDF, EACH)}])
        _until(sandbox, before + count)
    return Row(
        what=f"13 {count} files in flight",
        value=f"+{memory['peak'] - memory['base']:.1f} MiB",
        baseline=f"{memory['base']:.1f} MiB",
        target="≤ 32 MiB more",
        met=memory["peak"] - memory["base"] <= 32,
        numbers=memory,
    )


def _large(sandbox: SandboxProcess, bridge: Child) -> Row:
    """Send a file that is larger than Freshchat takes: it is uploaded in vain, and a link arrives."""
    before = len(_shown(sandbox))
    with _watched(bridge) as memory:
        _send(sandbox, "personal", [{"name": "large.pdf", **_sized(PDF, LARGE)}])
        _until(sandbox, before + 1)
    return Row(
        what="14 File of 100 MB",
        value=f"+{memory['peak'] - memory['base']:.1f} MiB",
        baseline=f"{memory['base']:.1f} MiB",
        target="≤ 16 MiB more",
        met=memory["peak"] - memory["base"] <= 16,
        numbers=memory,
    )


def _sized(start: str, size: int) -> dict[str, Any]:
    return {"base64": start, "size": size}


def _send(sandbox: SandboxProcess, scope: str, files: list[Mapping[str, Any]]) -> float:
    """Send a message with files; give when Teams began to send it (epoch seconds)."""
    said = {"scope": scope, "user": "ada", "channel": "general", "mention": scope != "personal", "text": "see"}
    report = sandbox.call("teams/messages", said | {"files": files})
    if report["status"] != 200:
        raise RuntimeError(f"the bridge answered {report['status']}")
    return time.time() - float(report["ms"]) / 1000


def _shown(sandbox: SandboxProcess) -> list[float]:
    """Tell when each file, or a link to it, was shown to the agent."""
    conversations = sandbox.call("freshchat/state")["conversations"]
    messages = [message for one in conversations for message in one["messages"] if message["text"] != "see"]
    return sorted(datetime.fromisoformat(message["created_time"]).timestamp() for message in messages)


def _until(sandbox: SandboxProcess, count: int) -> list[float]:
    deadline = time.monotonic() + SECONDS
    while len(shown := _shown(sandbox)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} files were sent, {len(shown)} arrived")
        time.sleep(0.1)
    return shown


@contextmanager
def _watched(bridge: Child) -> Iterator[dict[str, float]]:
    """Look at the bridge's resident memory all the time: what it is at first, and at most."""
    base = resident_mib(bridge.pid) or 0.0
    memory, over = {"base": base, "peak": base}, threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            memory["peak"] = max(memory["peak"], resident_mib(bridge.pid) or 0.0)

    watcher = threading.Thread(target=look, name="watch memory")
    watcher.start()
    try:
        yield memory
    finally:
        over.set()
        watcher.join()
