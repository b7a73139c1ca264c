"""One Freshchat account as our helpdesk: users, conversations, messages, and reading back what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from adapters.freshchat.rest import COMPONENT, FreshchatRest, epoch, iso, unclear
from adapters.http import HostRule
from adapters.pace import Once, Pace
from bridge.errors import Forbidden, Rejected, Unavailable
from bridge.ports import ConversationClosed, NewConversation, Person, Sent

OVERLAP = 60.0
"""Seconds read back before the moment in question: `from_time` may exclude, and clocks differ."""
NAME_SECONDS, NO_NAME_SECONDS = 1800.0, 60.0
MAX_NAMES = 2000
LOOKUP_TIMEOUT = 5.0
AT_ONCE = 8
"""Conversations read at the same time when looking for one that may have been opened."""


class FreshchatHelpdesk:
    """Implements `bridge.ports.Helpdesk`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: Callable[[], Awaitable[str]],
        hosts: HostRule,
        *,
        clock: Callable[[], float],
        timeout: float = 20.0,
        pace: Pace | None = None,
    ) -> None:
        """`url` is the account's host, with or without scheme and `/v2`. Misconfigured if `hosts` does not allow it."""
        self._rest = FreshchatRest(session, url, api_key, hosts, clock=clock, timeout=timeout, pace=pace)
        self._clock = clock
        self._names: dict[str, tuple[float, str | None]] = {}
        self._naming: Once[str | None] = Once()
        self._users: Once[str] = Once()

    # --- users

    async def ensure_user(self, person: Person) -> str:
        """Find the user by `reference_id` or create it; return its id. Safe to repeat and to do in parallel."""
        return await self._users.get(person.reference_id, lambda: self._ensure_user(person))

    async def _ensure_user(self, person: Person) -> str:
        found = await self._find_user(person.reference_id)
        if found is not None:
            return found
        try:
            return _id(await self._rest.post("users", _new_user(person)), "id")
        except Rejected as refused:
            if refused.code != "freshchat_409":  # somebody else created it meanwhile
                raise
        found = await self._find_user(person.reference_id)
        if found is None:
            raise Unavailable("409, but the user is not there yet", code="freshchat_409", component=COMPONENT)
        return found

    async def _find_user(self, reference_id: str) -> str | None:
        """Look a user up; the filter can return rows that do not match, seen on live accounts."""
        answer = await self._rest.get("users", {"reference_id": reference_id, "items_per_page": "50"})
        for user in _rows(answer, "users"):
            if user.get("reference_id") == reference_id and isinstance(user.get("id"), str):
                return str(user["id"])
        return None

    # --- sending

    async def open_conversation(self, new: NewConversation) -> Sent:
        """Create a conversation with its first message, as the user."""
        body: dict[str, Any] = {
            "channel_id": new.inbox_id,
            "users": [{"id": new.user_id}],
            "messages": [_message(new.text, "user", new.user_id)],
            "status": "new",
            "properties": dict(new.properties),  # an object here, though an array of pairs for users
        }
        if new.group_id:
            body["assigned_group_id"] = new.group_id
        answer = await self._rest.post("conversations", body)
        conversation_id = _id(answer, "conversation_id")
        messages = _rows(answer, "messages")
        if not messages:
            raise unclear()
        return _sent(messages[0], conversation_id)

    async def post_message(self, conversation_id: str, user_id: str, text: str) -> Sent:
        """Append a message as the user. Raises ConversationClosed when a new conversation is needed.

        Also where the conversation is gone (404): its thread must not collect dead letters for ever.
        """
        body = {**_message(text, "user", user_id), "user_id": user_id}
        try:
            return _sent(await self._rest.post(_messages(conversation_id), body), conversation_id)
        except Rejected as refused:
            if refused.code != "freshchat_404":
                raise
            raise ConversationClosed("404, the conversation is gone") from None

    async def post_note(self, conversation_id: str, text: str) -> Sent:
        """Append a private note that only agents see, as the account's bot (which has no actor id)."""
        body = {**_message(text, "bot", None), "message_type": "private"}
        try:
            return _sent(await self._rest.post(_messages(conversation_id), body), conversation_id)
        except ConversationClosed:
            raise Rejected("400, the conversation takes no notes", code="freshchat_400", component=COMPONENT) from None

    # --- reading back

    async def find_message(self, conversation_id: str, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: the user's messages with exactly this text since then, oldest first."""
        wanted = _normal(text)
        return [
            Sent(id=message["id"], conversation_id=conversation_id)
            for message in await self._messages_since(conversation_id, since)
            if _is_from(message, user_id) and _normal(_text(message)) == wanted
        ]

    async def find_conversation(self, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: conversations of the user opened since then whose first message has this text."""
        rows = _rows(await self._rest.get(f"users/{quote(user_id, safe='')}/conversations"), "conversations")
        ids = list(dict.fromkeys(str(row["id"]) for row in rows if isinstance(row.get("id"), str)))
        found: list[tuple[float, Sent]] = []
        for start in range(0, len(ids), AT_ONCE):
            batch = (self._opened(conversation, user_id, text, since) for conversation in ids[start : start + AT_ONCE])
            for one in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(one, BaseException):
                    raise one
                if one is not None:
                    found.append(one)
        return [sent for _, sent in sorted(found, key=lambda pair: pair[0])]

    async def _opened(self, conversation_id: str, user_id: str, text: str, since: float) -> tuple[float, Sent] | None:
        """Tell the first message of a conversation, if it was opened since then with this text."""
        try:
            conversation = await self._rest.get(f"conversations/{quote(conversation_id, safe='')}")
        except Rejected:
            return None  # listed, but not readable: deleted, or of a kind that the API does not show
        created = epoch(conversation.get("created_time")) if isinstance(conversation, dict) else None
        if created is not None and created < since - OVERLAP:
            return None
        said = [m for m in await self._messages_since(conversation_id, since) if m.get("actor_type") == "user"]
        if not said or not _is_from(said[0], user_id) or _normal(_text(said[0])) != _normal(text):
            return None
        return created or since, Sent(id=said[0]["id"], conversation_id=conversation_id)

    async def _messages_since(self, conversation_id: str, since: float) -> list[dict[str, Any]]:
        """Read messages since then, oldest first and each once: the list comes newest first and shifts."""
        start = since - OVERLAP
        found: dict[str, dict[str, Any]] = {}
        async for page in self._rest.pages(_messages(conversation_id), {"from_time": iso(start)}):
            rows = [row for row in _rows(page, "messages") if isinstance(row.get("id"), str)]
            new = [row for row in rows if row["id"] not in found]
            found.update((row["id"], row) for row in new)
            if not new or (_time(rows[-1]) or start) < start:
                break
        fresh = (m for m in found.values() if (_time(m) or start) >= start)
        return sorted(fresh, key=lambda m: (_time(m) or start, m["id"]))

    # --- the rest

    async def agent_name(self, agent_id: str) -> str | None:
        """Tell an agent's display name (cached); None if it cannot be had. Never raises."""
        known = self._names.get(agent_id)
        if known is not None and known[0] > self._clock():
            return known[1]
        return await self._naming.get(agent_id, lambda: self._look_up(agent_id)) if agent_id else None

    async def _look_up(self, agent_id: str) -> str | None:
        try:
            agent = await self._rest.get(f"agents/{quote(agent_id, safe='')}", timeout=LOOKUP_TIMEOUT)
            name = _full_name(agent) if isinstance(agent, dict) else None
        except Exception:  # a name is never worth a failed delivery; the next look-up is a minute away
            name = None
        self._names.pop(agent_id, None)
        while len(self._names) >= MAX_NAMES:
            del self._names[next(iter(self._names))]
        self._names[agent_id] = (self._clock() + (NAME_SECONDS if name else NO_NAME_SECONDS), name)
        return name

    async def ping(self) -> None:
        """Raise if the account cannot be used now: unreachable, token refused, or a host that is not the API."""
        answer = await self._rest.get("accounts/configuration", timeout=LOOKUP_TIMEOUT)
        if not isinstance(answer, dict):
            raise Forbidden(
                "no account configuration: is it the wrong host?", code="freshchat_wrong_host", component=COMPONENT
            )


# --- shapes ---------------------------------------------------------------------------------------------------------


def _new_user(person: Person) -> dict[str, Any]:
    """Build a user; first and last name are shown joined, so that the name reads as it was given."""
    first, _, last = " ".join(person.name.split()).partition(" ")
    user = {"reference_id": person.reference_id, "first_name": first, "last_name": last, "email": person.mail}
    body: dict[str, Any] = {name: value for name, value in user.items() if value}
    if person.properties:
        body["properties"] = [{"name": name, "value": value} for name, value in person.properties.items()]
    return body


def _message(text: str, actor_type: str, actor_id: str | None) -> dict[str, Any]:
    message = {"message_parts": [{"text": {"content": text}}], "message_type": "normal", "actor_type": actor_type}
    return message | ({"actor_id": actor_id} if actor_id else {})


def _messages(conversation_id: str) -> str:
    return f"conversations/{quote(conversation_id, safe='')}/messages"


def _rows(answer: Any, name: str) -> list[dict[str, Any]]:
    rows = answer.get(name) if isinstance(answer, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _id(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise unclear()
    return value


def _sent(message: dict[str, Any], conversation_id: str) -> Sent:
    """Read the message that was made; one can fail inside a 2xx."""
    if str(message.get("status") or "").lower() == "failed" or message.get("error_message"):
        raise Rejected("2xx, but the message failed", code="freshchat_failed", component=COMPONENT)
    return Sent(id=_id(message, "id"), conversation_id=conversation_id)


def _is_from(message: dict[str, Any], user_id: str) -> bool:
    return message.get("actor_type") == "user" and message.get("actor_id") == user_id


def _text(message: dict[str, Any]) -> str:
    texts = (part.get("text") for part in _rows(message, "message_parts"))
    return "\n".join(str(text.get("content") or "") for text in texts if isinstance(text, dict))


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _time(message: dict[str, Any]) -> float | None:
    return epoch(message.get("created_time"))


def _full_name(agent: dict[str, Any]) -> str | None:
    parts = (agent.get("first_name"), agent.get("last_name"))
    return " ".join(" ".join(part.split()) for part in parts if isinstance(part, str) and part.strip()) or None
