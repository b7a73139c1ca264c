"""What the archive reads: one answer, exactly as it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.http import Answer
from bridge import exact_json

LONGEST = 64 * 1024 * 1024
"""Bytes of one answer: a page of a hundred tickets with their descriptions can be large."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`value` is as `bridge.exact_json` reads it; `link_next` tells of a `Link: …; rel="next"` header."""

    value: Any
    link_next: bool = False


def exactly(answer: Answer) -> Any:
    """Read a body; ValueError if it is not JSON."""
    return exact_json.loads(answer.body)
