"""Runs the archive store's suite over the embedded one, and tests what is its own: its files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.local.files_archives import LocalArchives
from bridge.errors import Rejected
from bridge.ports.archives import ArchiveStore
from tests.contract.archive_store_suite import MB, ArchiveRig, ArchiveStoreSuite, label, listed, pieces

DIES = """
import asyncio, os, sys
from pathlib import Path
from adapters.local.files_archives import LocalArchives
from tests.contract.archive_store_suite import label
async def dies():
    yield b"x" * 5_000_000
    os.kill(os.getpid(), 9)
asyncio.run(LocalArchives(Path(sys.argv[1])).put("half.tar.age", label(), dies()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archives"


@pytest.fixture
def rig(folder: Path) -> ArchiveRig:
    async def opened() -> ArchiveStore:
        return LocalArchives(folder)

    async def held() -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    async def break_it() -> None:
        folder.rename(folder.with_name("moved"))
        folder.write_text("not a folder")

    return ArchiveRig(open=opened, held=held, break_it=break_it, block=MB)


class TestLocalArchives(ArchiveStoreSuite):
    """The embedded archive store keeps the contract."""


async def test_only_its_owner_can_read_it(folder: Path) -> None:
    await LocalArchives(folder).put("a.tar.age", label(), pieces(b"x"))
    for path in (folder, folder / "a", folder / "a" / "a.tar.age"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_the_next_one_removes_what_a_killed_one_has_left(folder: Path) -> None:
    """It was never listed; what another process is just writing stays."""
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", DIES, str(folder)], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert ran.returncode == -9
    store = LocalArchives(folder)
    assert (len(list(folder.iterdir())), await listed(store)) == (1, [])

    async def meanwhile():
        yield b"1"
        await store.put("other.tar.age", label(), pieces(b"x"))
        yield b"2"

    kept = await store.put("half.tar.age", label(), meanwhile())
    assert (kept.size, sorted(path.name for path in folder.iterdir())) == (2, ["half", "other"])


@pytest.mark.parametrize("name", ["../a.tar.age", "a/b.tar.age", ".new-a.tar.age", ""])
async def test_a_name_that_leads_elsewhere(folder: Path, name: str) -> None:
    with pytest.raises(Rejected):
        await LocalArchives(folder).put(name, label(), pieces(b"x"))
