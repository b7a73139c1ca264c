"""Freshdesk's tickets: the list with its wall, single ones, archived ones, and what hangs on them."""

from collections.abc import Sequence

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshdesk.data import DeskData, TicketView
from sandbox.freshdesk.errors import invalid, not_found
from sandbox.freshdesk.paging import LAST_TICKET_PAGE, known_only, listed, moment, whole
from sandbox.wire import JsonObject, answer

_RECENT = 30 * 24 * 3600
_FILTERS = {None: "live", "deleted": "deleted", "spam": "spam"}
_ORDERS = ("created_at", "due_by", "updated_at", "status")
_ON_LIST = frozenset({"stats", "requester", "description", "company"})
_ALONE = frozenset({"stats", "requester", "company", "conversations"})
#: More conversations than these are not included with a ticket.
INCLUDED_CONVERSATIONS = 10
_LIST_PARAMETERS = ("filter", "updated_since", "order_by", "order_type", "include", "requester_id", "company_id")


class TicketApi:
    """The calls below /api/v2/tickets, and the two account-wide lists beside them."""

    def __init__(self, data: DeskData, settings: ArchiveSettings) -> None:
        self._data = data
        self._settings = settings
        self._lists = 0

    def routes(self) -> list[web.RouteDef]:
        base = "/api/v2/tickets"
        return [
            web.get(f"{base}/archived/{{ticket:\\d+}}", self.get_archived),
            web.get(f"{base}/archived/{{ticket:\\d+}}/conversations", self.archived_conversations),
            web.get(f"{base}/{{ticket:\\d+}}", self.get),
            web.get(f"{base}/{{ticket:\\d+}}/conversations", self.conversations),
            web.get(f"{base}/{{ticket:\\d+}}/time_entries", self.time_entries),
            web.get(f"{base}/{{ticket:\\d+}}/satisfaction_ratings", self.ratings),
            web.get("/api/v2/time_entries", self.all_time_entries),
            web.get("/api/v2/surveys/satisfaction_ratings", self.all_ratings),
        ]

    def list_route(self) -> web.RouteDef:
        """The list, which has a price and a limit of its own."""
        return web.get("/api/v2/tickets", self.list_page)

    @staticmethod
    def list_cost(request: web.Request) -> int:
        """Three credits for a list with one include: two for each of them."""
        return 1 + 2 * len(_names(request))

    @staticmethod
    def single_cost(request: web.Request) -> int:
        """A credit more for each include."""
        return 1 + len(_names(request))

    async def list_page(self, request: web.Request) -> web.Response:
        """At most 300 pages; without `updated_since` only tickets created in the last 30 days."""
        known_only(request, *_LIST_PARAMETERS)
        view = self._view(request)
        self._disturb(view)
        return listed(request, self._data.tickets(view), LAST_TICKET_PAGE)

    async def get(self, request: web.Request) -> web.Response:
        include = _included(request, _ALONE)
        ticket = self._data.ticket(_id(request), False, include)
        if ticket is None:
            not_found()
        if "conversations" in include:
            said = self._data.conversations(_id(request), False) or ()
            ticket = {**ticket, "conversations": list(said[:INCLUDED_CONVERSATIONS])}
        return answer(ticket)

    async def get_archived(self, request: web.Request) -> web.Response:
        ticket = self._data.ticket(_id(request), True, frozenset())
        return not_found() if ticket is None else answer(ticket)

    async def conversations(self, request: web.Request) -> web.Response:
        return _page(request, self._data.conversations(_id(request), False))

    async def archived_conversations(self, request: web.Request) -> web.Response:
        return _page(request, self._data.conversations(_id(request), True))

    async def time_entries(self, request: web.Request) -> web.Response:
        return _page(request, self._data.time_entries(_id(request), None))

    async def ratings(self, request: web.Request) -> web.Response:
        return _page(request, self._data.ratings(_id(request), None))

    async def all_time_entries(self, request: web.Request) -> web.Response:
        return _page(request, self._data.time_entries(None, moment(request, "executed_after")))

    async def all_ratings(self, request: web.Request) -> web.Response:
        """Without a time only those of the last 30 days; the documentation does not say."""
        since = moment(request, "created_since")
        return _page(request, self._data.ratings(None, self._data.now - _RECENT if since is None else since))

    def _disturb(self, view: TicketView) -> None:
        """Now and then somebody changes the first ticket of the list that is being read."""
        self._lists += 1
        every = self._settings.touch_every
        first = self._data.tickets(view)[:1] if every and self._lists % every == 0 else []
        for ticket in first:
            self._data.touch(ticket["id"])

    def _view(self, request: web.Request) -> TicketView:
        query = request.query
        if query.get("filter") not in _FILTERS:
            invalid("filter", f"It should be one of these values: '{','.join(filter(None, _FILTERS))}'")
        order = query.get("order_by", "created_at")
        if order not in _ORDERS:
            invalid("order_by", f"It should be one of these values: '{','.join(_ORDERS)}'")
        if query.get("order_type", "desc") not in ("asc", "desc"):
            invalid("order_type", "It should be one of these values: 'asc,desc'")
        since = moment(request, "updated_since")
        return TicketView(
            kind=_FILTERS[query.get("filter")],
            updated_since=since,
            created_since=self._data.now - _RECENT if since is None else None,
            requester_id=whole(request, "requester_id", 0) or None,
            company_id=whole(request, "company_id", 0) or None,
            order_by=order,
            descending=query.get("order_type", "desc") == "desc",
            include=_included(request, _ON_LIST),
        )


def _page(request: web.Request, rows: Sequence[JsonObject] | None) -> web.Response:
    return not_found() if rows is None else listed(request, rows)


def _id(request: web.Request) -> int:
    return int(request.match_info["ticket"])


def _names(request: web.Request) -> list[str]:
    return [name for name in request.query.get("include", "").split(",") if name]


def _included(request: web.Request, allowed: frozenset[str]) -> frozenset[str]:
    names = frozenset(_names(request))
    if names - allowed:
        invalid("include", f"It should be one of these values: '{','.join(sorted(allowed))}'")
    return names
