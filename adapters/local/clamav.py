"""The `Scanner` on clamd, ClamAV's daemon, over its own protocol (`man clamd`, INSTREAM) on a unix socket or TCP.

A library is not used: see docs/decisions.md. clamd has no login; whoever reaches its port can scan, and no more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bridge.errors import Infected, Misconfigured, Unavailable, Unscannable

COMPONENT = "clamav"
CHUNK = 64 * 1024
CONNECT_SECONDS, PING_SECONDS = 5.0, 5.0
AT_ONCE = 8
"""Scans at the same time; clamd has 10 threads unless told otherwise, and lets the rest wait."""
_ADDRESS = re.compile(r"unix:(?P<path>/.+)|tcp:(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")
_NOT_TOLD = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")
"""What clamd calls found, where it is set to, because it could not look inside."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where clamd listens: a path, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `unix:/path` or `tcp:host:port`; Misconfigured if it is neither."""
        match = _ADDRESS.fullmatch(text.strip())
        if match is None or int(match["port"] or 1) not in range(1, 65536):
            raise Misconfigured("CLAMD_ADDRESS: use unix:/run/clamav/clamd.ctl or tcp:host:3310")
        return cls(match["path"] or "", (match["host"] or "").strip("[]"), int(match["port"] or 0))


class ClamdScanner:
    """The `Scanner` port."""

    def __init__(self, address: str, *, max_bytes: int, timeout: float) -> None:
        """`max_bytes` is clamd's StreamMaxLength; `timeout` is for one scan, in seconds.

        Misconfigured if `address` cannot be read.
        """
        self._address, self._max_bytes, self._timeout = Address.parse(address), max_bytes, timeout
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def scan(self, stream: AsyncIterator[bytes], size: int) -> None:
        """Send the stream, and read what clamd says of it."""
        if size > self._max_bytes:  # clamd would close the connection, and its answer would be lost with it
            raise _unscannable("too_long_to_scan")
        try:
            async with self._slots, asyncio.timeout(self._timeout):
                answer = await self._asked(b"zINSTREAM\0", stream)
        except TimeoutError:
            raise _unavailable("no answer in time", "clamav_timeout") from None
        _judge(answer)

    async def ping(self) -> None:
        """Ask whether it lives."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                answer = await self._asked(b"zPING\0", None)
        except TimeoutError:
            raise _unavailable("no answer in time", "clamav_timeout") from None
        if answer != "PONG":
            raise _unavailable("what answers is not clamd", "clamav_bad_answer")

    async def _asked(self, command: bytes, stream: AsyncIterator[bytes] | None) -> str:
        """Give the answer. It may come before the stream was sent: what is too long is answered, and read no more."""
        reader, writer = await self._connect()
        writer.write(command)
        answer = asyncio.create_task(_answer(reader), name="answer of clamd")
        sending = asyncio.create_task(_send(stream, writer), name="send to clamd")
        try:
            await asyncio.wait({answer, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                await sending
            return await answer
        finally:
            answer.cancel()
            sending.cancel()
            await asyncio.gather(answer, sending, return_exceptions=True)
            writer.transport.abort()  # closing would wait for a clamd that reads no more

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._address.path:
                    return await asyncio.open_unix_connection(self._address.path)
                return await asyncio.open_connection(self._address.host, self._address.port)
        except OSError as error:
            raise _unavailable(f"cannot be reached ({type(error).__name__})", "clamav_unreachable") from None


async def _send(stream: AsyncIterator[bytes] | None, writer: asyncio.StreamWriter) -> None:
    """Send the stream in pieces with their length in front, as long as they are taken."""
    if stream is None:
        return
    async for part in stream:
        for start in range(0, len(part), CHUNK):
            piece = part[start : start + CHUNK]
            writer.write(len(piece).to_bytes(4, "big") + piece)
            if not await _drained(writer):
                return
    writer.write(bytes(4))
    await _drained(writer)


async def _drained(writer: asyncio.StreamWriter) -> bool:
    try:
        await writer.drain()
    except OSError:
        return False  # the answer, or that there is none, says why
    return True


async def _answer(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\0"))[:-1].decode("utf-8", "replace")
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise _unavailable(f"no answer ({type(error).__name__})", "clamav_no_answer") from None


def _judge(answer: str) -> None:
    """Read what clamd says of a stream; silent only for its OK."""
    if answer == "stream: OK":
        return
    found = re.fullmatch(r"stream: (\S{1,200}) FOUND", answer)
    if found is None and "size limit exceeded" in answer:
        raise _unscannable("too_long_to_scan")
    if found is None:
        raise _unavailable("it could not scan", "clamav_error")
    if found[1].startswith(_NOT_TOLD):
        raise _unscannable("not_to_be_scanned")
    name = re.sub(r"[^A-Za-z0-9._-]", "_", found[1])
    raise Infected(f"malware was found: {name}", code="infected", component=COMPONENT)


def _unscannable(code: str) -> Unscannable:
    return Unscannable("the file cannot be scanned", code=code, component=COMPONENT)


def _unavailable(text: str, code: str) -> Unavailable:
    return Unavailable(f"clamd: {text}", code=code, component=COMPONENT)
