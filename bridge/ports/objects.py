"""Files on their way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

Disposition = Literal["attachment", "inline"]
"""What a browser does with an object: save it, or show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """An object that is stored. `id` is made by the store and says nothing about the content; `size` is in bytes."""

    id: str
    size: int


class ObjectStore(Protocol):
    """Files on their way, kept for a while, readable from outside by signed addresses that run out."""

    async def put(
        self, name: str, stream: AsyncIterator[bytes], content_type: str, disposition: Disposition = "attachment"
    ) -> ObjectRef:
        """Store a stream, in bounded memory; `name` is what a person sees, of any characters.

        Only images are shown, whatever `disposition` says: see `bridge/objects.py`. Nothing is kept of a stream that
        fails, and what it raises passes on. Raises Unavailable, Forbidden, or StoreFull.
        """

    async def signed_url(self, ref: ObjectRef, seconds: float) -> str:
        """Make an address that reads the object without any login, and for so long only. Raises like `put`."""

    def open(self, ref: ObjectRef) -> AsyncIterator[bytes]:
        """Read an object in pieces. Raises Unavailable, Forbidden, or Rejected: there is no such object any more."""

    async def delete(self, ref: ObjectRef) -> None:
        """Forget an object; harmless if it is gone. Raises like `put`."""

    async def ping(self) -> None:
        """Raise Unavailable, Forbidden or StoreFull if the store cannot be used now."""

    async def close(self) -> None:
        """Let go of the store."""
