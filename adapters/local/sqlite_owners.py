"""Who still lives: lets the next process take over at once what a dead one had leased, instead of after the lease.

Each queue holds a kernel lock (`flock`) on a file of its own beside the database, as long as its process lives. The
kernel drops the lock when the process ends, however it ends; so whoever gets it knows that the owner is dead. Unlike
process ids this needs no view of the other process (containers that share a volume have process ids of their own),
cannot mistake a new process for the old one, and a process that is merely stopped still counts as alive.

In doubt nobody is declared dead, and the lease runs out as it always did: on a system without such locks, when the
file cannot be made, and for owners of another machine or of an earlier boot, whose locks this kernel cannot see.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows: leases run out there
    fcntl = None  # type: ignore[assignment]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_AT_MOST = 64
_TRIES = 3


def boot_id() -> str | None:
    """Name this boot of this machine's kernel; all its containers see the same. None where there is no such name."""
    try:
        return uuid.UUID(_BOOT_ID.read_text(encoding="ascii").strip()).hex
    except (OSError, ValueError):
        return None


class Owner:
    """One queue's proof that it lives: `name` is unique and good as the owner of leases, proof or not."""

    def __init__(self, database: Path, boot: str | None) -> None:
        """`boot` is `boot_id()`; without it nothing is proved. Never raises."""
        self.name = ""
        self._folder = database.with_name(f"{database.name}-owners")
        self._boot = boot
        self._file: int | None = None
        self._take_name()

    def dead(self) -> list[Dead]:
        """Find owners of this boot whose process is gone. Each must be buried; until then nobody else finds it."""
        if self._file is None:
            return []
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.name.startswith(f"{self._boot}."))
        except OSError:
            return []
        found = (Dead.of(path) for path in paths[:_AT_MOST] if path != self._path)
        return [dead for dead in found if dead is not None]

    def close(self) -> None:
        """Take the proof back, once no lease is held any more. May be called twice."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(file)

    def _take_name(self) -> None:
        for _ in range(_TRIES):
            self.name = uuid.uuid4().hex
            self._file = self._prove() if self._boot and fcntl else None
            if self._file is not None:
                return

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._boot}.{self.name}"

    def _prove(self) -> int | None:
        """Create the file and lock it; None if this file system cannot."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._forget_other_boots()
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return None
        if _lock(file) and os.fstat(file).st_nlink:
            return file
        os.close(file)  # somebody looked in just before it was locked and took it for a dead one's
        return None

    def _forget_other_boots(self) -> None:
        """Remove what a crash of the machine left: nobody will judge it, and without it leases just run out."""
        for path in self._folder.iterdir():
            if not path.name.startswith(f"{self._boot}."):
                path.unlink(missing_ok=True)


class Dead:
    """An owner whose lock this process has got."""

    def __init__(self, name: str, path: Path, file: int) -> None:
        self.name = name
        self._path = path
        self._file = file

    @classmethod
    def of(cls, path: Path) -> Dead | None:
        """Try to get the lock of an owner; None if it lives."""
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:
            return None
        if _lock(file) and os.fstat(file).st_nlink:
            return cls(path.name.partition(".")[2], path, file)
        os.close(file)
        return None

    def bury(self, released: bool) -> None:
        """Let go; the file goes too, if its leases were released. Else it will be found again."""
        if released:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._file)


def _lock(file: int) -> bool:
    """Get the lock at once, or not at all."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or this file system has no locks
        return False
    return True
