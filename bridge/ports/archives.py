"""Archives that are kept, each as one sealed object."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

ArchiveKind = Literal["monthly", "event", "final"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is known of an archive without opening it; nothing personal.

    `made`: when it was complete (epoch seconds). `fingerprint`: the hash of its `checksums.sha256`. `recipients`: the
    public keys it is sealed for. `totals`: how many of each thing it holds.
    """

    kind: ArchiveKind
    made: float
    fingerprint: str
    recipients: tuple[str, ...]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptArchive:
    """An archive in the store; `size` and `sha256` are of the sealed bytes as they were sent."""

    name: str
    label: Label
    size: int
    sha256: str

    def written(self) -> dict[str, str]:
        """Write all but the name as short texts, for the store to keep beside the object."""
        label = self.label
        return {
            "kind": label.kind,
            "made": f"{label.made:.0f}",
            "fingerprint": label.fingerprint,
            "recipients": ",".join(label.recipients),
            "totals": json.dumps(dict(label.totals), separators=(",", ":")),
            "size": str(self.size),
            "sha256": self.sha256,
        }


def read_kept(name: str, written: Mapping[str, str]) -> KeptArchive | None:
    """Read what `KeptArchive.written` wrote; None if it is something else."""
    try:
        kind = next(kind for kind in get_args(ArchiveKind) if kind == written["kind"])
        label = Label(
            kind=kind,
            made=float(written["made"]),
            fingerprint=written["fingerprint"],
            recipients=tuple(written["recipients"].split(",")),
            totals={str(what): int(count) for what, count in json.loads(written["totals"]).items()},
        )
        return KeptArchive(name=name, label=label, size=int(written["size"]), sha256=written["sha256"])
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration):
        return None


class ArchiveStore(Protocol):
    """Sealed archives under their names: never changed, and only monthly ones ever deleted."""

    async def put(self, name: str, label: Label, stream: AsyncIterator[bytes]) -> KeptArchive:
        """Store a stream, in bounded memory; nothing can be seen of it before it is whole, or if it fails.

        `name` has letters, digits, `.`, `_` and `-`. What the stream raises passes on. Raises Unavailable, Forbidden,
        StoreFull, or Rejected (`archive_name`): there is another of this name.
        """

    def all(self) -> AsyncIterator[KeptArchive]:
        """List what is kept, of all kinds. Raises Unavailable or Forbidden."""

    def open(self, kept: KeptArchive) -> AsyncGenerator[bytes, None]:
        """Read the bytes that the store holds. Raises Unavailable, Forbidden, or Rejected: it is not there."""

    async def delete(self, kept: KeptArchive) -> None:
        """Delete it; harmless if it is gone. Raises like `put`; Rejected (`archive_immutable`) if it may not be."""

    async def ping(self) -> None:
        """Raise Unavailable, Forbidden, StoreFull or Misconfigured if archives cannot be stored now."""

    async def close(self) -> None:
        """Let go of the store."""
