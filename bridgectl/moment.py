"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

HELP = "An ISO time (UTC unless it says otherwise), or how long ago, such as 90m, 2h or 3d."


def moment(text: str, now: float) -> float:
    """Read `2026-01-05T08:00`, `2h` or `3d` as epoch seconds; a usage error if it is neither."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text.strip()):
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time. {HELP}") from None
