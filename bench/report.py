"""The table: what was measured, against which baseline, against which target, and whether that is met."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

COLUMNS = ("what", "value", "baseline", "ratio", "target", "met")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `met` is None where there is no target; `notes` are printed below."""

    what: str
    value: str
    baseline: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    notes: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    missing: bool = False

    def cells(self) -> tuple[str, ...]:
        """Give the texts of its columns."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}" if self.ratio < 10 else f"{self.ratio:,.1f}"
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return (self.what, self.value, self.baseline, ratio, self.target, met)


def failed(what: str, error: Exception, target: str = "") -> Row:
    """Say that something could not be measured, which meets no target."""
    reason = (str(error) or type(error).__name__).strip()
    return Row(
        what=what, value="not measured", target=target, met=False, missing=True, notes=tuple(reason.splitlines()[-6:])
    )


def table(rows: Sequence[Row]) -> str:
    """Write the rows under each other, and their notes below."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "-+-".join("-" * width for width in widths))
    notes = [f"{row.what}: {note}" for row in rows for note in row.notes]
    return "\n".join([*text, "", *notes])


def as_json(machine: dict[str, str], rows: Sequence[Row]) -> str:
    """Write everything for programs."""
    return json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, ensure_ascii=False, indent=2)


def machine() -> dict[str, str]:
    """Describe what the numbers depend on."""
    return {
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
        "sqlite": sqlite3.sqlite_version,
        "fsync": f"{_fsync_ms():.2f} ms in {tempfile.gettempdir()}",
    }


def _fsync_ms() -> float:
    """Time the disk: a commit cannot be faster."""
    times = []
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "probe").open("wb", buffering=0) as probe:
        for _ in range(50):
            probe.write(b"x" * 4096)
            start = time.perf_counter()
            os.fsync(probe.fileno())
            times.append(time.perf_counter() - start)
    return median(times) * 1000
