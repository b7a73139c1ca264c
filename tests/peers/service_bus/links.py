"""Links: what attach, flow and detach mean for every kind of link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import codec, frames
from .codec import NULL, Described, Encoded
from .frames import AmqpError, Attach, Detach, Flow, Transfer

if TYPE_CHECKING:
    from .amqp_session import AmqpSession

_SOURCE, _TARGET = 0x28, 0x29
REJECTED = 0x25
_CREDIT = 1_000
_WRAP = 1 << 32


def address_of(terminus: Any) -> str:
    """Give the address of a source or target; empty if there is none."""
    fields = terminus.value if isinstance(terminus, Described) else None
    return str(fields[0]) if isinstance(fields, list) and fields and fields[0] is not None else ""


def _terminus(code: int, original: Any, extra: tuple[bytes, ...] = ()) -> Encoded | None:
    if original is None:
        return None
    address = address_of(original)
    return codec.described(code, codec.sequence((codec.string(address) if address else NULL, *extra)))


def rejected(error: AmqpError | None) -> Encoded:
    """Encode the outcome `rejected`, with or without an error."""
    return codec.described(REJECTED, codec.sequence([error.encoded()] if error else []))


class Link:
    """The peer's end of a link. `path` is the queue's (or node's) in lower case; `right` the claim it lives on."""

    credit = 0
    delivery_count = 0
    right: str | None = None

    def __init__(self, session: AmqpSession, attach: Attach, path: str) -> None:
        self.session = session
        self.attach = attach
        self.path = path
        self.name = str(attach.name)
        self.handle: int = attach.handle
        self.attached = False
        session.links[self.handle] = self

    def answer(self, filters: bytes | None = None, properties: Any = None, max_size: int | None = None) -> None:
        """Answer the client's attach: the link exists."""
        self.attached = True
        client = self.attach
        extra = (NULL,) * 6 + (filters,) if filters else ()
        self.session.send(
            Attach(
                name=self.name,
                handle=self.handle,
                role=not client.role,
                snd_settle_mode=client.snd_settle_mode,
                rcv_settle_mode=client.rcv_settle_mode,
                source=_terminus(_SOURCE, client.source, extra),
                target=_terminus(_TARGET, client.target),
                initial_delivery_count=0 if client.role == frames.RECEIVER else None,
                max_message_size=max_size,
                properties=properties,
            )
        )

    def refuse(self, error: AmqpError) -> None:
        """Answer the client's attach with nothing at either end, then detach: the service's way to say no."""
        self.session.namespace.stats["attach-refused"] += 1
        self._nothing()
        self.detach(error)

    def _nothing(self) -> None:
        self.attached = True
        count = 0 if self.attach.role == frames.RECEIVER else None
        self.session.send(Attach(self.name, self.handle, not self.attach.role, initial_delivery_count=count))

    def detach(self, error: AmqpError | None) -> None:
        """Detach from this side."""
        self.session.send(Detach(self.handle, True, error.encoded() if error else None))
        self.session.detached(self)

    def client_detached(self) -> None:
        """The client detaches: an attach that was not answered yet is answered with nothing first."""
        if not self.attached:
            self._nothing()

    def leave(self) -> None:
        """Let go of what the link holds. Called once, whatever ends it."""

    def cut_off(self) -> None:
        """Let go because the connection broke."""
        self.leave()

    def review_claims(self) -> None:
        """Detach as the service does when the token is no longer good enough."""
        if self.right is None or self.session.connection.may(self.path, self.right):
            return
        why = f"Code: RenewToken. Details: Unauthorized access. '{self.right}' claim(s) are required."
        self.detach(AmqpError("amqp:link:detach-forced", f"The link '{self.name}' is force detached. {why}"))


class IncomingLink(Link):
    """A link the client sends on: collects the frames of a message, keeps the client in credit."""

    limit = 1_048_576
    format = 0

    def __init__(self, session: AmqpSession, attach: Attach, path: str) -> None:
        super().__init__(session, attach, path)
        self._parts: list[bytes] = []
        self._size = 0
        self._delivery = 0
        self._format = 0
        self._settled = False

    def open(self, max_size: int | None = None) -> None:
        """Attach and give credit."""
        self.answer(max_size=max_size)
        self._refill()

    def _refill(self) -> None:
        self.credit = _CREDIT
        self.session.flow(self)

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a frame; the last one of a message brings it to `on_message`."""
        if not self._parts:
            self._delivery = transfer.delivery_id or 0
            self._format = transfer.message_format or 0
            self._settled = False
        self._settled = self._settled or bool(transfer.settled)
        self._size += len(payload)
        if self._size <= self.limit or not self._parts:
            self._parts.append(payload)
        if transfer.more and not transfer.aborted:
            return self.on_part()
        parts, size, self._parts, self._size = self._parts, self._size, [], 0
        self._spend()
        if transfer.aborted:
            return None
        if size > self.limit:
            return self._too_large(size)
        return self.on_message(parts[0] if len(parts) == 1 else b"".join(parts))

    def _spend(self) -> None:
        self.credit -= 1
        self.delivery_count = (self.delivery_count + 1) % _WRAP
        if self.credit <= _CREDIT // 2:
            self._refill()

    def _too_large(self, size: int) -> None:
        said = (
            f"The received message (delivery-id:{self._delivery}, {size} bytes) exceeds the limit ({self.limit} bytes)."
        )
        self.no(AmqpError("amqp:link:message-size-exceeded", said))

    def on_part(self) -> None:
        """A frame came that is not the last one."""

    def on_message(self, payload: bytes) -> None:
        """Take a whole message."""
        raise NotImplementedError

    def yes(self) -> None:
        """Accept the message that came last."""
        if not self._settled:
            self.session.accept(self._delivery)

    def no(self, error: AmqpError) -> None:
        """Refuse the message that came last."""
        if not self._settled:
            self.session.refuse(self._delivery, error)


class OutgoingLink(Link):
    """A link the client receives on: keeps the credit it gave."""

    def on_flow(self, flow: Flow) -> None:
        """Take credit; answer a drain."""
        if flow.link_credit is not None:
            seen = flow.delivery_count or 0
            self.credit = (seen + flow.link_credit - self.delivery_count) % _WRAP
            if self.credit >= _WRAP // 2:
                self.credit = 0
        if self.attached:
            self.on_credit()
        if flow.drain:
            self.delivery_count = (self.delivery_count + self.credit) % _WRAP
            self.credit = 0
            self.session.flow(self, drain=True)
        elif flow.echo:
            self.session.flow(self)

    def on_credit(self) -> None:
        """Credit came."""

    def transmit(self, tag: bytes, settled: bool, payload: bytes) -> int:
        """Send a message, using up one credit; give its delivery id."""
        self.credit -= 1
        self.delivery_count = (self.delivery_count + 1) % _WRAP
        return self.session.send_message(self.handle, tag, settled, payload)

    def on_settle(self, delivery: int, tag: bytes, state: Any, settled: bool) -> None:
        """The client settles a delivery."""
        self.session.unsettled.pop(delivery, None)
