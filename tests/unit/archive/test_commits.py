"""What is read at the same moment is kept by one commit, and whoever read it goes on when it is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from archive.commits import Commits
from archive.page import Page
from archive.state import Read, State, Task

TASKS = 5


class Counting(State):
    """Tells how many pages each commit had."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []

    def commit(self, reads: Sequence[Read]) -> None:
        """Note and do it."""
        self.sizes.append(len(reads))
        super().commit(reads)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Counting]:
    """Give a state with some tasks."""
    with closing(Counting(tmp_path / "state.sqlite")) as state:
        page = Page()
        for number in range(TASKS):
            page.task("things", str(number))
        state.apply(page)
        yield state


def read(task: Task, cursor: str | None = None) -> Read:
    """Make what a page of a task brought: one item."""
    page = Page()
    page.item("thing", task.key, {"id": task.key})
    return Read(task, page, cursor)


async def test_one_commit_for_what_is_read_together(state: Counting) -> None:
    commits, tasks = Commits(state), state.waiting("things", 0, TASKS)
    await asyncio.gather(*(commits.commit(read(task)) for task in tasks))
    assert state.sizes == [TASKS]
    assert state.value("SELECT COUNT(*) FROM item") == TASKS
    assert state.count("things").done == state.count("things").rows == TASKS
    assert not state.waiting("things", 0, TASKS)


async def test_it_is_kept_when_the_reader_goes_on(state: Counting) -> None:
    """Where the next page is, is kept with what this one brought."""
    commits, (first, *_) = Commits(state), state.waiting("things", 0, TASKS)
    await commits.commit(read(first, "2"))
    assert state.value("SELECT cursor FROM task WHERE id = ?", first.id) == "2"
    assert state.value("SELECT COUNT(*) FROM item") == 1
    assert state.count("things").done == 0


async def test_all_hear_that_nothing_could_be_kept(state: Counting) -> None:
    """One page that cannot be written takes the others of its commit with it: none is half there."""
    commits, tasks = Commits(state), state.waiting("things", 0, TASKS)
    bad = read(tasks[-1])
    bad.page.add("INSERT INTO no_such_table VALUES(1)")
    reads = [*(read(task) for task in tasks[:-1]), bad]
    told = await asyncio.gather(*(commits.commit(one) for one in reads), return_exceptions=True)
    assert [type(error) for error in told] == [sqlite3.OperationalError] * TASKS
    assert state.value("SELECT COUNT(*) FROM item") == 0
    assert len(state.waiting("things", 0, TASKS)) == TASKS


async def test_who_no_longer_waits_does_not_hold_the_others(state: Counting) -> None:
    commits, (first, second, *_) = Commits(state), state.waiting("things", 0, TASKS)
    gone = asyncio.create_task(commits.commit(read(first)))
    stays = asyncio.create_task(commits.commit(read(second)))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await stays
    assert gone.cancelled()
    assert state.value("SELECT COUNT(*) FROM item") == 2
