"""What every `ArchiveStore` promises. A new adapter joins by giving an `ArchiveRig` fixture."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from bridge.errors import Rejected, StoreFull, Unavailable
from bridge.ports.archives import ArchiveKind, ArchiveStore, KeptArchive, Label

MB = 1024 * 1024
KEY = "age195l946u5frm5hyzwg966zfnfnhv4v8jc99hks663rg25ypsrwf0q042v8c"


@dataclass
class ArchiveRig:
    """How the suite uses one adapter. `open` gives one more store on the same place, like another process.

    `held` lists all names that are there, also of what is not whole. `block` is the most that is held in memory at a
    time, in bytes. `break_it` takes the place away.
    """

    open: Callable[[], Awaitable[ArchiveStore]]
    held: Callable[[], Awaitable[list[str]]]
    break_it: Callable[[], Awaitable[None]]
    block: int


def label(kind: ArchiveKind = "monthly", made: float = 1_790_000_000.0, fingerprint: str = "f" * 64) -> Label:
    return Label(kind=kind, made=made, fingerprint=fingerprint, recipients=(KEY, KEY), totals={"messages": 3})


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def many(count: int, part: bytes) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield part


async def listed(store: ArchiveStore) -> list[KeptArchive]:
    return sorted([kept async for kept in store.all()], key=lambda kept: kept.name)


async def read(store: ArchiveStore, kept: KeptArchive) -> bytes:
    return b"".join([piece async for piece in store.open(kept)])


class ArchiveStoreSuite:
    """Sealed archives under their names."""

    @pytest.mark.parametrize("kind", ["monthly", "event", "final"])
    @pytest.mark.parametrize("parts", [(b"hello",), (b"a", b"", b"b" * (3 * MB))], ids=["short", "long"])
    async def test_what_is_put_is_listed_and_read(
        self, rig: ArchiveRig, kind: ArchiveKind, parts: tuple[bytes, ...]
    ) -> None:
        """By another process too, with its whole label."""
        store, other, content = await rig.open(), await rig.open(), b"".join(parts)
        kept = await store.put("export_1.tar.age", label(kind), pieces(*parts))
        assert (kept.size, kept.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert await listed(other) == [kept]
        assert kept.label == label(kind)
        assert await read(other, kept) == content

    async def test_nothing_is_stored_at_first(self, rig: ArchiveRig) -> None:
        store = await rig.open()
        await store.ping()
        assert await listed(store) == []

    async def test_a_name_is_given_once(self, rig: ArchiveRig) -> None:
        """What has it stays as it is, also when two put at the same time."""
        one, two = await rig.open(), await rig.open()
        both = await asyncio.gather(
            one.put("a.tar.age", label(), pieces(b"1" * MB)),
            two.put("a.tar.age", label(), pieces(b"2" * MB)),
            return_exceptions=True,
        )
        (kept,) = [found for found in both if isinstance(found, KeptArchive)]
        (refused,) = [found for found in both if isinstance(found, Rejected)]
        assert refused.code == "archive_name"
        assert await listed(one) == [kept]
        assert hashlib.sha256(await read(one, kept)).hexdigest() == kept.sha256

    async def test_nothing_is_seen_of_a_stream_that_fails(self, rig: ArchiveRig) -> None:
        """What it raises is told as it is, and its name is free."""
        store = await rig.open()

        async def fails() -> AsyncIterator[bytes]:
            yield b"x" * (5 * MB)
            assert await listed(store) == []
            raise OSError("the disk")

        with pytest.raises(OSError, match="the disk"):
            await store.put("half.tar.age", label(), fails())
        assert (await listed(store), await rig.held()) == ([], [])
        await store.put("half.tar.age", label(), pieces(b"x"))

    async def test_a_put_that_is_cancelled_leaves_nothing(self, rig: ArchiveRig) -> None:
        store, begun = await rig.open(), asyncio.Event()

        async def hangs() -> AsyncIterator[bytes]:
            yield b"x" * (5 * MB)
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.put("half.tar.age", label(), hangs()))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await listed(store), await rig.held()) == ([], [])

    async def test_a_large_archive_takes_little_memory(self, rig: ArchiveRig) -> None:
        """200 MB in and out: a few blocks of memory."""
        store = await rig.open()
        await store.put("warm.tar.age", label(), pieces(b"x"))
        part = b"x" * MB
        tracemalloc.start()
        try:
            kept = await store.put("large.tar.age", label(), many(200, part))
            size = 0
            async for piece in store.open(kept):
                size += len(piece)
            assert size == kept.size == 200 * MB
            assert tracemalloc.get_traced_memory()[1] < 4 * rig.block + 12 * MB
        finally:
            tracemalloc.stop()

    async def test_deleting(self, rig: ArchiveRig) -> None:
        """It is gone with its bytes; once more does no harm; others stay."""
        store = await rig.open()
        gone, stays = [await store.put(f"{name}.tar.age", label(), pieces(name.encode())) for name in ("gone", "stays")]
        await store.delete(gone)
        await store.delete(gone)
        assert await listed(store) == [stays]
        with pytest.raises(Rejected):
            await read(store, gone)
        assert [name for name in await rig.held() if "gone" in name] == []

    async def test_a_store_that_is_away(self, rig: ArchiveRig) -> None:
        """Each call says so."""
        store = await rig.open()
        kept = await store.put("a.tar.age", label(), pieces(b"x"))
        await rig.break_it()
        away = (Unavailable, StoreFull)
        with pytest.raises(away):
            await store.ping()
        with pytest.raises(away):
            await read(store, kept)
        with pytest.raises(away):
            await store.delete(kept)
