"""Row 6: what a message costs in an embedded store full of threads or of waiting messages, against an empty one.

The empty store holds only what earlier rounds of the same run have left in it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from bench.numbers import Spread, spread
from bench.report import Row
from bench.store import Store
from bench.store_load import BODY, PER_SESSION, lay_up, map_threads

SHARES = 10


class Size(NamedTuple):
    """How much is measured: rows in the full stores, messages per lap, interleaved rounds."""

    full: int
    lap: int
    rounds: int


SIZES = {True: Size(100_000, 2_000, 3), False: Size(1_000_000, 5_000, 7)}
"""By `quick`."""

LAPS: dict[str, Callable[[Store, int], Awaitable[float]]] = {
    "through the queue (put, accept, complete)": Store.queue_lap,
    "first of its thread (look, claim, journal, link)": Store.first_lap,
    "later in its thread (look, journal)": Store.later_lap,
}
FULL = ("mapped", "waiting")
Times = dict[str, dict[str, list[float]]]
"""Seconds per message, by lap and store, one for each round."""


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure the cost of a message in three stores by turns, and how fast the backlog drains."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # as the bridge does
    try:
        return asyncio.run(_rows(folder, SIZES[quick]))
    finally:
        sys.setswitchinterval(before)


async def _rows(folder: Path, size: Size) -> list[Row]:
    for name in ("empty", *FULL):
        (folder / name).mkdir()
    async with (
        Store(folder / "empty") as empty,
        Store(folder / "mapped", mapped=size.full) as mapped,
        Store(folder / "waiting") as waiting,
    ):
        await map_threads(mapped.db, size.full)
        await lay_up(waiting.db, size.full)
        times = await _laps({"empty": empty, "mapped": mapped, "waiting": waiting}, size)
        return [*_costs(times, size), await _drain(waiting, size)]


async def _laps(stores: dict[str, Store], size: Size) -> Times:
    """Run each lap on each store by turns, so that whatever else the machine does meets all; the first round warms."""
    times: Times = {lap: {name: [] for name in stores} for lap in LAPS}
    for number in range(size.rounds + 1):
        for lap, run in LAPS.items():
            for name, store in stores.items():
                seconds = await run(store, size.lap)
                if number:
                    times[lap][name].append(seconds)
    return times


def _costs(times: Times, size: Size) -> list[Row]:
    whole = {name: [_message(times, name, n) for n in range(size.rounds)] for name in ("empty", *FULL)}
    whole_row = [_cost("a message in all", name, whole, size, target=True) for name in FULL]
    return whole_row + [_cost(lap, name, times[lap], size) for lap in LAPS for name in FULL]


def _message(times: Times, name: str, number: int) -> float:
    """Add up what one message takes, if one in `PER_SESSION` is the first of its thread."""
    queue, first, later = (times[lap][name][number] for lap in LAPS)
    return queue + first / PER_SESSION + later * (PER_SESSION - 1) / PER_SESSION


def _cost(what: str, name: str, seconds: dict[str, list[float]], size: Size, target: bool = False) -> Row:
    ratio = spread([full / empty for full, empty in zip(seconds[name], seconds["empty"], strict=True)])
    full, empty = _micro(seconds[name]), _micro(seconds["empty"])
    about = "threads mapped" if name == "mapped" else "messages waiting"
    return Row(
        what=f"6 Store: {what}",
        value=f"{full.text()} µs, {size.full:,} {about}",
        baseline=f"{empty.text()} µs, empty store",
        ratio=ratio.median,
        target="≤ 1.2 × empty" if target else "",
        met=ratio.median <= 1.2 if target else None,
        numbers={"us": full.median, "empty_us": empty.median, "ratio_low": ratio.low, "ratio_high": ratio.high},
    )


def _micro(seconds: list[float]) -> Spread:
    return spread([one * 1e6 for one in seconds])


async def _drain(store: Store, size: Size) -> Row:
    """Work the whole backlog off, in ten shares of equal size."""
    share = size.full // SHARES
    rates = []
    for _ in range(SHARES):
        started = time.perf_counter()
        await store.finish(share)
        rates.append(share / (time.perf_counter() - started))
    ratio = rates[-1] / rates[0]
    return Row(
        what=f"6 Store: drain of {size.full:,} waiting messages of {len(BODY):,} bytes",
        value=f"{rates[-1]:,.0f}/s, last tenth",
        baseline=f"{rates[0]:,.0f}/s, first tenth",
        ratio=ratio,
        target="≥ 0.83 × first",
        met=ratio >= 1 / 1.2,
        notes=("tenths, per second: " + ", ".join(f"{rate:,.0f}" for rate in rates),),
        numbers={"first_per_s": rates[0], "last_per_s": rates[-1]},
    )
