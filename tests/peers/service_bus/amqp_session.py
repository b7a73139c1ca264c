"""An AMQP session: the channel of a connection that numbers transfers, keeps windows, and holds links."""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any

from . import frames
from .frames import AmqpError, Attach, Begin, Detach, Disposition, End, Flow, Transfer, frame
from .links import IncomingLink, Link, OutgoingLink, rejected
from .routes import open_link

if TYPE_CHECKING:
    from .connection import Connection

WINDOW = 5_000
HANDLE_MAX = 255
_MAX_PENDING = 100_000
_WRAP = 1 << 32
_ACCEPTED = Struct(">IBBH4sBB2sI6s")


class AmqpSession:
    """The peer's end of one session; both sides use the client's channel number."""

    def __init__(self, connection: Connection, channel: int, begin: Begin) -> None:
        self.connection = connection
        self.namespace = connection.namespace
        self.channel = channel
        self.links: dict[int, Link] = {}
        self.unsettled: dict[int, tuple[OutgoingLink, bytes]] = {}
        self._next_incoming = begin.next_outgoing_id or 0
        self._room = WINDOW
        self._next_outgoing = 0
        self._next_delivery = 0
        self._remote_room = begin.incoming_window or 0
        self._pending: deque[bytes] = deque()
        self.send(Begin(channel, 0, WINDOW, WINDOW, HANDLE_MAX))

    def send(self, performative: Any) -> None:
        """Send a frame without a payload."""
        self.connection.write(frame(self.channel, performative))

    def on_frame(self, performative: Any, payload: bytes) -> None:
        """Take a frame of this channel."""
        if isinstance(performative, Transfer):
            self._on_transfer(performative, payload)
        elif isinstance(performative, Disposition):
            self._on_disposition(performative)
        elif isinstance(performative, Flow):
            self._on_flow(performative)
        elif isinstance(performative, Attach):
            self._on_attach(performative)
        elif isinstance(performative, Detach):
            self._on_detach(performative)
        elif isinstance(performative, End):
            self.send(End())
            self.drop()
            self.connection.ended(self.channel)

    def drop(self) -> None:
        """Let all links go without a word."""
        for link in list(self.links.values()):
            link.cut_off()
        self.links.clear()
        self.unsettled.clear()
        self._pending.clear()

    # --- links ---

    def _on_attach(self, attach: Attach) -> None:
        if attach.handle is None or attach.handle in self.links or attach.handle > HANDLE_MAX:
            raise AmqpError("amqp:session:handle-in-use", f"handle {attach.handle} cannot be attached")
        open_link(self, attach)

    def _on_detach(self, detach: Detach) -> None:
        link = self.links.pop(detach.handle, None)
        if link is None:
            return  # the answer to a detach of ours
        link.client_detached()
        self._forget(link)
        self.send(Detach(detach.handle, detach.closed or None))

    def detached(self, link: Link) -> None:
        """Forget a link that this side detached."""
        self.links.pop(link.handle, None)
        self._forget(link)

    def _forget(self, link: Link) -> None:
        link.leave()
        for delivery in [key for key, (owner, _) in self.unsettled.items() if owner is link]:
            del self.unsettled[delivery]

    def review_claims(self) -> None:
        """End the links whose token has expired."""
        for link in list(self.links.values()):
            link.review_claims()

    # --- windows ---

    def flow(self, link: Link | None = None, *, drain: bool = False) -> None:
        """Tell the client the windows and, with a link, its credit."""
        self._room = WINDOW
        ours = (self._next_incoming, WINDOW, self._next_outgoing, WINDOW)
        if link is None:
            self.send(Flow(*ours))
        else:
            self.send(Flow(*ours, link.handle, link.delivery_count, link.credit, None, drain or None))

    def _on_flow(self, flow: Flow) -> None:
        # next-incoming-id is null until the client has seen our begin: then it counts from our first id, 0
        self._remote_room = ((flow.next_incoming_id or 0) + (flow.incoming_window or 0) - self._next_outgoing) % _WRAP
        if self._remote_room >= _WRAP // 2:
            self._remote_room = 0
        while self._pending and self._remote_room > 0:
            self._push(self._pending.popleft())
        link = self.links.get(flow.handle) if flow.handle is not None else None
        if isinstance(link, OutgoingLink):
            link.on_flow(flow)
        elif flow.echo:
            self.flow(link)

    # --- transfers ---

    def send_message(self, handle: int, tag: bytes, settled: bool, payload: bytes) -> int:
        """Send a message in as many frames as it takes; what the window does not allow waits. Give its delivery id."""
        delivery = self._next_delivery
        self._next_delivery = (delivery + 1) % _WRAP
        pieces = frames.transfer_frames(
            self.channel, handle, delivery, tag, settled, payload, self.connection.max_frame
        )
        for piece in pieces:
            if self._pending or self._remote_room <= 0:
                self._wait(piece)
            else:
                self._push(piece)
        return delivery

    def _wait(self, piece: bytes) -> None:
        if len(self._pending) >= _MAX_PENDING:
            said = "the client takes credit but does not open its window"
            return self.connection.close(AmqpError("amqp:session:window-violation", said))
        return self._pending.append(piece)

    def _push(self, piece: bytes) -> None:
        self._next_outgoing = (self._next_outgoing + 1) % _WRAP
        self._remote_room -= 1
        self.connection.write(piece)

    def _on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        self._next_incoming = (self._next_incoming + 1) % _WRAP
        self._room -= 1
        link = self.links.get(transfer.handle)
        if isinstance(link, IncomingLink):
            link.on_transfer(transfer, payload)
        if self._room < WINDOW // 2:
            self.flow()

    def accept(self, delivery: int) -> None:
        """Tell the client that its message is stored: the hot path, laid out by hand."""
        self.connection.write(
            _ACCEPTED.pack(
                26, 2, 0, self.channel, b"\x00\x53\x15\xc0", 13, 5, b"\x41\x70", delivery, b"\x40\x41\x00\x53\x24\x45"
            )
        )

    def refuse(self, delivery: int, error: AmqpError) -> None:
        """Tell the client that its message is refused."""
        state = rejected(error)
        self.send(Disposition(frames.RECEIVER, delivery, None, True, state))

    def _on_disposition(self, disposition: Disposition) -> None:
        if disposition.role is not frames.RECEIVER or disposition.first is None:
            return
        last = disposition.first if disposition.last is None else disposition.last
        if last - disposition.first > len(self.unsettled):
            numbers = [each for each in self.unsettled if disposition.first <= each <= last]
        else:
            numbers = list(range(disposition.first, last + 1))
        for number in numbers:
            if number in self.unsettled:
                link, tag = self.unsettled[number]
                link.on_settle(number, tag, disposition.state, bool(disposition.settled))
