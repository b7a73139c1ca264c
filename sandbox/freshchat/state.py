"""What Freshchat knows: users, conversations, messages, files. Records are kept in the shape the API answers."""

import time
from collections import deque
from collections.abc import Iterable

from sandbox.freshchat.parts import text_of
from sandbox.ids import Ids
from sandbox.stream import Stream
from sandbox.wire import JsonObject, iso
from sandbox.world import World

MESSAGES_PER_CONVERSATION = 10_000
CONVERSATIONS_KEPT = 100_000


class Conversation:
    """One conversation and its messages, oldest first."""

    def __init__(self, record: JsonObject, user_ids: list[str], world: World, users: dict[str, JsonObject]) -> None:
        self.record = record
        self.user_ids = user_ids
        self.messages: deque[JsonObject] = deque(maxlen=MESSAGES_PER_CONVERSATION)
        self.interaction = ""
        self.csat: JsonObject | None = None
        self._world = world
        self._users = users
        self.new_interaction()

    @property
    def id(self) -> str:
        return str(self.record["conversation_id"])

    @property
    def resolved(self) -> bool:
        return bool(self.record["status"] == "resolved")

    def new_interaction(self) -> None:
        """Each reopening starts a new interaction of the same conversation."""
        self.interaction = f"{self.record['conversation_internal_id']}-{time.time_ns() // 1_000_000}"

    def touch(self, **changes: object) -> None:
        self.record.update(changes)
        self.record["updated_time"] = iso(time.time())

    def render(self) -> JsonObject:
        """The conversation as freshchat/state shows it."""
        agent = next((a for a in self._world.agents if a.id == self.record["assigned_agent_id"]), None)
        user = self._users.get(self.user_ids[0], {})
        inbox = next((i.name for i in self._world.inboxes if i.id == self.record["channel_id"]), None)
        return {
            "conversation_id": self.id,
            "status": self.record["status"],
            "channel_id": self.record["channel_id"],
            "inbox": inbox,
            "assigned_agent": {"key": agent.key, "id": agent.id, "name": agent.name} if agent else None,
            "user": {**user, "name": full_name(user)},
            "properties": self.record["properties"],
            "created_time": self.record["created_time"],
            "csat": self.csat,
            "messages": [self._shown(message) for message in self.messages],
        }

    def _shown(self, message: JsonObject) -> JsonObject:
        return {
            "id": message["id"],
            "actor_type": message["actor_type"],
            "actor_name": self.actor_name(message),
            "text": text_of(message["message_parts"]),
            "type": message["message_type"],
            "created_time": message["created_time"],
            "parts": message["message_parts"],
            "reply_parts": message["reply_parts"],
        }

    def actor_name(self, message: JsonObject) -> str:
        """Who wrote, for people."""
        kind, actor_id = message["actor_type"], message["actor_id"]
        if kind == "user":
            return full_name(self._users.get(actor_id, {}))
        names = {agent.id: agent.name for agent in self._world.agents}
        return names.get(actor_id, {"bot": "Bot", "system": "System"}.get(kind, "Agent"))


def full_name(user: JsonObject) -> str:
    """First and last name, else whatever else identifies the user."""
    name = " ".join(filter(None, (user.get("first_name"), user.get("last_name"))))
    return name or str(user.get("email") or user.get("reference_id") or "")


class FreshchatState:
    """All users and conversations."""

    def __init__(self, world: World, ids: Ids, stream: Stream) -> None:
        self._world = world
        self._ids = ids
        self._stream = stream
        self.users: dict[str, JsonObject] = {}
        self.conversations: dict[str, Conversation] = {}
        self._by_reference: dict[str, str] = {}
        self._of_user: dict[str, list[str]] = {}

    def add_user(self, fields: JsonObject) -> JsonObject:
        """A new user with these fields."""
        now = iso(time.time())
        user = {"id": self._ids.uuid(), "created_time": now, "updated_time": now, **_blank_user(), **fields}
        self.users[user["id"]] = user
        self._index(user)
        return user

    def change_user(self, user: JsonObject, fields: JsonObject) -> None:
        """Replace fields; `properties` are replaced as a whole, as Freshchat does it."""
        self._by_reference.pop(str(user.get("reference_id")), None)
        user.update(fields, updated_time=iso(time.time()))
        self._index(user)
        for conversation_id in self._of_user.get(user["id"], ()):
            self.touched(self.conversations[conversation_id])

    def by_reference(self, reference_id: str) -> JsonObject | None:
        """The user whose reference_id is exactly this."""
        user_id = self._by_reference.get(reference_id)
        return self.users.get(user_id) if user_id else None

    def add_conversation(self, user_ids: list[str], fields: JsonObject) -> Conversation:
        """A new conversation, the newest of each of its users."""
        now = iso(time.time())
        record: JsonObject = {
            "conversation_id": self._ids.uuid(),
            "conversation_internal_id": self._ids.number(),
            "app_id": self._world.freshchat_app_id,
            "status": "new",
            "assigned_agent_id": "",
            "assigned_group_id": "",
            "assigned_org_agent_id": "",
            "assigned_org_group_id": "",
            "skill_id": 0,
            "properties": {},
            "user_id": user_ids[0],
            "created_by": user_ids[0],
            "created_time": now,
            "updated_time": now,
            **fields,
        }
        record["url"] = f"https://desk.example/inbox/open/0/conversation/{record['conversation_internal_id']}"
        conversation = Conversation(record, user_ids, self._world, self.users)
        self.conversations[conversation.id] = conversation
        for user_id in user_ids:
            self._of_user.setdefault(user_id, []).append(conversation.id)
        self._forget_oldest()
        return conversation

    def conversations_of(self, user_id: str) -> list[str]:
        """The ids of a user's conversations, oldest first."""
        return self._of_user.get(user_id, [])

    def is_latest(self, conversation: Conversation) -> bool:
        """Whether it is the newest conversation of its first user."""
        return self.conversations_of(conversation.user_ids[0])[-1:] == [conversation.id]

    def touched(self, conversation: Conversation) -> None:
        """Tell the page that a conversation changed."""
        self._stream.changed("freshchat", conversation)

    def render(self) -> JsonObject:
        """GET /_sandbox/freshchat/state."""
        conversations: Iterable[Conversation] = self.conversations.values()
        return {"users": list(self.users.values()), "conversations": [c.render() for c in conversations]}

    def clear(self) -> None:
        self.users.clear()
        self.conversations.clear()
        self._by_reference.clear()
        self._of_user.clear()

    def _index(self, user: JsonObject) -> None:
        if user.get("reference_id"):
            self._by_reference[str(user["reference_id"])] = user["id"]

    def _forget_oldest(self) -> None:
        if len(self.conversations) > CONVERSATIONS_KEPT:
            oldest = self.conversations.pop(next(iter(self.conversations)))
            for user_id in oldest.user_ids:
                self._of_user[user_id].remove(oldest.id)


def _blank_user() -> JsonObject:
    return {
        "avatar": {},
        "properties": [],
        "social_profiles": [],
        "login_status": False,
        "org_contact_id": "",
    }
