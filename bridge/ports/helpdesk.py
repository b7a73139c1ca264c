"""Freshchat, as the core needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bridge.ports.portraits import Portrait


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks, for the agent's eyes. `reference_id` is stable; the rest may be unknown (None)."""

    reference_id: str
    name: str
    mail: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that exists on the other platform."""

    id: str
    conversation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """What a conversation is opened with."""

    inbox_id: str
    user_id: str
    text: str
    properties: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message as its webhook would have brought it: `body` has the webhook's form; `at` is when it was written."""

    body: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """A conversation as the helpdesk has it now. `said` is oldest first.

    `status` is None if the helpdesk does not tell it; `changed_at` is when it last changed, if that is known.
    """

    said: Sequence[Said]
    status: Literal["open", "resolved"] | None
    changed_at: float | None = None


class Helpdesk(Protocol):
    """One tenant's Freshchat account.

    Calls raise Throttled, Unavailable (with `maybe_done` when the call may have had its effect), Forbidden (401),
    Rejected (the request is refused for good).
    """

    async def ensure_user(self, person: Person) -> str:
        """Find the user by `reference_id` or create it; return its id. Safe to repeat."""

    async def update_user(self, user_id: str, person: Person) -> bool:
        """Write what differs from what the user has; tell whether anything did. What is unknown (None) stays."""

    async def set_portrait(self, user_id: str, portrait: Portrait) -> None:
        """Show the picture for the user from now on. Safe to repeat."""

    async def open_conversation(self, new: NewConversation) -> Sent:
        """Create a conversation with its first message, as the user."""

    async def within_business_hours(self, group_id: str | None) -> bool | None:
        """Tell whether somebody should be there now (known for a minute); None if it cannot be told. Never raises."""

    async def conversation_fields(self) -> Mapping[str, frozenset[str] | None] | None:
        """Tell the properties that a conversation may have, each with the only values it takes (None: any text).

        None if it cannot be told. Never raises.
        """

    async def post_message(self, conversation_id: str, user_id: str, text: str) -> Sent:
        """Append a message as the user. Raises ConversationClosed when a new conversation is needed."""

    async def post_note(self, conversation_id: str, text: str) -> Sent:
        """Append a private note that only agents see."""

    async def resolve(self, conversation_id: str) -> None:
        """End a conversation; one that is gone or has ended is no error. Safe to repeat."""

    async def rate(self, conversation_id: str, stars: int, comment: str) -> None:
        """Store how satisfied the user is, 1 to 5. Cannot be read back."""

    async def find_message(self, conversation_id: str, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: the user's messages with exactly this text since then, oldest first."""

    async def find_note(self, conversation_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: private notes with exactly this text since then, oldest first."""

    async def find_conversation(self, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: conversations of the user opened since then whose first message has this text."""

    async def text_of(self, conversation_id: str, message_id: str, since: float) -> str | None:
        """Read a message that was written since then; None if it is not there."""

    async def read_back(self, conversation_id: str, since: float) -> ReadBack:
        """Read what was said in a conversation since then, by whomever, and whether it is resolved.

        Raises Rejected if there is no such conversation (any more).
        """

    async def is_from_teams(self, conversation_id: str) -> bool:
        """Tell whether a conversation's user is one that `ensure_user` made; True where that cannot be told."""

    async def address_of(self, conversation_id: str) -> str | None:
        """Tell where agents read a conversation (https); None if it is not told."""

    async def agent_name(self, agent_id: str) -> str | None:
        """Tell an agent's display name (cached); None if it cannot be had. Never raises."""

    async def ping(self) -> None:
        """Raise if the account cannot be used now."""


class ConversationClosed(Exception):
    """Freshchat refuses more messages here ("not the latest conversation"): open a new one."""
