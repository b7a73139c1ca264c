"""Runs the object store's suite over the embedded one, and tests what is its own: its files, its route."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.local.files_objects import KEEP_SECONDS, KEY_SECRET, LocalObjects
from adapters.local.files_secrets import LocalSecrets
from bridge.ports import ObjectStore
from tests.contract.object_store_suite import ObjectRig, ObjectStoreSuite, pieces, read


class FolderRig:
    """Stores on one folder, and a server with their route."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "objects"
        self.secrets = LocalSecrets(folder / "secrets", {})
        self.url = ""

    def make(self) -> LocalObjects:
        """Open one more store."""
        return LocalObjects(self.folder, self.secrets, self.url)

    async def open(self) -> ObjectStore:
        """Open one more store, for the suite."""
        return self.make()

    async def names(self) -> list[str]:
        """List all files, also those that are not whole."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    async def break_it(self) -> None:
        """Put a file where the folder was."""
        self.folder.rename(self.folder.with_name("moved"))
        self.folder.write_text("not a folder")


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[FolderRig]:
    made = FolderRig(tmp_path)
    app = web.Application()
    app.add_routes(made.make().routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def rig(folder: FolderRig, session: aiohttp.ClientSession) -> ObjectRig:
    return ObjectRig(open=folder.open, session=session, names=folder.names, break_it=folder.break_it)


class TestLocalObjects(ObjectStoreSuite):
    """The embedded object store keeps the contract."""


async def test_what_is_served_cannot_do_anything(folder: FolderRig, session: aiohttp.ClientSession) -> None:
    """No guessing of types, no scripts, no cache, no referrer; also where there is nothing."""
    store = folder.make()
    ref = await store.put("a.html", pieces(b"<script>"), "text/html", "inline")
    for url, status in ((await store.signed_url(ref, 60), 200), (f"{folder.url}files/nonsense", 404)):
        async with session.get(url) as answer:
            assert answer.status == status
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert "no-store" in answer.headers["Cache-Control"]


async def test_the_head_alone_can_be_asked(folder: FolderRig, session: aiohttp.ClientSession) -> None:
    store = folder.make()
    ref = await store.put("a.txt", pieces(b"12345"), "text/plain")
    async with session.head(await store.signed_url(ref, 60)) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "5", b"")


@pytest.mark.parametrize(
    "token", ["", "x", "../secrets", "%2e%2e%2fsecrets", "a" * 32, "0" * 32 + ".99999999999." + "A" * 43, "é" * 80]
)
async def test_an_address_that_is_not_ours_is_404(
    folder: FolderRig, session: aiohttp.ClientSession, token: str
) -> None:
    async with session.get(f"{folder.url}files/{token}") as answer:
        assert answer.status == 404


async def test_the_key_can_be_changed(folder: FolderRig, session: aiohttp.ClientSession) -> None:
    """Addresses of the old key work as long as it lives, and no longer."""
    store = folder.make()
    ref = await store.put("a", pieces(b"x"), "text/plain")
    url = await store.signed_url(ref, 60)
    for keep, status in ((2, 200), (1, 404)):
        await folder.secrets.put(KEY_SECRET, f"new key {keep}", keep=keep)
        async with session.get(url) as answer:
            assert answer.status == status


async def test_files_are_private(folder: FolderRig) -> None:
    ref = await folder.make().put("a", pieces(b"x"), "text/plain")
    path = folder.folder / ref.id[:2] / ref.id
    assert (path.stat().st_mode & 0o777, folder.folder.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_old_objects_are_removed(folder: FolderRig) -> None:
    """Once an hour at most, when something is stored; what was left half goes too."""
    old = await folder.make().put("old", pieces(b"x"), "text/plain")
    half = folder.folder / ".new-left"
    half.write_bytes(b"half")
    past = time.time() - KEEP_SECONDS - 1
    for path in (folder.folder / old.id[:2] / old.id, half):
        os.utime(path, (past, past))
    store = folder.make()
    new = await store.put("new", pieces(b"y"), "text/plain")
    assert await folder.names() == [new.id]
    assert await read(store, new) == b"y"
