"""Request and reply: the links of `$cbs` and `$management`, and the form of what goes through them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import codec
from .cbs import Unauthorized
from .codec import NULL, DecodeError, Encoded
from .frames import AmqpError, Attach
from .links import IncomingLink, OutgoingLink, address_of

if TYPE_CHECKING:
    from .amqp_session import AmqpSession

_MAX_REPLIES = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its id as encoded, where the reply goes, application properties, the body's value."""

    message_id: bytes
    reply_to: str
    properties: dict[str, Any]
    body: Any

    @property
    def operation(self) -> str:
        """Name the operation."""
        return str(self.properties.get("operation", ""))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: application properties (encoded values) and a body."""

    properties: dict[str, Encoded]
    body: Encoded = NULL

    def encoded(self, message_id: bytes) -> bytes:
        """Build the message: correlation-id is the request's id, of the same type."""
        return b"".join(
            (
                codec.described(0x73, codec.sequence((*(NULL,) * 5, message_id))),
                codec.described(0x74, codec.encode(self.properties)),
                codec.described(0x77, self.body),
            )
        )


def read_request(payload: bytes) -> Request:
    """Take a request apart. Raises DecodeError."""
    message_id, reply_to, properties, body, at = bytes(NULL), "", {}, None, 0
    while at < len(payload):
        if payload[at] != 0:
            raise DecodeError("a section without a descriptor")
        code, value_at = codec.decode(payload, at + 1)
        value, at = codec.decode(payload, value_at)
        if code == 0x73:
            first = value_at + {0xC0: 3, 0xD0: 9}.get(payload[value_at], 0)
            message_id = payload[first : codec.skip(payload, first)] if value else message_id
            reply_to = str(value[4] or "") if len(value) > 4 else ""
        elif code == 0x74:
            properties = value
        elif code == 0x77:
            body = value
    if not isinstance(properties, dict):
        raise DecodeError("application properties that are no map")
    return Request(message_id, reply_to, properties, body)


Handler = Callable[[Request], Reply | None]


class RequestLink(IncomingLink):
    """The link requests come on. `handler` gives the reply, or None for none."""

    def __init__(self, session: AmqpSession, attach: Attach, path: str, handler: Handler) -> None:
        super().__init__(session, attach, path)
        self._handler = handler
        self.open()

    def on_message(self, payload: bytes) -> None:
        """Answer a request on the reply link of the same session."""
        try:
            request = read_request(payload)
        except DecodeError as error:
            return self.no(AmqpError("amqp:decode-error", str(error)))
        reply = self._handler(request)
        if self.session.connection.dead:
            return None
        self.yes()
        if reply is not None:
            self._reply(request, reply.encoded(request.message_id))
        return None

    def _reply(self, request: Request, payload: bytes) -> None:
        """Send it where `reply-to` says: a link's target, or the latest link from this node."""
        links = [each for each in self.session.links.values() if isinstance(each, ReplyLink) and each.path == self.path]
        named = [each for each in links if request.reply_to and address_of(each.attach.target) == request.reply_to]
        for link in (named or links)[-1:]:
            link.reply(payload)


class ReplyLink(OutgoingLink):
    """The link replies go on; they wait for credit."""

    def __init__(self, session: AmqpSession, attach: Attach, path: str) -> None:
        super().__init__(session, attach, path)
        self._waiting: deque[bytes] = deque(maxlen=_MAX_REPLIES)
        self.answer()

    def reply(self, payload: bytes) -> None:
        """Send a reply, at once if there is credit."""
        self._waiting.append(payload)
        self.on_credit()

    def on_credit(self) -> None:
        """Send what waits."""
        while self._waiting and self.credit > 0:
            self.transmit(os.urandom(16), True, self._waiting.popleft())


def token_handler(session: AmqpSession) -> Handler:
    """Make the handler of `$cbs`: checks put-token and keeps what the token proves for the connection."""
    connection, namespace = session.connection, session.namespace

    def handle(request: Request) -> Reply | None:
        fault = namespace.faults.take("token")
        if fault and fault.action == "drop":
            connection.abort()
        if fault and fault.action != "refuse":
            return None
        status, said = (fault.status, fault.description) if fault else _put_token(session, request)
        namespace.stats[f"token-{status}"] += 1
        return Reply({"status-code": codec.integer(status), "status-description": codec.string(said)})

    return handle


def _put_token(session: AmqpSession, request: Request) -> tuple[int, str]:
    """Check a token; give status and text. As in the service a shared access token for an unknown entity gets 404."""
    audience, token = str(request.properties.get("name", "")), request.body
    if request.operation != "put-token" or not isinstance(token, str):
        return 400, "InvalidRequest: put-token with a token was expected"
    try:
        grant = session.namespace.authority.check(token, audience)
        if token.startswith("SharedAccessSignature") and grant.path:
            session.namespace.broker.find(grant.path.removesuffix("/$management"))
    except Unauthorized as error:
        return 401, str(error)
    except AmqpError as error:
        return 404, error.description
    session.connection.allow(grant)
    return 202, "Accepted"
