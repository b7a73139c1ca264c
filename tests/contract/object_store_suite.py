"""What every `ObjectStore` promises. A new adapter joins by giving an `ObjectRig` fixture."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from bridge.attachments import LINK_SECONDS
from bridge.errors import Rejected, StoreFull, Unavailable
from bridge.ports import ObjectRef, ObjectStore

MB = 1024 * 1024


@dataclass
class ObjectRig:
    """How the suite uses one adapter. `open` gives one more store on the same place, like another replica.

    `session` reads the addresses. `names` lists all that is stored. `break_it` takes the place away, if it can be.
    """

    open: Callable[[], Awaitable[ObjectStore]]
    session: aiohttp.ClientSession
    names: Callable[[], Awaitable[list[str]]]
    break_it: Callable[[], Awaitable[None]] | None = None


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def many(count: int, part: bytes) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield part


async def read(store: ObjectStore, ref: ObjectRef) -> bytes:
    return b"".join([piece async for piece in store.open(ref)])


class ObjectStoreSuite:
    """Streams in, signed addresses out."""

    @pytest.mark.parametrize("parts", [(b"hello",), (b"",), (), (b"a", b"", b"b" * 3_000_000)])
    async def test_what_is_put_is_read(self, rig: ObjectRig, parts: tuple[bytes, ...]) -> None:
        """By another replica too; empty or in pieces of any size."""
        store, other = await rig.open(), await rig.open()
        ref = await store.put("file.bin", pieces(*parts), "application/octet-stream")
        assert (await read(other, ref), ref.size) == (b"".join(parts), len(b"".join(parts)))

    async def test_the_id_alone_finds_it(self, rig: ObjectRig) -> None:
        """It fits where references are kept, and says nothing about the content."""
        store = await rig.open()
        ref = await store.put("private name.pdf", pieces(b"x"), "application/pdf")
        assert await read(store, ObjectRef(id=ref.id, size=0)) == b"x"
        assert ref.id.isalnum()
        assert ref.id != (await store.put("private name.pdf", pieces(b"x"), "application/pdf")).id

    async def test_a_large_file_takes_little_memory(self, rig: ObjectRig) -> None:
        """48 MB in and out in less than 12 MB."""
        store = await rig.open()
        await store.put("warm", pieces(b"x"), "text/plain")
        part = b"x" * (64 * 1024)
        tracemalloc.start()
        try:
            ref = await store.put("large", many(768, part), "application/zip")
            assert sum([len(piece) async for piece in store.open(ref)]) == ref.size == 48 * MB
            assert tracemalloc.get_traced_memory()[1] < 12 * MB
        finally:
            tracemalloc.stop()

    async def test_nothing_is_kept_of_a_stream_that_fails(self, rig: ObjectRig) -> None:
        """What it raises is told as it is."""
        store = await rig.open()
        await store.put("whole", pieces(b"x"), "text/plain")
        before = await rig.names()

        async def fails() -> AsyncIterator[bytes]:
            yield b"x" * (2 * MB)
            raise Rejected("too large", code="too_large", component="test")

        with pytest.raises(Rejected, match="too large"):
            await store.put("half", fails(), "text/plain")
        assert await rig.names() == before

    async def test_a_put_that_is_cancelled_leaves_nothing(self, rig: ObjectRig) -> None:
        store = await rig.open()
        begun = asyncio.Event()

        async def hangs() -> AsyncIterator[bytes]:
            yield b"x" * (2 * MB)
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.put("half", hangs(), "text/plain"))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await rig.names() == []

    @pytest.mark.parametrize(
        ("content_type", "disposition", "served", "shown"),
        [
            ("image/png", "inline", "image/png", "inline"),
            ("image/png", "attachment", "image/png", "attachment"),
            ("image/svg+xml", "inline", "image/svg+xml", "attachment"),
            ("text/html; charset=utf-8", "inline", "text/html", "attachment"),
            ("application/pdf", "inline", "application/pdf", "attachment"),
            ("no type\r\nX-Evil: 1", "inline", "application/octet-stream", "attachment"),
        ],
    )
    async def test_a_signed_address_serves_it_safely(
        self, rig: ObjectRig, content_type: str, disposition: Any, served: str, shown: str
    ) -> None:
        """Without a login; only pictures are shown, all else is saved."""
        store = await rig.open()
        ref = await store.put("a.bin", pieces(b"content"), content_type, disposition)
        async with rig.session.get(await store.signed_url(ref, 60)) as answer:
            assert (answer.status, await answer.read()) == (200, b"content")
            assert answer.content_type == served
            assert answer.headers["Content-Disposition"].split(";")[0] == shown
            assert "X-Evil" not in answer.headers

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("문의 서류.pdf", "문의 서류.pdf"),
            ("Grüße 1.png", "Grüße 1.png"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ('a"; filename=b.exe', "a_ filename=b.exe"),
            ("line\r\nX-Evil: 1", "line_X-Evil_ 1"),
            ("fdp\u202eexe.scr", "fdp_exe.scr"),
            ("", "file"),
            ("...", "file"),
            ("x" * 300 + ".docx", "x" * 145 + ".docx"),
        ],
    )
    async def test_names_are_safe(self, rig: ObjectRig, name: str, told: str) -> None:
        """What a person sees stays, what a path, a header or a trick needs does not."""
        store = await rig.open()
        ref = await store.put(name, pieces(b"x"), "text/plain")
        async with rig.session.get(await store.signed_url(ref, 60)) as answer:
            assert answer.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{quote(told, safe='')}")
            assert "X-Evil" not in answer.headers

    async def test_an_address_runs_out(self, rig: ObjectRig) -> None:
        store = await rig.open()
        ref = await store.put("a", pieces(b"x"), "text/plain")
        async with rig.session.get(await store.signed_url(ref, -1)) as answer:
            assert answer.status in (403, 404)

    async def test_an_address_may_live_as_long_as_people_are_told(self, rig: ObjectRig) -> None:
        """Every file gets one of this age (`bridge/attachments.py`), so no adapter may refuse it."""
        store = await rig.open()
        ref = await store.put("a", pieces(b"x"), "text/plain")
        async with rig.session.get(await store.signed_url(ref, LINK_SECONDS)) as answer:
            assert (answer.status, await answer.read()) == (200, b"x")

    async def test_an_address_cannot_be_changed(self, rig: ObjectRig) -> None:
        """Neither to another object nor to another time."""
        store = await rig.open()
        ref, other = [await store.put("a", pieces(b"x"), "text/plain") for _ in range(2)]
        url = await store.signed_url(ref, 60)
        later = await store.signed_url(ref, 6000)
        signature = url.rpartition(".")[2] if "sig=" not in url else url.rpartition("sig=")[2]
        theirs = later.rpartition(".")[2] if "sig=" not in later else later.rpartition("sig=")[2]
        assert signature != theirs
        for forged in (url.replace(ref.id, other.id), later.replace(theirs, signature)):
            async with rig.session.get(forged) as answer:
                assert answer.status in (403, 404)
                assert await answer.read() != b"x"

    async def test_an_address_of_what_is_gone_is_404(self, rig: ObjectRig) -> None:
        store = await rig.open()
        ref = await store.put("a", pieces(b"x"), "text/plain")
        url = await store.signed_url(ref, 60)
        await store.delete(ref)
        await store.delete(ref)
        async with rig.session.get(url) as answer:
            assert answer.status == 404
        with pytest.raises(Rejected):
            await read(store, ref)
        assert await rig.names() == []

    async def test_many_at_once_stay_apart(self, rig: ObjectRig) -> None:
        store = await rig.open()
        refs = await asyncio.gather(*(store.put("same", pieces(bytes([n]) * 9), "text/plain") for n in range(20)))
        assert [await read(store, ref) for ref in refs] == [bytes([n]) * 9 for n in range(20)]

    async def test_a_place_that_is_away_is_unavailable(self, rig: ObjectRig) -> None:
        if rig.break_it is None:
            pytest.skip("this place cannot be taken away")
        store = await rig.open()
        ref = await store.put("a", pieces(b"x"), "text/plain")
        await store.ping()
        await rig.break_it()
        for call in (store.ping, lambda: read(store, ref), lambda: store.put("b", pieces(b"x"), "text/plain")):
            with pytest.raises((Unavailable, StoreFull)):
                await call()
