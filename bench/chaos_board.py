"""A page of shared memory on which a process notes what each of its deliveries is doing: it outlives a SIGKILL."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

SLOTS, WIDTH = 256, 1024


@dataclass(frozen=True)
class Note:
    """One delivery at the moment of a kill: waiting at a point, or running on from it."""

    waiting: bool
    message: str
    point: str


class Board:
    """`SLOTS` lines of text in a mapped file."""

    def __init__(self, path: Path) -> None:
        """Create or empty the file; one process writes."""
        path.write_bytes(b" " * SLOTS * WIDTH)
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)
        self._free = list(range(SLOTS))

    def take(self) -> int:
        """Take a line."""
        return self._free.pop()

    def give_back(self, slot: int) -> None:
        """Empty a line."""
        self._page[slot * WIDTH : (slot + 1) * WIDTH] = b" " * WIDTH
        self._free.append(slot)

    def suspended(self, slot: int, message: str, point: str) -> None:
        """Note where a delivery waits."""
        line = f"S\t{message}\t{point}".encode()[: WIDTH - 1]
        self._page[slot * WIDTH : (slot + 1) * WIDTH] = line.ljust(WIDTH)

    def running(self, slot: int) -> None:
        """Note that it goes on; the point stays as the last one it passed."""
        self._page[slot * WIDTH] = ord("R")


def read(path: Path) -> list[Note]:
    """Read what the deliveries of a dead process were doing."""
    data = path.read_bytes() if path.exists() else b""
    lines = (data[at : at + WIDTH].decode("utf-8", "replace").rstrip() for at in range(0, len(data), WIDTH))
    fields = (line.split("\t") for line in lines if line.count("\t") == 2)
    return [Note(state == "S", message, point) for state, message, point in fields]


def place_of(point: str) -> str:
    """Name a point without whose wait it is: one call may wait for a connection, for a lock, or for its answer."""
    return point.partition(" · ")[0]
