"""The management node of a queue (`$management`): a table of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from . import codec, messages
from .codec import Encoded, Symbol
from .frames import AmqpError
from .nodes import Handler, Reply, Request
from .queues import Queue

if TYPE_CHECKING:
    from .amqp_session import AmqpSession

_PREFIX = "com.microsoft:"
_PEEK_LIMIT = 250
_ALL_SESSIONS = 253_402_300_799_000
"""From this `last-updated-time` on (year 9999, milliseconds) the question is for all sessions with messages."""
_STATUS = {
    "com.microsoft:message-lock-lost": 410,
    "com.microsoft:session-lock-lost": 410,
    "com.microsoft:message-not-found": 404,
    "com.microsoft:session-cannot-be-locked": 410,
    "com.microsoft:server-busy": 503,
    "com.microsoft:timeout": 408,
    "amqp:not-found": 404,
    "amqp:not-allowed": 400,
    "amqp:not-implemented": 501,
    "amqp:unauthorized-access": 401,
    "amqp:resource-limit-exceeded": 403,
    "com.microsoft:argument-error": 400,
}


def management_handler(session: AmqpSession, queue: Queue) -> Handler:
    """Make the handler of a queue's management node."""
    connection, faults = session.connection, session.namespace.faults

    def handle(request: Request) -> Reply | None:
        operation = request.operation.removeprefix(_PREFIX)
        fault = faults.take("manage", queue.name, operation)
        queue.stats[f"manage:{operation}" if operation in _OPERATIONS else "manage:unknown"] += 1
        if fault and fault.action == "drop":
            connection.abort()
        if fault and fault.action in ("drop", "silence"):
            return None
        try:
            if fault and fault.action == "refuse":
                raise AmqpError(fault.condition, fault.description)
            reply = _succeeded(_operate(queue, operation, request))
        except AmqpError as error:
            reply = _failed(error)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reply = _failed(AmqpError("com.microsoft:argument-error", f"a malformed request: {error!r}"))
        if fault and fault.action == "drop-after":
            connection.abort()
        return reply

    return handle


def _operate(queue: Queue, operation: str, request: Request) -> dict[str, Any] | None:
    action = _OPERATIONS.get(operation)
    if action is None:
        raise AmqpError("amqp:not-implemented", f"The operation '{request.operation}' is not implemented.")
    link = request.properties.get("associated-link-name")
    return action(queue, request.body or {}, None if link is None else str(link))


def _succeeded(body: dict[str, Any] | None) -> Reply:
    """None says that there is nothing: 204."""
    status = codec.integer(200 if body is not None else 204)
    return Reply({"statusCode": status, "statusDescription": codec.string("OK")}, codec.encode(body or {}))


def _failed(error: AmqpError) -> Reply:
    return Reply(
        {
            "statusCode": codec.integer(_STATUS.get(error.condition, 500)),
            "statusDescription": codec.string(error.description),
            "errorCondition": codec.encode(Symbol(error.condition)),
        }
    )


# --- operations: queue, body, associated link's name → body of the answer --------------------------------------------


def _tokens(body: dict[str, Any]) -> list[bytes]:
    found: list[UUID] = body["lock-tokens"]
    return [token.bytes for token in found]


def _renew_lock(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    return {"expirations": codec.timestamps(queue.renew(_tokens(body)))}


def _update_disposition(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    status, tokens = body["disposition-status"], _tokens(body)
    if body.get("session-id") is not None:
        queue.sessions.held(body["session-id"], None)
    for token in tokens:
        queue.locked(token)
    for token in tokens:
        if status == "completed":
            queue.complete(token)
        elif status == "abandoned":
            queue.abandon(token)
        elif status == "defered":
            queue.defer(token)
        elif status == "suspended":
            queue.dead_letter(token, _reasons(body))
        else:
            raise AmqpError("com.microsoft:argument-error", f"unknown disposition '{status}'")
    return {}


def _reasons(body: dict[str, Any]) -> dict[str, Any]:
    reasons = {"DeadLetterReason": "deadletter-reason", "DeadLetterErrorDescription": "deadletter-description"}
    return {name: body[key] for name, key in reasons.items() if body.get(key) is not None}


def _schedule(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    found = [message for each in body["messages"] for message in messages.split(each["message"], 0)]
    limit = queue.options.max_size
    if any(message.size > limit for message in found):
        raise AmqpError("amqp:link:message-size-exceeded", f"A message is larger than {limit} bytes.")
    return {"sequence-numbers": codec.longs(queue.put(found))}


def _cancel(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    queue.cancel(body["sequence-numbers"])
    return {}


def _encoded(message: messages.Message, **more: Any) -> Encoded:
    return codec.encode({"message": messages.assemble(message, None), **more})


def _peek(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any] | None:
    count = min(int(body["message-count"]), _PEEK_LIMIT)
    found = queue.peek(body["from-sequence-number"], count, body.get("session-id"))
    return {"messages": codec.sequence(map(_encoded, found))} if found else None


def _receive(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    destructive = body.get("receiver-settle-mode") == 0
    session_id = body.get("session-id")
    if queue.options.requires_session:
        queue.sessions.held(str(session_id), link)
    taken = queue.take_deferred(body["sequence-numbers"], session_id, destructive=destructive)
    return {"messages": codec.sequence(_taken(queue, message) for message in taken)}


def _taken(queue: Queue, message: messages.Message) -> Encoded:
    if message.lock is None:
        return _encoded(message)
    whole = messages.assemble(message, queue.locked_until(message))
    return codec.encode({"message": whole, "lock-token": UUID(bytes=message.lock)})


def _renew_session(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    return {"expiration": codec.timestamp(queue.sessions.renew(body["session-id"], link))}


def _get_state(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    return {"session-state": queue.sessions.held(body["session-id"], link).state}


def _set_state(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any]:
    queue.sessions.set_state(body["session-id"], link, body.get("session-state"))
    return {}


def _list_sessions(queue: Queue, body: dict[str, Any], link: str | None) -> dict[str, Any] | None:
    since = body["last-updated-time"]
    found = queue.sessions.changed(None if since >= _ALL_SESSIONS else since / 1000)
    page = found[body["skip"] : body["skip"] + body["top"]]
    names = codec.sequence(map(codec.string, page))
    return {"skip": codec.integer(body["skip"] + len(page)), "sessions-ids": names} if page else None


_Operation = Callable[[Queue, dict[str, Any], str | None], dict[str, Any] | None]
_OPERATIONS: dict[str, _Operation] = {
    "renew-lock": _renew_lock,
    "update-disposition": _update_disposition,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive,
    "renew-session-lock": _renew_session,
    "get-session-state": _get_state,
    "set-session-state": _set_state,
    "get-message-sessions": _list_sessions,
}
