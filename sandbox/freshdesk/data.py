"""What an export can read of Freshdesk, whoever keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.s3 import Content
from sandbox.wire import JsonObject


@dataclass(frozen=True, slots=True)
class TicketView:
    """Which tickets a list shows; times are epoch seconds, included."""

    #: live, deleted or spam.
    kind: str = "live"
    updated_since: float | None = None
    created_since: float | None = None
    requester_id: int | None = None
    company_id: int | None = None
    #: created_at, due_by, updated_at or status.
    order_by: str = "created_at"
    descending: bool = True
    #: stats, requester, description, company.
    include: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContactView:
    """Which contacts a list shows; without a state, those that are neither blocked nor deleted."""

    state: str | None = None
    contact_type: str | None = None
    company_id: int | None = None
    updated_since: float | None = None


class DeskData(Protocol):
    """All of it; an unknown id is None."""

    @property
    def now(self) -> float:
        """The data's present, from which `the last 30 days` counts; epoch seconds."""

    def tickets(self, view: TicketView) -> Sequence[JsonObject]:
        """The rows of a list."""

    def ticket(self, ticket_id: int, archived: bool, include: frozenset[str]) -> JsonObject | None:
        """One ticket; archived ones are found only as such."""

    def touch(self, ticket_id: int) -> None:
        """Somebody changes a ticket now."""

    def conversations(self, ticket_id: int, archived: bool) -> Sequence[JsonObject] | None:
        """What was said in it, oldest first."""

    def time_entries(self, ticket_id: int | None, since: float | None) -> Sequence[JsonObject] | None:
        """Of one ticket, or of all since a time."""

    def ratings(self, ticket_id: int | None, since: float | None) -> Sequence[JsonObject] | None:
        """Of one ticket, or of all since a time."""

    def contacts(self, view: ContactView) -> Sequence[JsonObject]:
        """The rows of a list."""

    def contact(self, contact_id: int) -> JsonObject | None:
        """One contact with everything that the list leaves out."""

    def companies(self, since: float | None) -> Sequence[JsonObject]:
        """All, or those changed since a time."""

    def agents(self) -> Sequence[JsonObject]:
        """All agents; the first is the key's owner."""

    def dictionary(self, name: str) -> Sequence[JsonObject]:
        """Groups, roles, products, ticket_fields and so on, by their path."""

    def inline_image(self, token: str) -> Content | None:
        """A picture that only the account's own host serves."""
