"""Named secrets with several live versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class SecretSource(Protocol):
    """Named secrets, each with its live versions (newest first), readable by every replica."""

    async def get(self, name: str) -> Sequence[str]:
        """Give the live versions; empty if there is no such secret. Raises Unavailable, or Forbidden."""

    async def put(self, name: str, value: str, *, keep: int = 1) -> None:
        """Store a new version and keep the `keep` newest. Raises Unavailable, or StoreFull if it is read-only."""

    async def change(self, name: str, edit: Callable[[str | None], str]) -> None:
        """Replace all versions by what `edit` makes of the newest (None: there is none), as one step.

        No other put or change comes in between. `edit` is quick, may run in another thread and more than once; what it
        raises passes on, and nothing is stored. Raises like `put`.
        """

    async def ping(self) -> None:
        """Raise Unavailable or Forbidden if secrets cannot be read now."""

    async def close(self) -> None:
        """Let go of the store."""
