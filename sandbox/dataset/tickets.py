"""The tickets of a data set: lists in every order, and how a ticket looks."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from sandbox.dataset.contacts import Contacts
from sandbox.dataset.files import Files
from sandbox.dataset.links import Links
from sandbox.dataset.plan import Plan
from sandbox.dataset.touched import Touched
from sandbox.dataset.words import TEXTS
from sandbox.exact import exact
from sandbox.freshdesk.data import TicketView
from sandbox.lazy import Every, Lazy
from sandbox.wire import JsonObject, seconds_iso

_LISTS = {"live": ("live", "gone"), "deleted": ("deleted",), "spam": ("spam",), "archived": ("archived",)}
_STATUSES = (2, 3, 4, 5, 5, 7, 999)
_SOURCES = (1, 2, 3, 9, 10, 13, 77)
_CHAT_SOURCES = (7, 15, 21)
_DAY = 24 * 3600


class Tickets:
    """Tickets by number."""

    def __init__(
        self, plan: Plan, links: Links, contacts: Contacts, files: Files, chat_id: Callable[[int], str]
    ) -> None:
        self._plan = plan
        self._links = links
        self._contacts = contacts
        self._files = files
        self._chat_id = chat_id
        self.touched = Touched()
        self.lists = {kind: plan.tickets_that(*kinds) for kind, kinds in _LISTS.items()}

    def rows(self, view: TicketView) -> Sequence[JsonObject]:
        """The rows of a list."""
        numbers = self._numbers(view)
        return Lazy(len(numbers), lambda i: self.row(numbers[i], view.include))

    def row(self, ticket: int, include: frozenset[str] = frozenset()) -> JsonObject:
        """A ticket as a list shows it."""
        plan, created = self._plan, seconds_iso(self._plan.created_s(ticket))
        kind, link = plan.kind(ticket), self._links.of_ticket(ticket)
        record: JsonObject = {
            "id": plan.ticket_id(ticket),
            "subject": TEXTS[ticket % len(TEXTS)],
            "status": _STATUSES[ticket % len(_STATUSES)],
            "priority": 1 + ticket % 4,
            "source": _CHAT_SOURCES[ticket % 3] if link else _SOURCES[ticket % len(_SOURCES)],
            "type": None if ticket % 2 else "문의",
            "requester_id": self._contacts.id(self.requester(ticket)),
            "responder_id": self._contacts.agent_id(ticket % 5) if ticket % 4 else None,
            "group_id": None,
            "company_id": self._contacts.company_of(self.requester(ticket)),
            "product_id": None,
            "to_emails": None,
            "cc_emails": ["김 <kim@fenn.example>"] if ticket % 6 == 0 else [],
            "fwd_emails": [],
            "reply_cc_emails": [],
            "tags": ["급함", "a,b"] if ticket % 5 == 0 else [],
            "spam": kind == "spam",
            "is_escalated": False,
            "fr_escalated": False,
            "created_at": created,
            "updated_at": seconds_iso(self.updated_s(ticket)),
            "due_by": seconds_iso(plan.created_s(ticket) + 3 * _DAY),
            "fr_due_by": None,
            "custom_fields": {"cf_category": None, "cf_점수": exact("3.50"), "cf_legacy": 2**70 + ticket},
        }
        if kind in ("deleted", "archived"):
            record[kind] = True
        if link and link.where.startswith("custom_fields"):
            record["custom_fields"]["cf_freshchat_conversation_id"] = self._chat_id(link.conversation)
        return record | self._included(ticket, include)

    def whole(self, ticket: int, include: frozenset[str] = frozenset()) -> JsonObject:
        """A ticket as it is shown alone."""
        created = seconds_iso(self._plan.created_s(ticket))
        attachments = [
            self._files.attachment(key, 4_000_000_000 + ticket * 10 + n, created)
            for n, key in enumerate(self.files(ticket))
        ]
        described = frozenset({"description"}) | include
        return self.row(ticket, described) | {"attachments": attachments, "association_type": None}

    def files(self, ticket: int) -> list[str]:
        """The keys of the files attached to it."""
        return [f"t-{ticket}-{n}" for n in range(ticket % 4 if ticket % 3 == 0 else 0)]

    def requester(self, ticket: int) -> int:
        """The contact who asked: the user who chatted at that time."""
        return self._plan.user_of(self._plan.moment_of(ticket))

    def updated_s(self, ticket: int) -> int:
        """When a ticket was changed last; whole blocks of them share a second."""
        touched = self.touched.when(ticket)
        return self._planned_s(ticket) if touched is None else touched

    def _planned_s(self, ticket: int) -> int:
        """The same before anybody touched it, which is what the order of a list begins with."""
        rows = self.lists[self._list_of(ticket)]
        block = self._plan.block_of(rows.rank(ticket), len(rows))
        return self._plan.created_s(rows[block[-1]]) + 3600

    def _list_of(self, ticket: int) -> str:
        kind = self._plan.kind(ticket)
        return "live" if kind == "gone" else kind

    def _numbers(self, view: TicketView) -> Sequence[int]:
        rows = self.lists[view.kind]
        begin = self._begin(rows, view)
        if view.requester_id is not None or view.company_id is not None or view.order_by == "status":
            return self._sorted(view, [t for t in self._asked_by(view, rows) if rows.rank(t) >= begin])
        numbers = self._in_order(rows, begin, view.order_by == "updated_at")
        if view.order_by == "updated_at" and view.updated_since is not None:
            numbers = self._moved(numbers, rows, begin, view.updated_since)
        return Lazy(len(numbers), lambda i: numbers[len(numbers) - 1 - i]) if view.descending else numbers

    def _in_order(self, rows: Every, begin: int, changed: bool) -> Sequence[int]:
        """The tickets from a rank on, by creation or by change.

        A shuffle stays within its block, so places before the first whole block are sorted out by rank.
        """
        count = len(rows)
        if not changed:
            return Lazy(count - begin, lambda i: rows[begin + i])
        block = self._plan.block_of(begin, count) if begin < count else range(begin, begin)
        head = [p for p in (self._plan.shuffled(place, count) for place in block) if p >= begin]
        rest = max(0, count - (block.stop if block else count))

        def rank(i: int) -> int:
            return head[i] if i < len(head) else self._plan.shuffled(block.stop + i - len(head), count)

        return Lazy(len(head) + rest, lambda i: rows[rank(i)])

    def _moved(self, numbers: Sequence[int], rows: Every, begin: int, since: float) -> Sequence[int]:
        def place_of(ticket: int) -> int | None:
            return self._plan.shuffled(rows.rank(ticket), len(rows)) - begin if rows.has(ticket) else None

        return self.touched.moved(numbers, place_of, since)

    def _begin(self, rows: Every, view: TicketView) -> int:
        """The first rank that both times let through; blocks are in order of change, so the rest follows."""
        changed = 0 if view.updated_since is None else bisect_left(rows, view.updated_since, key=self._planned_s)
        created = 0 if view.created_since is None else bisect_left(rows, view.created_since, key=self._plan.created_s)
        return max(changed, created)

    def _asked_by(self, view: TicketView, rows: Every) -> Iterator[int]:
        if view.requester_id is None and view.company_id is None:
            return iter(rows)
        contacts = self._contacts.chosen(view.requester_id, view.company_id)
        during = (self._plan.tickets_during(self._plan.moments_of(contact)) for contact in contacts)
        return (ticket for ticket in chain.from_iterable(during) if rows.has(ticket))

    def _sorted(self, view: TicketView, numbers: list[int]) -> list[int]:
        keys: dict[str, Callable[[int], int]] = {
            "updated_at": self.updated_s,
            "status": lambda ticket: _STATUSES[ticket % len(_STATUSES)],
        }
        key = keys.get(view.order_by, self._plan.created_s)
        return sorted(numbers, key=key, reverse=view.descending)

    def _included(self, ticket: int, include: frozenset[str]) -> JsonObject:
        more: JsonObject = {}
        if "description" in include:
            text = self._description(ticket)
            more |= {"description": f"<div>{text}</div>", "description_text": text}
            more["structured_description"] = {"description_contents": [{"type": "text", "data": {"content": text}}]}
        if "requester" in include:
            more["requester"] = self._contacts.brief(self.requester(ticket))
        if "company" in include:
            more["company"] = {"id": self._contacts.company_of(self.requester(ticket)), "name": "회사"}
        if "stats" in include:
            more["stats"] = {"closed_at": None, "resolved_at": None, "first_responded_at": None, "pending_since": None}
        return more

    def _description(self, ticket: int) -> str:
        link = self._links.of_ticket(ticket)
        if link and link.where == "description":
            number = 1_000_000_000_000_000 + link.conversation
            return f"Chat: https://desk.example/inbox/open/0/conversation/{number}"
        return TEXTS[(ticket + 3) % len(TEXTS)]
