"""Downloading files from addresses that messages name: allowed hosts only, in bounded memory, size and time.

A message may name any address, and so may a server that redirects. So each hop is checked anew, names that lead to
inside addresses are refused, and a token goes to the first hop only, which the caller has chosen for it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from email.message import Message

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from adapters.http import HostRule, retry_after, unavailable
from bridge.errors import BridgeError, Rejected, Throttled, Unavailable

COMPONENT = "download"
CHUNK = 64 * 1024
MAX_HOPS = 4
AT_ONCE = 50
SILENCE_SECONDS = 15.0
"""Longest wait for the next bytes; the whole download has a limit of its own, against those that drip."""


_PLAIN_NAME = re.compile(r';\s*filename\s*=\s*(?:"[^"]*"|[^;]*)', re.IGNORECASE)


class Refused(Rejected):
    """The server answered that it does not give the file; `status` is its word for it."""

    def __init__(self, status: int) -> None:
        code = "file_gone" if status in (401, 403, 404, 410) else "file_refused"
        super().__init__(f"{status}", code=code, component=COMPONENT)
        self.status = status


class OutsideOnly(AbstractResolver):
    """Finds the addresses of names, but for those that are inside: loopback, private, link-local (cloud metadata)."""

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raise OSError if none is left."""
        found = await self._names.resolve(host, port, family)
        outside = [one for one in found if host == "localhost" or is_outside(one["host"])]
        if not outside:
            raise OSError("the name leads to an inside address")
        return outside

    async def close(self) -> None:
        """Close what looks names up."""
        await self._names.close()


def is_outside(text: str) -> bool:
    """Tell whether a numeric address is on the public internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast


def download_session(names: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """Make the session for downloads; whoever makes it closes it.

    It has connections of its own, so that slow files take none from messages. `names` looks names up.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, resolver=OutsideOnly(names or aiohttp.DefaultResolver())),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},  # what is unpacked on the way could grow without end
        auto_decompress=False,
        read_bufsize=CHUNK,
    )


class Downloads:
    """Reads files from the hosts of one rule."""

    def __init__(self, session: aiohttp.ClientSession, hosts: HostRule, *, seconds: float) -> None:
        """`session` is made by `download_session`; `seconds` is the longest that one hop may take, to its last byte."""
        self._session, self._hosts = session, hosts
        self._timeout = aiohttp.ClientTimeout(
            total=seconds, connect=min(seconds, 10), sock_read=min(seconds, SILENCE_SECONDS)
        )

    async def read(
        self,
        url: str,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        named: Callable[[str], None] | None = None,
    ) -> AsyncIterator[bytes]:
        """Read a file in pieces; `headers` go to the first hop only, `named` is told the name that the server gives it.

        Raises Rejected (`file_bad_address`, `file_too_large`, `file_gone`: an address that has run out is refused in
        many ways, `file_refused`), Throttled or Unavailable. Close the iterator if it is not read to its end.
        """
        target, sent = self._checked(url, None), dict(headers or {})
        for _ in range(MAX_HOPS):
            try:
                async with self._session.get(
                    target, headers=sent, allow_redirects=False, timeout=self._timeout
                ) as response:
                    if response.status not in (301, 302, 303, 307, 308):
                        if named and (name := _name(response.headers.get("Content-Disposition", ""))):
                            named(name)
                        async for piece in _body(response, max_bytes):
                            yield piece
                        return
                    target, sent = self._checked(response.headers.get("Location", ""), target), {}
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise unavailable(error, component=COMPONENT, effect=False) from None
        raise _rejected("file_bad_address", "too many redirects")

    def _checked(self, url: str, base: URL | None) -> URL:
        try:
            return self._hosts.check(str(base.join(URL(url, encoded=True))) if base and url else url)
        except ValueError as reason:
            raise _rejected("file_bad_address", str(reason)) from None


def _name(disposition: str) -> str:
    """Read the name in a Content-Disposition: of both its forms the one that takes all characters (RFC 6266)."""
    header = Message()
    header["Content-Disposition"] = _PLAIN_NAME.sub("", disposition) if "filename*" in disposition else disposition
    return (header.get_filename() or "").strip()


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> AsyncIterator[bytes]:
    if response.status != 200:
        raise _error(response)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _rejected("file_refused", "it is encoded, although that was not asked for")
    if (response.content_length or 0) > max_bytes:
        raise _too_large()
    size = 0
    async for piece in response.content.iter_chunked(CHUNK):
        size += len(piece)
        if size > max_bytes:
            raise _too_large()
        yield piece


def _error(response: aiohttp.ClientResponse) -> BridgeError:
    status = response.status
    if status == 429:
        after = retry_after(response.headers, time.time())
        return Throttled("429", code="download_429", component=COMPONENT, after=after)
    if status >= 500 or status == 408:
        return Unavailable(f"{status}", code=f"download_{status}", component=COMPONENT)
    return Refused(status)


def _too_large() -> Rejected:
    return _rejected("file_too_large", "the file is longer than may be")


def _rejected(code: str, text: str) -> Rejected:
    return Rejected(text, code=code, component=COMPONENT)
