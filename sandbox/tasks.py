"""Background work with an owner: every task is held, counted and cancelled on stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskGroup:
    """Holds tasks until they end; more than the limit are refused instead of piling up."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Start the work, or drop it and return False when too much is running already."""
        if len(self._tasks) >= self._limit:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel what runs, without waiting."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    async def stop(self) -> None:
        """Cancel what runs and wait until it has ended."""
        tasks = self.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
