"""Freshchat's objects: what we send, and how what comes back is read. Data in, data out."""

from __future__ import annotations

import re
from typing import Any, Literal

from adapters.freshchat.rest import COMPONENT, unclear
from bridge.errors import Rejected
from bridge.moments import epoch
from bridge.ports import Person, Sent


def new_user(person: Person) -> dict[str, Any]:
    """Build a user; first and last name are shown joined, so that the name reads as it was given."""
    first, _, last = " ".join(person.name.split()).partition(" ")
    user = {"reference_id": person.reference_id, "first_name": first, "last_name": last, "email": person.mail}
    body: dict[str, Any] = {name: value for name, value in user.items() if value}
    if person.properties:
        body["properties"] = [{"name": name, "value": value} for name, value in person.properties.items()]
    return body


def changed_user(user: dict[str, Any], person: Person) -> dict[str, Any]:
    """Build what a user lacks of a person; empty if nothing.

    Sending `properties` may replace the list (reference, section 4.1), so the others of the user are sent with ours.
    """
    wanted = new_user(person)
    properties = wanted.pop("properties", [])
    if "last_name" not in wanted and user.get("last_name"):
        wanted["last_name"] = ""  # a name of one word now
    changed = {name: value for name, value in wanted.items() if user.get(name) != value}
    kept = {row["name"]: row for row in rows_of(user, "properties") if isinstance(row.get("name"), str)}
    if any(kept.get(one["name"], {}).get("value") != one["value"] for one in properties):
        changed["properties"] = [*(kept | {one["name"]: one for one in properties}).values()]
    return changed


def new_message(text: str, actor_type: str, actor_id: str | None) -> dict[str, Any]:
    """Build a message of one text part."""
    message = {"message_parts": [{"text": {"content": text}}], "message_type": "normal", "actor_type": actor_type}
    return message | ({"actor_id": actor_id} if actor_id else {})


def rows_of(answer: Any, name: str) -> list[dict[str, Any]]:
    """Read a list of objects; an empty one if there is none."""
    rows = answer.get(name) if isinstance(answer, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def id_of(answer: dict[str, Any], name: str) -> str:
    """Read the id of what was made; Unavailable (`maybe_done`) if the answer names none."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise unclear()
    return value


def sent_of(message: dict[str, Any], conversation_id: str) -> Sent:
    """Read the message that was made; one can fail inside a 2xx."""
    if str(message.get("status") or "").lower() == "failed" or message.get("error_message"):
        raise Rejected("2xx, but the message failed", code="freshchat_failed", component=COMPONENT)
    return Sent(id=id_of(message, "id"), conversation_id=conversation_id)


def as_webhook(message: dict[str, Any], conversation_id: str) -> dict[str, Any]:
    """Give a listed message the form of its webhook: the message is the same, only the envelope is missing."""
    return {
        "actor": {"actor_type": message.get("actor_type"), "actor_id": message.get("actor_id")},
        "action": "message_create",
        "action_time": message.get("created_time"),
        "data": {"message": {**message, "conversation_id": conversation_id}},
    }


def values_of(field: dict[str, Any]) -> frozenset[str] | None:
    """Read which values a conversation field takes; None is any text, and none at all a type that is no text."""
    choices = frozenset(row["value"] for row in rows_of(field, "choices") if isinstance(row.get("value"), str))
    kind = str(field.get("type") or "text").lower()
    return choices if choices or not ("text" in kind or "paragraph" in kind) else None


def status_of(conversation: dict[str, Any]) -> Literal["open", "resolved"] | None:
    """Read a conversation's state; any but `resolved` is open, also those that we do not know."""
    status = conversation.get("status")
    if not isinstance(status, str) or not status:
        return None
    return "resolved" if status.lower() == "resolved" else "open"


def address_of(conversation: Any) -> str | None:
    """Read where agents see a conversation; a person may press it, so it is https or nothing."""
    url = conversation.get("url") if isinstance(conversation, dict) else None
    return url if isinstance(url, str) and re.fullmatch(r"https://[!-~]{1,1000}", url) else None


def is_from(message: dict[str, Any], user_id: str) -> bool:
    """Tell whether a user wrote a message."""
    return message.get("actor_type") == "user" and message.get("actor_id") == user_id


def text_of(message: dict[str, Any]) -> str:
    """Read the text parts of a message."""
    texts = (part.get("text") for part in rows_of(message, "message_parts"))
    return "\n".join(str(text.get("content") or "") for text in texts if isinstance(text, dict))


def says(message: dict[str, Any], text: str) -> bool:
    """Tell whether a message has this text, whatever Freshchat made of its line ends."""
    return _normal(text_of(message)) == _normal(text)


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def time_of(message: dict[str, Any]) -> float | None:
    """Tell when a message was written (epoch seconds)."""
    return epoch(message.get("created_time"))


def full_name(agent: dict[str, Any]) -> str | None:
    """Join an agent's names."""
    parts = (agent.get("first_name"), agent.get("last_name"))
    return " ".join(" ".join(part.split()) for part in parts if isinstance(part, str) and part.strip()) or None
