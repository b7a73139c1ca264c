"""Where files of messages are, and how the helpdesk takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from bridge.events import Event, SharedFile
from bridge.ports.helpdesk import Sent


class FileSource(Protocol):
    """Reads the files that came with messages of one platform."""

    async def find(self, event: Event) -> Sequence[SharedFile]:
        """List the message's files, each with an address; what only the platform's own API shows is looked up.

        Raises Rejected (`files_not_permitted`: an administrator has not allowed it), Throttled or Unavailable.
        """

    def named(self, file: SharedFile) -> str:
        """Name a file whose message gives it no name: by what its server said when it was read, else by its address."""

    def read(self, event: Event, file: SharedFile, max_bytes: int) -> AsyncIterator[bytes]:
        """Read one in pieces; close the iterator if it is not read to its end.

        Raises Rejected (`file_bad_address`, `file_too_large`, `file_gone`, `file_refused`, `files_not_permitted`),
        Throttled or Unavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file that Freshchat has: `where` is what a message names it by, the address of an image or the hash of a file.

    `size` is in bytes.
    """

    kind: Literal["image", "file"]
    where: str
    name: str
    content_type: str
    size: int


class HelpdeskFiles(Protocol):
    """Files in one tenant's Freshchat account. Calls raise as those of `Helpdesk` do."""

    async def upload(self, kind: Literal["image", "file"], name: str, content_type: str, content: BinaryIO) -> str:
        """Hand a file over, from its start; return `FilePart.where`. Harmless to repeat: nobody sees it yet.

        Raises Rejected if Freshchat does not take this file.
        """

    async def post_file(self, conversation_id: str, user_id: str, part: FilePart) -> Sent:
        """Append a message that is the file, as the user. Raises ConversationClosed as `post_message` does."""

    async def find_file(self, conversation_id: str, user_id: str, part: FilePart, since: float) -> Sequence[Sent]:
        """Read back: the user's messages since then with this file, before those with one that may be it."""
