"""Workers over the table of tasks: each takes a task, reads one page, has it committed, and goes on to the next.

A *lane* is all tasks of one upstream, so that one that is slow or refuses us does not hold the others. Streams that
stand first in a lane go first: what was found is read before more is looked for, which keeps the table short and
addresses of files fresh. How fast a lane may go is decided behind its port, by what the upstream's headers say.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from archive.commits import Commits
from archive.page import Page, reason
from archive.ports import Reply, Source
from archive.state import Read, State, Task
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable

Step = Callable[[Task, Page], Awaitable[str | None]]
"""Reads one page of a task into `Page`; gives the cursor of the next page, or None when the task is done."""

TRIES = 8
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between tries while an upstream is away; doubled each time, with jitter."""
UNSAID = 5.0
"""Seconds to wait where a refusal for too many calls does not say how long."""
HARMLESS = ("not_in_plan",)
"""Reasons by which nothing is missing."""
REVOKED = 25
"""Refusals in a row that are no longer taken for things that the key may not see, but for a key without rights."""
AHEAD = 200
"""Tasks that a lane has in memory."""


@dataclass(slots=True)
class Stream:
    """One kind of task. For the list of gaps, `told` says which address was read, and `named` which id it had."""

    name: str
    step: Step
    told: Callable[[Task], str]
    named: Callable[[Task], str] = lambda task: task.key


@dataclass(slots=True)
class Lane:
    """All streams of one upstream, in the order in which they are worked on.

    `alive` asks the upstream for something that it always has: where it gives no answer to that either, the export
    stops. Without it, what gives no answer is a gap.
    """

    name: str
    streams: Sequence[Stream]
    workers: int
    alive: Callable[[], Awaitable[object]] | None = None
    tries: int = TRIES
    taken: dict[str, int] = field(default_factory=dict)
    ahead: deque[tuple[Stream, Task]] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    went: int = 0
    refusals: int = 0


class Runner:
    """Works on all lanes until no task is left."""

    def __init__(self, state: State, lanes: Sequence[Lane], *, first_wait: float = FIRST_WAIT) -> None:
        self._state, self._lanes, self._first_wait = state, lanes, first_wait
        self._lane_of = {stream.name: lane for lane in lanes for stream in lane.streams}
        self._commits = Commits(state)
        self._busy = 0

    async def run(self) -> None:
        """Do all tasks that there are, and those they lead to; raise the first error that stops everything."""
        for lane in self._lanes:
            lane.taken.clear()
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    for number in range(lane.workers):
                        group.create_task(self._worker(lane), name=f"{lane.name} {number}")
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _worker(self, lane: Lane) -> None:
        while (found := await self._next(lane)) is not None:
            try:
                await self._finish(lane, *found)
            finally:
                self._busy -= 1
        self._wake(self._lanes)

    async def _next(self, lane: Lane) -> tuple[Stream, Task] | None:
        """Take a task and count as busy; None when nobody is at work who could leave another one."""
        while True:
            if lane.ahead or self._look(lane):
                self._busy += 1
                return lane.ahead.popleft()
            if not self._busy and not any(other.ahead or self._look(other) for other in self._lanes):
                return None
            lane.news.clear()
            await lane.news.wait()

    def _look(self, lane: Lane) -> bool:
        for stream in lane.streams:
            tasks = self._state.waiting(stream.name, lane.taken.get(stream.name, 0), AHEAD)
            if tasks:
                lane.taken[stream.name] = tasks[-1].id
                lane.ahead.extend((stream, task) for task in tasks)
                return True
        return False

    async def _finish(self, lane: Lane, stream: Stream, task: Task) -> None:
        cursor: str | None = task.cursor
        while cursor is not None:
            page = Page()
            task = Task(task.id, task.stream, task.key, cursor)
            try:
                cursor = await self._read(lane, stream, task, page)
                lane.refusals = 0
            except (Rejected, Forbidden, Unavailable) as error:
                page, cursor = _given_up(error, lane, stream, task), None
            await self._commits.commit(Read(task, page, cursor))
            lane.went += 1
            self._wake([self._lane_of[name] for name in page.streams if name in self._lane_of])
        self._wake(self._lanes if self._busy == 1 else [])

    async def _read(self, lane: Lane, stream: Stream, task: Task, page: Page) -> str | None:
        """Read one page, however often we have to wait; raise what cannot be mended by waiting."""
        tries, went = 0, lane.went
        while True:
            try:
                return await stream.step(task, page)
            except Throttled as error:
                wait = UNSAID if error.after is None else error.after
            except Unavailable:
                tries += 1
                if tries == lane.tries:
                    if lane.went == went:
                        await _require_alive(lane)
                    raise
                wait = min(self._first_wait * 2 ** (tries - 1), LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311
            page.clear()
            await asyncio.sleep(wait)

    @staticmethod
    def _wake(lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            lane.news.set()


async def patiently(source: Source, path: str) -> Reply:
    """Read once, waiting as long as we are asked to."""
    while True:
        try:
            return await source.get(path)
        except Throttled as error:
            await asyncio.sleep(UNSAID if error.after is None else error.after)


class Away(Exception):
    """An upstream gives no answer at all; the export can be resumed when it does."""


async def _require_alive(lane: Lane) -> None:
    """Raise Away if nobody gets an answer; then nothing is known of the one thing that got none."""
    try:
        if lane.alive is not None:
            await lane.alive()
    except Throttled:
        return
    except Unavailable:
        raise Away(lane.name) from None
    except (Rejected, Forbidden):
        return


def refused(error: BridgeError) -> bool:
    """Tell whether the upstream refuses us altogether, rather than this one resource."""
    return isinstance(error, Forbidden) and not error.code.endswith("_403")


def _given_up(error: BridgeError, lane: Lane, stream: Stream, task: Task) -> Page:
    """Give the gap that is left; raise what stops the whole export."""
    lane.refusals = lane.refusals + 1 if isinstance(error, Forbidden) else 0
    if refused(error) or lane.refusals == REVOKED:
        raise error
    page = Page()
    page.refusal(stream.name, stream.named(task), error, stream.told(task), missing=reason(error) not in HARMLESS)
    return page


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the error that stopped the others: a bug of ours before what an upstream did."""
    found: list[BaseException] = []
    for error in errors.exceptions:
        found.append(_first(error) if isinstance(error, BaseExceptionGroup) else error)
    return min(found, key=lambda error: isinstance(error, BridgeError | Away))
