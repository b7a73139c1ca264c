"""One AMQP connection, without I/O: bytes in by `feed`, bytes out by `wire`. Handshake, channels, keep-alive, close."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol
from uuid import uuid4

from . import codec
from .amqp_session import AmqpSession
from .cbs import Grant
from .codec import DecodeError
from .frames import (
    AMQP_HEADER,
    HEARTBEAT,
    SASL_FRAME,
    SASL_HEADER,
    AmqpError,
    Begin,
    Close,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Splitter,
    frame,
    parse,
)
from .messages import now
from .namespace import Namespace

_log = logging.getLogger(__name__)
MECHANISMS = ("ANONYMOUS", "MSSBCBS")
CHANNEL_MAX = 4_999


class Wire(Protocol):
    """The transport of a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close when everything is sent."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Stop feeding."""

    def resume_reading(self) -> None:
        """Feed again."""


class Connection:
    """The peer's end of one connection."""

    def __init__(self, namespace: Namespace, wire: Wire) -> None:
        self.namespace = namespace
        self.container = f"service-bus-peer-{uuid4().hex[:12]}"
        self.max_frame = 512
        self.grants: dict[str, Grant] = {}
        self.dead = False
        self._wire = wire
        self._splitter = Splitter(namespace.frame_size)
        self._sessions: dict[int, AmqpSession] = {}
        self._expects = "sasl-header"
        self._out: list[bytes] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._held = False
        self._silent = False
        namespace.connections.add(self)
        namespace.stats["connect"] += 1
        self._greet()

    def _greet(self) -> None:
        fault = self.namespace.faults.take("connect")
        self._refusal: AmqpError | None = None
        if len(self.namespace.connections) > self.namespace.max_connections:
            self.namespace.stats["connect-refused"] += 1
            self._refusal = AmqpError("amqp:resource-limit-exceeded", "Too many connections.")
        if fault and fault.action == "refuse":
            self._refusal = AmqpError(fault.condition, fault.description)
        elif fault and fault.action == "silence":
            self._silent = True
        elif fault:
            self.abort()

    # --- bytes ---

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self.dead or self._silent:
            return
        self._heard_at = self._loop.time()
        try:
            for piece in self._splitter.feed(data):
                if self.dead:
                    return
                if piece.startswith(b"AMQP"):
                    self._on_header(piece)
                else:
                    self._on_frame(*parse(piece))
        except DecodeError as error:
            self.close(AmqpError("amqp:decode-error", str(error)))
        except AmqpError as error:
            self.close(error)
        except Exception as error:  # a field of another type than its place wants, or a fault of ours: say so
            _log.exception("a frame could not be handled")
            self.close(AmqpError("amqp:internal-error", repr(error)))

    def write(self, data: bytes) -> None:
        """Send bytes; what is written in one turn of the loop leaves in one piece."""
        if not self._out and not self.dead:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._held:
            return
        data, self._out = b"".join(self._out), []
        if not self.dead and data:
            self._wire.write(data)

    def abort(self) -> None:
        """Cut the connection at once, without a word."""
        self.dead = True
        self._wire.abort()

    def cut(self, data: bytes) -> None:
        """Send what is due and these bytes, then cut the connection: for faults in the middle of a frame."""
        self._flush()
        self._wire.write(data)
        self.dead = True
        self._wire.close()

    def stall(self, seconds: float) -> None:
        """Neither read nor write for a while."""
        self._held = True
        self._wire.pause_reading()
        self._later("stall", seconds, self._resume)

    def _resume(self) -> None:
        self._held = False
        if not self.dead:
            self._wire.resume_reading()
            self._flush()

    def lost(self) -> None:
        """The transport is gone: links leave their queues, sessions held are free."""
        self.dead = True
        for timer in self._timers.values():
            timer.cancel()
        for session in self._sessions.values():
            session.drop()
        self._sessions.clear()
        self.namespace.connections.discard(self)

    # --- handshake ---

    def _on_header(self, header: bytes) -> None:
        if self._expects == "sasl-header" and header == SASL_HEADER:
            self._expects = "sasl-init"
            self.write(SASL_HEADER)
            mechanisms = codec.array(0xA3, (bytes((len(word),)) + word.encode() for word in MECHANISMS))
            self.write(frame(0, SaslMechanisms(mechanisms), kind=SASL_FRAME))
        elif self._expects == "amqp-header" and header == AMQP_HEADER:
            self._expects = "open"
            self.write(AMQP_HEADER)
        else:  # the specification's answer to a header that is not welcome: ours, and the end
            self.write(SASL_HEADER if self._expects == "sasl-header" else AMQP_HEADER)
            self._end()

    def _on_frame(self, kind: int, channel: int, performative: Any, payload: bytes) -> None:
        if kind == SASL_FRAME and self._expects == "sasl-init" and isinstance(performative, SaslInit):
            self._on_sasl(performative)
        elif performative is None:
            return
        elif isinstance(performative, Open) and self._expects == "open":
            self._on_open(performative)
        elif self._expects != "frames":
            raise DecodeError("a frame before its time")
        elif isinstance(performative, Close):
            self.write(frame(0, Close()))
            self._end()
        elif isinstance(performative, Begin):
            self._on_begin(channel, performative)
        else:
            self._session(channel).on_frame(performative, payload)

    def _on_sasl(self, init: SaslInit) -> None:
        accepted = init.mechanism in MECHANISMS
        self.write(frame(0, SaslOutcome(0 if accepted else 1), kind=SASL_FRAME))
        self._expects = "amqp-header"
        if not accepted:
            self._end()

    def _on_open(self, client: Open) -> None:
        self._expects = "frames"
        if client.max_frame_size is not None:
            self.max_frame = max(512, min(client.max_frame_size, self.namespace.frame_size))
        else:
            self.max_frame = self.namespace.frame_size
        idle = round(self.namespace.idle_timeout * 1000)
        self.write(frame(0, Open(self.container, None, self.namespace.frame_size, CHANNEL_MAX, idle)))
        self._later("idle", self.namespace.idle_timeout, self._check_idle)
        if client.idle_time_out:
            self._later("beat", client.idle_time_out / 2000, self._beat, client.idle_time_out / 2000)
        if self._refusal:
            self.close(self._refusal)

    def _on_begin(self, channel: int, begin: Begin) -> None:
        if channel in self._sessions or channel > CHANNEL_MAX:
            raise AmqpError("amqp:not-allowed", f"channel {channel} cannot begin")
        self._sessions[channel] = AmqpSession(self, channel, begin)

    def _session(self, channel: int) -> AmqpSession:
        session = self._sessions.get(channel)
        if session is None:
            raise AmqpError("amqp:not-allowed", f"channel {channel} has not begun")
        return session

    def ended(self, channel: int) -> None:
        """Forget a session that has ended."""
        self._sessions.pop(channel, None)

    # --- time ---

    def _later(self, name: str, seconds: float, action: Any, *args: Any) -> None:
        known = self._timers.get(name)
        if known:
            known.cancel()
        self._timers[name] = self._loop.call_later(seconds, action, *args)

    def _check_idle(self) -> None:
        quiet, allowed = self._loop.time() - self._heard_at, self.namespace.idle_timeout
        if quiet < allowed:
            return self._later("idle", allowed - quiet, self._check_idle)
        said = f"The connection was inactive for more than the allowed {round(allowed * 1000)} milliseconds."
        return self.close(AmqpError("amqp:connection:forced", said))

    def _beat(self, every: float) -> None:
        self.write(HEARTBEAT)
        self._later("beat", every, self._beat, every)

    def close(self, error: AmqpError | None = None) -> None:
        """Close from this side, with an error if there is one."""
        if not self.dead:
            self.write(frame(0, Close(error.encoded() if error else None)))
            self._end()

    def _end(self) -> None:
        self._held = False
        self._flush()
        self.dead = True
        self._wire.close()

    # --- claims ---

    def allow(self, grant: Grant) -> None:
        """Keep what a token proved until it expires; then the links that lived on it end."""
        if len(self.grants) >= 1_000 and grant.path not in self.grants:
            raise AmqpError("amqp:resource-limit-exceeded", "Too many tokens.")
        self.grants[grant.path] = grant
        self._later("tokens", max(0.0, min(each.until for each in self.grants.values()) - now()), self._review)

    def may(self, path: str, right: str | None) -> bool:
        """Tell whether a token gives a right (None: any) on a path now."""
        return any(grant.covers(path, right) for grant in self.grants.values())

    def expire_tokens(self) -> None:
        """Let all tokens of this connection expire now."""
        self.grants.clear()
        self._review()

    def _review(self) -> None:
        at = now()
        self.grants = {path: grant for path, grant in self.grants.items() if grant.until > at}
        for session in list(self._sessions.values()):
            session.review_claims()
        if self.grants:
            self._later("tokens", max(0.05, min(each.until for each in self.grants.values()) - at), self._review)
