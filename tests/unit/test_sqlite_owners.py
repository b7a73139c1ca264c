"""A dead process's leases go to the next one at once; a living one's never do, whatever it looks like."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local import sqlite_owners
from adapters.local.sqlite import Database
from adapters.local.sqlite_owners import Owner, boot_id
from adapters.local.sqlite_queue import SqliteQueue
from bridge.ports import Envelope

pytestmark = pytest.mark.skipif(boot_id() is None, reason="this system does not name its boots: leases run out")

HOLDER = """
import asyncio, sys
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue

async def hold():
    queue = SqliteQueue(Database(sys.argv[1]))
    session = await queue.accept("to-freshchat", 5)
    print((await session.next()).envelope.message_id, flush=True)
    await asyncio.sleep(60)

asyncio.run(hold())
"""


def envelope(number: int) -> Envelope:
    return Envelope(
        direction="to-freshchat",
        tenant="t",
        message_id=f"m{number}",
        session="s",
        kind="message",
        trace="0" * 32,
        body=b"{}",
        received_at=time.time(),
    )


@asynccontextmanager
async def opened(path: Path, boot: Callable[[], str | None] = boot_id) -> AsyncIterator[SqliteQueue]:
    async with Database(path) as db:
        queue = SqliteQueue(db, boot=boot)
        try:
            yield queue
        finally:
            await queue.close()


@asynccontextmanager
async def holder(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that holds the only session."""
    async with opened(path) as queue:
        for number in range(3):
            await queue.put(envelope(number))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"m0\n"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def taken(queue: SqliteQueue, wait: float) -> list[str]:
    """Take the session within this time, and all that is in it."""
    session = await queue.accept("to-freshchat", wait)
    found: list[str] = []
    while session is not None and (delivery := await session.next()) is not None:
        found.append(delivery.envelope.message_id)
        await session.complete(delivery)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


async def test_the_next_process_takes_over_at_once_and_in_order(path: Path) -> None:
    """Killed just now, not even reaped; and nothing of it is left in the folder."""
    async with holder(path) as child:
        child.send_signal(signal.SIGKILL)
        async with opened(path) as queue:
            assert await taken(queue, 5) == ["m0", "m1", "m2"]
            assert len(list(path.with_name("bridge.db-owners").iterdir())) == 1
    assert list(path.with_name("bridge.db-owners").iterdir()) == []


async def test_a_process_that_runs_already_takes_over_soon(path: Path) -> None:
    """Once a second it looks who has died."""
    async with holder(path) as child, opened(path) as queue:
        assert await taken(queue, 0.2) == []
        child.send_signal(signal.SIGKILL)
        await child.wait()
        assert await taken(queue, 3) == ["m0", "m1", "m2"]


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_a_living_process_keeps_its_lease(path: Path, stopped: bool) -> None:
    """Also one that does not move: it may go on at any time."""
    async with holder(path) as child:
        if stopped:
            child.send_signal(signal.SIGSTOP)
        async with opened(path) as queue:
            assert await taken(queue, 0.3) == []
        assert len(list(path.with_name("bridge.db-owners").iterdir())) == 1


async def test_a_child_of_the_dead_that_still_has_its_file_counts_as_alive(path: Path) -> None:
    """The lock belongs to the open file: whoever inherited it may hold the session too."""
    owner = Owner(path, boot_id())
    assert owner._file is not None
    copy = os.dup(owner._file)
    os.close(owner._file)
    assert Owner(path, boot_id()).dead() == []
    os.close(copy)
    (dead,) = Owner(path, boot_id()).dead()
    assert dead.name == owner.name
    dead.bury(released=True)


DOUBTS: dict[str, Callable[[], str | None]] = {
    "another boot or machine": lambda: "0" * 32,
    "a system without boot ids": lambda: None,
}


@pytest.mark.parametrize("boot", DOUBTS.values(), ids=DOUBTS)
async def test_in_doubt_the_lease_decides(path: Path, boot: Callable[[], str | None]) -> None:
    """Whose locks cannot be seen is not declared dead."""
    async with holder(path) as child:
        child.send_signal(signal.SIGKILL)
        await child.wait()
        async with opened(path, boot) as queue:
            assert await taken(queue, 0.3) == []


async def test_without_locks_the_lease_decides(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses locks stops nothing."""
    monkeypatch.setattr(sqlite_owners, "_lock", lambda _: False)
    async with holder(path) as child:
        child.send_signal(signal.SIGKILL)
        await child.wait()
        async with opened(path) as queue:
            assert await taken(queue, 0.3) == []
            assert await queue.put(envelope(9))


async def test_a_folder_that_cannot_be_written_to_stops_nothing(path: Path) -> None:
    """Where the proof should be is a file."""
    path.with_name("bridge.db-owners").write_text("")
    async with opened(path) as queue:
        await queue.put(envelope(0))
        assert await taken(queue, 1) == ["m0"]


async def test_leases_of_other_owners_stay(path: Path) -> None:
    """Only what the dead held is released: not what is held here, and not a retry that waits."""
    async with holder(path) as child, opened(path) as living:
        await living.put(replace(envelope(7), session="other"))
        session = await living.accept("to-freshchat", 1)
        assert session is not None
        assert session.key == "other"
        child.send_signal(signal.SIGKILL)
        await child.wait()
        async with opened(path) as queue:
            assert await taken(queue, 1) == ["m0", "m1", "m2"]
            assert await taken(queue, 0.2) == []
        delivery = await session.next()
        assert delivery is not None
        await session.complete(delivery)
