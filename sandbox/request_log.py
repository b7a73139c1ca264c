"""The last requests per service, for tests that ask what was called and how often."""

import time
from collections import deque
from typing import NamedTuple

from sandbox.faults import SENT, SERVED
from sandbox.wire import JsonObject, iso

KEPT = 1000
BODY_LIMIT = 64 * 1024


class Entry(NamedTuple):
    """One request; status 0 means that nobody answered."""

    on: str
    method: str
    path: str
    status: int
    at: float
    ms: float
    body: bytes | None
    fault: str | None


class RequestLog:
    """A bounded list per service."""

    def __init__(self) -> None:
        self._entries: dict[str, deque[Entry]] = {on: deque(maxlen=KEPT) for on in (*SERVED, *SENT)}
        self._counts = dict.fromkeys(self._entries, 0)

    def add(
        self,
        on: str,
        line: tuple[str, str],
        status: int,
        started: float,
        body: bytes | None = None,
        fault: str | None = None,
    ) -> None:
        """Note one request; `line` is method and path, `started` a perf_counter value."""
        ms = (time.perf_counter() - started) * 1000
        kept = body[:BODY_LIMIT] if body and len(body) > BODY_LIMIT else body
        self._counts[on] += 1
        self._entries[on].append(Entry(on, *line, status, time.time(), ms, kept, fault))

    def services(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def counts(self) -> dict[str, int]:
        """How many requests each service has had since the last reset."""
        return dict(self._counts)

    def list(self, on: str | None, bodies: bool) -> list[JsonObject]:
        """The kept entries of one service, or of all in order of time."""
        entries = self._entries[on] if on else sorted((e for d in self._entries.values() for e in d), key=_time)
        return [_row(entry, bodies) for entry in entries]

    def clear(self) -> None:
        for entries in self._entries.values():
            entries.clear()
        self._counts = dict.fromkeys(self._entries, 0)


def _time(entry: Entry) -> float:
    return entry.at


def _row(entry: Entry, bodies: bool) -> JsonObject:
    row: JsonObject = {
        "on": entry.on,
        "method": entry.method,
        "path": entry.path,
        "status": entry.status,
        "at": iso(entry.at),
        "ms": round(entry.ms, 2),
    }
    if entry.fault:
        row["fault"] = entry.fault
    if bodies:
        row["body"] = entry.body.decode("utf-8", "replace") if entry.body is not None else None
    return row
