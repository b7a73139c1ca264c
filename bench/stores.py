"""Row 6: the embedded stores, empty and behind a backlog; the empty store is the baseline of the full one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.report import Row
from bench.store import measure

BODY = 1024
SIZES = {True: (1_000, 2_000), False: (10_000, 200_000)}
"""By `quick`: messages per figure, and the backlog."""


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure twice; the ratio tells whether the cost of a message stays flat."""
    messages, backlog = SIZES[quick]
    empty = _figures(folder / "empty", messages, 0)
    full = _figures(folder / "full", messages, backlog)
    found = []
    for name, value in empty.items():
        behind = full.get(name)
        if behind is None:
            found.append(Row(what=f"6 Store: {name}", value=f"{value:,.0f}/s", numbers={"per_s": value}))
            continue
        found.append(
            Row(
                what=f"6 Store: {name}",
                value=f"{behind:,.0f}/s behind {backlog:,} waiting",
                baseline=f"{value:,.0f}/s, empty store",
                ratio=behind / value,
                numbers={"empty_per_s": value, "full_per_s": behind},
            )
        )
    return found


def _figures(folder: Path, messages: int, backlog: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    folder.mkdir()
    asyncio.run(measure(folder, figures.__setitem__, messages, backlog, BODY))
    return figures
