"""Freshchat's conversations: create, read, change."""

from typing import Any

from aiohttp import web

from sandbox.freshchat.bodies import object_body
from sandbox.freshchat.desk import Desk
from sandbox.freshchat.errors import invalid, refuse
from sandbox.freshchat.messages import MessageApi
from sandbox.freshchat.state import Conversation, FreshchatState
from sandbox.wire import JsonObject, answer
from sandbox.world import Agent, World

STATUSES = ("new", "assigned", "resolved", "reopened", "waiting on customer", "waiting on internal team")
PRIORITIES = ("Low", "Medium", "High", "Urgent")
PRIORITY_FIELD: JsonObject = {
    "id": "1",
    "name": "priority",
    "label": "Priority",
    "type": "default_priority",
    "custom": False,
    "choices": [{"id": str(number), "value": value} for number, value in enumerate(PRIORITIES, start=1)],
}
CUSTOM_FIELDS = (
    "cf_source",
    "cf_team",
    "cf_channel",
    "cf_thread_link",
    "cf_tags",
    "cf_region",
    "cf_teams_link",
    "cf_sentiment",
)


class ConversationApi:
    """The calls below /v2/conversations, without the messages."""

    def __init__(self, world: World, state: FreshchatState, desk: Desk, messages: MessageApi) -> None:
        self._world = world
        self._state = state
        self._desk = desk
        self._messages = messages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/conversations", self.create),
            web.get("/v2/conversations/fields", self.fields),
            web.get("/v2/conversations/{conversation}", self.get),
            web.put("/v2/conversations/{conversation}", self.update),
            web.post("/v2/csat/{conversation}", self.rate),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """A new conversation with its first messages; nothing is kept when anything in it is wrong."""
        body = await object_body(request)
        fields = self._new_fields(body)
        user_ids = self._users(body)
        first = body.get("messages")
        if not isinstance(first, list) or not first:
            invalid("messages must be a non-empty list")
        words = [self._messages.words(message, user_ids) for message in first]
        conversation = self._state.add_conversation(user_ids, fields)
        said = [self._messages.say_by_api(conversation, one) for one in words]
        return answer({**conversation.record, "messages": said})

    async def get(self, request: web.Request) -> web.Response:
        return answer(self._messages.wanted(request).record)

    async def update(self, request: web.Request) -> web.Response:
        """Resolve, reopen, assign, or set properties; each state change has its webhook."""
        conversation = self._messages.wanted(request)
        body = await object_body(request)
        agent = self._agent(body)
        group_id = self._group(body)
        status = body.get("status")
        if status is not None and status not in STATUSES:
            invalid("status is not valid")
        if status == "assigned" and "assigned_agent_id" not in body and not conversation.record["assigned_agent_id"]:
            invalid("assigned_agent_id is required")
        changes = self._fields(body)
        conversation.touch(**changes)
        if "properties" in changes or "channel_id" in changes:
            self._state.touched(conversation)
        if conversation.resolved and status not in (None, "resolved"):
            self._desk.reopen(conversation, "system", "")
        if "assigned_agent_id" in body or group_id is not None:
            self._desk.assign(conversation, None, agent, group_id)
        self._apply_status(conversation, status)
        return answer(conversation.record)

    async def fields(self, _: web.Request) -> web.Response:
        """The dictionary of conversation properties, a bare list."""
        custom = (
            {"id": str(n), "name": name, "label": name[3:], "type": "custom_text", "custom": True, "choices": []}
            for n, name in enumerate(CUSTOM_FIELDS, start=2)
        )
        return answer([PRIORITY_FIELD, *custom])

    async def rate(self, request: web.Request) -> web.Response:
        """Store a satisfaction rating; there is no call that reads it back."""
        conversation = self._messages.wanted(request)
        body = await object_body(request)
        if not body:
            invalid("a rating is required")
        conversation.csat = body
        self._state.touched(conversation)
        return answer({"code": 202, "status": "ACCEPTED", "message": "The rating was accepted."}, 202)

    def _new_fields(self, body: JsonObject) -> JsonObject:
        fields = self._fields(body)
        if "channel_id" not in fields:
            invalid("channel_id is required")
        agent = self._agent(body)
        if agent:
            fields |= {"status": "assigned", "assigned_agent_id": agent.id, "assigned_org_agent_id": agent.org_id}
        group_id = self._group(body)
        if group_id:
            fields["assigned_group_id"] = group_id
        return fields

    def _fields(self, body: JsonObject) -> JsonObject:
        """Inbox and properties; properties of a conversation are an object, unlike those of a user."""
        fields: JsonObject = {}
        if "channel_id" in body:
            fields["channel_id"] = self._inbox(body["channel_id"])
        properties = body.get("properties")
        if properties is not None:
            if not isinstance(properties, dict):
                invalid("Conversation payload not valid")
            if properties.get("priority", "Low") not in PRIORITIES:
                invalid("priority is not valid")
            fields["properties"] = properties
        return fields

    def _inbox(self, channel_id: Any) -> str:
        inbox = next((inbox for inbox in self._world.inboxes if inbox.id == channel_id), None)
        if inbox is None:
            invalid("channel_id is not valid")
        if not inbox.enabled:
            invalid("channel is disabled")
        return inbox.id

    def _users(self, body: JsonObject) -> list[str]:
        users = body.get("users")
        if not isinstance(users, list) or not users or not all(isinstance(u, dict) and u.get("id") for u in users):
            invalid("users[0].id is required")
        ids = [str(user["id"]) for user in users]
        if any(user_id not in self._state.users for user_id in ids):
            refuse(400, "USER_NOT_FOUND", "user not found")
        return ids

    def _agent(self, body: JsonObject) -> Agent | None:
        """The agent to assign; an empty text takes the conversation back."""
        agent_id = body.get("assigned_agent_id")
        if not agent_id:
            return None
        agent = next((agent for agent in self._world.agents if agent.id == agent_id), None)
        if agent is None:
            refuse(400, "AGENT_NOT_FOUND", "agent not found")
        return agent

    def _group(self, body: JsonObject) -> str | None:
        group_id = body.get("assigned_group_id")
        if group_id and group_id not in {group.id for group in self._world.groups}:
            refuse(400, "GROUP_NOT_FOUND", "group not found")
        return None if group_id is None else str(group_id)

    def _apply_status(self, conversation: Conversation, status: str | None) -> None:
        if status == "resolved" and not conversation.resolved:
            self._desk.resolve(conversation, None)
        elif status not in (None, "resolved", "reopened"):
            conversation.touch(status=status)
            self._state.touched(conversation)
