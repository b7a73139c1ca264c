"""Which kind of link an attach opens: by its address, once the claims allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import frames
from .cbs import LISTEN, SEND, path_of
from .frames import AmqpError, Attach
from .links import Link, address_of
from .management import management_handler
from .nodes import Handler, ReplyLink, RequestLink, token_handler
from .queue_links import QueueIntake, QueueOutlet

if TYPE_CHECKING:
    from .amqp_session import AmqpSession

TOKENS = "$cbs"
MANAGEMENT = "/$management"


def open_link(session: AmqpSession, attach: Attach) -> None:
    """Open what the client asks for, or refuse it."""
    session.namespace.stats["attach"] += 1
    sends = attach.role == frames.SENDER
    path = path_of(address_of(attach.target if sends else attach.source))
    try:
        if path == TOKENS:
            _open_node(session, attach, path, token_handler(session))
        elif path.endswith(MANAGEMENT):
            _allow(session, path, None)
            queue = session.namespace.broker.find(path.removesuffix(MANAGEMENT))
            _open_node(session, attach, path, management_handler(session, queue))
        else:
            _open_queue(session, attach, path, sends)
    except AmqpError as error:
        _refuse(session, attach, path, error)


def _refuse(session: AmqpSession, attach: Attach, path: str, error: AmqpError) -> None:
    """Refuse on the link that is there already (it holds the queue), or on one made for it."""
    link = session.links.get(attach.handle) or Link(session, attach, path)
    link.refuse(error)


def _allow(session: AmqpSession, path: str, right: str | None) -> None:
    if not session.connection.may(path, right):
        wanted = f"'{right}'" if right else "Some"
        raise AmqpError(
            "amqp:unauthorized-access", f"Unauthorized access. {wanted} claim(s) are required. Resource: {path}."
        )


def _open_node(session: AmqpSession, attach: Attach, path: str, handler: Handler) -> None:
    if attach.role == frames.SENDER:
        RequestLink(session, attach, path, handler)
    else:
        ReplyLink(session, attach, path)


def _open_queue(session: AmqpSession, attach: Attach, path: str, sends: bool) -> None:
    _allow(session, path, SEND if sends else LISTEN)
    queue = session.namespace.broker.find(path)
    fault = session.namespace.faults.take("attach", queue.name, "send" if sends else "receive")
    if fault and fault.action == "refuse":
        raise AmqpError(fault.condition, fault.description)
    if fault and fault.action == "drop":
        return session.connection.abort()
    if fault:  # silence: the client waits for an answer that never comes
        Link(session, attach, path)
    elif sends:
        if queue.dead_letters is None:
            raise AmqpError("amqp:not-allowed", "Messages cannot be sent to a dead-letter queue.")
        QueueIntake(session, attach, path, queue)
    else:
        QueueOutlet(session, attach, path, queue).open()
    return None
