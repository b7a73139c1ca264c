"""A second, independent client: the JavaScript SDK, installed once by npm into the cache folder."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.peers.service_bus import ServiceBusPeer

VERSION = "7.9.5"
SCRIPT = Path(__file__).parent / "javascript" / "client.cjs"


def installed() -> Path:
    """Give the folder whose `node_modules` has the SDK, installing it first if it is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "teams-freshchat-bridge"
    folder = base / f"azure-service-bus-{VERSION}"
    base.mkdir(parents=True, exist_ok=True)
    with (base / "azure-service-bus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules/@azure/service-bus/package.json").exists():
            command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
            subprocess.run([*command, f"@azure/service-bus@{VERSION}"], check=True, capture_output=True, timeout=300)
    return folder / "node_modules"


async def test_the_javascript_sdk_sees_the_same_service() -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    modules = await asyncio.to_thread(installed)
    async with ServiceBusPeer() as peer:
        peer.create_queue("plain", max_size=1024 * 1024)
        peer.create_queue("fifo", requires_session=True)
        node = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), peer.connection_string(),
            env=os.environ | {"NODE_PATH": str(modules)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(node.communicate(), 60)
        finally:
            if node.returncode is None:
                node.kill()
                await node.wait()
        assert node.returncode == 0, err.decode()
        assert json.loads(out) == {
            "numbers": [1, 2, 3, 4],
            "large": True,
            "again": ["b", 1, {"tried": "once"}],
            "deferred": "b",
            "dead": [
                {"x": 1}, "why", "text",
                {"kept": "yes", "more": "info", "DeadLetterReason": "why", "DeadLetterErrorDescription": "text"},
            ],
            "scheduled": [["later", "scheduled"]],
            "session": ["s", [1, 2, 3]],
            "state": "state",
            "renewed": True,
            "busy": "SessionCannotBeLocked",
            "unknown": "MessagingEntityNotFound",
        }  # fmt: skip
        assert peer.queue("plain").snapshot()["bytes"] == 0
