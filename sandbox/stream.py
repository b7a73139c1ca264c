"""Server-sent events: a snapshot for each newcomer, then what changed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from sandbox.tasks import TaskGroup
from sandbox.wire import JsonObject, dumps

QUEUE_LIMIT = 500
COALESCE_SECONDS = 0.04
KEEPALIVE_SECONDS = 15.0

Snapshot = Callable[[], JsonObject]


class Shown(Protocol):
    """A thread or conversation that can be shown whole."""

    def render(self) -> JsonObject: ...


class Stream:
    """Fans events out to open pages; a page that cannot keep up gets a new snapshot instead of a backlog."""

    def __init__(self, tasks: TaskGroup, snapshot: Snapshot) -> None:
        self._tasks = tasks
        self._snapshot = snapshot
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._changed: dict[int, tuple[str, Shown]] = {}
        self._flushing = False

    def changed(self, kind: str, thing: Shown) -> None:
        """Say that a thread or conversation changed; many changes in a moment become one event."""
        if not self._queues:
            return
        self._changed[id(thing)] = (kind, thing)
        if not self._flushing:
            self._flushing = self._tasks.start(self._flush())

    def send(self, kind: str, data: object) -> None:
        """Send one event at once."""
        if self._queues:
            event = _event(kind, data)
            for queue in self._queues:
                self._offer(queue, event)

    def close(self) -> None:
        """End every open stream."""
        for queue in self._queues:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /_sandbox/stream."""
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_LIMIT)
        queue.put_nowait(_event("snapshot", self._snapshot()))
        self._queues.add(queue)
        try:
            await _pump(queue, response.write)
        except ConnectionError:
            pass  # the page was closed
        finally:
            self._queues.discard(queue)
        return response

    async def _flush(self) -> None:
        try:
            await asyncio.sleep(COALESCE_SECONDS)
        finally:
            self._flushing = False
            changed, self._changed = self._changed, {}
        for kind, thing in changed.values():
            self.send(kind, thing.render())

    def _offer(self, queue: asyncio.Queue[bytes | None], event: bytes) -> None:
        if queue.full():
            while not queue.empty():
                queue.get_nowait()
            event = _event("snapshot", self._snapshot())
        queue.put_nowait(event)


async def _pump(queue: asyncio.Queue[bytes | None], write: Callable[[bytes], Awaitable[None]]) -> None:
    while True:
        try:
            event = await asyncio.wait_for(queue.get(), KEEPALIVE_SECONDS)
        except TimeoutError:
            event = b": still here\n\n"
        if event is None:
            return
        await write(event)


def _event(kind: str, data: object) -> bytes:
    """The data is one line: JSON escapes line breaks."""
    return b"event: " + kind.encode() + b"\ndata: " + dumps(data) + b"\n\n"
