"""What the Dockerfile copies is enough to run the bridge: its steps, `CMD` and `HEALTHCHECK` are really done.

No engine is needed: the `COPY` steps are done into a folder, and the process is started there as the image starts it,
with no other environment than the image's and the deployment's, on a read-only file system and without capabilities.
Only the packages are those of the interpreter that runs the tests, installed from a lock that contains the image's.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.container.dockerfile import copy_context, stages
from tests.flow.stack import Stack, records, texts

pytestmark = pytest.mark.asyncio(loop_scope="function")

_, BUILD, IMAGE = stages()
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$BRIDGE_DATA_DIR" "$BRIDGE_DATA_DIR"
for point in / /tmp /var/tmp /dev/shm "$APP"; do mountpoint -q "$point" && mount -o remount,ro,bind "$point"; done
for place in "$APP" /tmp /; do if touch "$place/x" 2>/dev/null; then exit 97; fi; done
unset APP
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""
"""In a mount namespace of its own, everything but the data is read-only; then all rights of root are given up."""
SEALED = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Do the steps of the build's stage that make `/app`; give the folder that stands for `/`."""
    root = tmp_path / "image"
    root.mkdir()
    copy_context(BUILD, root)
    for step in BUILD.all("RUN"):
        if "compileall" in step:
            words = [str(root / word[1:]) if word == "/app" else word for word in shlex.split(step)]
            subprocess.run([sys.executable, *words[1:]], check=True, timeout=120)
    return root


def files(folder: Path) -> dict[str, int]:
    """Give every file with its time of change."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def can_mount() -> bool:
    """Tell whether this user may have a mount namespace."""
    done = subprocess.run(["unshare", "--mount", "mount", "--make-rprivate", "/"], capture_output=True, check=False)
    return done.returncode == 0


class Container(Stack):
    """The sandbox, and the bridge as the image would start it."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, image: Path, *, read_only: bool) -> None:
        super().__init__(folder, session, {"TEAMS_REPLY_VIA": "bot"})
        self.app, self.read_only = image / "app", read_only
        (folder / "data").mkdir()

    def environment(self) -> dict[str, str]:
        """The image's variables, those of the deployment, and no home."""
        data = str(self.folder / "data")
        image = {name: value.replace("/data", data) for name, value in IMAGE.variables().items() if name != "PATH"}
        given = super().environment() | {"BRIDGE_DATA_DIR": data, "BRIDGE_ENV": "development"}
        kept = {name: value for name, value in given.items() if name not in ("PYTHONPATH", "HOME", "VIRTUAL_ENV")}
        return image | kept | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    async def start_bridge(self) -> dict[str, object]:
        """Run `CMD` in `WORKDIR`."""
        words = IMAGE.command("CMD")
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        environment = self.environment() | ({"APP": str(self.app)} if self.read_only else {})
        command = [*(SEALED if self.read_only else ()), *command]
        with (self.folder / "bridge.log").open("ab") as log:
            self._started_at["bridge"] = log.tell()
            self._bridge = await asyncio.create_subprocess_exec(
                *command, cwd=self.app, env=environment, stdout=log, stderr=log
            )
        return await self._ready(self._bridge, "bridge")

    async def healthy(self, **more: str) -> int:
        """Run the image's `HEALTHCHECK`; give its exit code."""
        words = IMAGE.command("HEALTHCHECK")
        child = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name(words[0]),
            *words[1:],
            cwd=self.app,
            env=self.environment() | more,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await asyncio.wait_for(child.wait(), 20)


@asynccontextmanager
async def container(folder: Path, image: Path, *, read_only: bool) -> AsyncIterator[Container]:
    """Run it and the sandbox."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        stack = Container(folder, session, image, read_only=read_only)
        try:
            await stack.start_sandbox()
            yield stack
        finally:
            await stack.close()


async def says_and_reads(stack: Container) -> None:
    """A question reaches Freshchat, and its answer Teams."""
    await stack.say("May I have a chair?")

    async def asked() -> list[dict[str, object]]:
        return [one for one in await stack.conversations() if any("chair" in text for text in texts(one, "user"))]

    (conversation,) = await stack.until(asked)
    await stack.answer(str(conversation["conversation_id"]), "Of course.")

    async def answered() -> bool:
        found = [message["text"] for one in await stack.threads() for message in one["messages"]]
        return any("Of course." in text for text in found)

    await stack.until(answered)


async def test_the_copied_files_are_the_whole_bridge(image: Path, tmp_path: Path) -> None:
    """It starts with the image's command, works both ways, changes none of its files, and ends with 0 on SIGTERM."""
    before = files(image)
    async with container(tmp_path, image, read_only=False) as stack:
        await stack.start_bridge()
        await says_and_reads(stack)
        assert await stack.stop_bridge() == 0
    assert files(image) == before
    assert [record["action"] for record in records(tmp_path / "bridge.log", 0)][-1] == "stopped"


async def test_it_runs_on_a_read_only_file_system_without_rights(image: Path, tmp_path: Path) -> None:
    """Only the data folder can be written; there is no home and no folder for temporary files."""
    if not can_mount():
        pytest.skip("this user cannot mount a file system")
    async with container(tmp_path, image, read_only=True) as stack:
        await stack.start_bridge()
        status = Path(f"/proc/{stack.bridge_pid}/status").read_text(encoding="utf-8")
        assert "CapEff:\t0000000000000000" in status
        with pytest.raises(OSError, match="Read-only"):
            Path(f"/proc/{stack.bridge_pid}/root{image}/app/x").touch()
        await says_and_reads(stack)
        assert await stack.stop_bridge() == 0
        command = [*SEALED, sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        environment = stack.environment() | {"APP": str(stack.app)}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert told.stdout.strip() == str(tmp_path / "data"), "commands that need a file for a moment find room"
    assert (tmp_path / "data" / "bridge.db").exists()


async def test_the_health_check_tells(image: Path, tmp_path: Path) -> None:
    """0 while the process answers, something else once it does not; a proxy of the machine is not asked."""
    async with container(tmp_path, image, read_only=False) as stack:
        await stack.start_bridge()
        assert await stack.healthy() == 0
        assert await stack.healthy(http_proxy="http://127.0.0.1:9") == 0
        assert await stack.stop_bridge() == 0
        assert await stack.healthy() != 0


@pytest.mark.parametrize("command", ["--help", "config", "doctor --help", "export run --help", "exit plan --help"])
async def test_the_command_line_is_in_the_image_too(image: Path, tmp_path: Path, command: str) -> None:
    """The same image runs `python -m bridgectl …`."""
    kept = {"PATH": os.environ["PATH"], "BRIDGE_DATA_DIR": str(tmp_path)} | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "bridgectl", *command.split()],
        cwd=image / "app",
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(image) not in done.stdout
