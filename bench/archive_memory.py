"""`python -m bench.archive_memory --conversations 1000000 --folder DIR`: what an export of that size takes in memory.

The accounts are played lazily, at no latency; the export, its verification and the pages of its view are each a process
whose peak is read from the system. About 25 kB a conversation are needed in DIR, which keeps the archive for a look.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import report
from bench.archive_stack import EXPORT, Accounts, events
from bench.processes import Child, resident_mib
from bench.report import Row

MOST_MIB = 150.0
LOOK_SECONDS = 0.1
STREAM = "freshchat.conversations"
AT = (20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
"""Conversations read after which the memory of the export is noted."""


def rows(folder: Path, conversations: int, tickets: int, options: Sequence[str]) -> list[Row]:
    """Export, verify and write the pages, one after the other."""
    shape = ("--conversations", str(conversations), "--tickets", str(tickets))
    log = folder / "export.log"
    with Accounts(folder / "accounts.log", *shape) as accounts:
        wanted = ("run", "--json", "--out", str(folder), *options)
        curve = Curve(log)
        run = _watched("17 Export", accounts.export(log, *wanted), curve.look)
    done = events(log)[-1]
    run.notes += (f"{done['totals']['conversations']} conversations, {done['totals']['messages']} messages",)
    run.notes += (f"MiB at conversations read: {curve.text()}",)
    archive = str(done["folder"])
    steps = {
        "18 Verify": ("verify", archive),
        "19 View, written": ("view", archive, "--static", str(folder / "pages")),
    }
    every = [run]
    for what, arguments in steps.items():
        child = Child([*EXPORT, *arguments], folder / f"{arguments[0]}.log", env={})
        every.append(_watched(what, child, lambda _mib: None))
    return [one.row() for one in every]


class Curve:
    """The memory of an export at some numbers of conversations read."""

    def __init__(self, log: Path) -> None:
        self._log, self._left, self._looked = log, list(AT), 0.0
        self._seen: dict[int, float] = {}

    def look(self, mib: float) -> None:
        """Note it where another of these numbers is reached."""
        if time.monotonic() < self._looked + 1 or not self._left:
            return
        self._looked = time.monotonic()
        done = _done(_last(self._log))
        while self._left and done >= self._left[0]:
            self._seen[self._left.pop(0)] = mib

    def text(self) -> str:
        """Write it."""
        return ", ".join(f"{mib:.0f} at {count:,}" for count, mib in self._seen.items()) or "none was reached"


def _last(log: Path) -> dict[str, Any]:
    told = events(log)
    return told[-1] if told else {}


def _done(event: dict[str, Any]) -> int:
    return int(event.get("streams", {}).get(STREAM, {}).get("done", 0))


class _Watched:
    """What a process took."""

    def __init__(self, what: str, peak: float, seconds: float) -> None:
        self._what, self._peak, self._seconds = what, peak, seconds
        self.notes: tuple[str, ...] = ()

    def row(self) -> Row:
        """Judge it."""
        return Row(
            what=self._what,
            value=f"{self._peak:.0f} MiB at most, {self._seconds:.0f} s",
            target=f"≤ {MOST_MIB:g} MiB",
            met=self._peak <= MOST_MIB,
            notes=self.notes,
            numbers={"mib": self._peak, "seconds": self._seconds},
        )


def _watched(what: str, child: Child, look: Callable[[float], None]) -> _Watched:
    """Wait for its end; the system keeps the peak, so looking now and then misses nothing but the last moment."""
    peak, began = 0.0, time.perf_counter()
    with child:
        while child.running:
            now = resident_mib(child.pid, "VmHWM") or peak
            peak = max(peak, now)
            look(peak)
            time.sleep(LOOK_SECONDS)
        child.output(1.0)
    return _Watched(what, peak, time.perf_counter() - began)


def main() -> int:
    """Run from the command line; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive_memory", description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--tickets", type=int, default=1000, help="how many (%(default)s)")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder with room for it")
    parser.add_argument("options", nargs="*", help="options of `bridgectl export run`, behind --")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    every = rows(given.folder.resolve(), given.conversations, given.tickets, given.options)
    print(report.table(every))
    return int(any(row.met is False for row in every))


if __name__ == "__main__":
    sys.exit(main())
