"""Ordered failures: which request, webhook or activity goes wrong, how, and how often."""

import re
from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.ids import Ids
from sandbox.wire import JsonObject

#: Services that answer requests, and what can be wrong with an answer.
SERVED = ("freshchat", "freshdesk", "files", "graph", "connector", "token", "keys")
SERVED_KINDS = ("status", "timeout", "drop_before", "drop_after", "status_after", "delay", "drip")

#: What the sandbox sends, and what can be wrong with a delivery.
SENT = ("webhook", "teams")
SENT_KINDS = (*(kind for kind in SERVED_KINDS if kind != "drip"), "duplicate", "reorder", "bad_signature", "lose")

FOREVER_MS = 60_000


@dataclass
class Fault:
    """One rule; `seen` counts what it matched, `hits` what it spoiled."""

    id: str
    on: str
    kind: str
    match: str | None = None
    status: int = 500
    retry_after: float | str | None = None
    body: Any = None
    times: int | None = 1
    probability: float = 1.0
    delay_ms: int = 0
    skip: int = 0
    #: Where a made-up redirect leads.
    location: str | None = None
    seen: int = 0
    hits: int = 0

    @property
    def hold_seconds(self) -> float:
        """How long a timeout holds the connection."""
        return (self.delay_ms or FOREVER_MS) / 1000

    @property
    def delay_seconds(self) -> float:
        return self.delay_ms / 1000

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a made-up error answer."""
        wanted = {"Retry-After": self.retry_after, "Location": self.location}
        return {name: str(value) for name, value in wanted.items() if value is not None}

    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class FaultBook:
    """The active faults per service, in the order in which they were set."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._faults: dict[str, list[Fault]] = {on: [] for on in (*SERVED, *SENT)}

    def add(self, wanted: JsonObject) -> Fault:
        """Set a fault; ValueError says what is wrong with the wish."""
        fault = _parse(f"f-{self._ids.hex()}", wanted)
        self._faults[fault.on].append(fault)
        return fault

    def take(self, on: str, *texts: str, without: Container[str] = ()) -> Fault | None:
        """The first fault that strikes now; the texts are what its regular expression may match."""
        for fault in self._faults[on]:
            if fault.spent() or fault.kind in without or not _matches(fault, texts):
                continue
            fault.seen += 1
            if fault.seen > fault.skip and self._ids.chance(fault.probability):
                fault.hits += 1
                return fault
        return None

    def list(self) -> list[JsonObject]:
        """Every fault with its counts, spent ones included."""
        return [asdict(fault) for faults in self._faults.values() for fault in faults]

    def remove(self, fault_id: str) -> bool:
        """Forget one fault; False when there is none with this id."""
        for faults in self._faults.values():
            for fault in faults:
                if fault.id == fault_id:
                    faults.remove(fault)
                    return True
        return False

    def clear(self) -> None:
        """Forget all faults."""
        for faults in self._faults.values():
            faults.clear()


def _matches(fault: Fault, texts: tuple[str, ...]) -> bool:
    return fault.match is None or any(re.search(fault.match, text) for text in texts)


def _parse(fault_id: str, wanted: JsonObject) -> Fault:
    known = set(Fault.__dataclass_fields__) - {"id", "seen", "hits"}
    unknown = set(wanted) - known
    if unknown:
        raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
    try:
        fault = Fault(id=fault_id, **wanted)
    except TypeError as error:
        raise ValueError("a fault needs on and kind") from error
    _check(fault)
    return fault


def _check(fault: Fault) -> None:
    kinds = SERVED_KINDS if fault.on in SERVED else SENT_KINDS if fault.on in SENT else None
    if kinds is None:
        raise ValueError(f"on must be one of {', '.join((*SERVED, *SENT))}")
    if fault.kind not in kinds:
        raise ValueError(f"kind for {fault.on} must be one of {', '.join(kinds)}")
    for name in ("status", "delay_ms", "skip"):
        if not _whole(getattr(fault, name)):
            raise ValueError(f"{name} must be a whole number of at least 0")
    if not 200 <= fault.status <= 599:
        raise ValueError("status must be between 200 and 599")
    if fault.times is not None and not _whole(fault.times):
        raise ValueError("times must be a whole number or null")
    if isinstance(fault.probability, bool) or not isinstance(fault.probability, (int, float)):
        raise ValueError("probability must be a number")
    try:
        re.compile(fault.match or "")
    except (re.error, TypeError) as error:
        raise ValueError("match must be a regular expression") from error


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
