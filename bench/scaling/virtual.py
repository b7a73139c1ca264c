"""An event loop whose clock jumps to the next timer, and the two kinds of things that one waits for in it.

The bridge's own parts (`Turns`, `Pace`, `Buckets`) run in it unchanged: they ask the loop for the time and for sleep.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 86_400.0


class _Jump(selectors.DefaultSelector):
    """Moves the loop's clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout >= LONGEST:
            raise RuntimeError("everything waits for something that will never happen")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets and without real time."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Tell the virtual seconds since the start."""
        return self._jump.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; cancels what is left."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class Core:
    """One processor core: pieces of work one after the other."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def add(self, seconds: float) -> float:
        """Take on a piece of work; tell in how many seconds it is done."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + seconds
        return self._free_at - now

    async def work(self, seconds: float) -> None:
        """Be done when everything before, and this, is done."""
        await asyncio.sleep(self.add(seconds))


class Windows:
    """A platform's limit: at most so many calls in so many seconds, for several such windows."""

    def __init__(self, windows: Sequence[tuple[float, float]]) -> None:
        self._windows = windows
        self._taken: deque[float] = deque(maxlen=max(int(count) for count, _ in windows))

    def ask(self) -> float:
        """Take a call and say 0, or refuse it and say after how many seconds to come back."""
        now = asyncio.get_running_loop().time()
        wait = 0.0
        for count, seconds in self._windows:
            if len(self._taken) >= count:
                wait = max(wait, self._taken[-int(count)] + seconds - now)
        if wait <= 0.0:
            self._taken.append(now)
        return max(wait, 0.0)


class Bucket:
    """A platform's limit: a token bucket of `rate` per second and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0

    def ask(self, tokens: float = 1.0) -> float:
        """Take tokens and say 0, or refuse and say after how many seconds there will be enough."""
        now = asyncio.get_running_loop().time()
        self._tokens, self._at = min(self._tokens + (now - self._at) * self._rate, self._burst), now
        if self._tokens >= tokens:
            self._tokens -= tokens
            return 0.0
        return (tokens - self._tokens) / self._rate
