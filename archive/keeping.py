"""Archives in the store: sealed, proven, kept as long as their kind asks for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from pyrage import x25519

from archive.reading import Archive, NotAnArchive
from archive.sealed import SUFFIX, sealed
from archive.unsealed import Damaged, WrongKey, unsealed
from bridge.errors import BridgeError, Unavailable
from bridge.moments import epoch
from bridge.ports.archives import ArchiveKind, ArchiveStore, KeptArchive, Label


@dataclass(frozen=True, slots=True)
class Result:
    """What was stored (`before`: it was there already), and which older archives were deleted then."""

    kept: KeptArchive
    before: bool
    deleted: tuple[KeptArchive, ...]


async def keep(store: ArchiveStore, root: Path, recipients: Sequence[str], now: float) -> Result:
    """Store an archive that `verify` found to be whole, prove it, and then delete what is over its time.

    The same archive for the same keys is there once, so this can be done again after any failure. Unavailable if the
    store gives back other bytes than were sent; else raises like the store and `sealed`.
    """
    label = label_of(Archive(root), tuple(recipients))
    present = [kept async for kept in store.all()]
    kept = await _proven_before(store, label, present)
    before = kept is not None
    if kept is None:
        kept = await _put(store, root, label, {one.name for one in present})
    return Result(kept, before, await _deleted(store, kept, now) if label.kind == "monthly" else ())


def label_of(archive: Archive, recipients: tuple[str, ...]) -> Label:
    """Tell what the store is to know of an archive. NotAnArchive if its metadata do not tell kind and time."""
    metadata = archive.metadata
    made, kind = epoch(metadata.get("finished")), metadata.get("kind")
    if made is None or kind not in get_args(ArchiveKind):
        raise NotAnArchive(f"{archive.name}: export_metadata.json tells no kind or time; was it made by an export?")
    totals = _counts(archive.report.get("totals"))
    return Label(
        kind=cast(ArchiveKind, kind),
        made=made,
        fingerprint=archive.fingerprint,
        recipients=recipients,
        totals=totals,
    )


def _counts(totals: Any) -> dict[str, int]:
    """Take the plain numbers of the report's totals."""
    items = totals.items() if isinstance(totals, dict) else ()
    return {str(name): count for name, count in items if isinstance(count, int)}


async def _proven_before(store: ArchiveStore, label: Label, present: Sequence[KeptArchive]) -> KeptArchive | None:
    """Find the same archive, whole, in the store."""
    for kept in present:
        same = (kept.label.kind, kept.label.fingerprint) == (label.kind, label.fingerprint)
        if same and set(kept.label.recipients) == set(label.recipients) and await proven(store, kept):
            return kept
    return None


async def _put(store: ArchiveStore, root: Path, label: Label, taken: set[str]) -> KeptArchive:
    name = _free_name(Archive(root).name, taken)
    async with aclosing(sealed(root, name.removesuffix(SUFFIX), label.recipients)) as stream:
        kept = await store.put(name, label, stream)
    if not await proven(store, kept):
        with suppress(BridgeError):
            await store.delete(kept)
        raise Unavailable(
            "the store gives back other bytes than were sent", code="archive_unproven", component="archives"
        )
    return kept


def _free_name(folder: str, taken: set[str]) -> str:
    """Name an archive after its folder; another one of that name gets a number."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}", folder) is None:
        raise NotAnArchive(f"{folder} cannot be the name of a stored archive: give the folder its first name again")
    name, number = folder + SUFFIX, 1
    while name in taken:
        number += 1
        name = f"{folder}_{number}{SUFFIX}"
    return name


async def proven(store: ArchiveStore, kept: KeptArchive) -> bool:
    """Read an archive back to its last byte: tell whether the store holds what was sent."""
    size, digest = 0, hashlib.sha256()
    async with aclosing(store.open(kept)) as stream:
        async for chunk in stream:
            size += len(chunk)
            digest.update(chunk)
    return (size, digest.hexdigest()) == (kept.size, kept.sha256)


async def fetch(store: ArchiveStore, kept: KeptArchive, keys: Sequence[x25519.Identity], out: Path) -> Path:
    """Decrypt and unpack an archive of the store below `out`; give its folder. Raises like `unsealed` and the store."""
    async with aclosing(store.open(kept)) as stream:
        try:
            return await unsealed(_checked(stream, kept), keys, kept.name.removesuffix(SUFFIX), out)
        except WrongKey as error:
            if not await proven(store, kept):
                raise Damaged(str(error)) from None
            raise


async def _checked(stream: AsyncIterator[bytes], kept: KeptArchive) -> AsyncIterator[bytes]:
    """Pass a stream on; Damaged at its end if it was not what was sent."""
    digest = hashlib.sha256()
    async for chunk in stream:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != kept.sha256:
        raise Damaged("the store gives other bytes than were sent")


# --- retention


def kept_until(label: Label) -> float | None:
    """Tell until when an archive is kept (epoch seconds): monthly ones twelve months, the others forever (None)."""
    if label.kind != "monthly":
        return None
    made = datetime.fromtimestamp(label.made, UTC)
    try:
        return made.replace(year=made.year + 1).timestamp()
    except ValueError:  # made on a 29th of February
        return made.replace(year=made.year + 1, month=3, day=1).timestamp()


def over(present: Sequence[KeptArchive], now: float) -> list[KeptArchive]:
    """Give the archives whose time is over; the newest monthly one is none, however old."""
    monthly = sorted((kept for kept in present if kept.label.kind == "monthly"), key=lambda kept: kept.label.made)
    return [kept for kept in monthly[:-1] if now > cast(float, kept_until(kept.label))]


async def _deleted(store: ArchiveStore, new: KeptArchive, now: float) -> tuple[KeptArchive, ...]:
    """Delete what is over its time, but never the archive that was just stored."""
    gone = [kept for kept in over([kept async for kept in store.all()], now) if kept.name != new.name]
    for kept in gone:
        await store.delete(kept)
    return tuple(gone)
