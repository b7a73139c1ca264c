"""Message sessions of a queue: who holds which, who waits for the next one, locks that end, session state."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from .frames import AmqpError
from .lanes import Consumer, Lane, Waiter
from .messages import Message, now

if TYPE_CHECKING:
    from .queues import Queue

MAX_SESSIONS = 200_000
MAX_STATE = 256 * 1024


def lock_lost(session_id: str) -> AmqpError:
    """Make the error for whoever thought to hold a message session."""
    return AmqpError("com.microsoft:session-lock-lost", f"The session lock has expired on the session '{session_id}'.")


class MessageSessions:
    """The lanes of a queue with sessions. A lane is kept while it has messages, state or a holder."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lanes: dict[str, Lane] = {}
        self._free: dict[str, Lane] = {}
        self._waiters: deque[Waiter] = deque()

    @property
    def count(self) -> int:
        """Tell how many sessions are known."""
        return len(self._lanes)

    def lane(self, session_id: str | None) -> Lane:
        """Give the lane of an id; make it if there is none."""
        key = session_id or ""
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= MAX_SESSIONS:
                raise AmqpError("amqp:resource-limit-exceeded", "Too many sessions.")
            lane = self._lanes[key] = Lane(key)
        return lane

    def forget(self, lane: Lane) -> None:
        """Drop a lane that holds nothing."""
        if lane.idle and lane.session_id is not None:
            self._lanes.pop(lane.session_id, None)
            self._free.pop(lane.session_id, None)

    def members(self, session_id: str) -> dict[int, Message]:
        """Give the messages of a session, oldest first."""
        lane = self._lanes.get(session_id)
        return lane.members if lane else {}

    # --- accepting ---

    def accept(self, consumer: Consumer, session_id: str | None, wait: float) -> Waiter | None:
        """Lock a session: this one, or (None) the one that has been available longest, waiting up to `wait` seconds.

        Gives what `give_up` takes if the consumer has to wait. Raises AmqpError when the named one is held by another.
        """
        if session_id is not None:
            lane = self.lane(session_id)
            if lane.consumers:
                raise AmqpError(
                    "com.microsoft:session-cannot-be-locked",
                    f"The requested session '{session_id}' cannot be accepted. It may be locked by another receiver.",
                )
            self._grant(consumer, lane)
            return None
        while self._free:
            lane = self._free.pop(next(iter(self._free)))
            if lane.head() is not None and not lane.consumers:
                self._grant(consumer, lane)
                return None
        waiter = Waiter(consumer)
        waiter.timer = asyncio.get_running_loop().call_later(wait, self._timed_out, waiter)
        self._waiters.append(waiter)
        return waiter

    def _timed_out(self, waiter: Waiter) -> None:
        self.give_up(waiter)
        waiter.consumer.refused(AmqpError("com.microsoft:timeout", "No session became available within the time-out."))

    def give_up(self, waiter: Waiter) -> None:
        """Stop waiting."""
        if waiter.timer:
            waiter.timer.cancel()
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def available(self, lane: Lane) -> None:
        """A session without a holder has a visible message: the one who has waited longest gets it."""
        if self._waiters:
            waiter = self._waiters[0]
            self.give_up(waiter)
            self._grant(waiter.consumer, lane)
        elif lane.session_id is not None:
            self._free[lane.session_id] = lane

    def _grant(self, consumer: Consumer, lane: Lane) -> None:
        self._free.pop(lane.session_id or "", None)
        lane.consumers.append(consumer)
        self._queue.stats["sessions-accepted"] += 1
        self._hold(lane)
        consumer.granted(lane)

    # --- holding ---

    def _hold(self, lane: Lane) -> None:
        if lane.timer:
            lane.timer.cancel()
        duration = self._queue.options.lock_duration
        lane.locked_until = now() + duration
        lane.timer = asyncio.get_running_loop().call_later(duration, self._expired, lane)

    def held(self, session_id: str, by: str | None) -> Lane:
        """Give a session that is locked, by the link of that name if one is given. Raises AmqpError."""
        lane = self._lanes.get(session_id)
        if lane is None or lane.holder is None or by not in (None, lane.holder.name):
            self._queue.stats["lock-lost"] += 1
            raise lock_lost(session_id)
        return lane

    def renew(self, session_id: str, by: str | None) -> float:
        """Lock a session for the full duration again; give the new end."""
        lane = self.held(session_id, by)
        self._hold(lane)
        self._queue.stats["sessions-renewed"] += 1
        return lane.locked_until

    def release(self, lane: Lane, *, counted: bool = False) -> None:
        """Free a session; its unsettled messages go back to their places, their delivery counts as they were."""
        if lane.timer:
            lane.timer.cancel()
            lane.timer = None
        lane.paused = True
        for message in list(lane.locked.values()):
            self._queue.give_back(message, counted=counted)
        lane.paused = False
        lane.consumers.clear()
        if lane.head() is not None:
            self.available(lane)
        self.forget(lane)

    def _expired(self, lane: Lane) -> None:
        """The lock ran out: deliveries under it count as failed (the service's rule), the holder is told."""
        holder = lane.holder
        self._queue.stats["session-locks-expired"] += 1
        self.release(lane, counted=True)
        if holder is not None:
            holder.refused(lock_lost(lane.session_id or ""))

    def lose(self) -> None:
        """Let all session locks expire now."""
        for lane in [each for each in self._lanes.values() if each.consumers]:
            self._expired(lane)

    # --- state ---

    def set_state(self, session_id: str, by: str | None, state: bytes | None) -> None:
        """Write or clear the state of a held session."""
        if state is not None and len(state) > MAX_STATE:
            raise AmqpError("amqp:link:message-size-exceeded", "The session state is too large.")
        lane = self.held(session_id, by)
        lane.state, lane.touched_at = state, now()

    def changed(self, since: float | None) -> list[str]:
        """List sessions with messages (None), or those whose state changed after a time."""
        if since is None:
            return [key for key, lane in self._lanes.items() if lane.members]
        return [key for key, lane in self._lanes.items() if lane.touched_at > since]

    def close(self) -> None:
        """Stop all timers."""
        for lane in self._lanes.values():
            if lane.timer:
                lane.timer.cancel()
        for waiter in self._waiters:
            if waiter.timer:
                waiter.timer.cancel()
