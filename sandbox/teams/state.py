"""What was said in Teams: threads of messages, in the order in which they arrived."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import Ids
from sandbox.stream import Stream
from sandbox.teams.html import plain
from sandbox.wire import JsonObject, iso
from sandbox.world import Person, World

MESSAGES_PER_THREAD = 10_000
THREADS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote: a person, the bot, or the Graph service account."""

    name: str
    kind: str
    person: Person | None = None


@dataclass(slots=True)
class Message:
    """One message; `html` is what Teams shows."""

    id: str
    author: Author
    html: str
    via: str
    at: float
    reply_to: str | None = None
    attachments: list[JsonObject] = field(default_factory=list)
    mentions: list[JsonObject] = field(default_factory=list)
    hosted: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    subject: str | None = None
    #: What a person typed, without mentions and markup.
    typed: str = ""
    #: Who reacted, by kind of reaction.
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: float | None = None
    deleted: float | None = None

    @property
    def cards(self) -> list[Any]:
        """The adaptive cards in it."""
        wanted = "application/vnd.microsoft.card."
        return [a.get("content") for a in self.attachments if str(a.get("contentType", "")).startswith(wanted)]

    def render(self) -> JsonObject:
        """The message as teams/state shows it."""
        cards = self.cards
        user = self.author.person.key if self.author.person else None
        shown: JsonObject = {
            "id": self.id,
            "from": {"name": self.author.name, "kind": self.author.kind, "user": user},
            "html": self.html,
            "text": plain(self.html),
            "at": iso(self.at),
            "via": self.via,
            "card": bool(cards),
        }
        if cards:
            shown["cards"] = cards
        if len(self.attachments) > len(cards):
            shown["attachments"] = [_file(a) for a in self.attachments if a.get("content") not in cards]
        if self.hosted:
            shown["hosted"] = {name: _bytes(*content) for name, content in self.hosted.items()}
        for name in ("mentions", "reactions", "typed"):
            if value := getattr(self, name):
                shown[name] = value
        if self.edited or self.deleted:
            shown |= {"edited": bool(self.edited), "deleted": bool(self.deleted)}
        return shown


def _file(attachment: JsonObject) -> JsonObject:
    return {name: attachment.get(name) for name in ("name", "contentType", "contentUrl")}


def _bytes(content_type: str, data: bytes) -> JsonObject:
    return {"contentType": content_type, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class Thread:
    """A channel thread, a group chat or a personal chat."""

    def __init__(self, scope: str, place_id: str, root: str | None, names: JsonObject) -> None:
        self.scope = scope
        self.place_id = place_id
        self.root = root
        self.messages: deque[Message] = deque(maxlen=MESSAGES_PER_THREAD)
        self._names = names

    @property
    def conversation_id(self) -> str:
        """The id in activities; a channel thread carries its root."""
        return f"{self.place_id};messageid={self.root}" if self.root else self.place_id

    def find(self, message_id: str) -> Message | None:
        """A message by id, newest first because those are asked for."""
        return next((message for message in reversed(self.messages) if message.id == message_id), None)

    def render(self) -> JsonObject:
        """The thread as teams/state shows it."""
        return {
            "scope": self.scope,
            **self._names,
            "thread": self.root,
            "conversation_id": self.conversation_id,
            "messages": [message.render() for message in self.messages],
        }


class TeamsState:
    """All threads, and where the bot is installed."""

    def __init__(self, world: World, ids: Ids, stream: Stream) -> None:
        self._world = world
        self._ids = ids
        self._stream = stream
        self._threads: dict[str, Thread] = {}
        self._channels = {channel.id: channel for channel in world.channels}
        self._group_chats = {chat.id: chat for chat in world.group_chats}
        self._personal = {person.personal_chat: person for person in world.everyone()}
        self.removed_from: set[str] = set()

    def scope_of(self, place_id: str) -> str | None:
        """channel, groupChat or personal; None for a place that does not exist."""
        if place_id in self._channels:
            return "channel"
        if place_id in self._group_chats:
            return "groupChat"
        return "personal" if place_id in self._personal else None

    def person_in(self, chat_id: str) -> Person | None:
        """The other side of a personal chat."""
        return self._personal.get(chat_id)

    def installed(self, place_id: str) -> bool:
        """Whether the bot is a member there; a team is one installation."""
        place = self._world.team.thread_id if place_id in self._channels else place_id
        return place not in self.removed_from

    def set_installed(self, place_id: str, present: bool) -> None:
        place = self._world.team.thread_id if place_id in self._channels else place_id
        (self.removed_from.discard if present else self.removed_from.add)(place)

    def thread(self, conversation_id: str) -> Thread | None:
        """An existing thread; a chat exists as soon as its people do."""
        found = self._threads.get(conversation_id)
        if found is None and self.scope_of(conversation_id) in ("groupChat", "personal"):
            return self.open(conversation_id)
        return found

    def open(self, place_id: str, root: str | None = None) -> Thread:
        """The thread with this root, made when it is new."""
        scope = self.scope_of(place_id) or "channel"
        thread = Thread(scope, place_id, root if scope == "channel" else None, self._names(scope, place_id))
        known = self._threads.setdefault(thread.conversation_id, thread)
        if known is thread and len(self._threads) > THREADS_KEPT:
            self._threads.pop(next(iter(self._threads)))
        return known

    def add(self, thread: Thread, author: Author, html: str, via: str, **rest: Any) -> Message:
        """A new message at the end of a thread; a root message gives its id to the thread."""
        message_id = rest.pop("message_id", None) or self._ids.message_id()
        message = Message(message_id, author, html, via, time.time(), **rest)
        if thread.root and thread.root != message.id:
            message.reply_to = thread.root
        thread.messages.append(message)
        self.touched(thread)
        return message

    def start_thread(self, channel_id: str, author: Author, html: str, via: str, **rest: Any) -> tuple[Thread, Message]:
        """A new root message in a channel."""
        root = rest.pop("message_id", None) or self._ids.message_id()
        thread = self.open(channel_id, root)
        return thread, self.add(thread, author, html, via, message_id=root, **rest)

    def touched(self, thread: Thread) -> None:
        """Tell the page that a thread changed."""
        self._stream.changed("teams", thread)

    def roots(self, channel_id: str) -> Iterator[Thread]:
        """The threads of a channel, newest root first."""
        threads: Iterable[Thread] = reversed(self._threads.values())
        return (thread for thread in threads if thread.place_id == channel_id and thread.messages)

    def bot(self) -> Author:
        return Author(self._world.bot_name, "bot")

    def author(self, person: Person) -> Author:
        return Author(person.name, "service" if person is self._world.service_account else "user", person)

    def render(self) -> JsonObject:
        """GET /_sandbox/teams/state."""
        return {"threads": [thread.render() for thread in self._threads.values() if thread.messages]}

    def clear(self) -> None:
        """Forget what was said; people, places and the installation are back to the seed."""
        self._threads.clear()
        self.removed_from.clear()

    def _names(self, scope: str, place_id: str) -> JsonObject:
        if scope == "channel":
            channel = self._channels[place_id]
            return {"channel": channel.key, "channel_id": channel.id, "chat": None}
        person = self._personal.get(place_id)
        return {"channel": None, "chat": place_id, "user": person.key if person else None}
