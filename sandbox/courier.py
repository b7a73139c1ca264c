"""Posts what the sandbox sends to the bridge, and spoils it where a fault says so."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from sandbox.faults import Fault
from sandbox.request_log import RequestLog

ANSWER_LIMIT = 64 * 1024


@dataclass(slots=True)
class Parcel:
    """One request to the bridge."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float


@dataclass(slots=True)
class Outcome:
    """What came of it; status 0 means that no answer was seen."""

    status: int
    body: str = ""
    ms: float = 0.0

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


class Courier:
    """One HTTP client for one kind of traffic, with every request noted."""

    def __init__(self, on: str, log: RequestLog) -> None:
        self._on = on
        self._log = log
        self._session: aiohttp.ClientSession | None = None

    async def post(self, parcel: Parcel, fault: Fault | None = None) -> Outcome:
        """Post it once, or as a fault wants it; never raises for what the network does."""
        if fault is None:
            return await self._send(parcel, None)
        return await self._post_spoiled(parcel, fault)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post_spoiled(self, parcel: Parcel, fault: Fault) -> Outcome:
        if fault.kind == "timeout":
            await asyncio.sleep((fault.delay_ms or parcel.timeout * 1000) / 1000)
            return self._unsent(parcel, 0, fault)
        await asyncio.sleep(fault.delay_seconds)
        if fault.kind in ("status", "drop_before"):
            return self._unsent(parcel, fault.status if fault.kind == "status" else 0, fault)
        outcome = await self._send(parcel, fault)
        if fault.kind == "duplicate":
            return await self._send(parcel, fault)
        if fault.kind == "drop_after":
            return Outcome(0, "the answer was dropped", outcome.ms)
        if fault.kind == "status_after":
            return Outcome(fault.status, "the answer was replaced", outcome.ms)
        return outcome

    async def _send(self, parcel: Parcel, fault: Fault | None) -> Outcome:
        started = time.perf_counter()
        outcome = await self._exchange(parcel)
        outcome.ms = round((time.perf_counter() - started) * 1000, 2)
        self._note(parcel, outcome.status, started, fault)
        return outcome

    async def _exchange(self, parcel: Parcel) -> Outcome:
        timeout = aiohttp.ClientTimeout(total=parcel.timeout)
        try:
            async with self._client().post(
                parcel.url, data=parcel.body, headers=parcel.headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = await response.content.read(ANSWER_LIMIT)
                return Outcome(response.status, body.decode("utf-8", "replace"))
        except TimeoutError:
            return Outcome(0, "no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(0, f"{type(error).__name__}: the bridge could not be reached")

    def _unsent(self, parcel: Parcel, status: int, fault: Fault) -> Outcome:
        self._note(parcel, status, time.perf_counter(), fault)
        return Outcome(status, "not sent: a fault was ordered")

    def _note(self, parcel: Parcel, status: int, started: float, fault: Fault | None) -> None:
        path = urlsplit(parcel.url).path
        self._log.add(self._on, ("POST", path), status, started, parcel.body, fault.id if fault else None)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=256),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding"),
                auto_decompress=False,
            )
        return self._session
