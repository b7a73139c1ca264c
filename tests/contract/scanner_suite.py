"""What every `Scanner` promises. A new adapter joins by giving a `ScannerRig` fixture."""

from __future__ import annotations

import asyncio
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from bridge.errors import Infected, Unavailable, Unscannable
from bridge.ports import Scanner
from tests.peers.clamd import EICAR

MB = 1024 * 1024


@dataclass
class ScannerRig:
    """How the suite uses one adapter.

    It finds the EICAR test string. A file of `limit` bytes can be scanned, a longer one cannot. `take_away` ends the
    service, `bring_back` starts it again.
    """

    scanner: Scanner
    limit: int
    take_away: Callable[[], None]
    bring_back: Callable[[], None]

    async def scan(self, *parts: bytes) -> None:
        await self.scanner.scan(pieces(*parts), sum(map(len, parts)))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def many(count: int, part: bytes) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield part


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", content)
    return packed.getvalue()


class ScannerSuite:
    """Clean, infected, or not told; never clean by mistake."""

    @pytest.mark.parametrize("parts", [(), (b"",), (b"hello",), (b"a", b"", b"b" * 300_000), (zipped(b"x" * MB),)])
    async def test_what_is_clean_passes(self, rig: ScannerRig, parts: tuple[bytes, ...]) -> None:
        """Empty, in one piece or in several, and packed."""
        await rig.scan(*parts)

    @pytest.mark.parametrize(
        "parts",
        [
            (EICAR,),
            (EICAR[:20], EICAR[20:]),
            tuple(EICAR[n : n + 1] for n in range(len(EICAR))),
            (b"x" * 200_000, EICAR, b"y" * 200_000),
            (zipped(EICAR),),
        ],
    )
    async def test_what_is_infected_is_found(self, rig: ScannerRig, parts: tuple[bytes, ...]) -> None:
        """Wherever it is, however it is cut, and inside an archive; the error names what it is."""
        with pytest.raises(Infected, match="Eicar") as found:
            await rig.scan(*parts)
        assert found.value.code == "infected"

    async def test_what_is_too_long_is_never_clean(self, rig: ScannerRig) -> None:
        """And a file of exactly the limit is still scanned, to its last byte."""
        await rig.scan(bytes(rig.limit))
        with pytest.raises(Infected):
            await rig.scan(bytes(rig.limit - len(EICAR)), EICAR)
        with pytest.raises(Unscannable):
            await rig.scan(bytes(rig.limit), EICAR)
        await rig.scan(b"the next one")

    async def test_each_gets_its_own_verdict(self, rig: ScannerRig) -> None:
        """Thirty at once, every third infected."""

        async def infected(number: int) -> bool:
            try:
                await rig.scan(b"%d" % number * 10_000, EICAR if number % 3 == 0 else b"")
            except Infected:
                return True
            return False

        assert await asyncio.gather(*map(infected, range(30))) == [number % 3 == 0 for number in range(30)]

    async def test_what_the_stream_raises_passes_on(self, rig: ScannerRig) -> None:
        """A download that breaks off is that, and no verdict; the scanner goes on."""

        class Broken(Exception): ...

        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise Broken

        with pytest.raises(Broken):
            await rig.scanner.scan(broken(), 100)
        await rig.scan(b"fine")

    async def test_a_scan_that_is_cancelled_leaves_nothing(self, rig: ScannerRig) -> None:
        """More of them than may run at once, and then one that goes through."""
        begun = asyncio.Semaphore(0)

        async def endless() -> AsyncIterator[bytes]:
            yield b"begin"
            begun.release()
            await asyncio.Event().wait()

        for _ in range(20):
            scan = asyncio.create_task(rig.scanner.scan(endless(), 100))
            await asyncio.wait_for(begun.acquire(), 10)
            scan.cancel()
            with pytest.raises(asyncio.CancelledError):
                await scan
        await asyncio.wait_for(rig.scan(b"fine"), 10)

    async def test_while_it_is_away_nothing_is_clean(self, rig: ScannerRig) -> None:
        """It is told apart from a verdict, by ping too; when it is back, it scans again."""
        await rig.scanner.ping()
        rig.take_away()
        with pytest.raises(Unavailable):
            await rig.scan(b"hello")
        with pytest.raises(Unavailable):
            await rig.scanner.ping()
        rig.bring_back()
        await rig.scanner.ping()
        with pytest.raises(Infected):
            await rig.scan(EICAR)

    async def test_memory_is_bounded(self, rig: ScannerRig) -> None:
        """However long the file is."""
        part = bytes(64 * 1024)
        await rig.scan(part)
        tracemalloc.start()
        try:
            await rig.scanner.scan(many(rig.limit // len(part), part), rig.limit)
            assert tracemalloc.get_traced_memory()[1] < 2 * MB
        finally:
            tracemalloc.stop()
