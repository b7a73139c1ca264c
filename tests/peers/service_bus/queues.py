"""A queue in memory: order, locks, settlement, schedules, expiry, duplicates, dead letters. Knows no wire.

Everything runs on one event loop and is synchronous; time passes by the loop's timers; `max_bytes` is the bound.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .frames import AmqpError
from .lanes import Consumer, Lane
from .message_sessions import MessageSessions
from .messages import Message, now

_HISTORY = 1_000_000
_LONGEST_TIMER = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """What a queue is created with. Durations in seconds, sizes in bytes; `duplicate_detection` is the window.

    `locks_outlive_connections`: a message session whose connection broke is free only when its lock ends, as where
    the service does not notice; else at once.
    """

    name: str
    requires_session: bool = False
    duplicate_detection: float | None = None
    lock_duration: float = 60.0
    max_delivery_count: int = 10
    max_size: int = 256 * 1024
    ttl: float | None = None
    dead_letter_on_expiry: bool = False
    max_bytes: int = 256 * 1024 * 1024
    locks_outlive_connections: bool = False


class Queue:
    """One queue, or the dead-letter sub-queue of one (`dead_letters` None)."""

    def __init__(self, options: QueueOptions, dead_letters: Queue | None) -> None:
        self.options = options
        self.name = options.name
        self.dead_letters = dead_letters
        self.messages: dict[int, Message] = {}
        self.locks: dict[bytes, Message] = {}
        self.stats: Counter[str] = Counter()
        self.bytes = 0
        self.links: set[Any] = set()
        self.sessions = MessageSessions(self)
        self._plain = Lane(None)
        self._seen: OrderedDict[Any, float] = OrderedDict()
        self._last = 0

    # --- in ---

    def put(self, messages: Sequence[Message]) -> list[int]:
        """Take messages, all or none; give their sequence numbers. Duplicates are accepted and dropped (number 0)."""
        if self.options.requires_session and any(not message.session_id for message in messages):
            raise AmqpError(
                "amqp:not-allowed", "The SessionId was not set on a message, and the queue requires sessions."
            )
        if self.bytes + sum(message.size for message in messages) > self.options.max_bytes:
            raise AmqpError("amqp:resource-limit-exceeded", f"The queue {self.name!r} is full.")
        return [self._put(message) for message in messages]

    def _put(self, message: Message) -> int:
        if self._duplicate(message):
            self.stats["duplicates"] += 1
            return 0
        at = now()
        message.enqueued_at = at
        self.stats["accepted"] += 1
        ttl = min((each for each in (message.ttl, self.options.ttl) if each is not None), default=None)
        begins = max(at, message.scheduled_at or at)
        message.expires_at = None if ttl is None else begins + ttl
        message.state = "scheduled" if begins > at else "active"
        self._enter(message)
        message.enqueued_sequence = message.sequence
        if message.state == "scheduled":
            self._later(message, begins, self._due)
        else:
            self._offer(message)
        return message.sequence

    def _duplicate(self, message: Message) -> bool:
        window = self.options.duplicate_detection
        if window is None or message.message_id is None:
            return False
        at, seen = now(), self._seen
        while seen and (len(seen) > _HISTORY or next(iter(seen.values())) <= at - window):
            seen.popitem(last=False)
        if message.message_id in seen:
            return True
        seen[message.message_id] = at
        return False

    def _enter(self, message: Message) -> None:
        self._last += 1
        message.sequence = self._last
        self.messages[message.sequence] = message
        self.lane(message).members[message.sequence] = message
        self.bytes += message.size

    def lane(self, message: Message) -> Lane:
        """Give the lane of a message."""
        return self.sessions.lane(message.session_id) if self.options.requires_session else self._plain

    def _remove(self, message: Message) -> None:
        self._calm(message)
        self._unlock(message)
        if self.messages.pop(message.sequence, None) is None:
            return
        self.bytes -= message.size
        lane = self.lane(message)
        del lane.members[message.sequence]
        if lane.session_id is not None:
            self.sessions.forget(lane)

    # --- out ---

    def attach(self, consumer: Consumer) -> Lane:
        """Let a consumer of a queue without sessions receive, once it gives credit and calls `pump`."""
        self._plain.consumers.append(consumer)
        return self._plain

    def leave(self, consumer: Consumer, lane: Lane) -> None:
        """Let a consumer go. Locks of an ordinary queue outlive it; a message session is free at once."""
        if consumer not in lane.consumers:
            return
        if lane.session_id is None:
            lane.consumers.remove(consumer)
        else:
            self.sessions.release(lane)

    def pump(self, lane: Lane) -> None:
        """Deliver while there are visible messages and consumers with credit."""
        while (message := lane.head()) is not None:
            if message.expires_at is not None and message.expires_at <= now():
                self._expire(message)
                continue
            consumer = lane.next_consumer()
            if consumer is None:
                return
            lane.pop()
            self.stats["delivered"] += 1
            if consumer.destructive:
                self._remove(message)
            else:
                self.lock(message, lane)
            consumer.deliver(message)

    def lock(self, message: Message, lane: Lane) -> None:
        """Lock a message for the lock duration, or as long as its message session is locked."""
        self._calm(message)
        message.lock = os.urandom(16)
        self.locks[message.lock] = message
        lane.locked[message.lock] = message
        if lane.session_id is None:
            self._hold(message)

    def _hold(self, message: Message) -> None:
        message.locked_until = now() + self.options.lock_duration
        self._later(message, message.locked_until, self._lock_expired)

    def locked_until(self, message: Message) -> float:
        """Tell until when a locked message is locked."""
        lane = self.lane(message)
        return message.locked_until if lane.session_id is None else lane.locked_until

    def _unlock(self, message: Message) -> None:
        if message.lock is not None:
            self.locks.pop(message.lock, None)
            self.lane(message).locked.pop(message.lock, None)
            message.lock = None

    def _offer(self, message: Message) -> None:
        """Make a message visible; drop it instead if its time is over."""
        at = now()
        if message.expires_at is not None:
            if message.expires_at <= at:
                return self._expire(message)
            self._later(message, message.expires_at, self._expire)
        lane = self.lane(message)
        lane.push(message)
        if lane.session_id is None or lane.consumers:
            return self.pump(lane)
        return self.sessions.available(lane)

    # --- settlement ---

    def locked(self, token: bytes) -> Message:
        """Find a locked message. Raises AmqpError when the lock is gone."""
        message = self.locks.get(token)
        if message is None:
            self.stats["lock-lost"] += 1
            word = "session" if self.options.requires_session else "message"
            raise AmqpError(
                f"com.microsoft:{word}-lock-lost",
                "The lock supplied is invalid. Either the lock expired, or the message has already been removed.",
            )
        return message

    def complete(self, token: bytes) -> None:
        """Delete a locked message."""
        self._remove(self.locked(token))
        self.stats["completed"] += 1

    def release(self, token: bytes) -> None:
        """Give a locked message back as if it had never been delivered."""
        self.give_back(self.locked(token), counted=False)
        self.stats["released"] += 1

    def abandon(self, token: bytes, properties: dict[str, Any] | None = None) -> None:
        """Give a locked message back as a failed delivery."""
        message = self.locked(token)
        message.set_application(properties or {})
        self.stats["abandoned"] += 1
        self.give_back(message, counted=True)

    def defer(self, token: bytes, properties: dict[str, Any] | None = None) -> None:
        """Set a locked message aside: only its sequence number reaches it. Counts as a failed delivery."""
        message = self.locked(token)
        message.set_application(properties or {})
        self.stats["deferred"] += 1
        message.state = "deferred"
        self.give_back(message, counted=True)

    def dead_letter(self, token: bytes, properties: dict[str, Any]) -> None:
        """Move a locked message to the sub-queue with these application properties."""
        message = self.locked(token)
        if self.dead_letters is None:
            raise AmqpError("amqp:not-allowed", "A dead-letter queue has no dead-letter queue of its own.")
        self.bury(message, properties)

    def give_back(self, message: Message, *, counted: bool) -> None:
        """Unlock; at the delivery limit the message goes to the sub-queue instead of back to its place."""
        self._calm(message)
        self._unlock(message)
        message.delivery_count += counted
        if self.dead_letters and counted and message.delivery_count >= self.options.max_delivery_count:
            reason = f"Message could not be consumed after {self.options.max_delivery_count} delivery attempts."
            self.bury(message, {"DeadLetterReason": "MaxDeliveryCountExceeded", "DeadLetterErrorDescription": reason})
        elif message.state == "active":
            self._offer(message)

    def bury(self, message: Message, properties: dict[str, Any]) -> None:
        """Move a message to the dead-letter sub-queue."""
        self._remove(message)
        self.stats["dead-lettered"] += 1
        if self.dead_letters is not None:
            message.set_application(properties)
            message.expires_at, message.state = None, "active"
            self.dead_letters.adopt(message)

    def adopt(self, message: Message) -> None:
        """Take a dead letter: it gets a number of this queue and keeps its first one."""
        self._enter(message)
        self._offer(message)

    def renew(self, tokens: Iterable[bytes]) -> list[float]:
        """Lock messages for the full duration again; give the new ends."""
        found = [self.locked(token) for token in tokens]
        for message in found:
            self._calm(message)
            self._hold(message)
        self.stats["renewed"] += len(found)
        return [message.locked_until for message in found]

    def lose_locks(self) -> None:
        """Let all locks of messages and message sessions expire now."""
        self.sessions.lose()
        for message in list(self.locks.values()):
            self._lock_expired(message)

    # --- by number ---

    def take_deferred(self, numbers: Sequence[int], session_id: str | None, *, destructive: bool) -> list[Message]:
        """Lock (or delete) deferred messages. Raises AmqpError unless all are there, deferred and not locked."""
        found = [self.messages.get(number) for number in numbers]
        taken = [each for each in found if each and each.state == "deferred" and each.lock is None]
        if len(taken) < len(numbers) or any(session_id not in (None, each.session_id) for each in taken):
            raise AmqpError("com.microsoft:message-not-found", "Failed to lock one or more specified messages.")
        for message in taken:
            self.stats["delivered"] += 1
            if destructive:
                self._remove(message)
            else:
                self.lock(message, self.lane(message))
        return taken

    def cancel(self, numbers: Sequence[int]) -> None:
        """Delete scheduled messages. Raises AmqpError unless all are there and still scheduled."""
        found = [self.messages.get(number) for number in numbers]
        if not all(each and each.state == "scheduled" for each in found):
            raise AmqpError("com.microsoft:message-not-found", "A message with this sequence number is not scheduled.")
        for message in found:
            if message:
                self._remove(message)
        self.stats["cancelled"] += len(found)

    def peek(self, number: int, count: int, session_id: str | None) -> list[Message]:
        """Look at messages from a sequence number on, whatever their state."""
        if self.options.requires_session and session_id is not None:
            members = self.sessions.members(session_id)
        else:
            members = self.messages
        found: list[Message] = []
        for sequence, message in members.items():
            if sequence >= number:
                found.append(message)
                if len(found) >= count:
                    break
        return found

    # --- time ---

    def _later(self, message: Message, at: float, action: Any) -> None:
        self._calm(message)
        wait = min(max(0.0, at - now()), _LONGEST_TIMER)
        message.timer = asyncio.get_running_loop().call_later(wait, action, message)

    @staticmethod
    def _calm(message: Message) -> None:
        if message.timer is not None:
            message.timer.cancel()
            message.timer = None

    def _due(self, message: Message) -> None:
        message.state, message.enqueued_at = "active", now()
        self._offer(message)

    def _lock_expired(self, message: Message) -> None:
        self.stats["locks-expired"] += 1
        self.give_back(message, counted=True)

    def _expire(self, message: Message) -> None:
        self.stats["expired"] += 1
        if self.options.dead_letter_on_expiry and self.dead_letters:
            why = "The message expired and was dead lettered."
            self.bury(message, {"DeadLetterReason": "TTLExpiredException", "DeadLetterErrorDescription": why})
        else:
            self._remove(message)

    def snapshot(self) -> dict[str, Any]:
        """Tell how full the queue is and what was done with it."""
        states = Counter(message.state for message in self.messages.values())
        return {
            "active": states["active"] - len(self.locks) + sum(m.state == "deferred" for m in self.locks.values()),
            "locked": len(self.locks),
            "scheduled": states["scheduled"],
            "deferred": states["deferred"],
            "dead": len(self.dead_letters.messages) if self.dead_letters else 0,
            "sessions": self.sessions.count,
            "links": len(self.links),
            "bytes": self.bytes,
            "operations": dict(self.stats),
        }

    def close(self) -> None:
        """Stop all timers."""
        for message in self.messages.values():
            self._calm(message)
        self.sessions.close()
        if self.dead_letters:
            self.dead_letters.close()
