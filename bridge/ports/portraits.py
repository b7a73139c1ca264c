"""What people look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Portrait:
    """A small picture of a person; `content_type` is what its bytes are, whatever they were said to be."""

    content_type: Literal["image/jpeg", "image/png"]
    content: bytes


class PortraitSource(Protocol):
    """Reads the pictures that people have in Teams, by Entra object id. Calls raise as those of other upstreams do."""

    async def version(self, aad_object_id: str) -> str | None:
        """Tell a text that changes when the picture does; None if there is none, or none that may be read."""

    async def read(self, aad_object_id: str) -> Portrait | None:
        """Read it; None if it is too large, or of a type that is not shown."""

    async def close(self) -> None:
        """Let go of the source."""
