"""The people and companies of a data set's Freshdesk."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from sandbox.dataset.files import Files
from sandbox.dataset.plan import BEGIN_MS, Plan
from sandbox.dataset.users import Users
from sandbox.dataset.words import PEOPLE
from sandbox.exact import exact
from sandbox.freshdesk.data import ContactView
from sandbox.lazy import Every, Lazy
from sandbox.wire import JsonObject, seconds_iso

_FIRST_CONTACT = 43_000_000_001
_FIRST_COMPANY, _PER_COMPANY = 51_000_000_001, 10
_FIRST_AGENT = 42_000_000_001
AGENTS = 5
_PERIOD = 20
_STATES = {4: "blocked", 9: "deleted", 11: "visitor", 13: "unverified", 16: "visitor"}


class Contacts:
    """Contacts by number: one for each Freshchat user, and at the end the agent who has left."""

    def __init__(self, plan: Plan, users: Users, files: Files) -> None:
        self._plan = plan
        self._users = users
        self._files = files
        self.count = plan.users + 1
        self.companies = (self.count - 1) // _PER_COMPANY + 1

    def id(self, contact: int) -> int:
        """The id of a contact; the agent who has left kept theirs."""
        return _FIRST_AGENT + AGENTS if contact == self.count - 1 else _FIRST_CONTACT + contact

    def number(self, contact_id: int) -> int | None:
        """The contact with an id."""
        number = self.count - 1 if contact_id == _FIRST_AGENT + AGENTS else contact_id - _FIRST_CONTACT
        return number if 0 <= number < self.count and self.id(number) == contact_id else None

    def agent_id(self, agent: int) -> int:
        """The id of an agent."""
        return _FIRST_AGENT + agent

    def author_id(self, number: int) -> int:
        """Who wrote for the company: an agent, now and then one who has left, or one whom nobody knows."""
        return {7: _FIRST_AGENT + AGENTS, 11: _FIRST_AGENT + AGENTS + 1}.get(
            number % 13, self.agent_id(number % AGENTS)
        )

    def company_of(self, contact: int) -> int | None:
        """The company of a contact, if any."""
        return None if contact % 11 == 10 else _FIRST_COMPANY + contact // _PER_COMPANY

    def state(self, contact: int) -> str:
        """verified, unverified, blocked, deleted, or visitor."""
        return _STATES.get(contact % _PERIOD, "verified")

    def chosen(self, contact_id: int | None, company_id: int | None) -> Iterable[int]:
        """The contacts with this id and of this company."""
        if contact_id is None:
            first = ((company_id or 0) - _FIRST_COMPANY) * _PER_COMPANY
            around = range(max(0, first), min(self.count, max(0, first + _PER_COMPANY)))
            return (contact for contact in around if self.company_of(contact) == company_id)
        number = self.number(contact_id)
        known = number is not None and (company_id is None or self.company_of(number) == company_id)
        return [number] if number is not None and known else []

    def listed(self, view: ContactView) -> Sequence[int]:
        """The contacts of a list, latest first, so that the order is not that of time."""
        if view.company_id is not None:
            everyone: Sequence[int] = [c for c in self.chosen(None, view.company_id) if self._shown(c, view)]
        else:
            slots = [slot for slot in range(_PERIOD) if self._shown(slot, view)]
            everyone = Every(_PERIOD, slots, self.count)
        begin = 0
        if view.updated_since is not None:
            begin = bisect_left(everyone, view.updated_since, key=self.updated_s)
        return Lazy(len(everyone) - begin, lambda i: everyone[len(everyone) - 1 - i])

    def updated_s(self, contact: int) -> int:
        """When a contact was changed last; the order of numbers is the order of time."""
        return self._plan.joined_ms(min(contact, self._plan.users - 1)) // 1000 + 7200

    def row(self, contact: int) -> JsonObject:
        """A contact as a list shows it."""
        state, changed = self.state(contact), seconds_iso(self.updated_s(contact))
        first, last = PEOPLE[contact % len(PEOPLE)]
        return {
            "id": self.id(contact),
            "name": f"{last}{first}" if contact % 2 else f"{first} {last}",
            "email": self._users.email(contact),
            "active": state == "verified",
            "contact_type": "visitor" if state == "visitor" else "contact",
            "phone": None,
            "mobile": None,
            "company_id": self.company_of(contact),
            "other_companies": [_FIRST_COMPANY] if contact % 8 == 0 else [],
            "job_title": None,
            "language": "ko",
            "time_zone": "Seoul",
            "custom_fields": {"cf_score": exact("10.00")},
            "created_at": changed,
            "updated_at": changed,
        }

    def whole(self, contact: int) -> JsonObject:
        """A contact as it is shown alone."""
        companies = [{"company_id": _FIRST_COMPANY, "view_all_tickets": True}] if contact % 8 == 0 else []
        more: JsonObject = {
            "avatar": self._avatar(contact),
            "tags": [],
            "other_emails": [],
            "other_companies": companies,
            "unique_external_id": None,
            "social_handler": None,
            "deleted": self.state(contact) == "deleted",
        }
        return self.row(contact) | more

    def brief(self, contact: int) -> JsonObject:
        """The requester of a ticket."""
        row = self.row(contact)
        return {name: row[name] for name in ("id", "name", "email", "mobile", "phone")}

    def company(self, number: int) -> JsonObject:
        """A company; its dates carry an offset."""
        began = seconds_iso(BEGIN_MS // 1000 + number).replace("Z", "+00:00")
        return {
            "id": _FIRST_COMPANY + number,
            "name": "주식회사 펜 " + "&" * (number % 3) + f" #{number}",
            "description": None,
            "note": None,
            "domains": [f"c{number}.example"],
            "custom_fields": {},
            "health_score": None,
            "renewal_date": None,
            "created_at": began,
            "updated_at": began,
        }

    def avatar(self, contact: int) -> str | None:
        """The key of the picture of a contact."""
        return None if contact % 6 else f"a-{contact}"

    def _avatar(self, contact: int) -> JsonObject | None:
        key, changed = self.avatar(contact), seconds_iso(self.updated_s(contact))
        if key is None:
            return None
        described = self._files.attachment(key, 4_700_000_000 + contact, changed)
        return {"avatar_url" if name == "attachment_url" else name: value for name, value in described.items()}

    def _shown(self, contact: int, view: ContactView) -> bool:
        state = _STATES.get(contact % _PERIOD, "verified")
        if view.contact_type == "visitor":
            return state == "visitor"
        if view.contact_type == "contact" and state == "visitor":
            return False
        return state == view.state if view.state else state in ("verified", "unverified")
