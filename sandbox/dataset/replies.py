"""What was said in a data set's tickets."""

from collections.abc import Callable, Sequence
from html import escape

from sandbox.dataset.contacts import Contacts
from sandbox.dataset.files import Files
from sandbox.dataset.plan import Plan
from sandbox.dataset.tickets import Tickets
from sandbox.dataset.words import TEXTS
from sandbox.lazy import Lazy
from sandbox.wire import JsonObject, seconds_iso

#: Past the ten of an include, the thirty of a page by default, and a hundred.
_REPLIES = (0, 1, 2, 3, 1, 12, 2, 35, 1, 4, 0, 103, 1)
_SOURCES = (0, 2, 0, 8, 0, 5, 42)
_REPLIES_MOST = 1000
_INLINE = ("signed", "own host", "data", "missing")
_DATA = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


class Replies:
    """The conversations of tickets, by the number of the ticket and their own, oldest first."""

    def __init__(
        self, plan: Plan, tickets: Tickets, contacts: Contacts, files: Files, origin: Callable[[], str]
    ) -> None:
        self._plan = plan
        self._tickets = tickets
        self._contacts = contacts
        self._files = files
        self._origin = origin

    def count(self, ticket: int) -> int:
        """How many there are."""
        return _REPLIES[ticket % len(_REPLIES)]

    def of(self, ticket: int) -> Sequence[JsonObject]:
        """All of a ticket."""
        return Lazy(self.count(ticket), lambda reply: self.reply(ticket, reply))

    def files(self, ticket: int, reply: int) -> list[str]:
        """The keys of the files attached to one."""
        return [f"r-{ticket}-{reply}-{n}" for n in range((ticket + reply) % 3 if reply % 4 == 0 else 0)]

    def inline(self, ticket: int, reply: int) -> str | None:
        """What kind of picture is in the text of one."""
        return _INLINE[(ticket + reply) % len(_INLINE)] if reply % 5 == 1 else None

    def reply(self, ticket: int, reply: int) -> JsonObject:
        """One of them as the API shows it."""
        number = ticket * _REPLIES_MOST + reply
        said = seconds_iso(self._plan.created_s(ticket) + 60 * reply)
        incoming = reply % 2 == 0
        text = TEXTS[number % len(TEXTS)]
        files = enumerate(self.files(ticket, reply))
        return {
            "id": 5_000_000_000 + number,
            "ticket_id": self._plan.ticket_id(ticket),
            "user_id": self._contacts.id(self._tickets.requester(ticket))
            if incoming
            else self._contacts.author_id(number),
            "incoming": incoming,
            "private": reply % 7 == 3,
            "source": _SOURCES[number % len(_SOURCES)],
            "category": 0,
            "body": f"<div>{escape(text)}{self._image(ticket, reply)}</div>",
            "body_text": text,
            "structured_body": {"body_contents": [{"type": "text", "data": {"content": text}}]},
            "from_email": None,
            "to_emails": [],
            "attachments": [self._files.attachment(key, 6_000_000_000 + number * 4 + n, said) for n, key in files],
            "cloud_files": [{"id": number, "name": "공유.xlsx", "url": "https://drive.example/x"}]
            if number % 9 == 0
            else [],
            "last_edited_at": None,
            "created_at": said,
            "updated_at": said,
        }

    def _image(self, ticket: int, reply: int) -> str:
        kind = self.inline(ticket, reply)
        if kind is None:
            return ""
        source = _DATA if kind == "data" else escape(self._source(kind, f"i-{ticket}-{reply}"))
        return f'<img alt="그림" src="{source}" data-attachment="[object Object]">'

    def _source(self, kind: str, key: str) -> str:
        if kind == "own host":
            return f"{self._origin()}/inline/attachment?token={key}"
        facts = self._files.facts(key)
        return self._files.url(facts) if kind == "signed" else f"{self._origin()}/nowhere/{key}.png"
