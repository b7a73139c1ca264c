"""What the export needs from outside: two APIs that are read, files that are fetched, ids that the bridge knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol


class Reply(Protocol):
    """One answer. `value` is as `bridge.exact_json` reads it; `link_next` tells of a `Link: …; rel="next"` header."""

    @property
    def value(self) -> Any:
        """The body."""

    @property
    def link_next(self) -> bool:
        """Whether a header says that there is another page."""


class Source(Protocol):
    """One account's API, at a pace that leaves room for others.

    Errors: Throttled (wait `after`, nothing is wrong), Unavailable (again later), Forbidden (`<vendor>_401`: the key
    is refused; `<vendor>_403`: this resource is not ours to read), Rejected (`<vendor>_404` and the like).
    """

    @property
    def host(self) -> str:
        """The account's host, for the record."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Read. `path` is below the API's version (`users/1`), its parts quoted."""

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask for a report; the export posts nothing else."""


class File(Protocol):
    """A file that is being fetched. `content_type` and `name` are what the answer says, empty if nothing."""

    content_type: str
    name: str
    chunks: AsyncIterator[bytes]


class Files(Protocol):
    """Fetches files by their address, without any key of ours on a foreign host."""

    def open(self, url: str) -> AbstractAsyncContextManager[File]:
        """Fetch a file as it is stored, of any size, as a stream.

        Unavailable (again later) or Rejected: `file_403` and `file_400` (the address has run out: read the parent
        again), `file_404`, `file_address` (an address that is never fetched, such as one inside our own network).
        """


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation that the bridge has carried messages of (`bridge`), or that webhooks have named (`webhooks`)."""

    conversation_id: str
    user_id: str
    source: Literal["bridge", "webhooks"] = "bridge"


class KnownConversations(Protocol):
    """The conversations that the bridge knows: its own, and others of the account."""

    def all(self) -> AsyncIterator[Known]:
        """Give them all, page by page from the store."""
