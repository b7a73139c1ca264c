"""The queues of a namespace, by name."""

from __future__ import annotations

from dataclasses import replace

from .frames import AmqpError
from .queues import Queue, QueueOptions

DEAD_LETTERS = "$deadletterqueue"


class Broker:
    """The queues of one namespace, by name without regard to case."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}

    def create(self, options: QueueOptions) -> Queue:
        """Create a queue; ValueError if there is one of that name."""
        if options.name.lower() in self.queues:
            raise ValueError(f"queue {options.name!r} exists")
        below = replace(
            options, name=f"{options.name}/$DeadLetterQueue", requires_session=False, duplicate_detection=None, ttl=None
        )
        queue = self.queues[options.name.lower()] = Queue(options, Queue(below, None))
        return queue

    def delete(self, name: str) -> None:
        """Delete a queue with all it holds; KeyError if there is none."""
        self.queues.pop(name.lower()).close()

    def find(self, path: str) -> Queue:
        """Give the queue of a path, or its sub-queue. Raises AmqpError `amqp:not-found`."""
        name, _, below = path.lower().partition("/")
        queue = self.queues.get(name)
        if queue is not None and below == DEAD_LETTERS:
            queue = queue.dead_letters
        if queue is None or below not in ("", DEAD_LETTERS):
            raise AmqpError("amqp:not-found", f"The messaging entity '{path}' could not be found.")
        return queue

    def close(self) -> None:
        """Stop all timers."""
        for queue in self.queues.values():
            queue.close()
