"""Where files of messages are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from bridge.events import Event, SharedFile


class FileSource(Protocol):
    """Reads the files that came with messages of one platform."""

    async def find(self, event: Event) -> Sequence[SharedFile]:
        """List the message's files, each with an address; what only the platform's own API shows is looked up.

        Raises Rejected (`files_not_permitted`: an administrator has not allowed it), Throttled or Unavailable.
        """

    def read(self, event: Event, file: SharedFile, max_bytes: int) -> AsyncIterator[bytes]:
        """Read one in pieces; close the iterator if it is not read to its end.

        Raises Rejected (`file_bad_address`, `file_too_large`, `file_gone`, `file_refused`), Throttled or Unavailable.
        """
