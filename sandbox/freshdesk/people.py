"""Freshdesk's contacts, companies and agents."""

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshdesk.data import ContactView, DeskData
from sandbox.freshdesk.errors import invalid, not_found, refuse
from sandbox.freshdesk.paging import known_only, listed, moment, whole
from sandbox.wire import JsonObject, answer

_STATES = ("blocked", "deleted", "unverified", "verified")


class PeopleApi:
    """The calls below /api/v2/contacts, companies and agents."""

    def __init__(self, data: DeskData, settings: ArchiveSettings) -> None:
        self._data = data
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v2/contacts/{contact:\\d+}", self.contact),
            web.get("/api/v2/companies", self.companies),
            web.get("/api/v2/agents/me", self.me),
            web.get("/api/v2/agents", self.agents),
            web.get("/api/v2/agents/{agent:\\d+}", self.agent),
        ]

    def list_route(self) -> web.RouteDef:
        """The list of contacts, which has a limit of its own."""
        return web.get("/api/v2/contacts", self.contacts)

    async def contacts(self, request: web.Request) -> web.Response:
        """Neither blocked nor deleted ones unless asked for, and visitors only as such."""
        since = "updated_since" if self._settings.contacts_updated_since else "_updated_since"
        known_only(request, "state", "contact_type", "company_id", since)
        query = request.query
        if query.get("state", "verified") not in _STATES:
            invalid("state", f"It should be one of these values: '{','.join(_STATES)}'")
        if query.get("contact_type", "contact") not in ("contact", "visitor"):
            invalid("contact_type", "It should be one of these values: 'contact,visitor'")
        company = whole(request, "company_id", 0) or None
        view = ContactView(query.get("state"), query.get("contact_type"), company, moment(request, since))
        return listed(request, self._data.contacts(view))

    async def contact(self, request: web.Request) -> web.Response:
        contact = self._data.contact(int(request.match_info["contact"]))
        return not_found() if contact is None else answer(contact)

    async def companies(self, request: web.Request) -> web.Response:
        known_only(request, "updated_since")
        return listed(request, self._data.companies(moment(request, "updated_since")))

    async def me(self, _: web.Request) -> web.Response:
        """The key's owner, for every agent."""
        me = dict(self._data.agents()[0])
        return answer(me if self._settings.admin else me | {"role_ids": [2], "ticket_scope": 3})

    async def agents(self, request: web.Request) -> web.Response:
        """For administrators; `state` separates full-time from occasional agents."""
        self._need_admin()
        known_only(request, "state", "email", "mobile", "phone")
        state, email = request.query.get("state"), request.query.get("email")
        return listed(request, [agent for agent in self._data.agents() if _wanted(agent, state, email)])

    async def agent(self, request: web.Request) -> web.Response:
        self._need_admin()
        wanted = int(request.match_info["agent"])
        agent = next((agent for agent in self._data.agents() if agent["id"] == wanted), None)
        return not_found() if agent is None else answer(agent)

    def _need_admin(self) -> None:
        if not self._settings.admin:
            refuse(403, "access_denied", "You are not authorized to perform this action.")


def _wanted(agent: JsonObject, state: str | None, email: str | None) -> bool:
    if state not in (None, "fulltime", "occasional"):
        invalid("state", "It should be one of these values: 'fulltime,occasional'")
    fits = state is None or agent["occasional"] == (state == "occasional")
    return fits and email in (None, agent["contact"]["email"])
