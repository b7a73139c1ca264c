"""The links that carry a queue's messages: a sender's and a receiver's, with settlement."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import codec, frames, messages
from .cbs import LISTEN, SEND
from .codec import Described, Encoded, Symbol
from .frames import AmqpError, Attach, frame
from .lanes import Lane, Waiter
from .links import REJECTED, IncomingLink, OutgoingLink, rejected
from .queues import Queue

if TYPE_CHECKING:
    from .amqp_session import AmqpSession

SESSION_FILTER = Symbol("com.microsoft:session-filter")
_ACCEPTED, _RELEASED, _MODIFIED = 0x24, 0x26, 0x27
_TICKS_AT_EPOCH = 621_355_968_000_000_000


def ticks(seconds: float) -> int:
    """Turn epoch seconds into .NET ticks: 100 ns since year 1."""
    return round(seconds * 1_000_000) * 10 + _TICKS_AT_EPOCH


def delivery_tag(token: bytes) -> bytes:
    """Turn a lock token's network order into the GUID order that delivery tags have (and back)."""
    return token[3::-1] + token[5:3:-1] + token[7:5:-1] + token[8:]


def filters_of(source: Any) -> dict[Any, Any]:
    """Give the filter map of a source."""
    fields = source.value if isinstance(source, Described) else []
    found = fields[7] if isinstance(fields, list) and len(fields) > 7 else None
    return found if isinstance(found, dict) else {}


class QueueIntake(IncomingLink):
    """A sender's link to a queue."""

    right = SEND

    def __init__(self, session: AmqpSession, attach: Attach, path: str, queue: Queue) -> None:
        super().__init__(session, attach, path)
        self.queue = queue
        self.limit = queue.options.max_size
        queue.links.add(self)
        self.open(self.limit)

    def on_part(self) -> None:
        """Let a fault end the connection in the middle of the client's message."""
        if self.session.namespace.faults.take("receive", self.queue.name):
            self.session.connection.abort()

    def on_message(self, payload: bytes) -> None:
        """Put the message or the batch into the queue; the answer says it is stored."""
        connection = self.session.connection
        fault = self.session.namespace.faults.take("send", self.queue.name)
        if fault and fault.action == "drop":
            return connection.abort()
        if fault and fault.action == "silence":
            return None
        try:
            if fault and fault.action == "refuse":
                raise AmqpError(fault.condition, fault.description)
            self.queue.put(messages.split(payload, self._format))
        except AmqpError as error:
            self.queue.stats["refused"] += 1
            return self.no(error)
        return connection.abort() if fault else self.yes()

    def leave(self) -> None:
        """Let go of the queue."""
        self.queue.links.discard(self)


class QueueOutlet(OutgoingLink):
    """A receiver's link to a queue, or to one message session of it: a consumer of the broker."""

    right = LISTEN

    def __init__(self, session: AmqpSession, attach: Attach, path: str, queue: Queue) -> None:
        super().__init__(session, attach, path)
        self.queue = queue
        self.destructive = attach.snd_settle_mode == 1
        self.lane: Lane | None = None
        self._waiter: Waiter | None = None
        queue.links.add(self)

    def open(self) -> None:
        """Attach to the queue, or ask for a message session and answer when there is one. Raises AmqpError."""
        filters = filters_of(self.attach.source)
        if self.queue.options.requires_session != (SESSION_FILTER in filters):
            wants = "requires sessions" if self.queue.options.requires_session else "does not support sessions"
            raise AmqpError("amqp:not-allowed", f"It is not possible for this receiver: the entity {wants}.")
        if SESSION_FILTER not in filters:
            self.lane = self.queue.attach(self)
            self.answer()
            return
        wanted = filters[SESSION_FILTER]
        wanted = wanted.value if isinstance(wanted, Described) else wanted
        wait = (self.attach.properties or {}).get("com.microsoft:timeout", 65_000) / 1000
        self._waiter = self.queue.sessions.accept(self, wanted, wait)

    def granted(self, lane: Lane) -> None:
        """The message session is ours: answer the attach with its id and the end of its lock."""
        self._waiter, self.lane = None, lane
        until = codec.long(ticks(lane.locked_until))
        self.answer(
            filters=codec.encode({SESSION_FILTER: lane.session_id}),
            properties={Symbol("com.microsoft:locked-until-utc"): until},
        )
        self.queue.pump(lane)

    def refused(self, error: AmqpError) -> None:
        """There is no message session for us, or no longer."""
        if self.attached:
            self.detach(error)
        else:
            self.refuse(error)

    def on_credit(self) -> None:
        """Deliver what waits."""
        if self.lane is not None:
            self.queue.pump(self.lane)

    def deliver(self, message: messages.Message) -> None:
        """Send a message under its lock, or settled if it is gone from the queue already."""
        token = message.lock
        tag = os.urandom(16) if token is None else delivery_tag(token)
        until = None if token is None else self.queue.locked_until(message)
        payload = messages.assemble(message, until)
        fault = self.session.namespace.faults.take("deliver", self.queue.name)
        if fault:
            return self._fail(fault.action == "cut", tag, payload)
        delivery = self.transmit(tag, token is None, payload)
        if token is not None:
            self.session.unsettled[delivery] = (self, token)
        return None

    def _fail(self, cut: bool, tag: bytes, payload: bytes) -> None:
        self.credit = 0
        if not cut:
            return self.session.connection.abort()
        whole = frames.transfer_frames(self.session.channel, self.handle, 0, tag, False, payload, 1 << 30)[0]
        return self.session.connection.cut(whole[: len(whole) // 2])

    def on_settle(self, delivery: int, tag: bytes, state: Any, settled: bool) -> None:
        """Do what the client's outcome asks for; `tag` is the lock token. Answer unless the client settled already."""
        code = state.descriptor if isinstance(state, Described) else None
        if code not in _OUTCOMES:
            return
        operation = _outcome(state)
        fault = self.session.namespace.faults.take("settle", self.queue.name, operation)
        if fault and fault.action == "drop":
            self.session.connection.abort()
        if fault and fault.action in ("drop", "silence"):
            return
        self.session.unsettled.pop(delivery, None)
        try:
            if fault and fault.action == "refuse":
                raise AmqpError(fault.condition, fault.description)
            answer = self._settle(operation, tag, state.value)
        except AmqpError as error:
            answer = rejected(error)
        if fault and fault.action == "drop-after":
            self.session.connection.abort()
        elif not settled:
            self._answer(delivery, answer)

    def _answer(self, delivery: int, state: Encoded) -> None:
        settled = frames.Disposition(frames.SENDER, delivery, None, True, state)
        self.session.connection.write(frame(self.session.channel, settled))

    def _settle(self, operation: str, token: bytes, fields: list[Any]) -> Encoded:
        """Give the outcome to answer with: of the same type as the one asked for."""
        if operation == "complete":
            self.queue.complete(token)
            return _DONE
        if operation == "release":
            self.queue.release(token)
            return codec.described(_RELEASED, codec.sequence([]))
        if operation == "dead-letter":
            self.queue.dead_letter(token, _reasons(fields))
            return rejected(None)
        changed = _simple(fields[2]) if len(fields) > 2 else {}
        here = operation == "defer"
        (self.queue.defer if here else self.queue.abandon)(token, changed)
        return codec.described(_MODIFIED, codec.sequence([codec.boolean(True), codec.boolean(here)]))

    def leave(self) -> None:
        """Let go of the queue, the message session, or the place in the line for one."""
        self.credit = 0
        self.queue.links.discard(self)
        if self._waiter is not None:
            self.queue.sessions.give_up(self._waiter)
        if self.lane is not None:
            self.queue.leave(self, self.lane)

    def cut_off(self) -> None:
        """Let go, or keep the message session until its lock ends."""
        if self.lane is None or self.lane.session_id is None or not self.queue.options.locks_outlive_connections:
            return self.leave()
        self.credit = 0
        return self.queue.links.discard(self)


_DONE = codec.described(_ACCEPTED, codec.sequence([]))
_OUTCOMES = {_ACCEPTED: "complete", REJECTED: "dead-letter", _RELEASED: "release", _MODIFIED: "abandon"}


def _outcome(state: Described) -> str:
    """Name the operation. `modified` means defer if undeliverable here, else abandon: the JavaScript SDK leaves

    delivery-failed out when it abandons, the Python SDK sets it.
    """
    fields = state.value
    if state.descriptor == _MODIFIED and len(fields) > 1 and fields[1]:
        return "defer"
    return _OUTCOMES[state.descriptor]


def _reasons(fields: list[Any]) -> dict[str, Any]:
    """Read the info map of a dead-letter's error: reason, description, properties."""
    error = fields[0].value if fields and isinstance(fields[0], Described) else []
    return _simple(error[2]) if len(error) > 2 else {}


def _simple(values: Any) -> dict[str, Any]:
    """Keep the values that can be application properties; numbers become longs."""
    if not isinstance(values, dict):
        return {}
    wide = {str(key): codec.long(value) if type(value) is int else value for key, value in values.items()}
    return {key: value for key, value in wide.items() if isinstance(value, str | bytes | bool | float)}
