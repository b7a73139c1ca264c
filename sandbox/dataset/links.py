"""Which conversation of a data set became which ticket, and where that can be seen."""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.dataset.plan import Plan

#: Where the link shows, by ticket: on the conversation, on the ticket, or only by person and time.
_WHERE = (
    "ticket_id",
    "properties.cf_freshdesk_ticket_id",
    "meta.ticket_id",
    "custom_fields.cf_freshchat_conversation_id",
    "description",
    "note",
    "probable",
)


@dataclass(frozen=True, slots=True)
class Link:
    """One pair, by number."""

    conversation: int
    ticket: int
    where: str

    @property
    def confidence(self) -> str:
        return "probable" if self.where == "probable" else "explicit"


class Links:
    """The pairs of a data set."""

    def __init__(self, plan: Plan, linked: bool) -> None:
        self._plan = plan
        self._linked = linked

    def of_ticket(self, ticket: int) -> Link | None:
        """The link of a ticket, if it came from a chat."""
        conversation = self._plan.moment_of(ticket)
        return self._link(conversation, ticket) if self._plan.ticket_of(conversation) == ticket else None

    def of_conversation(self, conversation: int) -> Link | None:
        """The link of a conversation, if it became a ticket."""
        ticket = self._plan.ticket_of(conversation)
        return None if ticket is None else self._link(conversation, ticket)

    def all(self) -> Iterator[Link]:
        """Every pair."""
        links = (self.of_ticket(ticket) for ticket in range(self._plan.shape.tickets))
        return (link for link in links if link is not None)

    def _link(self, conversation: int, ticket: int) -> Link | None:
        plan = self._plan
        if (
            not self._linked
            or ticket % 3 == 2
            or conversation >= plan.conversations
            or plan.kind(ticket) not in ("live", "archived")
        ):
            return None
        if plan.mark(conversation) in ("gone", "empty", "bare"):
            return None
        where = _WHERE[ticket // 3 % len(_WHERE)]
        role = plan.role(plan.user_of(conversation))
        return (
            None
            if where == "probable" and role in ("nameless", "deleted", "merged")
            else Link(conversation, ticket, where)
        )
