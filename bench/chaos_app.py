"""The bridge as it is, in a process that can kill or freeze itself at a named point: `python -m bench.chaos_app`.

A task factory wraps the tasks that work on sessions (`deliver …`, see `bridge/delivery.py`), and the tasks these start,
into a driver that sees every suspension. Where a task is suspended, and on whose behalf, is the point's name.

CHAOS_FOLDER: where `points` (each name when first seen) and `board` (what each delivery is doing) are written.
CHAOS_POINT, CHAOS_WHEN, CHAOS_NTH: SIGKILL itself when this point or place is reached the n-th time; `before`: at once,
`during`: a moment later, while what is awaited is under way, `after`: when it is done, before the task goes on.
CHAOS_HOW: the signal, SIGKILL or SIGSTOP; CHAOS_ROLE: the role of the process (all).
CHAOS_SAFE: if set, this counts from a SIGUSR1 on only, so that the process can first finish what the one before left.
"""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import os
import random
import signal
import sys
import types
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import app
from bench.chaos_board import Board, place_of
from bridge.errors import Misconfigured
from bridge.settings import load

ROOT = str(Path(__file__).parents[1])
OWN = tuple(f"{ROOT}/{part}" for part in ("bridge/", "adapters/", "bots/", "cards/", "app.py"))
HANDLERS = tuple(f"{ROOT}/bridge/{part}.py" for part in ("to_freshchat", "to_teams", "reply_posts", "labels", "groups"))
STORE = f"{ROOT}/adapters/azure/cosmos.py"
"""What is below it says nothing of which call of the thread map it is."""
LONGEST = 0.004
"""Seconds into a wait at which `during` strikes at the latest: a call on loopback takes 1 to 3 ms."""


def frames(awaited: Any) -> Iterator[types.FrameType]:
    """Walk from a coroutine down to what it waits for."""
    while awaited is not None:
        frame, awaited = _step(awaited)
        if frame is not None:
            yield frame


def _step(awaited: Any) -> tuple[types.FrameType | None, Any]:
    match awaited:
        case types.CoroutineType():
            return awaited.cr_frame, awaited.cr_await
        case types.GeneratorType():
            return awaited.gi_frame, awaited.gi_yieldfrom
        case types.AsyncGeneratorType():
            return awaited.ag_frame, awaited.ag_await
        case Driver():
            return None, awaited.inner
    inner = (types.AsyncGeneratorType, types.CoroutineType)  # behind `anext(…)` and `coroutine.__await__()`
    found = (one for one in gc.get_referents(awaited) if isinstance(one, inner))
    return None, next(found, None) if type(awaited).__name__.startswith(("async_generator", "coroutine")) else None


def point_of(walked: list[types.FrameType]) -> str:
    """Name a suspension: two innermost steps of a direction, the store, two functions of ours, and whose wait it is."""
    own = [frame for frame in walked if frame.f_code.co_filename.startswith(OWN)]
    if not own:
        return ""
    steps = [frame for frame in own if frame.f_code.co_filename in HANDLERS]
    steps = [one for one, inner in zip_longest(steps, steps[1:]) if not _is_within(inner, one)]
    stores = [frame for frame in own if frame.f_code.co_filename == STORE]
    named = list(dict.fromkeys([*steps[-2:], *stores[-1:], *own[-2:]]))
    last = walked[-1]
    foreign = "" if last is own[-1] else f" · {last.f_code.co_qualname}"
    return "→".join(_function(frame) for frame in named) + foreign


def _is_within(inner: types.FrameType | None, outer: types.FrameType) -> bool:
    return inner is not None and inner.f_code.co_qualname.startswith(f"{outer.f_code.co_qualname}.<locals>")


def _function(frame: types.FrameType) -> str:
    return frame.f_code.co_qualname.replace(".<locals>", "")


class Trap:
    """What this process was told to do, and what it has seen."""

    def __init__(self, folder: Path, point: str, when: str, nth: int, how: signal.Signals) -> None:
        self.board = Board(folder / "board")
        self._points = (folder / "points").open("a", encoding="utf-8")
        self._death = folder / "death"
        self._point, self._when, self._left, self._how = point, when, nth, how
        self._seen: set[str] = set()
        self.armed = True

    def reached(self, point: str) -> str | None:
        """Take note of a point; tell how to die there, if it is the one and its turn has come."""
        if point not in self._seen:
            self._seen.add(point)
            self._points.write(f"{point}\n")
            self._points.flush()
        if self._point not in (point, place_of(point)) or not self.armed:
            return None
        self._left -= 1
        return self._when if self._left == 0 else None

    def die(self) -> None:
        """End, or stand still, as the kernel makes a process: nothing is finished, flushed or closed. Once."""
        if not self.armed:
            return
        self.armed = False
        self._death.write_text(f"{self._when}\t{self._point}", encoding="utf-8")
        os.kill(os.getpid(), self._how)


class Driver(collections.abc.Coroutine[Any, Any, Any]):
    """Stands in for a task's coroutine and sees each suspension and each resumption."""

    def __init__(self, inner: Any, trap: Trap, *, child: bool) -> None:
        self.inner, self._trap, self._child = inner, trap, child
        self._slot: int | None = None
        self._dies_on_resume = False
        self._turn = 0

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        return self._resume(lambda: self.inner.send(value))

    def throw(self, *error: Any) -> Any:
        """Resume it with an exception."""
        return self._resume(lambda: self.inner.throw(*error))

    def close(self) -> None:
        """End it."""
        self.inner.close()

    def __await__(self) -> Any:
        """Only tasks drive it."""
        raise NotImplementedError

    def _resume(self, step: Any) -> Any:
        if self._dies_on_resume:
            self._dies_on_resume = False
            self._trap.die()
        self._turn += 1
        if self._slot is not None:
            self._trap.board.running(self._slot)
        elif self._turn == 1 and not self._child:
            self._slot = self._trap.board.take()
        try:
            waiting = step()
        except BaseException:
            if self._slot is not None:
                self._trap.board.give_back(self._slot)
            raise
        self._suspended()
        return waiting

    def _suspended(self) -> None:
        walked = list(frames(self.inner))
        point = point_of(walked)
        if not point:
            return
        if self._slot is not None:
            self._trap.board.suspended(self._slot, _message(walked), point)
        how = self._trap.reached(f"↳ {point}" if self._child else point)
        if how == "before":
            self._trap.die()
        self._dies_on_resume = how is not None
        if how == "during":
            asyncio.get_running_loop().call_later(random.uniform(0, LONGEST), self._still, self._turn)

    def _still(self, turn: int) -> None:
        if turn == self._turn:
            self._trap.die()


def _message(walked: list[types.FrameType]) -> str:
    """Tell which message a delivery is about."""
    deliveries = (frame.f_locals.get("delivery") for frame in walked)
    return next((one.envelope.message_id for one in deliveries if one is not None), "")


def factory(trap: Trap) -> Any:
    """Make the task factory. The name of a task comes later than its coroutine, so the function tells."""

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
        code = getattr(coro, "cr_code", None)
        delivers = code is not None and code.co_qualname == "Worker._work"
        parent = asyncio.current_task() if loop.is_running() else None
        child = parent is not None and isinstance(parent.get_coro(), Driver)
        if delivers or (child and code is not None and code.co_filename.startswith(OWN)):
            coro = Driver(coro, trap, child=not delivers)
        return asyncio.Task(coro, loop=loop, **more)

    return make


async def _run() -> None:
    environment = os.environ
    trap = Trap(
        Path(environment["CHAOS_FOLDER"]),
        environment.get("CHAOS_POINT", ""),
        environment.get("CHAOS_WHEN", "after"),
        int(environment.get("CHAOS_NTH", "1")),
        signal.Signals[environment.get("CHAOS_HOW", "SIGKILL")],
    )
    trap.armed = "CHAOS_SAFE" not in environment
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(trap, "armed", True))
    loop.set_task_factory(factory(trap))
    await app.serve(load(), app.read_role(environment.get("CHAOS_ROLE", "all")))


if __name__ == "__main__":
    try:
        asyncio.run(_run())
    except Misconfigured as error:
        print(f"The bridge cannot start:\n{error}", file=sys.stderr)
        sys.exit(2)
