"""What a fuzzed thing is, and what all of them promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.fuzz.samples import MARKER, Sample

TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads what others wrote. `share` is how many of 1000 inputs it gets; `check` raises if broken."""

    name: str
    share: int
    samples: st.SearchStrategy[Sample]
    check: Callable[[Sample], None]


def silent(error: BaseException) -> None:
    """A refusal says nothing of what was written."""
    assert MARKER not in f"{error!s}{error!r}", "the error quotes what it was given"
