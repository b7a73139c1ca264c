"""A lane: messages that are delivered in one order. A queue without sessions has one, else there is one per id."""

from __future__ import annotations

from asyncio import TimerHandle
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from .frames import AmqpError
from .messages import Message


class Consumer(Protocol):
    """Who receives from a lane: a receiver link."""

    name: str
    credit: int
    destructive: bool

    def deliver(self, message: Message) -> None:
        """Send the message; `message.lock` is its lock token, or None if it is gone from the queue already."""

    def granted(self, lane: Lane) -> None:
        """Learn which message session was accepted."""

    def refused(self, error: AmqpError) -> None:
        """Learn that no message session could be accepted, or that its lock was lost."""


@dataclass(slots=True, eq=False)
class Lane:
    """Messages that wait, the consumers they may go to and, of a message session, its state and lock."""

    session_id: str | None
    ready: list[int] = field(default_factory=list)
    members: dict[int, Message] = field(default_factory=dict)
    locked: dict[bytes, Message] = field(default_factory=dict)
    consumers: deque[Consumer] = field(default_factory=deque)
    state: bytes | None = None
    paused: bool = False
    touched_at: float = 0.0
    locked_until: float = 0.0
    timer: TimerHandle | None = None

    def push(self, message: Message) -> None:
        """Make a message visible, at the place its sequence number gives it."""
        heappush(self.ready, message.sequence)

    def head(self) -> Message | None:
        """Look at the oldest visible message."""
        while self.ready:
            message = self.members.get(self.ready[0])
            if message is not None and message.lock is None and message.state == "active":
                return message
            heappop(self.ready)
        return None

    def pop(self) -> None:
        """Take what `head` gave."""
        heappop(self.ready)

    def next_consumer(self) -> Consumer | None:
        """Give the next consumer with credit; they take turns."""
        consumers = self.consumers
        if self.paused:
            return None
        for _ in range(len(consumers)):
            consumer = consumers[0]
            consumers.rotate(-1)
            if consumer.credit > 0:
                return consumer
        return None

    @property
    def holder(self) -> Consumer | None:
        """Who has the lock of this message session."""
        return self.consumers[0] if self.session_id is not None and self.consumers else None

    @property
    def idle(self) -> bool:
        """Tell whether nothing would be lost if the lane were forgotten."""
        return not self.members and not self.consumers and self.state is None


@dataclass(slots=True, eq=False)
class Waiter:
    """A receiver that waits for the next available message session."""

    consumer: Consumer
    timer: TimerHandle | None = None
