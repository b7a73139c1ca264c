"""Graph v1.0: messages of channels and chats."""

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.ids import Ids
from sandbox.teams.chat_message import parse, resource
from sandbox.teams.graph_access import (
    CHANGE_CHANNEL,
    CHANGE_CHAT,
    READ_CHANNEL,
    READ_CHAT,
    SEND_CHANNEL,
    SEND_CHAT,
    GraphAccess,
)
from sandbox.teams.graph_errors import not_found, refuse
from sandbox.teams.state import Author, Message, TeamsState, Thread
from sandbox.wire import JsonObject, answer, positive, read_object
from sandbox.world import World

PAGE_DEFAULT, PAGE_MAXIMUM = 20, 50
Posted = Callable[[Thread, Message], None]


class GraphMessages:
    """Reading and writing chatMessages; writing is for the signed-in service account only."""

    def __init__(
        self, world: World, ids: Ids, teams: TeamsState, access: GraphAccess, posted: Posted, strict: Callable[[], bool]
    ) -> None:
        self._world = world
        self._ids = ids
        self._teams = teams
        self._access = access
        self._posted = posted
        self._strict = strict

    def routes(self) -> list[web.RouteDef]:
        channel = "/v1.0/teams/{team}/channels/{place}/messages"
        chat = "/v1.0/chats/{place}/messages"
        message, reply = f"{channel}/{{message}}", f"{channel}/{{message}}/replies/{{reply}}"
        return [
            web.get(channel, self.list_roots),
            web.post(channel, self.post_root),
            web.get(f"{message}/replies", self.list_replies),
            web.post(f"{message}/replies", self.post_reply),
            web.get(chat, self.list_chat),
            web.post(chat, self.post_chat),
            *self._one_message(message),
            *self._one_message(reply),
            *self._one_message(f"{chat}/{{message}}"),
            # softDelete in chats goes through the user
            web.post("/v1.0/users/{user}/chats/{place}/messages/{message}/softDelete", self.soft_delete),
        ]

    def _one_message(self, path: str) -> list[web.RouteDef]:
        return [
            web.get(path, self.get),
            web.patch(path, self.patch),
            web.post(f"{path}/softDelete", self.soft_delete),
            web.post(f"{path}/undoSoftDelete", self.undo_soft_delete),
            web.get(f"{path}/hostedContents/{{hosted}}/$value", self.hosted_content),
        ]

    async def list_roots(self, request: web.Request) -> web.Response:
        place_id = self._readable(request)
        rows = [(thread, thread.messages[0]) for thread in self._teams.roots(place_id)]
        return self._page(request, rows)

    async def list_replies(self, request: web.Request) -> web.Response:
        """The replies of one thread, newest first."""
        self._readable(request)
        thread = self._channel_thread(request)
        return self._page(request, [(thread, m) for m in reversed(thread.messages) if m.reply_to])

    async def list_chat(self, request: web.Request) -> web.Response:
        place_id = self._readable(request)
        thread = self._teams.thread(place_id)
        return self._page(request, [(thread, m) for m in reversed(thread.messages)] if thread else [])

    async def get(self, request: web.Request) -> web.Response:
        self._readable(request)
        thread, message = self._wanted(request)
        return answer(self._resource(request, thread, message))

    async def post_root(self, request: web.Request) -> web.Response:
        place_id, author = self._writable(request, SEND_CHANNEL)
        draft = await self._draft(request)
        thread, message = self._teams.start_thread(place_id, author, draft.pop("html"), "graph", **draft)
        return self._created(request, thread, message)

    async def post_reply(self, request: web.Request) -> web.Response:
        place_id, author = self._writable(request, SEND_CHANNEL)
        draft = await self._draft(request)
        root = request.match_info["message"]
        lenient = root.isdigit() and not self._strict()
        thread = self._teams.open(place_id, root) if lenient else self._channel_thread(request)
        return self._created(request, thread, self._teams.add(thread, author, draft.pop("html"), "graph", **draft))

    async def post_chat(self, request: web.Request) -> web.Response:
        place_id, author = self._writable(request, SEND_CHAT)
        draft = await self._draft(request)
        thread = self._teams.open(place_id)
        return self._created(request, thread, self._teams.add(thread, author, draft.pop("html"), "graph", **draft))

    async def patch(self, request: web.Request) -> web.Response:
        """Replace the body of an own message; answered 204."""
        thread, message = self._own_message(request)
        draft = await self._draft(request)
        message.html, message.mentions = draft["html"], draft["mentions"]
        message.attachments = draft["attachments"]
        message.edited = time.time()
        self._teams.touched(thread)
        return web.Response(status=204)

    async def soft_delete(self, request: web.Request) -> web.Response:
        thread, message = self._own_message(request)
        message.deleted = time.time()
        self._teams.touched(thread)
        return web.Response(status=204)

    async def undo_soft_delete(self, request: web.Request) -> web.Response:
        thread, message = self._own_message(request)
        message.deleted = None
        self._teams.touched(thread)
        return web.Response(status=204)

    async def hosted_content(self, request: web.Request) -> web.Response:
        """The bytes of an inline picture."""
        self._readable(request)
        _, message = self._wanted(request)
        content = message.hosted.get(request.match_info["hosted"])
        if content is None:
            not_found("The hosted content")
        return web.Response(body=content[1], content_type=content[0])

    def _readable(self, request: web.Request) -> str:
        self._access.reader(request, READ_CHANNEL if "team" in request.match_info else READ_CHAT)
        return self._place(request)

    def _writable(self, request: web.Request, allowed: frozenset[str]) -> tuple[str, Author]:
        self._access.user(request, allowed)
        return self._place(request), self._teams.author(self._world.service_account)

    def _place(self, request: web.Request) -> str:
        """The channel or chat in the path; a personal chat with the bot has no Graph id."""
        place_id, team = request.match_info["place"], request.match_info.get("team")
        if team is not None and team != self._world.team.aad_group_id:
            not_found("The team")
        if self._teams.scope_of(place_id) != ("groupChat" if team is None else "channel"):
            not_found("The channel" if team else "The chat")
        self._access.check_pace(place_id, team, request.method == "GET")
        return place_id

    def _channel_thread(self, request: web.Request) -> Thread:
        place_id, root = request.match_info["place"], request.match_info["message"]
        thread = self._teams.thread(f"{place_id};messageid={root}")
        if thread is None:
            not_found("The message")
        return thread

    def _wanted(self, request: web.Request) -> tuple[Thread, Message]:
        """The message that the path names, as a reply, a root or a message of a chat."""
        in_channel = "team" in request.match_info
        thread = self._channel_thread(request) if in_channel else self._teams.thread(request.match_info["place"])
        message = thread.find(request.match_info.get("reply") or request.match_info["message"]) if thread else None
        if thread is None or message is None:
            not_found("The message")
        return thread, message

    def _own_message(self, request: web.Request) -> tuple[Thread, Message]:
        allowed = CHANGE_CHANNEL if "team" in request.match_info else CHANGE_CHAT
        self._writable(request, allowed)
        thread, message = self._wanted(request)
        if message.author.person is not self._world.service_account:
            refuse(403, "Forbidden", "The message belongs to somebody else.")
        return thread, message

    async def _draft(self, request: web.Request) -> dict[str, Any]:
        draft = parse(await read_object(request), self._ids)
        return {name: getattr(draft, name) for name in ("html", "attachments", "mentions", "hosted", "subject")}

    def _created(self, request: web.Request, thread: Thread, message: Message) -> web.Response:
        self._posted(thread, message)
        return answer(self._resource(request, thread, message), 201)

    def _page(self, request: web.Request, rows: list[tuple[Thread, Message]]) -> web.Response:
        size = positive(request.query.get("$top"), PAGE_DEFAULT, PAGE_MAXIMUM)
        start = positive(request.query.get("$skiptoken"), 1, len(rows) + 1) - 1
        value = [self._resource(request, thread, message) for thread, message in rows[start : start + size]]
        page: JsonObject = {"@odata.context": f"{request.url.origin()}/v1.0/$metadata", "@odata.count": len(value)}
        if start + size < len(rows):
            page["@odata.nextLink"] = str(request.url.update_query({"$skiptoken": str(start + size + 1)}))
        return answer({**page, "value": value})

    def _resource(self, request: web.Request, thread: Thread, message: Message) -> JsonObject:
        place = (
            f"teams/{self._world.team.aad_group_id}/channels/{thread.place_id}"
            if thread.scope == "channel"
            else f"chats/{thread.place_id}"
        )
        path = f"messages/{message.reply_to}/replies/{message.id}" if message.reply_to else f"messages/{message.id}"
        shown = resource(self._world, thread, message, f"{request.url.origin()}/v1.0/{place}/{path}")
        if message.deleted:
            shown["body"]["content"], shown["attachments"] = "", []
        return shown
