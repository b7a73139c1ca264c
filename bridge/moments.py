"""Times as both vendors write them."""

from __future__ import annotations

from datetime import UTC, datetime


def epoch(text: object) -> float | None:
    """Read a time as the APIs write them, in seconds since 1970; None if it is not one. No zone means UTC."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso(moment: float) -> str:
    """Write a time as both APIs take it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
