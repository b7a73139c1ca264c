"""What travels through Service Bus: envelopes as messages, failures as session state, reasons as dead-letter texts.

Data to data, no calls. Limits are the service's: ids of 128 characters, 4,096 characters for a dead-letter text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage

from bridge.ports import DeadLetter, Delivery, Direction, Envelope, Failure, Waiting

COMPONENT = "service-bus"
LONGEST_ID = 128
LONGEST_TEXT = 4_000
REASON, DESCRIPTION = b"DeadLetterReason", b"DeadLetterErrorDescription"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of the failures of one message, the oldest of its session; kept as the session's state.

    A message under lock cannot be changed, and only the oldest one of a session can have failed: the others wait
    behind it. `number` is the message's sequence number: state that names another message is a left-over.
    """

    number: int = 0
    attempts: int = 0
    first_failed_at: float | None = None
    not_before: float = 0.0
    failure: Failure | None = None
    saved: bool = False

    def failed(self, failure: Failure, now: float, after: float, *, count: bool) -> Record:
        """Tell what is known after one more failure."""
        return replace(
            self,
            attempts=self.attempts + int(count),
            first_failed_at=(self.first_failed_at or now) if count else self.first_failed_at,
            not_before=now + max(after, 0.0),
            failure=failure,
            saved=True,
        )

    def dump(self) -> bytes:
        """Write it as session state."""
        fields = asdict(self)
        del fields["saved"]
        return json.dumps(fields).encode()


def load_record(state: bytes | None, fresh: Record) -> Record:
    """Read session state; `fresh` if it is about another message, or not ours."""
    try:
        fields = json.loads(state or b"{}")
        if fields.get("number") != fresh.number:
            return fresh
        failure = fields.pop("failure")
        return Record(**fields, failure=failure and Failure(**failure), saved=True)
    except (AttributeError, KeyError, TypeError, ValueError):
        return fresh


def fit(text: str) -> str:
    """Give an id as the service takes it: itself, or its hash if it has more than 128 UTF-16 units."""
    if len(text.encode("utf-16-le")) // 2 <= LONGEST_ID:
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


# --- Envelopes ------------------------------------------------------------------------------------------------------


def to_message(envelope: Envelope, parcel: str = "") -> ServiceBusMessage:
    """Make the message of an envelope; with `parcel`, its body is in the object store under that key."""
    properties: dict[str | bytes, Any] = {
        "id": envelope.message_id,
        "tenant": envelope.tenant,
        "session": envelope.session,
        "kind": envelope.kind,
        "trace": envelope.trace,
        "span": envelope.span,
        "received_at": envelope.received_at,
    }
    if parcel:
        properties["parcel"] = parcel
    return ServiceBusMessage(
        b"" if parcel else envelope.body,
        message_id=fit(envelope.message_id),
        session_id=fit(envelope.session),
        application_properties=properties,
    )


def to_replay(letter: ServiceBusReceivedMessage, dead: DeadLetter, *, automatic: bool) -> ServiceBusMessage:
    """Make a letter's message again, under an id that duplicate detection knows only from a replay of this letter.

    So a replay that was cut off before the letter was removed can be made again, and is one message.
    """
    message = to_message(dead.envelope, parcel_of(letter))
    message.message_id = fit(f"{dead.envelope.message_id}#replay.{letter.sequence_number}")
    if automatic:
        properties: dict[str | bytes, Any] = dict(message.application_properties or {})
        properties |= {
            "replays": dead.replays + 1,
            "attempts": dead.attempts,
            "first_failed_at": dead.first_failed_at,
        }
        message.application_properties = properties
    return message


def parcel_of(message: ServiceBusReceivedMessage) -> str:
    """Give the key of the body in the object store; empty if the message has its body."""
    return str(_text(_properties(message), b"parcel", ""))


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """Give the bytes of the body."""
    return b"".join(message.body)


def read_envelope(message: ServiceBusReceivedMessage, direction: Direction, body: bytes | None = None) -> Envelope:
    """Read what `to_message` wrote; `body` replaces the message's. ValueError if it is not one of ours."""
    properties = _properties(message)
    try:
        return Envelope(
            direction=direction,
            tenant=_text(properties, b"tenant"),
            message_id=_text(properties, b"id"),
            session=_text(properties, b"session"),
            kind=_text(properties, b"kind"),
            trace=_text(properties, b"trace"),
            span=_text(properties, b"span", ""),
            received_at=float(properties[b"received_at"]),
            body=body_of(message) if body is None else body,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("the message does not come from a bridge") from None


def fresh_record(message: ServiceBusReceivedMessage) -> Record:
    """Give the record of a message that has not failed since it was put or replayed."""
    properties = _properties(message)
    first = properties.get(b"first_failed_at")
    return Record(
        number=message.sequence_number or 0,
        attempts=int(properties.get(b"attempts", 0)),
        first_failed_at=None if first is None else float(first),
    )


def to_delivery(envelope: Envelope, message: ServiceBusReceivedMessage, record: Record) -> Delivery:
    """Make the delivery of a message under lock."""
    return Delivery(
        envelope=envelope,
        attempts=record.attempts,
        first_failed_at=record.first_failed_at,
        lease=str(message.lock_token),
        replays=_replays(message),
    )


def to_waiting(message: ServiceBusReceivedMessage, direction: Direction, record: Record) -> Waiting:
    """Make what people see of a message that was peeked. ValueError if it is not one of ours."""
    return Waiting(
        envelope=read_envelope(message, direction),
        attempts=record.attempts,
        first_failed_at=record.first_failed_at,
        failure=record.failure,
    )


# --- Dead letters ---------------------------------------------------------------------------------------------------


def describe(failure: Failure, record: Record, now: float) -> str:
    """Write why a message was given up, as the description that portals show: JSON, without its code."""
    fields: dict[str, Any] = {
        "message": failure.message,
        "component": failure.component,
        "transient": failure.transient,
        "first_failed_at": record.first_failed_at or now,
        "last_failed_at": now,
        "attempts": record.attempts + 1,
    }
    fields["message"] = failure.message[: LONGEST_TEXT - len(json.dumps(fields | {"message": ""}))]
    while len(text := json.dumps(fields, ensure_ascii=False)) > LONGEST_TEXT:
        fields["message"] = fields["message"][: len(fields["message"]) // 2]
    return text


def read_letter(
    message: ServiceBusReceivedMessage, direction: Direction, letter_id: str, body: bytes | None = None
) -> DeadLetter:
    """Read a message of the dead-letter queue. ValueError if it is not one of ours.

    One that the service itself gave up (`MaxDeliveryCountExceeded`, `TTLExpiredException`) has no description of ours.
    """
    envelope = read_envelope(message, direction, body)
    properties = _properties(message)
    code, text = _text(properties, REASON, "unknown"), _text(properties, DESCRIPTION, "")
    try:
        told = json.loads(text)
        failure = Failure(code=code, message=told["message"], component=told["component"], transient=told["transient"])
        first, last, attempts = told["first_failed_at"], told["last_failed_at"], told["attempts"]
    except (KeyError, TypeError, ValueError):
        record = fresh_record(message)
        failure = Failure(code=code, message=text, component=COMPONENT)
        last = message.enqueued_time_utc.timestamp() if message.enqueued_time_utc else envelope.received_at
        first, attempts = record.first_failed_at or last, record.attempts + (message.delivery_count or 0)
    return DeadLetter(
        id=letter_id,
        envelope=envelope,
        failure=failure,
        first_failed_at=first,
        last_failed_at=last,
        attempts=attempts,
        replays=_replays(message),
    )


def _replays(message: ServiceBusReceivedMessage) -> int:
    return int(_properties(message).get(b"replays", 0))


def _properties(message: ServiceBusReceivedMessage) -> dict[Any, Any]:
    return dict(message.application_properties or {})


def _text(properties: dict[Any, Any], name: bytes, default: str | None = None) -> str:
    value = properties.get(name, default)
    if value is None:
        raise KeyError(name)
    return value.decode() if isinstance(value, bytes) else str(value)
