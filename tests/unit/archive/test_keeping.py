"""Archives in the store: sealed so that age and tar alone read them, proven, kept as long as their kind asks for."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
import tracemalloc
from collections.abc import Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from adapters.local.files_archives import LocalArchives
from archive.keeping import fetch, keep, kept_until, label_of, over, proven
from archive.ledger import Ledger
from archive.reading import Archive, NotAnArchive
from archive.sealed import Changed, sealed
from archive.unsealed import Damaged, Unsafe, WrongKey, identities
from archive.verify import verify
from bridge.errors import Unavailable
from bridge.ports.archives import ArchiveKind, KeptArchive, Label
from tests.archive_builder import archive, seal

PAIR = x25519.Identity.generate()
KEYS = [str(PAIR.to_public())]
NOW = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
NAME = "export_omni_2026-11-01"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """An archive to spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "exports" / pristine.name))


@pytest.fixture
def store(tmp_path: Path) -> LocalArchives:
    return LocalArchives(tmp_path / "archives")


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def file_of(tmp_path: Path, name: str = NAME) -> Path:
    """The sealed file of the embedded store."""
    return tmp_path / "archives" / name / f"{name}.tar.age"


def flip(path: Path, place: int) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def again(root: Path, kind: str, finished: str) -> None:
    """Make it an archive of another kind and time."""
    path = root / "export_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": kind, "finished": finished}))
    seal(root)


# --- the format


async def test_age_and_tar_alone_read_it(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """With the private key and no code of ours: the same files, below one folder, for their owner only."""
    await keep(store, root, KEYS, NOW)
    plain = pyrage.decrypt(file_of(tmp_path).read_bytes(), [PAIR])
    with tarfile.open(fileobj=io.BytesIO(plain)) as packed:
        members = packed.getmembers()
        found = {one.name: packed.extractfile(one).read() for one in members}
    assert found == {f"{NAME}/{name}": content for name, content in files(root).items()}
    assert {(one.mode, one.uid, one.uname) for one in members} == {(0o600, 0, "")}
    assert len(plain) % tarfile.RECORDSIZE == 0


async def test_long_names_and_empty_files(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """Korean names of the full 120 bytes in a deep folder."""
    (root / "attachments/freshchat" / ("한" * 40)).write_bytes(b"x" * 512)
    (root / "attachments/freshchat/empty").touch()
    seal(root)
    kept = (await keep(store, root, KEYS, NOW)).kept
    assert files(await fetch(store, kept, [PAIR], tmp_path / "out")) == files(root)


async def test_memory_does_not_grow_with_the_archive(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """200 MB sealed, stored, read back, fetched."""
    with (root / "attachments/freshchat/large.bin").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    (root / "checksums.sha256").unlink()
    lines = "".join(f"{_sha256(root / path)}  ./{path}\n" for path in sorted(files_in(root)))
    (root / "checksums.sha256").write_text(lines)
    tracemalloc.start()
    try:
        kept = (await keep(store, root, KEYS, NOW)).kept
        await fetch(store, kept, [PAIR], tmp_path / "out")
        assert kept.size > 200 * 1024 * 1024
        assert tracemalloc.get_traced_memory()[1] < 24 * 1024 * 1024
    finally:
        tracemalloc.stop()


def files_in(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- storing


async def test_stored_with_a_label_and_proven(root: Path, store: LocalArchives) -> None:
    result = await keep(store, root, KEYS, NOW)
    kept, label = result.kept, result.kept.label
    assert (kept.name, label.kind, result.before, result.deleted) == (f"{NAME}.tar.age", "monthly", False, ())
    assert (label.fingerprint, label.recipients) == (Archive(root).fingerprint, tuple(KEYS))
    assert label.totals["conversations"] == 9
    assert await proven(store, kept)


async def test_once_more_is_the_same(root: Path, store: LocalArchives) -> None:
    """An archive is stored once for the same keys; one that is damaged there is stored beside."""
    first = await keep(store, root, KEYS, NOW)
    second = await keep(store, root, KEYS, NOW)
    assert (second.kept, second.before) == (first.kept, True)
    other = str(x25519.Identity.generate().to_public())
    assert (await keep(store, root, [other], NOW)).kept.name == f"{NAME}_2.tar.age"


async def test_a_flipped_byte_is_found_and_stored_anew(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    first = (await keep(store, root, KEYS, NOW)).kept
    flip(file_of(tmp_path), -1000)
    assert not await proven(store, first)
    result = await keep(store, root, KEYS, NOW)
    assert (result.before, result.kept.name) == (False, f"{NAME}_2.tar.age")
    assert files(await fetch(store, result.kept, [PAIR], tmp_path / "out")).keys() == files(root).keys()


class Forgetful(LocalArchives):
    """A store whose disk gives back another byte."""

    async def open(self, kept: KeptArchive):
        async with aclosing(super().open(kept)) as stream:
            async for piece in stream:
                yield piece[:-1] + b"?"


async def test_what_is_not_given_back_is_not_called_stored(root: Path, tmp_path: Path) -> None:
    store = Forgetful(tmp_path / "archives")
    with pytest.raises(Unavailable, match="other bytes"):
        await keep(store, root, KEYS, NOW)
    assert [kept async for kept in store.all()] == []


async def test_another_archive_of_the_name_gets_a_number(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """And its folder has it when it is fetched."""
    await keep(store, root, KEYS, NOW)
    again(root, "event", "2026-11-01T05:00:00Z")
    kept = (await keep(store, root, KEYS, NOW)).kept
    assert kept.name == f"{NAME}_2.tar.age"
    assert (await fetch(store, kept, [PAIR], tmp_path / "out")).name == f"{NAME}_2"


async def test_a_file_that_changes_meanwhile(root: Path, store: LocalArchives) -> None:
    """Longer, or as long as before: nothing is stored."""
    path = root / "freshdesk/tickets.json"
    for content in (path.read_bytes() + b" ", path.read_bytes()[:-2] + b" \n"):
        path.write_bytes(content)
        with pytest.raises(Changed, match=r"tickets\.json"):
            await keep(store, root, KEYS, NOW)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        await keep(store, root, KEYS, NOW)
    assert [kept async for kept in store.all()] == []


async def test_who_stops_reading_stops_the_thread(root: Path) -> None:
    """At any piece, by closing or by cancelling."""
    (root / "attachments/freshchat/large.bin").write_bytes(os.urandom(12 * 1024 * 1024))
    seal(root)
    async with aclosing(sealed(root, NAME, KEYS)) as stream:
        await anext(stream)
    begun = asyncio.Event()

    async def hangs() -> None:
        async with aclosing(sealed(root, NAME, KEYS)) as stream:
            async for _ in stream:
                begun.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(hangs())
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "seal an archive"]
    assert threading.active_count() < 40


def test_an_archive_that_tells_no_kind(root: Path) -> None:
    for kind, finished in (("weekly", "2026-11-01T05:00:00Z"), ("monthly", "soon")):
        again(root, kind, finished)
        with pytest.raises(NotAnArchive, match="kind or time"):
            label_of(Archive(root), ())


async def test_a_folder_that_was_renamed(root: Path, store: LocalArchives) -> None:
    other = root.rename(root.with_name("내 보관본"))
    with pytest.raises(NotAnArchive, match="first name"):
        await keep(store, other, KEYS, NOW)


# --- fetching


async def test_fetched_it_is_the_archive_it_was(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """All bytes, and `verify` agrees; not over what is there."""
    kept = (await keep(store, root, KEYS, NOW)).kept
    out = await fetch(store, kept, [x25519.Identity.generate(), PAIR], tmp_path / "out")
    assert files(out) == files(root)
    with closing(Ledger(tmp_path / "ledger")) as ledger:
        assert verify(Archive(out), ledger).fingerprint == kept.label.fingerprint
        assert ledger.how_many() == 0
    assert out.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        await fetch(store, kept, [PAIR], tmp_path / "out")


async def test_the_wrong_key(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    kept = (await keep(store, root, KEYS, NOW)).kept
    with pytest.raises(WrongKey):
        await fetch(store, kept, [x25519.Identity.generate()], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("place", [5, 50, 100, 5000, -1])
async def test_any_flipped_byte_is_told(root: Path, store: LocalArchives, tmp_path: Path, place: int) -> None:
    """In the head, in the middle, at the end: it is damaged, not a wrong key, and nothing is unpacked."""
    (root / "attachments/freshchat/large.bin").write_bytes(os.urandom(500_000))  # more than a pipe takes
    seal(root)
    kept = (await keep(store, root, KEYS, NOW)).kept
    flip(file_of(tmp_path), place)
    with pytest.raises(Damaged):
        await fetch(store, kept, [PAIR], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


async def test_another_archive_in_its_place_is_told(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """Sealed for the same key by anybody: it is not what was sent."""
    kept = (await keep(store, root, KEYS, NOW)).kept
    other = [piece async for piece in sealed(root, NAME, KEYS)]
    file_of(tmp_path).write_bytes(b"".join(other))
    with pytest.raises(Damaged, match="other bytes"):
        await fetch(store, kept, [PAIR], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("size", [0, 50, 3000, -1])
async def test_a_short_object_is_told(root: Path, store: LocalArchives, tmp_path: Path, size: int) -> None:
    kept = (await keep(store, root, KEYS, NOW)).kept
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        await fetch(store, kept, [PAIR], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info.tobuf() + bytes(tarfile.RECORDSIZE)


@pytest.mark.parametrize(
    "packed",
    [
        member("../evil"),
        member(f"{NAME}/../../evil"),
        member("/etc/evil"),
        member("other/evil"),
        member(f"{NAME}/link", tarfile.SYMTYPE, "/etc"),
        member(f"{NAME}/hard", tarfile.LNKTYPE, f"{NAME}/x"),
        member(f"{NAME}/fifo", tarfile.FIFOTYPE),
        member(f"{NAME}/device", tarfile.CHRTYPE),
        b"no tar at all" * 100,
        b"",
    ],
)
async def test_what_an_archive_never_holds(store: LocalArchives, tmp_path: Path, packed: bytes) -> None:
    """Anybody who may write to the store can seal it; nothing comes out, inside or outside."""

    async def hostile():
        yield pyrage.encrypt(packed, [PAIR.to_public()])

    kept = await store.put(f"{NAME}.tar.age", label("monthly", NOW), hostile())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Unsafe):
        await fetch(store, kept, [PAIR], tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "out"])


async def test_a_full_disk_while_unpacking(root: Path, store: LocalArchives, tmp_path: Path) -> None:
    """The reason is told, not what it does to the thread before."""
    kept = (await keep(store, root, KEYS, NOW)).kept
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError) as caught:
        await fetch(store, kept, [PAIR], tmp_path / "out")
    assert not isinstance(caught.value, Damaged)


NO_KEYS = {"nothing": "", "comment": "# only a comment\n", "public": "age1qqq", "words": "hello", "longer": f"{PAIR}x"}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS)
def test_a_file_without_a_private_key(text: str) -> None:
    with pytest.raises(ValueError, match="AGE-SECRET-KEY"):
        identities(text)


# --- retention


def label(kind: ArchiveKind, made: float) -> Label:
    return Label(kind=kind, made=made, fingerprint="f", recipients=("k",), totals={})


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def kept(kind: ArchiveKind, made: str) -> KeptArchive:
    return KeptArchive(name=f"{kind} {made}", label=label(kind, at(made)), size=1, sha256="")


@pytest.mark.parametrize(
    ("made", "until"),
    [("2026-11-01T01:00", "2027-11-01T01:00"), ("2028-02-29", "2029-03-01"), ("2027-02-28", "2028-02-28")],
)
def test_twelve_calendar_months(made: str, until: str) -> None:
    assert kept_until(label("monthly", at(made))) == at(until)
    assert kept_until(label("event", at(made))) is kept_until(label("final", at(made))) is None


def test_who_is_over() -> None:
    """Monthly ones after twelve months to the second; never event or final; never the newest monthly."""
    months = [kept("monthly", f"2025-{month:02}-01T01:00") for month in range(1, 13)]
    others: Sequence[KeptArchive] = [kept("event", "2019-01-01"), kept("final", "2019-01-01")]
    assert over([*months, *others], at("2026-03-01T01:00")) == months[:2]
    assert over([*months, *others], at("2026-03-01T01:00") + 1) == months[:3]
    assert over([*months, *others], at("2036-01-01")) == months[:11]
    assert over([months[0]], at("2036-01-01")) == []


async def test_thirteen_months(root: Path, store: LocalArchives) -> None:
    """A job on each first of a month for two years: twelve archives and the new one are there, and the event."""
    again(root, "event", "2025-01-15T00:00:00Z")
    await keep(store, root, KEYS, at("2025-01-15"))
    for number in range(24):
        day = f"{2025 + number // 12}-{1 + number % 12:02}-01"
        again(root, "monthly", f"{day}T03:00:00Z")
        root = root.rename(root.with_name(f"export_omni_{day}"))
        result = await keep(store, root, KEYS, at(f"{day}T04:00"))
        assert len(result.deleted) == (number >= 12)
    left = [one async for one in store.all()]
    months = sorted(one.label.made for one in left if one.label.kind == "monthly")
    assert (len(left), months[0], months[-1]) == (13, at("2026-01-01T03:00"), at("2026-12-01T03:00"))


async def test_one_that_is_over_when_it_is_stored_stays(root: Path, store: LocalArchives) -> None:
    """Whoever stores an old archive by hand wants it there; the next one deletes it."""
    await keep(store, root, KEYS, NOW)
    again(root, "monthly", "2024-01-01T00:00:00Z")
    result = await keep(store, root, KEYS, NOW)
    assert result.deleted == ()
    assert len([one async for one in store.all()]) == 2


async def test_nothing_is_deleted_before_the_new_one_is_proven(root: Path, tmp_path: Path) -> None:
    again(root, "monthly", "2024-01-01T00:00:00Z")
    await keep(LocalArchives(tmp_path / "archives"), root, KEYS, at("2024-01-01"))
    again(root, "monthly", "2026-11-01T00:00:00Z")
    store = Forgetful(tmp_path / "archives")
    with pytest.raises(Unavailable):
        await keep(store, root, KEYS, NOW)
    assert len([one async for one in store.all()]) == 1
