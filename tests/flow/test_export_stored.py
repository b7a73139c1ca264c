"""`--to store` and `export stored` as processes: sealed, proven, fetched again; what goes wrong is said and mended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from archive_stack import Accounts, accounts, folder_of, wait_until
from azure.storage.blob import BlobServiceClient
from stack import ROOT, free_port

from tests.archive_builder import archive, seal
from tests.peers.azurite import Azurite, install
from tests.peers.npm import npm_is_here

pytestmark = pytest.mark.asyncio(loop_scope="module")
MB = 1024 * 1024
RUN = ("run", "--only", "freshdesk", "--no-attachments", "--no-probe", "--kind", "monthly", "--to", "store", "--out")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Accounts]:
    """Accounts with few data."""
    async with accounts(tmp_path_factory.mktemp("accounts"), "--conversations", "5", "--tickets", "20") as running:
        yield running


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    if not npm_is_here():
        pytest.skip("npm is missing, so Azurite cannot be installed")
    with Azurite(install()) as running, blobs(running) as client:
        for name in ("archives", "archives-final"):
            client.create_container(name)
        yield running


def blobs(azurite: Azurite) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(azurite.connection_string)


class Keeper:
    """Who runs commands and holds the private key."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.key = folder, folder / "key.txt"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = kept | {"PYTHONPATH": str(ROOT), "BRIDGE_DATA_DIR": str(folder / "data")} | environment
        self.environment["ARCHIVE_RECIPIENTS"] = self.run("key", "--out", self.key)[0].strip()

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `bridgectl export stored`."""
        command = [sys.executable, "-m", "bridgectl", "export", "stored", *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
        """Run it to its end, without a stack trace; give output and error output."""
        child = self.start(*arguments)
        out, err = child.communicate(timeout=120)
        assert (child.returncode, "Traceback" in out + err) == (code, False), (out, err)
        return out, err

    def list(self) -> list[dict[str, Any]]:
        """List what is stored."""
        return list(json.loads(self.run("list", "--json")[0]))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """On the embedded store."""
    return Keeper(tmp_path)


@pytest.fixture
def cloud(tmp_path: Path, azurite: Azurite) -> Keeper:
    """On Blob Storage."""
    return Keeper(tmp_path, BRIDGE_OBJECTS="azure.blob", AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string)


def large(tmp_path: Path, size: int) -> Path:
    """Make an archive with a file of so many bytes that cannot be compressed."""
    root = archive(tmp_path / f"exports {size}")
    with (root / "freshchat/reports.bin").open("wb") as file:
        for _ in range(size // MB):
            file.write(os.urandom(MB))
    seal(root)
    return root


async def test_the_monthly_job(desk: Accounts, cloud: Keeper, tmp_path: Path) -> None:
    """Exported, stored, listed, fetched: the same bytes, and verified."""
    out, _ = await desk.exported(*RUN, str(tmp_path / "out"), "--json", **cloud.environment)
    root = folder_of(tmp_path / "out")
    told = json.loads(out.splitlines()[-1])
    assert (told["event"], told["kind"], told["deleted"]) == ("stored", "monthly", [])
    (row,) = [row for row in cloud.list() if row["name"] == f"{root.name}.tar.age"]
    assert row["sha256"] == told["sha256"]
    assert row["totals"]["tickets"] > 0
    said, _ = cloud.run("fetch", row["name"], "--identity", cloud.key, "--out", tmp_path / "back")
    assert "Everything is as it was written." in said
    compared = subprocess.run(["diff", "-r", root, tmp_path / "back" / root.name], capture_output=True)
    assert compared.returncode == 0, compared.stdout


async def test_nothing_is_exported_that_cannot_be_stored(desk: Accounts, keeper: Keeper, tmp_path: Path) -> None:
    """Without a key, or without the store: said before hours of work."""
    _, err = await desk.exported(*RUN, str(tmp_path / "out"), code=2, ARCHIVE_RECIPIENTS="")
    assert "ARCHIVE_RECIPIENTS is missing" in err
    assert "export stored key" in err
    (tmp_path / "data").mkdir()
    (tmp_path / "data/archives").write_text("not a folder")
    _, err = await desk.exported(*RUN, str(tmp_path / "out"), code=2, **keeper.environment)
    assert "the folder for archives" in err
    assert not (tmp_path / "out").exists()


async def test_a_store_that_is_full_after_the_export(desk: Accounts, keeper: Keeper, tmp_path: Path) -> None:
    """What to do is said, and does it; the folder goes when it is asked for, and only when it is stored."""
    out = tmp_path / "out"
    await desk.exported(*(word for word in RUN if word not in ("--to", "store")), str(out), **keeper.environment)
    root, sealed = folder_of(out), tmp_path / "data/archives"
    (root / "freshdesk/more.bin").write_bytes(os.urandom(3 * MB))
    seal(root)
    put = ("stored", "put", str(root), "--remove-local")
    _, err = await desk.exported(*put, code=2, limit=2 * MB, **keeper.environment)
    assert f"export stored put {root}" in err
    assert (keeper.list(), list(sealed.iterdir())) == ([], [])
    _, err = await desk.exported("resume", str(root), "--to", "store", "--remove-local", **keeper.environment)
    assert f"Removed {root}" in err
    assert (len(keeper.list()), root.exists()) == (1, False)


async def test_killed_while_it_uploads(cloud: Keeper, azurite: Azurite, tmp_path: Path) -> None:
    """SIGKILL with some blocks there: nothing is listed; once more, and it is stored, once."""
    root = large(tmp_path, 80 * MB)
    name = f"{root.name}.tar.age"

    def begun() -> bool:
        with blobs(azurite) as client:
            found = client.get_container_client("archives").list_blobs(include=["uncommittedblobs"])
            return name in [blob.name for blob in found]

    child = cloud.start("put", root)
    await wait_until(begun)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.communicate()
    assert name not in [row["name"] for row in cloud.list()]
    said, _ = cloud.run("put", root)
    assert f"Stored as {name}, and read back: the same bytes." in said
    said, _ = cloud.run("put", root)
    assert f"Is stored already as {name}" in said
    assert [row["name"] for row in cloud.list()].count(name) == 1


async def test_interrupted_by_hand_while_it_stores(keeper: Keeper, tmp_path: Path) -> None:
    """Ctrl-C says how to go on; nothing is left in the store."""
    root, folder = large(tmp_path, 200 * MB), tmp_path / "data/archives"
    child = keeper.start("put", root)
    await wait_until(lambda: [path for path in folder.glob(".new-*/*") if path.stat().st_size])
    child.send_signal(signal.SIGINT)
    _, err = await asyncio.to_thread(child.communicate, timeout=30)
    assert (child.returncode, "Traceback" in err) == (2, False), err
    assert f"export stored put {root}" in err
    assert list(folder.iterdir()) == []


async def test_memory_of_the_process(cloud: Keeper, tmp_path: Path) -> None:
    """An archive of 150 MB takes little more than one of 1 MB: a few blocks of 24 MiB."""
    small, big = [
        await peak(cloud.start("put", large(tmp_path / str(size), size), "--json")) for size in (MB, 150 * MB)
    ]
    print("MiB at most:", small // MB, big // MB)
    assert big - small < 60 * MB


async def peak(child: subprocess.Popen[str]) -> int:
    """Give the most bytes of memory that a process has had, which must end well."""
    most = 0
    while child.poll() is None:
        with suppress(OSError):  # it has ended
            status = Path(f"/proc/{child.pid}/status").read_text()
            most = max([most, *(int(found) * 1024 for found in re.findall(r"VmHWM:\s+(\d+)", status))])
        await asyncio.sleep(0.02)
    assert child.returncode == 0, child.communicate()
    child.communicate()
    return most


async def test_keys(keeper: Keeper, tmp_path: Path) -> None:
    """The private one is for its owner, is never replaced and never printed; another one opens nothing."""
    text = keeper.key.read_text()
    assert stat.S_IMODE(keeper.key.stat().st_mode) == 0o600
    out, err = keeper.run("key", "--out", keeper.key, code=2)
    assert "is not overwritten" in err
    assert keeper.key.read_text() == text
    keeper.run("put", archive(tmp_path / "exports"))
    (row,) = keeper.list()
    public, _ = keeper.run("key", "--out", tmp_path / "other.txt")
    _, err = keeper.run("fetch", row["name"], "--identity", tmp_path / "other.txt", "--out", tmp_path / "back", code=2)
    assert f"sealed for: {keeper.environment['ARCHIVE_RECIPIENTS']}" in err
    assert "AGE-SECRET-KEY" not in out + err + public
    _, err = keeper.run("fetch", row["name"], "--identity", tmp_path / "none", "--out", tmp_path / "back", code=2)
    assert "cannot be read" in err


async def test_what_is_refused(keeper: Keeper, tmp_path: Path) -> None:
    """An archive that is not whole, a folder that is none, an unknown name, a flipped byte in the store."""
    root = archive(tmp_path / "exports")
    (root / "freshdesk/tickets.json").write_text("[]\n")
    _, err = keeper.run("put", root, code=2)
    assert "is not as it was written" in err
    (root / ".work").mkdir()
    _, err = keeper.run("put", root, code=2)
    assert "export resume" in err
    keeper.run("put", tmp_path, code=2)
    _, err = keeper.run("fetch", "x.tar.age", "--identity", keeper.key, "--out", tmp_path, code=2)
    assert "no stored archive" in err
    assert keeper.list() == []
    keeper.run("put", archive(tmp_path / "more"))
    (path,) = (tmp_path / "data/archives").glob("*/*.age")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    _, err = keeper.run("fetch", path.name, "--identity", keeper.key, "--out", tmp_path / "back", code=2)
    assert "is damaged in the store" in err


async def test_a_store_that_is_away(cloud: Keeper, tmp_path: Path) -> None:
    """And a container that nobody made: its setting is named."""
    cloud.environment["ARCHIVE_CONTAINER"] = "no-such-container"
    _, err = cloud.run("put", archive(tmp_path / "exports"), code=2)
    assert "ARCHIVE_CONTAINER" in err
    account = cloud.environment["AZURE_STORAGE_CONNECTION_STRING"].partition("BlobEndpoint=")[0]
    nobody = f"{account}BlobEndpoint=http://127.0.0.1:{free_port()}/bridgetest;"
    cloud.environment["AZURE_STORAGE_CONNECTION_STRING"] = nobody
    _, err = cloud.run("list", code=2)
    assert "Blob Storage cannot be asked" in err
