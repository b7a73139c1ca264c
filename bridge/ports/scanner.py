"""Whether a file is malware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Scanner(Protocol):
    """Looks for malware in files; nothing of them is kept."""

    async def scan(self, stream: AsyncIterator[bytes], size: int) -> None:
        """Return if nothing was found in the stream, which has `size` bytes.

        Raises Infected, Unscannable (it cannot be told of this file, now or later: it is too large, or encrypted), or
        Unavailable (it cannot be told now). What the stream raises passes on.
        """

    async def ping(self) -> None:
        """Raise Unavailable if files cannot be scanned now."""
