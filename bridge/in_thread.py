"""Blocking steps beside the event loop that are never left half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(step: Callable[..., T], *arguments: object) -> T:
    """Take a step in a thread; who is cancelled meanwhile leaves when it is done, so that nobody else is in its way."""
    task = asyncio.create_task(asyncio.to_thread(step, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await ended(task)
        raise


async def ended(*tasks: asyncio.Future[T]) -> None:
    """Wait until all tasks have ended, also when that is cancelled, which is then raised; leave their errors alone."""
    cancelled = False
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            cancelled = True
    for task in tasks:
        _ = task.cancelled() or task.exception()
    if cancelled:
        raise asyncio.CancelledError
