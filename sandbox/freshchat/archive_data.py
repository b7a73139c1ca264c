"""What an export can read of Freshchat, whoever keeps it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from sandbox.wire import JsonObject


class Spoken(NamedTuple):
    """A message in its conversation."""

    conversation: JsonObject
    message: JsonObject


class Extracts(Protocol):
    """What the reports are made of; windows are epoch milliseconds, both ends included."""

    def created(self, start_ms: int, end_ms: int) -> Iterator[JsonObject]:
        """The conversations that were created in a window, oldest first."""

    def spoken(self, start_ms: int, end_ms: int) -> Iterator[Spoken]:
        """The messages that were written in a window, by conversation."""

    def rated(self, start_ms: int, end_ms: int) -> Iterator[tuple[JsonObject, JsonObject]]:
        """Conversations of a window with their satisfaction rating."""


class ChatList(Extracts, Protocol):
    """What a list of conversations is made of besides."""

    def conversations(self) -> Sequence[JsonObject]:
        """Every conversation that a list would show, oldest first."""


class ChatData(ChatList, Protocol):
    """All of it; an unknown id is None."""

    def users(self, low: str | None, high: str | None, updated: bool) -> Sequence[JsonObject]:
        """The users created, or updated, from `low` to `high` (ISO 8601, included), oldest first."""

    def user(self, user_id: str) -> JsonObject | None:
        """One user."""

    def conversations_of(self, user_id: str) -> list[str] | None:
        """The ids of a user's conversations."""

    def conversation(self, conversation_id: str) -> JsonObject | None:
        """One conversation."""

    def messages(self, conversation_id: str) -> Sequence[JsonObject] | None:
        """Its messages, newest first."""
