"""What a complete export of a data set must contain."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from sandbox.dataset import Dataset
from sandbox.dataset.conversations import Conversations
from sandbox.dataset.desk import RATED_EVERY, TIMED_EVERY, readable
from sandbox.dataset.messages import LINKED_FILES
from sandbox.freshdesk.data import ContactView
from sandbox.wire import JsonObject

_PASSES = (
    ContactView(),
    ContactView(state="blocked"),
    ContactView(state="deleted"),
    ContactView(contact_type="visitor"),
)


class Truth:
    """Counts and ids by the sources that an export uses; computed when asked, in time proportional to the data."""

    SOURCES: ClassVar[frozenset[str]] = frozenset({"users", "report", "bridge", "list"})

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._plan = data.plan
        self._ids: dict[str, Callable[[frozenset[str]], Iterable[object]]] = {
            "conversations": lambda sources: map(self._id, self._known(sources)),
            "readable": lambda sources: map(self._id, self._readable(sources)),
            "messages": lambda sources: ([self._id(c), self._plan.messages(c)] for c in self._readable(sources)),
            "gone": lambda sources: map(self._id, filter(self._chats.gone, self._known(sources))),
            "bridge": lambda _: map(self._id, filter(self._chats.in_bridge, self._everything())),
            "unlinked": lambda sources: (self._id(c) for c in self._readable(sources) if not self._linked(c)),
            "links": self._links,
            "users": lambda _: (data.users.id(user) for user in dict.fromkeys(self._plan.listed_users)),
            "tickets": lambda _: self._ticket_ids(("live", "gone", "deleted", "spam", "archived")),
            "live": lambda _: self._ticket_ids(("live", "gone")),
            "deleted": lambda _: self._ticket_ids(("deleted",)),
            "spam": lambda _: self._ticket_ids(("spam",)),
            "archived": lambda _: self._ticket_ids(("archived",)),
            "unreadable": lambda _: (
                self._plan.ticket_id(t) for t in range(self._plan.shape.tickets) if not readable(self._plan, t)
            ),
            "replies": lambda _: ([self._plan.ticket_id(t), data.replies.count(t)] for t in self._readable_tickets()),
            "contacts": lambda _: map(data.contacts.id, self._contacts()),
        }

    @property
    def _chats(self) -> Conversations:
        return self._data.conversations

    def ids(self, what: str, sources: frozenset[str] = SOURCES) -> Iterable[object] | None:
        """The ids of one kind, or None for an unknown kind."""
        make = self._ids.get(what)
        return make(sources) if make else None

    def kinds(self) -> tuple[str, ...]:
        """What there are ids of."""
        return tuple(self._ids)

    def counts(self, sources: frozenset[str] = SOURCES) -> JsonObject:
        """All counts; `conversations` includes those that are gone, which an export can only list."""
        data, plan = self._data, self._plan
        readable_chats = list(self._readable(sources))
        links = [link["confidence"] for link in self._links(sources)]
        return {
            "shape": vars(plan.shape),
            "sources": sorted(sources),
            "conversations": sum(1 for _ in self._known(sources)),
            "readable": len(readable_chats),
            "messages": sum(map(plan.messages, readable_chats)),
            "users": len(dict.fromkeys(plan.listed_users)),
            "linked": {"explicit": links.count("explicit"), "probable": links.count("probable")},
            "onlyIn": self._only_in(),
            "freshchatFiles": self._chat_files(readable_chats),
            "tickets": self._ticket_counts(),
            "ticketConversations": sum(map(data.replies.count, self._readable_tickets())),
            "freshdeskFiles": self._desk_files(),
            "timeEntries": -(-len(data.tickets.lists["live"]) // TIMED_EVERY),
            "ratings": -(-len(data.tickets.lists["live"]) // RATED_EVERY),
            "contacts": sum(1 for _ in self._contacts()),
            "companies": data.contacts.companies,
        }

    # --- Freshchat

    def _everything(self) -> range:
        return range(self._plan.conversations)

    def _id(self, conversation: int) -> str:
        return self._chats.id(conversation)

    def _ways(self, conversation: int) -> frozenset[str]:
        """The sources that name a conversation."""
        chats = self._chats
        found = {
            "users": chats.in_users(conversation),
            "report": chats.in_reports(conversation),
            "bridge": chats.in_bridge(conversation),
            "list": chats.listed.has(conversation),
        }
        return frozenset(source for source, names in found.items() if names)

    def _known(self, sources: frozenset[str]) -> Iterator[int]:
        return (c for c in self._everything() if self._ways(c) & sources)

    def _readable(self, sources: frozenset[str]) -> Iterator[int]:
        return (c for c in self._known(sources) if not self._chats.gone(c))

    def _only_in(self) -> JsonObject:
        ways = (self._ways(c) for c in self._everything())
        return dict(Counter(next(iter(way)) for way in ways if len(way) == 1))

    def _linked(self, conversation: int) -> bool:
        return self._data.links.of_conversation(conversation) is not None

    def _links(self, sources: frozenset[str]) -> Iterator[JsonObject]:
        """The pairs whose conversation and ticket can both be read."""
        for conversation in self._readable(sources):
            link = self._data.links.of_conversation(conversation)
            if link is not None:
                yield {
                    "conversation_id": self._id(conversation),
                    "ticket_id": self._plan.ticket_id(link.ticket),
                    "confidence": link.confidence,
                    "where": link.where,
                }

    def _chat_files(self, conversations: Iterable[int]) -> JsonObject:
        """Files with a link, those of them that are missing behind it, and those without a link."""
        messages = self._data.messages
        kinds = [
            (kind, conversation, message)
            for conversation in conversations
            for message in range(self._plan.messages(conversation))
            if (kind := messages.shown_kind(conversation, message)) in (*LINKED_FILES, "file without url")
        ]
        keys = [messages.file_key(c, m) for kind, c, m in kinds if kind in LINKED_FILES]
        return self._files(keys) | {"withoutUrl": len(kinds) - len(keys)}

    # --- Freshdesk

    def _ticket_ids(self, kinds: tuple[str, ...]) -> Iterator[int]:
        return map(self._plan.ticket_id, self._plan.tickets_that(*kinds))

    def _ticket_counts(self) -> JsonObject:
        plan = self._plan
        lists = {kind: len(rows) for kind, rows in self._data.tickets.lists.items()}
        highest = plan.ticket_id(plan.shape.tickets - 1) if plan.shape.tickets else 0
        unreadable = plan.shape.tickets - sum(1 for _ in self._readable_tickets())
        return lists | {
            "total": plan.shape.tickets,
            "unreadable": unreadable,
            "highestId": highest,
            "absent": highest - plan.shape.tickets,
        }

    def _readable_tickets(self) -> Iterator[int]:
        return (t for t in range(self._plan.shape.tickets) if readable(self._plan, t))

    def _desk_files(self) -> JsonObject:
        """Attachments of tickets, replies and contacts; inline pictures by where they are."""
        data = self._data
        keys, inline = [], Counter[str]()
        for ticket in self._readable_tickets():
            keys += data.tickets.files(ticket)
            for reply in range(data.replies.count(ticket)):
                keys += data.replies.files(ticket, reply)
                inline.update(filter(None, [data.replies.inline(ticket, reply)]))
        avatars = [key for contact in self._contacts() if (key := data.contacts.avatar(contact))]
        return self._files(keys) | {"inline": dict(inline), "avatars": self._files(avatars)}

    def _files(self, keys: Iterable[str]) -> JsonObject:
        facts = [self._data.files.facts(key) for key in keys]
        return {"linked": len(facts), "missing": sum(fact.missing for fact in facts)}

    def _contacts(self) -> Iterator[int]:
        return (contact for view in _PASSES for contact in self._data.contacts.listed(view))
