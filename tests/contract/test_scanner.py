"""Runs the scanner's suite over the real clamd, and tells it what else clamd, or what is there instead, may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from adapters.local.clamav import Address, ClamdScanner
from bridge.errors import Infected, Misconfigured, Unavailable, Unscannable
from tests.contract.scanner_suite import MB, ScannerRig, ScannerSuite, many, pieces
from tests.peers.clamd import Clamd, program

needs_clamd = pytest.mark.skipif(program() is None, reason="clamd is not installed")
LIMIT = 8 * MB


@pytest.fixture(scope="module")
def daemon() -> Iterator[Clamd]:
    with Clamd(stream_max=LIMIT) as running:
        yield running


@needs_clamd
class TestClamd(ScannerSuite):
    """clamd keeps the contract, on both kinds of socket."""

    @pytest.fixture(params=["unix", "tcp"])
    def rig(self, daemon: Clamd, request: pytest.FixtureRequest) -> Iterator[ScannerRig]:
        address = getattr(daemon, request.param)
        scanner = ClamdScanner(address, max_bytes=LIMIT, timeout=30)
        yield ScannerRig(scanner, LIMIT, daemon.kill, daemon.start)
        daemon.start()

    @pytest.mark.parametrize("kind", ["unix", "tcp"])
    async def test_a_limit_that_is_set_too_high_lets_nothing_through(self, daemon: Clamd, kind: str) -> None:
        """clamd closes in the middle of the stream, and mostly its answer is lost with it."""
        scanner = ClamdScanner(getattr(daemon, kind), max_bytes=100 * MB, timeout=30)
        for _ in range(5):
            with pytest.raises((Unscannable, Unavailable)):
                await scanner.scan(many(20, bytes(MB)), 20 * MB)
        await scanner.scan(pieces(b"the next one"), 12)


# --- what else may answer -------------------------------------------------------------------------------------------

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(talk: Talk, timeout: float = 10) -> AsyncIterator[ClamdScanner]:
    """Let a server on TCP talk like this, and give the scanner that asks it."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield ClamdScanner(f"tcp:127.0.0.1:{port}", max_bytes=100 * MB, timeout=timeout)
    finally:
        server.close()
        await asyncio.sleep(0.01)  # a task that has not begun would end without closing its connection
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def says(answer: bytes) -> Talk:
    """Read the stream to its end, then answer this."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        while size := int.from_bytes(await reader.readexactly(4)):
            await reader.readexactly(size)
        writer.write(answer)
        await writer.drain()

    return talk


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"stream: Win.Test-1 FOUND\0", Infected),
        (b"stream: OK FOUND\0", Infected),
        (b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0", Unscannable),
        (b"stream: Heuristics.Encrypted.Zip FOUND\0", Unscannable),
        (b"INSTREAM size limit exceeded. ERROR\0", Unscannable),
        (b"stream: Can't allocate memory ERROR\0", Unavailable),
        (b"UNKNOWN COMMAND\0", Unavailable),
        (b"stream: OK", Unavailable),
        (b"stream: OKAY\0", Unavailable),
        (b"\0", Unavailable),
        (b"", Unavailable),
        (b"\xff" * 200_000 + b"\0", Unavailable),
    ],
)
async def test_only_ok_is_clean(answer: bytes, error: type[Exception]) -> None:
    """Whole and to the letter; what could not be looked into is not called malware."""

    async with answering(says(answer)) as scanner:
        with pytest.raises(error):
            await scanner.scan(pieces(b"a file"), 6)


async def test_what_is_too_long_is_not_even_sent() -> None:
    """clamd's answer could be lost, so it is not asked."""

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    scanner = ClamdScanner("tcp:127.0.0.1:1", max_bytes=1024, timeout=10)
    with pytest.raises(Unscannable) as error:
        await scanner.scan(unread(), 1025)
    assert error.value.code == "too_long_to_scan"


async def test_an_early_answer_ends_the_scan() -> None:
    """A clamd that says no in the middle, and reads no more, is understood without sending the rest."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
        await writer.drain()
        await asyncio.Event().wait()

    sent = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 80:
            sent += 1
            yield bytes(MB)
            await asyncio.sleep(0)

    async with answering(talk) as scanner:
        with pytest.raises(Unscannable):
            await scanner.scan(long(), 80 * MB)
    assert sent < 80


async def test_a_frozen_clamd_costs_no_more_than_the_timeout() -> None:
    """It takes the connection, reads nothing, and says nothing: no verdict, and nothing hangs at the end."""

    async def frozen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with answering(frozen, timeout=0.3) as scanner:
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable) as error:
                await scanner.scan(many(80, bytes(MB)), 80 * MB)
    assert error.value.code == "clamav_timeout"


async def test_something_else_on_the_port_is_no_scanner() -> None:
    """Ping says so."""

    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\0")
        await writer.drain()

    async with answering(web_server) as scanner:
        with pytest.raises(Unavailable):
            await scanner.ping()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/clamav/clamd.ctl", Address(path="/run/clamav/clamd.ctl")),
        ("tcp:clamd:3310", Address(host="clamd", port=3310)),
        (" tcp:127.0.0.1:3310 ", Address(host="127.0.0.1", port=3310)),
        ("tcp:[::1]:3310", Address(host="::1", port=3310)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["", "clamd:3310", "tcp:clamd", "tcp:clamd:0", "tcp:clamd:70000", "unix:relative"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="CLAMD_ADDRESS"):
        Address.parse(text)
