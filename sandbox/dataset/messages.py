"""The messages of a data set's conversations, and what is odd about them."""

from sandbox.dataset.conversations import INTERNAL_ID, Conversations
from sandbox.dataset.files import Files
from sandbox.dataset.links import Link, Links
from sandbox.dataset.plan import Plan
from sandbox.dataset.users import Users
from sandbox.dataset.words import TEXTS
from sandbox.wire import JsonObject, iso
from sandbox.world import World

_PERIOD = 23
_KINDS = {
    3: "file",
    7: "image",
    11: "private",
    13: "system",
    15: "template",
    17: "old",
    19: "collection",
    20: "unknown",
    21: "untyped",
    22: "file without url",
}
#: The kinds whose file has a link.
LINKED_FILES = ("file", "image", "collection")


class Messages:
    """Messages by the number of their conversation and their own, oldest first."""

    def __init__(
        self, plan: Plan, users: Users, conversations: Conversations, links: Links, files: Files, world: World
    ) -> None:
        self._plan = plan
        self._users = users
        self._conversations = conversations
        self._links = links
        self._files = files
        self._world = world

    def kind(self, conversation: int, message: int) -> str:
        """What kind of message it is; most are text."""
        return _KINDS.get((conversation * 7 + message) % _PERIOD, "text") if message else "text"

    def shown_kind(self, conversation: int, message: int) -> str:
        """The same, after the note about a ticket has taken the place of the last message."""
        return "note" if self._noted(conversation, message) else self.kind(conversation, message)

    def file_key(self, conversation: int, message: int) -> str:
        """The key of its file."""
        return f"m-{conversation}-{message}"

    def message(self, conversation: int, message: int) -> JsonObject:
        """The message as the API shows it."""
        kind = self.kind(conversation, message)
        by_user = message % 2 == 0 and kind not in ("private", "system")
        inbox = self._world.inboxes[conversation % len(self._world.inboxes)]
        user_id = self._users.id(self._plan.user_of(conversation))
        record: JsonObject = {
            "id": self._plan.seeded.uuid("message", conversation * 100_000 + message),
            "message_parts": self._parts(kind, conversation, message),
            "reply_parts": _REPLIES if kind == "template" else [],
            "message_type": kind if kind in ("private", "system") else "normal",
            "actor_type": "user" if by_user else "system" if kind == "system" else "agent",
            "actor_id": user_id if by_user else self._agent(conversation),
            "app_id": self._world.freshchat_app_id,
            "channel_id": inbox.id,
            "freshchat_channel_id": inbox.internal_id,
            "conversation_id": self._conversations.id(conversation),
            "freshchat_conversation_id": str(INTERNAL_ID + conversation),
            "interaction_id": f"{INTERNAL_ID + conversation}-{self._plan.began_ms(conversation)}",
            "user_id": user_id,
            "created_time": iso(self._plan.said_ms(conversation, message) / 1000),
            "message_source": "system" if kind == "system" else "web",
            "restrictResponse": False,
            "botsPrivateNote": False,
            "error_code": 0,
        }
        return self._odd(record, kind, conversation, message)

    def _odd(self, record: JsonObject, kind: str, conversation: int, message: int) -> JsonObject:
        if kind == "system":
            record["meta_data"] = {"isResolved": True, "isReopen": False}
        elif kind == "untyped":
            del record["message_type"], record["user_id"]
        elif kind == "old":
            del record["message_parts"]
            record["msg_parts"] = [{"part_type": "text", "properties": {"text": self._text(conversation, message)}}]
        return self._note(record, conversation, message)

    def _noted(self, conversation: int, message: int) -> Link | None:
        """The link that the last message tells."""
        last = message == self._plan.messages(conversation) - 1
        link = self._links.of_conversation(conversation) if last else None
        return link if link and link.where == "note" else None

    def _note(self, record: JsonObject, conversation: int, message: int) -> JsonObject:
        """A private note in which an agent says which ticket it became."""
        link = self._noted(conversation, message)
        if link is None:
            return record
        text = f"Ticket: https://desk.example/a/tickets/{self._plan.ticket_id(link.ticket)}"
        said: JsonObject = {"text": {"content": text}}
        agent = self._world.agents[0].id
        return record | {"message_type": "private", "actor_type": "agent", "actor_id": agent, "message_parts": [said]}

    def _agent(self, conversation: int) -> str:
        """One of the agents, or one who has left and is in no list."""
        agents = self._world.agents
        return agents[conversation % 2].id if conversation % 12 else self._plan.seeded.uuid("former agent", 0)

    def _text(self, conversation: int, message: int) -> str:
        return TEXTS[(conversation * 5 + message) % len(TEXTS)]

    def _parts(self, kind: str, conversation: int, message: int) -> list[JsonObject]:
        text: JsonObject = {"text": {"content": self._text(conversation, message)}}
        if kind in ("file", "image", "collection"):
            part = self._file(kind, conversation, message)
            return [{"collection": {"sub_parts": [text, part]}}] if kind == "collection" else [text, part]
        if kind == "file without url":
            return [{"file": {"name": "계약서.pdf", "fileHash": f"h{conversation}-{message}"}}]
        if kind == "template":
            return [text, _CAROUSEL]
        return [{"hologram": {"depth": 3, "lines": [None]}}] if kind == "unknown" else [text]

    def _file(self, kind: str, conversation: int, message: int) -> JsonObject:
        facts = self._files.facts(self.file_key(conversation, message))
        if kind == "image":
            return {"image": {"url": self._files.url(facts), "content_type": facts.content_type}}
        described = {"name": facts.name, "url": self._files.url(facts), "file_size_in_bytes": facts.size}
        return {"file": {**described, "content_type": facts.content_type}}


_REPLIES = [{"collection": {"sub_parts": [{"quick_reply_button": {"label": "예", "payload": "y"}}]}}]
_CAROUSEL: JsonObject = {
    "template_content": {
        "type": "carousel",
        "sections": [{"name": "card1", "parts": [{"text": {"content": "카드"}}, {"callback": {"label": "Go"}}]}],
    }
}
