"""Looking into raw JSON from Teams, where any field may be missing or of another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def text_at(raw: Any, *path: str) -> str | None:
    """Read a text by path; None when any step is missing or is of another type."""
    for step in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(step)
    return raw if isinstance(raw, str) and raw else None


def list_at(raw: Raw, name: str) -> list[Any]:
    """Read a list; empty when there is none."""
    value = raw.get(name)
    return value if isinstance(value, list) else []
