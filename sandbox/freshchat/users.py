"""Freshchat's users: create, find, read, change."""

from typing import Any

from aiohttp import web

from sandbox.freshchat.bodies import object_body
from sandbox.freshchat.errors import invalid, refuse
from sandbox.freshchat.paging import listed
from sandbox.freshchat.state import FreshchatState
from sandbox.wire import JsonObject, answer, parse_iso

IDENTITY = ("reference_id", "email", "phone")
WRITABLE = (*IDENTITY, "first_name", "last_name", "avatar", "properties", "restore_id")
_TEXT_FILTERS = {"email": "email", "reference_id": "reference_id", "phone_no": "phone", "first_name": "first_name"}
_TIME_FILTERS = {
    "created_from": ("created_time", 1),
    "created_to": ("created_time", -1),
    "updated_from": ("updated_time", 1),
    "updated_to": ("updated_time", -1),
}


class UserApi:
    """The calls below /v2/users."""

    def __init__(self, state: FreshchatState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/users", self.create),
            web.get("/v2/users", self.search),
            web.post("/v2/users/fetch", self.fetch),
            web.get("/v2/users/{user}", self.get),
            web.put("/v2/users/{user}", self.update),
            web.get("/v2/users/{user}/conversations", self.conversations),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """A new user; a second one with the same reference_id is a conflict."""
        fields = _fields(await object_body(request))
        if not any(fields.get(name) for name in IDENTITY):
            invalid("at least one of reference_id, email, phone is required")
        if self._state.by_reference(str(fields.get("reference_id"))):
            refuse(409, "CONFLICT", "a user with this reference_id already exists")
        return answer(self._state.add_user(fields), 201)

    async def search(self, request: web.Request) -> web.Response:
        """Users by at least one filter."""
        filters = [name for name in (*_TEXT_FILTERS, *_TIME_FILTERS) if request.query.get(name)]
        if not filters:
            invalid("at least one filter is required")
        users = [user for user in self._candidates(request) if all(_passes(user, n, request.query[n]) for n in filters)]
        if request.query.get("sort_order") == "desc":
            users.reverse()
        return answer(listed(request, "users", users))

    async def fetch(self, request: web.Request) -> web.Response:
        """Several users by id; unknown ids are left out."""
        ids = (await object_body(request)).get("ids")
        if not isinstance(ids, list):
            invalid("ids must be a list")
        return answer([self._state.users[i] for i in ids if isinstance(i, str) and i in self._state.users])

    async def get(self, request: web.Request) -> web.Response:
        return answer(self._wanted(request))

    async def update(self, request: web.Request) -> web.Response:
        """Change some fields; `properties` replaces the whole list."""
        user = self._wanted(request)
        fields = _fields(await object_body(request))
        holder = self._state.by_reference(str(fields.get("reference_id")))
        if holder is not None and holder is not user:
            refuse(409, "CONFLICT", "a user with this reference_id already exists")
        self._state.change_user(user, fields)
        return answer(user)

    async def conversations(self, request: web.Request) -> web.Response:
        """Ids only, the whole list in one answer."""
        user = self._wanted(request)
        return answer({"conversations": [{"id": i} for i in self._state.conversations_of(user["id"])]})

    def _wanted(self, request: web.Request) -> JsonObject:
        user = self._state.users.get(request.match_info["user"])
        if user is None:
            refuse(404, "USER_NOT_FOUND", "user not found")
        return user

    def _candidates(self, request: web.Request) -> list[JsonObject]:
        """All users, or the one that a reference_id names, which saves a search through all."""
        reference = request.query.get("reference_id")
        if not reference:
            return list(self._state.users.values())
        user = self._state.by_reference(reference)
        return [user] if user else []


def _fields(body: JsonObject) -> JsonObject:
    fields = {name: body[name] for name in WRITABLE if name in body}
    for name, value in fields.items():
        if name not in ("avatar", "properties") and value is not None and not isinstance(value, str):
            invalid(f"{name} must be a text")
    if "properties" in fields and not _are_properties(fields["properties"]):
        invalid("properties must be an array of name and value")
    return fields


def _are_properties(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(p, dict) and "name" in p and "value" in p for p in value)


def _passes(user: JsonObject, name: str, wanted: str) -> bool:
    if name in _TEXT_FILTERS:
        return str(user.get(_TEXT_FILTERS[name]) or "").lower() == wanted.lower()
    limit = parse_iso(wanted)
    if limit is None:
        invalid(f"{name} must be an ISO 8601 time")
    field, sign = _TIME_FILTERS[name]
    return sign * ((parse_iso(user[field]) or 0.0) - limit) >= 0
