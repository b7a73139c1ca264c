"""Freshchat's read side over data that may be too large to be kept."""

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshchat.archive_data import ChatData, ChatList
from sandbox.freshchat.conversations import CUSTOM_FIELDS, PRIORITY_FIELD
from sandbox.freshchat.errors import invalid, refuse
from sandbox.freshchat.paging import link, listed, page_of
from sandbox.wire import JsonObject, answer, parse_iso

_CREATED, _UPDATED = ("created_from", "created_to"), ("updated_from", "updated_to")


class ArchiveApi:
    """Users, conversations and messages, for reading only."""

    def __init__(self, data: ChatData, settings: ArchiveSettings) -> None:
        self._data = data
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/users", self.users),
            web.get("/v2/users/{user}", self.user),
            web.get("/v2/users/{user}/conversations", self.conversations_of),
            web.get("/v2/conversations/fields", self.fields),
            web.get("/v2/conversations/{conversation}", self.conversation),
            web.get("/v2/conversations/{conversation}/messages", self.messages),
        ]

    async def users(self, request: web.Request) -> web.Response:
        """By a window of creation or update; without a filter it is an error."""
        updated = any(request.query.get(name) for name in _UPDATED)
        low, high = (request.query.get(name) for name in (_UPDATED if updated else _CREATED))
        if not low and not high:
            invalid("at least one filter is required")
        for text in (low, high):
            if text and parse_iso(text) is None:
                invalid("times must be ISO 8601")
        rows = self._data.users(low, high, updated)
        return answer(listed(request, "users", rows, descending=request.query.get("sort_order") == "desc"))

    async def user(self, request: web.Request) -> web.Response:
        user = self._data.user(request.match_info["user"])
        return _user_not_found() if user is None else answer(user)

    async def conversations_of(self, request: web.Request) -> web.Response:
        """Ids only; the whole list in one answer, unless the settings say pages."""
        ids = self._data.conversations_of(request.match_info["user"])
        if ids is None:
            return _user_not_found()
        rows: list[JsonObject] = [{"id": conversation_id} for conversation_id in ids]
        paged = self._settings.user_conversations_paged
        return answer(listed(request, "conversations", rows) if paged else {"conversations": rows})

    async def fields(self, _: web.Request) -> web.Response:
        """The dictionary of conversation properties, a bare list."""
        custom = (
            {"id": str(n), "name": name, "label": name[3:], "choices": []} for n, name in enumerate(CUSTOM_FIELDS, 2)
        )
        return answer([PRIORITY_FIELD, *custom])

    async def conversation(self, request: web.Request) -> web.Response:
        conversation = self._data.conversation(request.match_info["conversation"])
        return _conversation_not_found() if conversation is None else answer(conversation)

    async def messages(self, request: web.Request) -> web.Response:
        """Newest first, with a link while there is more and no counts."""
        rows = self._data.messages(request.match_info["conversation"])
        if rows is None:
            return _conversation_not_found()
        page, size = page_of(request)
        body: JsonObject = {"messages": rows[(page - 1) * size : page * size]}
        if len(rows) > page * size:
            body["link"] = link(request, page + 1, "next_page")
        return answer(body)


class ConversationList:
    """GET /conversations, which is in no official list of calls; few accounts have it, if any."""

    def __init__(self, data: ChatList, settings: ArchiveSettings) -> None:
        self._data = data
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v2/conversations", self.list_page)]

    async def list_page(self, request: web.Request) -> web.Response:
        if not self._settings.conversations_listed:
            refuse(404, "NOT_FOUND", "HTTP 404 Not Found")
        return answer(listed(request, "conversations", self._data.conversations()))


def _user_not_found() -> web.Response:
    refuse(404, "USER_NOT_FOUND", "user not found")


def _conversation_not_found() -> web.Response:
    refuse(404, "CONVERSATION_NOT_FOUND", "conversation not found")
