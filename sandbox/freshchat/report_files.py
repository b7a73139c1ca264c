"""The files behind finished reports: ZIP archives of CSV, written while they are read."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Generator, Iterator

from sandbox.freshchat.archive_data import Extracts
from sandbox.freshchat.parts import text_of
from sandbox.wire import JsonObject, parse_iso

#: A ZIP holds another CSV file after so many rows.
ROWS_PER_FILE = 10_000
_CREATED = ("conversation_id", "created_at", "channel_id", "actor_type", "actor_id")
_SENT = ("conversation_id", "message_id", "created_at", "actor_type", "actor_id", "channel_id")
_TRANSCRIPT = (
    "message_id",
    "conversation_id",
    "conversation_url",
    "created_time",
    "actor_type",
    "actor_id",
    "actor_email",
    "actor_first_name",
    "actor_last_name",
    "message_type",
    "detailed_message_type",
    "message_source",
    "message_parts",
    "message",
    "channel_id",
    "channel_name",
    "customer_id",
)
_RATED = ("conversation_id", "created_at", "rating", "comment", "agent_id")
_AGENT = ("conversation_id", "created_at", "agent_id", "group_id", "value")
EVENTS = (
    "Conversation-Created",
    "Conversation-Agent-Assigned",
    "Conversation-Group-Assigned",
    "Message-Sent",
    "First-Response-Time",
    "Response-Time",
    "Resolution-Time",
    "Conversation-Resolution-Label",
    "Conversation-Resolved",
    "Agent-Activity",
    "Agent-Intelliassign-Activity",
    "CSAT-Score",
    "Chat-Transcript",
)
_COLUMNS = {
    "Conversation-Created": _CREATED,
    "Message-Sent": _SENT,
    "Chat-Transcript": _TRANSCRIPT,
    "CSAT-Score": _RATED,
}


def rows(data: Extracts, event: str, start_ms: int, end_ms: int) -> Iterator[JsonObject]:
    """The rows of an event; those about agents are few and always the same kind."""
    if event in ("Message-Sent", "Chat-Transcript"):
        return (_spoken_row(spoken.conversation, spoken.message) for spoken in data.spoken(start_ms, end_ms))
    if event == "CSAT-Score":
        return (_rated_row(conversation, rating) for conversation, rating in data.rated(start_ms, end_ms))
    return (_created_row(conversation) for conversation in data.created(start_ms, end_ms))


def packed(data: Extracts, event: str, start_ms: int, end_ms: int, titles: bool) -> Iterator[bytes]:
    """A ZIP archive in pieces, made as the reader takes them."""
    sink = _Sink()
    columns = _COLUMNS.get(event, _AGENT)
    waiting = rows(data, event, start_ms, end_ms)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        number, more = 0, True
        while more:
            number += 1
            with archive.open(f"{event}_{number}.csv", "w") as file:
                more = yield from _file(file.write, sink, waiting, columns, titles)
    yield sink.taken()


def _file(
    write: Callable[[bytes], object],
    sink: "_Sink",
    waiting: Iterator[JsonObject],
    columns: tuple[str, ...],
    titles: bool,
) -> Generator[bytes, None, bool]:
    """One CSV file of the archive; the value says whether rows may be left."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.replace("_", " ").title() if titles else column for column in columns])
    if titles:
        write(b"\xef\xbb\xbf")
    for number, row in enumerate(waiting, start=1):
        writer.writerow([row.get(column, "") for column in columns])
        if number % 200 == 0:
            write(text.getvalue().encode())
            text.seek(0)
            text.truncate()
            yield sink.taken()
        if number == ROWS_PER_FILE:
            write(text.getvalue().encode())
            return True
    write(text.getvalue().encode())
    return False


class _Sink(io.RawIOBase):
    """A file that cannot be sought, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since the last time."""
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece


def _created_row(conversation: JsonObject) -> JsonObject:
    return {
        "conversation_id": conversation["conversation_id"],
        "created_at": conversation.get("created_time", ""),
        "channel_id": conversation.get("channel_id", ""),
        "actor_type": "user",
        "actor_id": conversation.get("user_id", ""),
        "agent_id": conversation.get("assigned_agent_id", ""),
        "group_id": conversation.get("assigned_group_id", ""),
        "value": "1",
    }


def _rated_row(conversation: JsonObject, rating: JsonObject) -> JsonObject:
    return _created_row(conversation) | {"rating": rating.get("rating", ""), "comment": rating.get("comment", "")}


def _spoken_row(conversation: JsonObject, message: JsonObject) -> JsonObject:
    parts = message.get("message_parts", [])
    return {
        "message_id": message["id"],
        "conversation_id": message["conversation_id"],
        "conversation_url": conversation.get("url", ""),
        "created_time": message["created_time"],
        "created_at": message["created_time"],
        "actor_type": message.get("actor_type", ""),
        "actor_id": message.get("actor_id", ""),
        "message_type": message.get("message_type", ""),
        "message_source": message.get("message_source", ""),
        "message_parts": json.dumps(parts, ensure_ascii=False),
        "message": text_of(parts),
        "channel_id": message.get("channel_id", ""),
        "customer_id": message.get("user_id", ""),
    }


def window_of(start: str, end: str) -> tuple[int, int] | None:
    """A window in epoch milliseconds, or None when it is none."""
    low, high = parse_iso(start), parse_iso(end)
    if low is None or high is None or high < low:
        return None
    return round(low * 1000), round(high * 1000)
