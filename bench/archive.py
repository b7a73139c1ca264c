"""How fast an export is: against a walker that goes step by step, and of what the limits allow."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.archive_stack import Accounts, events
from bench.processes import Child
from bench.report import Row

LATENCY_MS = 50
FASTER = 8.0
USED = 0.95
SHARES = (1.0, 0.6)
WINDOWS = 3
"""Whole windows of a limit that are looked at."""
TELLS_ENDS = "freshchat"
"""Freshdesk's headers do not tell when a window ends, so an export takes it for a minute whatever the sandbox does."""
SECONDS = 600.0
COUNTED = ("conversations", "messages")


@dataclass(frozen=True)
class Limits:
    """A limit that both accounts advertise: calls in a window of so many seconds."""

    rate: int
    seconds: float
    products: tuple[str, ...]


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure the walker and the export, then how much of a limit exports use that may have all or 60 % of it."""
    limits = Limits(30, 1.0, (TELLS_ENDS,)) if quick else Limits(700, 60.0, ("freshchat", "freshdesk"))
    return [_speed(folder, 8 if quick else 150), *_rates(folder, limits)]


# --- against the walker


def _speed(folder: Path, size: int) -> Row:
    shape = ("--conversations", str(size), "--tickets", str(size), "--latency-ms", str(LATENCY_MS))
    with Accounts(folder / "accounts.log", *shape) as accounts:
        walked = _walk(accounts, folder)
        took, totals = _export(accounts, folder)
    different = [name for name in COUNTED if walked[name] != totals[name]]
    if different or totals["tickets"] < walked["tickets"]:
        raise RuntimeError(f"the walker and the export did not write the same: {walked}, {totals}")
    ratio = walked["seconds"] / took
    read = f"{totals['conversations']} conversations, {totals['messages']} messages, {totals['tickets']} tickets"
    return Row(
        what="15 Export at 50 ms latency",
        value=f"{took:.1f} s",
        baseline=f"{walked['seconds']:.1f} s",
        ratio=ratio,
        target=f"≥ {FASTER:g} × sequential walker",
        met=ratio >= FASTER,
        notes=(
            f"{read}; the walker read {walked['tickets']:.0f} of the tickets: it knows the ordinary list only",
            "from the start of the process to its end; without files and reports, which the walker does not read",
        ),
        numbers={"seconds": took, "walker_seconds": walked["seconds"], "conversations": totals["conversations"]},
    )


def _walk(accounts: Accounts, folder: Path) -> Mapping[str, float]:
    env, log = accounts.env, folder / "walker.log"
    given = (
        *("--freshchat", env["FRESHCHAT_API_URL"], "--freshchat-key", env["FRESHCHAT_API_KEY"]),
        *("--freshdesk", env["FRESHDESK_URL"], "--freshdesk-key", env["FRESHDESK_API_KEY"]),
        *("--out", str(folder / "walked")),
    )
    began = time.perf_counter()
    with Child(["-m", "bench.baselines.sequential_walker", *given], log) as walker:
        counts: dict[str, float] = json.loads(walker.output(SECONDS).splitlines()[-1])
    return {**counts, "seconds": time.perf_counter() - began}


def _export(accounts: Accounts, folder: Path) -> tuple[float, Mapping[str, int]]:
    log = folder / "export.log"
    began = time.perf_counter()
    wanted = ("run", "--no-attachments", "--no-reports", "--json", "--out", str(folder / "exported"))
    with accounts.export(log, *wanted) as export:
        export.output(SECONDS)
    took = time.perf_counter() - began
    totals: Mapping[str, int] = events(log)[-1]["totals"]
    return took, totals


# --- of what the limits allow


def _rates(folder: Path, limits: Limits) -> list[Row]:
    """Run an export for each share, all at once, each with accounts of its own, until enough windows are over."""
    told = [_Measured(folder / f"share-{share}", share, limits) for share in SHARES]
    try:
        deadline = time.monotonic() + (WINDOWS + 2) * limits.seconds + 60
        while not all(one.over() for one in told):
            if time.monotonic() > deadline:
                raise RuntimeError("an export came to its end before enough windows were over")
            time.sleep(0.2)
        return [one.row(product) for product in limits.products for one in told]
    finally:
        for one in told:
            one.stop()


class _Measured:
    """An export that may use a share of the limits, and its accounts."""

    def __init__(self, folder: Path, share: float, limits: Limits) -> None:
        folder.mkdir()
        self._share, self._limits = share, limits
        size = str(WINDOWS * limits.rate + 200)
        shape = ("--conversations", size, "--tickets", size, "--same-second", "0")
        rate = ("--rate", str(limits.rate), "--set", f"window_seconds={limits.seconds}")
        self._accounts = Accounts(folder / "accounts.log", *shape, *rate)
        wanted = ("run", "--no-attachments", "--no-reports", "--share", str(share), "--out", str(folder / "out"))
        self._export = self._accounts.export(folder / "export.log", *wanted)

    def over(self) -> bool:
        """Tell whether enough windows are over."""
        windows = self._accounts.ask("archive/windows")
        return all(len(windows[product]) > WINDOWS for product in self._limits.products)

    def row(self, product: str) -> Row:
        """Compare what was used with what was allowed, from the first window's beginning to the last one's end."""
        limits = self._limits
        windows = self._accounts.ask("archive/windows")[product][: WINDOWS + 1]
        used, allowed = used_and_allowed(windows, limits.rate * self._share, limits.seconds)
        return Row(
            what=f"16 Limit of {product}, share {self._share:g}",
            value=f"{used:.0f} calls",
            baseline=f"{allowed:.0f} allowed",
            ratio=used / allowed,
            target=f"≥ {USED:g}",
            met=used / allowed >= USED,
            notes=(
                f"limit {limits.rate} in {limits.seconds:g} s; in each window: "
                + ", ".join(f"{window['used']:.0f}" for window in windows[:-1]),
            ),
            numbers={"used": used, "allowed": allowed},
        )

    def stop(self) -> None:
        """End both."""
        for child in (self._export, self._accounts):
            child.__exit__(None, None, None)


def used_and_allowed(windows: Sequence[Mapping[str, float]], allowed: float, seconds: float) -> tuple[float, float]:
    """Sum up the windows before the last one: what was used, and what could have been by the clock.

    A window begins with its first call, so time that nobody used counts too: `allowed` is of each window's length.
    """
    whole = windows[:-1]
    length = windows[-1]["began"] - windows[0]["began"]
    return sum(window["used"] for window in whole), allowed * length / seconds
