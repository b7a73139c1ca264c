"""Keeping a link up to date, without a write for each message."""

from __future__ import annotations

from dataclasses import replace

from bridge.ports import Link, ThreadMap

HOUR = 3600.0


async def refresh(threads: ThreadMap, known: Link, wanted: Link, now: float) -> Link:
    """Write `wanted` if it differs from `known`, or if an hour has gone since the last message through it."""
    if now - known.active_at >= HOUR:
        wanted = replace(wanted, active_at=now)
    if wanted != known:
        await threads.update(wanted)
    return wanted
