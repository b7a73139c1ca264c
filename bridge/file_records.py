"""What became of the files of a message, noted so that a later try neither fetches nor decides anew.

One fact of the thread map per message, written only by the deliveries of its thread, one at a time. No names: a file is
known by a hash of its address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from bridge import ids
from bridge.events import Event, SharedFile
from bridge.file_types import FileType, fitting_name
from bridge.objects import safe_name
from bridge.ports import FilePart, ObjectRef, ThreadMap
from bridge.revisions import message_of

KEPT = 30 * 86_400.0
"""Seconds, as the journal and the objects. What is known of a message whose files have all arrived goes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where a file is now: with Freshchat, behind a link of ours, or kept out for a `reason`.

    `where` is the address of an image or link, or the hash of a file; `ending` is what its name got; `object_id` names
    it in our store.
    """

    way: Literal["image", "file", "link", "kept"]
    where: str = ""
    mime: str = ""
    ending: str = ""
    size: int = 0
    reason: str = ""
    object_id: str = ""

    @property
    def ref(self) -> ObjectRef | None:
        """The file in our store, if it is there."""
        return ObjectRef(id=self.object_id, size=self.size) if self.object_id else None

    def name(self, file: SharedFile) -> str:
        """Give the name that the file has now, out of the one it came with."""
        endings = (self.ending,) if self.ending else ()
        return fitting_name(safe_name(file.name), FileType("unknown", self.mime, endings))

    def part(self, file: SharedFile) -> FilePart | None:
        """Give the part of a message that shows it; None if it is told in words."""
        kind = self.way
        if kind == "link" or kind == "kept":  # noqa: PLR1714 - mypy follows this form only
            return None
        return FilePart(kind=kind, where=self.where, name=self.name(file), content_type=self.mime, size=self.size)


class Records:
    """The records of one message, by `file_id`; `since` is when its files began to be waited for, if they are."""

    def __init__(self, threads: ThreadMap, event: Event, known: Mapping[str, str]) -> None:
        self._threads, self._event, self._known = threads, event, dict(known)

    @classmethod
    async def of(cls, threads: ThreadMap, event: Event) -> Records:
        """Read what is known."""
        return cls(threads, event, await threads.fact(event.tenant_id, "file", message_of(event)) or {})

    @property
    def since(self) -> float | None:
        """When the first of them could not be had (epoch seconds)."""
        return float(self._known["since"]) if "since" in self._known else None

    def get(self, file: SharedFile) -> Record | None:
        """Give what became of a file; None if it is not decided."""
        known = self._known.get(file_id(file))
        return Record(**json.loads(known)) if known else None

    async def note(self, file: SharedFile, record: Record) -> Record:
        """Decide."""
        await self._learn(file_id(file), json.dumps(asdict(record)))
        return record

    async def wait_since(self, moment: float) -> None:
        """Note when the wait began, unless it began before."""
        if self.since is None:
            await self._learn("since", str(moment))

    def all(self) -> list[Record]:
        """List what became of them."""
        return [Record(**json.loads(known)) for name, known in self._known.items() if name != "since"]

    async def forget(self) -> None:
        """Keep nothing of it."""
        if self._known:
            self._known = {}
            await self._threads.learn(self._event.tenant_id, "file", message_of(self._event), {}, 1.0)

    async def _learn(self, name: str, value: str) -> None:
        self._known[name] = value
        await self._threads.learn(self._event.tenant_id, "file", message_of(self._event), self._known, KEPT)


def file_id(file: SharedFile) -> str:
    """Name a file by its address, which may be a secret."""
    return hashlib.sha256(f"{file.way} {file.url}".encode()).hexdigest()[:12]


def file_step(event: Event, file: SharedFile) -> str:
    """Name the journal row of the message that shows a file."""
    return ids.step_key(event.idempotency_key, f"file.{file_id(file)}")
