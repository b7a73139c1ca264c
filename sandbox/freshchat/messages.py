"""Freshchat's messages: list and post."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from aiohttp import web

from sandbox.freshchat.bodies import object_body
from sandbox.freshchat.desk import Desk, Words
from sandbox.freshchat.errors import invalid, refuse
from sandbox.freshchat.paging import link, page_of
from sandbox.freshchat.parts import FileByHash, accepted
from sandbox.freshchat.state import Conversation, FreshchatState
from sandbox.settings import Settings
from sandbox.wire import JsonObject, answer, parse_iso
from sandbox.world import World

ACTORS = ("user", "agent", "bot", "system")


class MessageApi:
    """The calls below /v2/conversations/{id}/messages."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        state: FreshchatState,
        desk: Desk,
        file_by_hash: FileByHash,
        fresh: Callable[[list[JsonObject]], list[JsonObject]],
    ) -> None:
        """`fresh` gives the parts of a message with links that work now."""
        self._settings = settings
        self._state = state
        self._desk = desk
        self._file_by_hash = file_by_hash
        self._fresh = fresh
        self._agents = {agent.id for agent in world.agents}

    def routes(self) -> list[web.RouteDef]:
        path = "/v2/conversations/{conversation}/messages"
        return [web.get(path, self.list_page), web.post(path, self.post)]

    async def list_page(self, request: web.Request) -> web.Response:
        """Newest first, with a link while there is more and no counts."""
        conversation = self.wanted(request)
        page, size = page_of(request)
        rows = list(islice(_newest_first(conversation, request), (page - 1) * size, page * size + 1))
        shown = [{**row, "message_parts": self._fresh(row["message_parts"])} for row in rows[:size]]
        body: JsonObject = {"messages": shown}
        if len(rows) > size:
            body["link"] = link(request, page + 1, "next_page")
        return answer(body)

    async def post(self, request: web.Request) -> web.Response:
        conversation = self.wanted(request)
        words = self.words(await object_body(request), conversation.user_ids)
        self._check_open(conversation, words)
        return answer(self.say_by_api(conversation, words))

    def wanted(self, request: web.Request) -> Conversation:
        """The conversation that the path names."""
        conversation = self._state.conversations.get(request.match_info["conversation"])
        if conversation is None:
            refuse(404, "CONVERSATION_NOT_FOUND", "conversation not found")
        return conversation

    def words(self, body: Any, user_ids: list[str]) -> Words:
        """The message in a body, or the refusal."""
        if not isinstance(body, dict):
            invalid("a message must be an object")
        kind = body.get("message_type") or "normal"
        if kind not in ("normal", "private"):
            invalid("message_type is not valid")
        actor_type, actor_id = self._actor(body, user_ids)
        if kind == "private" and actor_type == "user":
            invalid("a private message needs an agent or a bot")
        parts = accepted(body.get("message_parts"), self._file_by_hash)
        reply_parts = body.get("reply_parts")
        return Words(parts, actor_type, actor_id, kind, reply_parts=reply_parts if reply_parts else None)

    def say_by_api(self, conversation: Conversation, words: Words) -> JsonObject:
        """Add a message that came through the API; its webhook is the echo that a bridge must recognise."""
        return self._desk.say(conversation, words, int(self._settings.echo_user_messages))

    def _actor(self, body: JsonObject, user_ids: list[str]) -> tuple[str, str]:
        actor_type, actor_id = body.get("actor_type"), body.get("actor_id") or ""
        if actor_type not in ACTORS:
            invalid("actor_type is not valid")
        if actor_type == "user" and actor_id not in user_ids:
            invalid("user is not part of the conversation")
        if actor_type == "agent" and actor_id not in self._agents:
            invalid("agent not found")
        return actor_type, str(actor_id)

    def _check_open(self, conversation: Conversation, words: Words) -> None:
        """A user's post to a resolved conversation reopens the newest one and is refused on an older one."""
        if not conversation.resolved:
            return
        by_user = words.actor_type == "user"
        if self._settings.not_latest or (by_user and not self._state.is_latest(conversation)):
            invalid(f"Conversation {conversation.id} is not the latest conversation")
        if by_user:
            self._desk.reopen(conversation, "user", words.actor_id)


def _newest_first(conversation: Conversation, request: web.Request) -> Any:
    wanted = request.query.get("from_time")
    if not wanted:
        return reversed(conversation.messages)
    since = parse_iso(wanted)
    if since is None:
        invalid("from_time must be an ISO 8601 time")
    return (m for m in reversed(conversation.messages) if (parse_iso(m["created_time"]) or 0.0) >= since)
