"""Files by their address: no key of ours leaves, nothing inside our own network is asked.

Addresses come from messages and e-mails, so anybody may have written them. Only public addresses are connected to,
whatever a name resolves to; where the accounts themselves are on this machine (the sandbox), loopback too.
"""

from __future__ import annotations

import ipaddress
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from adapters.downloads import is_outside
from adapters.http import unavailable
from bridge.errors import BridgeError, Rejected, Throttled, Unavailable

COMPONENT = "file"
TIMEOUT = aiohttp.ClientTimeout(total=3600, connect=30, sock_connect=10, sock_read=60)
"""A file may be large; silence of a minute ends it, and so does an hour of drops."""
AS_STORED = {"Accept-Encoding": "identity"}
"""The file itself is kept, not what a server packs it into on its way."""
REDIRECTS = 4
CHUNK = 256 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Key = Callable[[], Awaitable[str]]


@dataclass(slots=True)
class Download:
    """A file on its way (`archive.ports.File`)."""

    content_type: str
    name: str
    chunks: AsyncIterator[bytes]


class ArchiveFiles:
    """Fetches files (`archive.ports.Files`).

    `keys` gives, per host of an account, the header that its own pages of files ask for; it is sent only when the
    file was refused without it, and never after a redirect.
    """

    def __init__(
        self, *, loopback: bool = False, keys: Mapping[str, Callable[[], Awaitable[str]]] | None = None
    ) -> None:
        self._loopback, self._keys = loopback, keys or {}
        connector = aiohttp.TCPConnector(limit=32, resolver=_PublicResolver(loopback), ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), headers=AS_STORED
        )

    async def close(self) -> None:
        """End what is under way."""
        await self._session.close()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Download]:
        """Fetch a file as a stream; errors as in `archive.ports.Files`."""
        try:
            response = await self._answer(url)
            try:
                kind = _text(response.headers.get("Content-Type", "").partition(";")[0].strip())
                yield Download(kind, _name(response), response.content.iter_chunked(CHUNK))
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _meaning(error) from None

    async def _answer(self, url: str) -> aiohttp.ClientResponse:
        checked = self._checked(url)
        response = await self._follow(checked, {})
        key = self._keys.get(checked.raw_host or "") if self._private(checked) else None
        if response.status in (401, 403, 404) and key is not None:
            response.close()
            response = await self._follow(checked, {"Authorization": await key()})
        if response.status != 200:
            response.close()
            raise _error_of(response)
        return response

    def _private(self, url: URL) -> bool:
        """Tell whether nobody on the way could read a key."""
        return (url.scheme == "https" and url.port == 443) or (self._loopback and url.raw_host in LOOPBACK)

    async def _follow(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        for _ in range(REDIRECTS):
            response = await self._session.get(url, headers=headers, allow_redirects=False)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not target:
                return response
            response.close()
            url, headers = self._checked(_joined(url, target)), {}
        raise Rejected("too many redirects", code="file_redirects", component=COMPONENT)

    def _checked(self, text: str) -> URL:
        """Read an address. A host given as a number is not resolved, so it is judged here."""
        try:
            url = URL(text)
            literal = ipaddress.ip_address(url.raw_host or "")
        except ValueError:
            literal = None
        else:
            if not allowed(str(literal), self._loopback):
                raise _never()
        try:
            url = URL(text)
        except ValueError:
            raise _never() from None
        if url.scheme not in ("http", "https") or not url.raw_host or url.user is not None:
            raise _never()
        return url


def _joined(url: URL, target: str) -> str:
    """Give the address that a redirect leads to, which can be anything."""
    try:
        return str(url.join(URL(target)))
    except ValueError:
        raise _never() from None


def allowed(address: str, loopback: bool) -> bool:
    """Tell whether a numeric address may be connected to."""
    return is_outside(address) or (loopback and ipaddress.ip_address(address.partition("%")[0]).is_loopback)


class _Private(OSError):
    """A name that leads into our own network."""


class _PublicResolver(AbstractResolver):
    def __init__(self, loopback: bool) -> None:
        self._loopback, self._real = loopback, DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve, and leave out what may not be connected to."""
        found = await self._real.resolve(host, port, family)
        kept = [one for one in found if allowed(one["host"], self._loopback)]
        if not kept:
            raise _Private("not a public address")
        return kept

    async def close(self) -> None:
        """Let go of the real one."""
        await self._real.close()


def _name(response: aiohttp.ClientResponse) -> str:
    """Read the name that the answer gives; it can be anything, and the library warns of those that hold a path."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = response.content_disposition
    return _text((told.filename if told else None) or "")


def _text(header: str) -> str:
    """Give what a header says; bytes that are no UTF-8, as of Korean names in CP949, are only marked."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _meaning(error: Exception) -> Exception:
    """Tell an address that is not fetched, and a full disk under what is written, from a file that is not there."""
    if isinstance(error, _Private | aiohttp.InvalidURL) or isinstance(error.__cause__, _Private):
        return _never()
    if not isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError):
        return error
    return unavailable(error, component=COMPONENT, effect=False)


def _never() -> Rejected:
    return Rejected("an address that is never fetched", code="file_address", component=COMPONENT)


def _error_of(response: aiohttp.ClientResponse) -> BridgeError:
    status = response.status
    text, code = str(status), f"file_{status}"
    if status == 429:
        after = response.headers.get("Retry-After", "")
        return Throttled(text, code=code, component=COMPONENT, after=float(after) if after.isdecimal() else None)
    if status >= 500 or status == 408:
        return Unavailable(text, code=code, component=COMPONENT)
    return Rejected(text, code=code, component=COMPONENT)
