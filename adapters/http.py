"""Calling HTTP services with care: one session, hosts that may be called, and what a failed call means.

Knows no vendor: which status means what is decided beside each vendor's client. Redirects are never followed, because
the token would leave with them.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from bridge.errors import Misconfigured, Unavailable

MAX_ANSWER = 8 * 1024 * 1024
"""More than any JSON answer that we ask for; a longer one is not read to its end."""

LONG_BODY = 256 * 1024

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=8, sock_connect=5)
"""`connect` includes the wait for a free connection; `total` is the longest that any call may take."""


def session(
    *,
    connections: int = 200,
    per_host: int = 64,
    watch: Sequence[aiohttp.TraceConfig] = (),
    seen: Watch | None = None,
) -> aiohttp.ClientSession:
    """Make the one session of this process; whoever makes it closes it.

    `watch` sees every request; `seen(component, method)` is held while `call` makes one.

    Idle connections are dropped after 15 s, before common servers drop theirs: a POST on a connection that the
    other side is just closing fails in a way that leaves open whether it was done.
    """
    made = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections, limit_per_host=per_host, ttl_dns_cache=60, keepalive_timeout=15
        ),
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=list(watch),
        max_line_size=16384,
    )
    if seen is not None:
        _SEEN[made] = seen
    return made


class Seen(Protocol):
    """Learns the status of a call; None as long as there is no answer."""

    status: int | None


Watch = Callable[[str, str], AbstractContextManager[Seen]]


@dataclass(slots=True)
class _Unseen:
    status: int | None = None


def _unseen(_component: str, _method: str) -> AbstractContextManager[Seen]:
    return nullcontext(_Unseen())


_SEEN: Final[WeakKeyDictionary[aiohttp.ClientSession, Watch]] = WeakKeyDictionary()
"""Who sees the calls of a session: 1 µs for each, where aiohttp's own hooks take 20."""


# --- hosts ----------------------------------------------------------------------------------------------------------


MAX_KNOWN = 100
"""Addresses that one rule remembers; those of files come once each."""


class HostRule:
    """Which URLs a token may be sent to: https on its usual port, to hosts that end in an allowed suffix.

    A suffix matches whole labels (`evil-example.com` is not below `example.com`). Plain http, and any port, only to
    a loopback address, only if allowed, and only if that address is listed too.
    """

    __slots__ = ("_known", "_loopback_http", "_suffixes")

    def __init__(self, suffixes: Iterable[str], *, allow_loopback_http: bool = False) -> None:
        """Misconfigured if no usable suffix is left."""
        cleaned = (suffix.strip().lower().lstrip("*").strip(".[]") for suffix in suffixes)
        self._suffixes = frozenset(suffix for suffix in cleaned if suffix)
        self._loopback_http = allow_loopback_http
        self._known: dict[str, URL] = {}
        if not self._suffixes:
            raise Misconfigured("an allowlist of hosts is empty")

    def check(self, url: str) -> URL:
        """Give the URL, read exactly as it will be called; ValueError if no token may go there.

        What was found good is remembered: a deployment has a few connectors, and each message names one.
        """
        known = self._known.get(url)
        if known is None:
            known = self._checked(url)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[url] = known
        return known

    def _checked(self, url: str) -> URL:
        parsed = self._parsed(url)
        host = parsed.raw_host or ""
        if not self._listed(host):
            raise ValueError("the host is not on the allowlist")
        loopback = _is_loopback(host)
        if parsed.scheme != "https" and not (parsed.scheme == "http" and loopback and self._loopback_http):
            raise ValueError("not https")
        if not loopback and parsed.explicit_port not in (None, 443):
            raise ValueError("an unusual port")
        return parsed

    def allows(self, url: str) -> bool:
        """Tell whether a token may go there."""
        try:
            self.check(url)
        except ValueError:
            return False
        return True

    @staticmethod
    def _parsed(url: str) -> URL:
        """Refuse what different readers of URLs read differently, before any of them does."""
        if "\\" in url or any(ord(c) <= 32 or ord(c) == 127 for c in url):
            raise ValueError("not a plain URL")
        parsed = URL(url)
        if "@" in url.partition("://")[2].partition("/")[0] or parsed.user is not None:
            raise ValueError("a user in the URL")
        if "%" in (parsed.raw_host or ""):
            raise ValueError("an encoded host")
        return parsed

    def _listed(self, host: str) -> bool:
        if not host or host != host.strip("."):
            return False
        if _address(host) is not None:
            return host in self._suffixes
        labels = host.lower().split(".")
        return any(".".join(labels[n:]) in self._suffixes for n in range(len(labels)))


def endpoint(url: str) -> URL:
    """Read an endpoint that the administrator configured: https, or plain http to a loopback address.

    Misconfigured if it is neither. The administrator's word is its own allowlist; data is checked with a HostRule.
    """
    try:
        host = URL(url).raw_host or ""
        return HostRule([host], allow_loopback_http=True).check(url)
    except (ValueError, Misconfigured) as reason:
        raise Misconfigured(f"an endpoint cannot be used: {reason}") from None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


# --- calls ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Any 2xx: services document 200 and answer 201, 202 or 204 as well."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body as JSON; ValueError if it is not."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deep") from None

    def object(self) -> dict[str, Any]:
        """Read the body as a JSON object; an empty one if it is anything else (for error bodies)."""
        try:
            value = self.json()
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    component: str,
    headers: Mapping[str, str] | None = None,
    send: Any = None,
    form: Mapping[str, str] | None = None,
    body: bytes | aiohttp.FormData | None = None,
    timeout: float | None = None,
    longest: int = MAX_ANSWER,
) -> Answer:
    """Make one call and read its answer; Unavailable if there was none, or one of more than `longest` bytes.

    `send` goes out as JSON, `form` as a form, `body` as it is; files in it are read while they are sent.
    """
    data, kind = _payload(send, form) if body is None else (_in_pieces(body), {})
    effect = method not in ("GET", "HEAD")
    request = session.request(
        method,
        url,
        data=data,
        headers={**(headers or {}), **kind},
        allow_redirects=False,
        timeout=TIMEOUT if timeout is None else _bounded(timeout),
    )
    try:
        with _SEEN.get(session, _unseen)(component, method) as seen:
            async with request as response:
                seen.status = response.status
                return Answer(response.status, response.headers, await _limited(response, component, effect, longest))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unavailable(error, component=component, effect=effect) from None


def _in_pieces(body: bytes | aiohttp.FormData) -> bytes | BytesIO | aiohttp.FormData:
    """Have a long body written bit by bit: as one it would hold the event loop."""
    return BytesIO(body) if isinstance(body, bytes) and len(body) > LONG_BODY else body


def _payload(send: Any, form: Mapping[str, str] | None) -> tuple[Any, dict[str, str]]:
    if form is not None:
        return aiohttp.FormData(dict(form)), {}
    if send is None:
        return None, {}
    text = json.dumps(send, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace"), {"Content-Type": "application/json"}


def _bounded(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, connect=min(seconds, 8), sock_connect=min(seconds, 5))


async def _limited(response: aiohttp.ClientResponse, component: str, effect: bool, longest: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > longest:
            raise Unavailable(
                "the answer is too long", code=f"{component}_too_long", component=component, maybe_done=effect
            )
    return bytes(body)


_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""No connection, so no request: refused, no such name, no TLS, or no free connection in time."""


def unavailable(error: BaseException, *, component: str, effect: bool) -> Unavailable:
    """Say what a call that failed without an answer means. `effect`: the call changes something if it arrives.

    Only the kind of error is told; its text could hold an address with ids in it.
    """
    timed_out = isinstance(error, TimeoutError)
    return Unavailable(
        f"no answer ({type(error).__name__})",
        code=f"{component}_timeout" if timed_out else f"{component}_unreachable",
        component=component,
        maybe_done=effect and not isinstance(error, _NEVER_SENT),
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After`, which is seconds or a date, as seconds from now; None if absent or unreadable."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    readers: tuple[Callable[[str], float], ...] = (float, lambda text: parsedate_to_datetime(text).timestamp() - now)
    for read in readers:
        try:
            seconds = read(value)
        except (ValueError, TypeError, OverflowError):
            continue
        return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None  # noqa: PLR0124 - NaN is not itself
    return None
