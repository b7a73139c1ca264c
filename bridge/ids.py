"""Every composed key, made and taken apart here and nowhere else.

A key is readable text, so that a log line or a database row says what it is about. Parts are percent-encoded
where they contain a separator, so `parse(make(x)) == x` for any text (a property test holds this).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Scope = Literal["channel", "groupChat", "personal"]
Action = Literal["create", "edit", "delete", "reaction", "card-submit", "install"]

NONE = "-"
"""Stands for a part that the platform did not send."""

_SAFE = ":@;=,+!()'*$ "
_PLAIN = re.compile(r"[A-Za-z0-9_.~:@;=,+!()'*$ -]+")


def _part(text: str | None) -> str:
    if not text:
        return NONE
    if text == NONE:
        return "%2D"
    return text if _PLAIN.fullmatch(text) else quote(text, safe=_SAFE)  # quote would take 5 µs for nothing


def _last_part(text: str | None) -> str:
    """Encode a part that a colon follows."""
    return _part(text).replace(":", "%3A")


def _unpart(text: str) -> str | None:
    return None if text == NONE else unquote(text)


class TeamsKey(NamedTuple):
    """What one Teams activity is: `teams:<team>/<channel>/<thread>/<messageId>:<action>[.<version>]`."""

    team: str | None
    channel: str | None
    thread: str | None
    message: str
    action: str
    version: str | None = None


def teams_key(key: TeamsKey) -> str:
    """Make the idempotency key of a Teams activity. `channel` is the chat id outside of teams."""
    version = f".{quote(key.version, safe='')}" if key.version else ""
    parts = "/".join(_part(p) for p in (key.team, key.channel, key.thread))
    return f"teams:{parts}/{_last_part(key.message)}:{key.action}{version}"


def parse_teams_key(text: str) -> TeamsKey:
    """Take a Teams key apart; ValueError if it is not one."""
    match = re.fullmatch(r"teams:([^/]+)/([^/]+)/([^/]+)/([^/:]+):([a-z-]+)(?:\.(.+))?", text)
    if match is None:
        raise ValueError("not a Teams key")
    team, channel, thread, message, action, version = match.groups()
    return TeamsKey(
        _unpart(team),
        _unpart(channel),
        _unpart(thread),
        _unpart(message) or "",
        action,
        unquote(version) if version else None,
    )


class FreshchatKey(NamedTuple):
    """What one webhook is: a message (`:create`) or another event of a conversation (`:<action>:<time>`)."""

    conversation: str
    item: str
    action: str
    time: str | None = None


def freshchat_key(key: FreshchatKey) -> str:
    """Make the idempotency key of a Freshchat webhook; `item` is the message id, else the interaction id."""
    time = f":{quote(key.time, safe='')}" if key.time else ""
    return f"freshchat:{_part(key.conversation)}/{_last_part(key.item)}:{key.action}{time}"


def parse_freshchat_key(text: str) -> FreshchatKey:
    """Take a Freshchat key apart; ValueError if it is not one."""
    match = re.fullmatch(r"freshchat:([^/]+)/([^/:]+):([a-z_-]+)(?::(.+))?", text)
    if match is None:
        raise ValueError("not a Freshchat key")
    conversation, item, action, time = match.groups()
    return FreshchatKey(_unpart(conversation) or "", _unpart(item) or "", action, unquote(time) if time else None)


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """Where a question was asked, and so the only place its answers may go.

    `ids` is (channel id, root message id) in a channel, (chat id,) in a group chat, (AAD object id,) in a
    personal chat. The team is not part of it: channel ids are unique, and edits arrive without their team
    (docs/decisions.md).
    """

    tenant: str
    scope: Scope
    ids: tuple[str, ...]


def thread_key(key: ThreadKey) -> str:
    """Make the text form, `<tenant>/<scope>/<id>[/<id>]`: ordering key to Freshchat, and claim of a thread."""
    return "/".join((_part(key.tenant), key.scope, *(_part(i) for i in key.ids)))


def parse_thread_key(text: str) -> ThreadKey:
    """Take a thread key apart; ValueError if it is not one."""
    tenant, scope, *rest = text.split("/")
    wanted = {"channel": 2, "groupChat": 1, "personal": 1}.get(scope)
    if wanted is None or len(rest) != wanted:
        raise ValueError("not a thread key")
    return ThreadKey(_unpart(tenant) or "", scope, tuple(_unpart(i) or "" for i in rest))  # type: ignore[arg-type]


def conversation_key(tenant: str, conversation: str) -> str:
    """Make the ordering key to Teams: one Freshchat conversation of one tenant."""
    return f"{_part(tenant)}/conversation/{_part(conversation)}"


def dedupe_id(tenant: str, idempotency_key: str) -> str:
    """Make the queue's message id. The tenant is part of it, so no tenant can shadow another one's message."""
    return f"{_part(tenant)}|{idempotency_key}"


def parse_dedupe_id(text: str) -> tuple[str, str]:
    """Take a queue's message id apart into (tenant, idempotency key)."""
    tenant, _, key = text.partition("|")
    return _unpart(tenant) or "", key


_NOTICE, _LAST_NOTICE, _FILES_NOTICE = "notice:", "notice.last:", "notice.files:"


def notice_key(idempotency_key: str, *, last: bool = False) -> str:
    """Make the key of the notice that a message did not arrive: each message has one, whoever makes it.

    And a `last` one, if the first said that the message is still tried.
    """
    return f"{_LAST_NOTICE if last else _NOTICE}{idempotency_key}"


def files_notice_key(idempotency_key: str) -> str:
    """Make the key of the notice that files of a message were kept out."""
    return f"{_FILES_NOTICE}{idempotency_key}"


def saying_key(idempotency_key: str, purpose: str) -> str:
    """Make the key of what the bridge itself says about a message, for a purpose (a word)."""
    return f"saying.{purpose}:{idempotency_key}"


def about(key: str) -> str:
    """Tell which message a key is about: its own, or the one that a notice or a saying is about."""
    key = re.sub(r"^saying\.[a-z]+:", "", key)
    return key.removeprefix(_NOTICE).removeprefix(_LAST_NOTICE).removeprefix(_FILES_NOTICE)


def step_key(idempotency_key: str, step: str) -> str:
    """Make the journal key of one outside call of one delivery, such as `…#conversation` or `…#part.1`."""
    return f"{idempotency_key}#{step}"


def parse_step_key(text: str) -> tuple[str, str]:
    """Take a journal key apart into (idempotency key, step)."""
    key, _, step = text.rpartition("#")
    return key, step


def aad_hash(aad_object_id: str) -> str:
    """Hash an Entra object id as the canonical event carries it (SHA-256, hex; GUIDs compare case-blind)."""
    return hashlib.sha256(aad_object_id.strip().lower().encode()).hexdigest()


def card_id(tenant: str, idempotency_key: str) -> str:
    """Make the opaque id of the card that shows what a message offers; the same at every try."""
    return hashlib.sha256(dedupe_id(tenant, idempotency_key).encode()).hexdigest()[:32]


def reference_id(user_hash: str) -> str:
    """Make Freshchat's `reference_id` of a Teams user."""
    return f"teams:{user_hash}"


def is_reference(reference_id: object) -> bool:
    """Tell whether a Freshchat user's `reference_id` is one of ours."""
    return isinstance(reference_id, str) and re.fullmatch(r"teams:[0-9a-f]{64}", reference_id) is not None


_SUFFIX = ";messageid="


def split_conversation(conversation_id: str) -> tuple[str, str | None]:
    """Split a Teams conversation id into (channel or chat id, root message id if it names one)."""
    base, _, root = conversation_id.partition(_SUFFIX)
    return base, root or None


def join_conversation(channel_id: str, root_id: str) -> str:
    """Make the conversation id of a channel thread; any suffix already there is replaced. Ids are digits only."""
    if not (root_id.isascii() and root_id.isdigit()) or not root_id.strip("0"):
        raise ValueError("a Teams root message id is a non-zero number")
    return f"{split_conversation(channel_id)[0]}{_SUFFIX}{root_id}"


def new_trace_id() -> str:
    """Draw a W3C trace id (32 hex digits): one per accepted request, carried to the last hop.

    It begins with 16 bits of the time (a step is 64 s, so they come again after 48 days): an index of trace ids, or of
    `reference`s, grows at one end. Who samples by trace id looks at its other end, as W3C says.
    """
    return f"{int(time.time()) >> 6 & 0xFFFF:04x}{secrets.token_hex(14)}"


def reference(trace: str) -> str:
    """Shorten a trace id to what a person can read out, such as `7F3A-09BC`."""
    return f"{trace[:4]}-{trace[4:8]}".upper()


def parse_reference(text: str) -> str:
    """Read a reference as people write it, or a trace id, as the digits that the trace id begins with.

    ValueError if it is neither.
    """
    digits = text.strip().replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{8,32}", digits):
        raise ValueError("not a reference")
    return digits


def for_log(session: str) -> str:
    """Give an ordering key as a log may show it: that of a personal chat holds a person's Entra id, so it is hashed."""
    try:
        key = parse_thread_key(session)
    except ValueError:
        return session
    if key.scope != "personal":
        return session
    return thread_key(ThreadKey(key.tenant, key.scope, (aad_hash(key.ids[0])[:12],)))


def sent_key(container: str, message_id: str) -> str:
    """Name a message that exists on a platform: its conversation (Freshchat) or channel/chat (Teams), and its id."""
    return f"{_part(container)}/{_part(message_id)}"


def parse_sent_key(text: str) -> tuple[str, str]:
    """Take a sent key apart into (container, message id); ValueError if it is not one."""
    container, slash, message = text.partition("/")
    if not slash or not message:
        raise ValueError("not a sent key")
    return _unpart(container) or "", _unpart(message) or ""
