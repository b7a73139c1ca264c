"""Graph v1.0: me and users."""

import re
from urllib.parse import unquote

from aiohttp import web

from sandbox.teams.graph_access import GraphAccess
from sandbox.teams.graph_errors import bad_request, refuse
from sandbox.tokens import Caller
from sandbox.wire import JsonObject, answer
from sandbox.world import Person, World

#: What Graph returns without $select; department, for one, must be asked for.
DEFAULT_FIELDS = (
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
)
_EQUALS = re.compile(r"^\s*(mail|userPrincipalName|id)\s+eq\s+'((?:[^']|'')*)'\s*$")
_PROXY = re.compile(r"^\s*proxyAddresses/any\((\w+):\1 eq 'smtp:((?:[^']|'')*)'\)\s*$")
READ_USERS = frozenset({"User.ReadBasic.All", "User.Read.All", "Directory.Read.All"})


class GraphUsers:
    """Looking people up."""

    def __init__(self, world: World, access: GraphAccess) -> None:
        self._world = world
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1.0/me", self.me),
            web.get("/v1.0/users", self.search),
            web.get("/v1.0/users/{user}", self.get),
        ]

    async def me(self, request: web.Request) -> web.Response:
        caller: Caller = self._access.caller(request)
        if caller.user_id is None:
            bad_request("/me request is only valid with delegated authentication flow.")
        return answer(_shown(self._world.service_account, request))

    async def get(self, request: web.Request) -> web.Response:
        """One user by Entra id or UPN."""
        self._access.reader(request, READ_USERS)
        wanted = unquote(request.match_info["user"]).lower()
        person = next((p for p in self._world.everyone() if wanted in (p.aad_id, p.upn.lower())), None)
        if person is None:
            refuse(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
        return answer(_shown(person, request))

    async def search(self, request: web.Request) -> web.Response:
        """Users by mail, user principal name or alias; other filters are refused."""
        self._access.reader(request, READ_USERS)
        wanted = request.query.get("$filter")
        people = [person for person in self._world.everyone() if wanted is None or _selected(person, wanted)]
        context = f"{request.url.origin()}/v1.0/$metadata#users"
        return answer({"@odata.context": context, "value": [_shown(person, request) for person in people]})


def _selected(person: Person, wanted: str) -> bool:
    by_property, by_alias = _EQUALS.match(wanted), _PROXY.match(wanted)
    match = by_property or by_alias
    if match is None:
        refuse(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause.")
    value = str(_properties(person)[match[1]]) if by_property else person.mail
    return value.lower() == match[2].replace("''", "'").lower()


def _shown(person: Person, request: web.Request) -> JsonObject:
    selected = request.query.get("$select")
    names = [name.strip() for name in selected.split(",")] if selected else DEFAULT_FIELDS
    properties = _properties(person)
    return {name: properties[name] for name in names if name in properties}


def _properties(person: Person) -> JsonObject:
    return {
        "id": person.aad_id,
        "displayName": person.name,
        "givenName": person.given_name,
        "surname": person.surname,
        "mail": person.mail,
        "userPrincipalName": person.upn,
        "jobTitle": person.job_title,
        "department": person.department,
        "preferredLanguage": person.locale,
        "proxyAddresses": [f"SMTP:{person.mail}"],
        "accountEnabled": True,
        "userType": "Member",
        "businessPhones": [],
        "mobilePhone": None,
        "officeLocation": None,
    }
