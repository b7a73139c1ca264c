"""The Freshdesk side of a data set, as the played API asks for it."""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from sandbox.dataset.contacts import AGENTS, Contacts
from sandbox.dataset.dictionaries import agent, dictionary
from sandbox.dataset.files import Files
from sandbox.dataset.plan import BEGIN_MS, Plan
from sandbox.dataset.replies import Replies
from sandbox.dataset.tickets import Tickets
from sandbox.freshdesk.data import ContactView, TicketView
from sandbox.lazy import Lazy
from sandbox.s3 import Content
from sandbox.wire import JsonObject, seconds_iso

#: A time entry was made for every fifth ticket of the list, a rating came for every seventh.
TIMED_EVERY, RATED_EVERY = 5, 7
_Make = Callable[[int], JsonObject]


class Desk:
    """`DeskData` by arithmetic."""

    def __init__(self, plan: Plan, tickets: Tickets, replies: Replies, contacts: Contacts, files: Files) -> None:
        self._plan = plan
        self._tickets = tickets
        self._replies = replies
        self._contacts = contacts
        self._files = files

    @property
    def now(self) -> float:
        return self._plan.end_ms / 1000

    def tickets(self, view: TicketView) -> Sequence[JsonObject]:
        return self._tickets.rows(view)

    def ticket(self, ticket_id: int, archived: bool, include: frozenset[str]) -> JsonObject | None:
        number = self._readable(ticket_id, archived)
        return None if number is None else self._tickets.whole(number, include)

    def touch(self, ticket_id: int) -> None:
        number = self._plan.ticket_by_id(ticket_id)
        if number is not None:
            self._tickets.touched.touch(number, int(time.time()))

    def conversations(self, ticket_id: int, archived: bool) -> Sequence[JsonObject] | None:
        number = self._readable(ticket_id, archived)
        return None if number is None else self._replies.of(number)

    def time_entries(self, ticket_id: int | None, since: float | None) -> Sequence[JsonObject] | None:
        return self._beside(TIMED_EVERY, self._time_entry, ticket_id, since)

    def ratings(self, ticket_id: int | None, since: float | None) -> Sequence[JsonObject] | None:
        return self._beside(RATED_EVERY, self._rating, ticket_id, since)

    def contacts(self, view: ContactView) -> Sequence[JsonObject]:
        numbers = self._contacts.listed(view)
        return Lazy(len(numbers), lambda i: self._contacts.row(numbers[i]))

    def contact(self, contact_id: int) -> JsonObject | None:
        number = self._contacts.number(contact_id)
        return None if number is None else self._contacts.whole(number)

    def companies(self, since: float | None) -> Sequence[JsonObject]:
        begin = 0 if since is None else max(0, int(since) - BEGIN_MS // 1000)
        return Lazy(max(0, self._contacts.companies - begin), lambda i: self._contacts.company(begin + i))

    def agents(self) -> Sequence[JsonObject]:
        return Lazy(AGENTS, lambda i: agent(self._contacts.agent_id(i), i))

    def dictionary(self, name: str) -> Sequence[JsonObject]:
        return dictionary(name)

    def inline_image(self, token: str) -> Content | None:
        return self._files.content(token) if token.startswith("i-") else None

    def _readable(self, ticket_id: int, archived: bool) -> int | None:
        """Every second deleted ticket cannot be read alone; archived ones only as such."""
        number = self._plan.ticket_by_id(ticket_id)
        if number is None or (self._plan.kind(number) == "archived") != archived:
            return None
        return number if readable(self._plan, number) else None

    def _beside(
        self, every: int, make: _Make, ticket_id: int | None, since: float | None
    ) -> Sequence[JsonObject] | None:
        rows = self._tickets.lists["live"]
        if ticket_id is not None:
            number = self._readable(ticket_id, archived=False)
            if number is None:
                return None
            counts = rows.has(number) and rows.rank(number) % every == 0
            return [make(number)] if counts else []
        first = 0 if since is None else bisect_left(rows, since, key=self._plan.created_s)
        first = -(-first // every)
        return Lazy(max(0, -(-len(rows) // every) - first), lambda i: make(rows[(first + i) * every]))

    def _time_entry(self, ticket: int) -> JsonObject:
        done = seconds_iso(self._plan.created_s(ticket))
        return {
            "id": 7_000_000_000 + ticket,
            "ticket_id": self._plan.ticket_id(ticket),
            "agent_id": self._contacts.agent_id(0),
            "time_spent": "00:30",
            "billable": False,
            "note": "전화 통화",
            "timer_running": False,
            "executed_at": done,
            "created_at": done,
            "updated_at": done,
        }

    def _rating(self, ticket: int) -> JsonObject:
        given = seconds_iso(self._plan.created_s(ticket))
        return {
            "id": 8_000_000_000 + ticket,
            "ticket_id": self._plan.ticket_id(ticket),
            "survey_id": 1,
            "user_id": self._contacts.id(self._tickets.requester(ticket)),
            "agent_id": None,
            "feedback": "좋아요 👍",
            "ratings": {"default_question": 103},
            "created_at": given,
            "updated_at": given,
        }


def readable(plan: Plan, ticket: int) -> bool:
    """Whether a ticket can be read alone: not one that is gone, nor every second deleted one."""
    kind = plan.kind(ticket)
    return kind != "gone" and not (kind == "deleted" and ticket % 2)
