"""The files of agents' messages, read from where their message says they are.

Their addresses are signed and run out (how soon is documented nowhere), and may be missing in a webhook: the message
as the API lists it has fresh ones (reference, section 5.2).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from adapters.downloads import Downloads
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.file_parts import files_of, last_part
from adapters.freshchat.parts import NotUnderstood
from bridge.errors import Rejected
from bridge.events import Event, SharedFile

MAX_NAMES = 1_000
"""Names kept of files that are being read."""


class FreshchatFiles:
    """Implements `bridge.ports.files.FileSource` for the messages of all tenants' accounts."""

    def __init__(self, desks: Mapping[str, FreshchatHelpdesk], downloads: Downloads) -> None:
        self._desks, self._downloads = desks, downloads
        self._names: dict[str, str] = {}

    def named(self, file: SharedFile) -> str:
        """Name a file by what its server said when it was read last, else by its address."""
        return self._names.pop(file.url, "") or last_part(file.url)

    async def find(self, event: Event) -> Sequence[SharedFile]:
        """Read the message again and list its files, with the addresses that they have now."""
        since = datetime.fromisoformat(event.timestamp).timestamp()
        message = await self._desks[event.tenant_id].message(event.conversation_id or "", event.message_id, since)
        try:
            return files_of(message) if message is not None else ()
        except NotUnderstood:
            return ()

    async def read(self, event: Event, file: SharedFile, max_bytes: int) -> AsyncGenerator[bytes]:
        """Read one in pieces; if its address has run out, once more from the one that it has now."""
        begun = False
        try:
            async with aclosing(self._read(event, file.url, file, max_bytes)) as pieces:
                async for piece in pieces:
                    begun = True
                    yield piece
            return
        except Rejected as error:
            fresh = None if begun or error.code != "file_gone" else await self._fresh(event, file)
            if fresh is None:
                raise
        async with aclosing(self._read(event, fresh, file, max_bytes)) as pieces:
            async for piece in pieces:
                yield piece

    async def _read(self, event: Event, url: str, file: SharedFile, max_bytes: int) -> AsyncGenerator[bytes]:
        def named(name: str) -> None:
            self._names[file.url] = name
            if len(self._names) > MAX_NAMES:
                del self._names[next(iter(self._names))]

        headers = await self._desks[event.tenant_id].headers_for(url)
        async with aclosing(self._downloads.read(url, max_bytes, headers, named)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                yield piece

    async def _fresh(self, event: Event, file: SharedFile) -> str | None:
        """Give another address of the file, if there is one."""
        try:
            found = await self.find(event)
        except Rejected:
            return None
        return next((one.url for one in found if one.number == file.number and one.url not in ("", file.url)), None)
