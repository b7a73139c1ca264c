"""What happens to a conversation, whoever causes it; each change emits its webhook."""

import time
from dataclasses import dataclass
from typing import Any

from sandbox.freshchat import events
from sandbox.freshchat.state import Conversation, FreshchatState
from sandbox.ids import Ids
from sandbox.settings import Settings
from sandbox.webhooks import WebhookSender
from sandbox.wire import JsonObject, iso
from sandbox.world import Agent, World


@dataclass(slots=True)
class Words:
    """A message before it has an id."""

    parts: list[JsonObject]
    actor_type: str
    actor_id: str
    kind: str = "normal"
    source: str = "api"
    reply_parts: list[Any] | None = None
    #: How many seconds ago it was written, as if its webhook had taken that long.
    ago: int = 0


class Desk:
    """Writes into conversations and changes their state."""

    def __init__(
        self, world: World, settings: Settings, ids: Ids, state: FreshchatState, webhooks: WebhookSender
    ) -> None:
        self._world = world
        self._settings = settings
        self._ids = ids
        self._state = state
        self._webhooks = webhooks
        self._internal_ids = {inbox.id: inbox.internal_id for inbox in world.inboxes}
        self._org_ids = {agent.id: agent.org_id for agent in world.agents}

    def say(self, conversation: Conversation, words: Words, events_sent: int = 1) -> JsonObject:
        """Add a message; it goes out as a webhook so many times."""
        message = self._message(conversation, words)
        conversation.messages.append(message)
        self._state.touched(conversation)
        event = events.message_create(message, self._settings.webhook_file_urls)
        for _ in range(events_sent):
            self._webhooks.send(conversation.id, event)
        return message

    def assign(self, conversation: Conversation, by: Agent | None, agent: Agent | None, group_id: str | None) -> None:
        """Give the conversation to an agent, a group, both, or (with neither) back to nobody."""
        before = dict(conversation.record)
        conversation.touch(
            status="assigned" if agent else "new",
            assigned_agent_id=agent.id if agent else "",
            assigned_org_agent_id=agent.org_id if agent else "",
            assigned_group_id=before["assigned_group_id"] if group_id is None else group_id,
        )
        self._state.touched(conversation)
        self._webhooks.send(conversation.id, events.assignment(conversation, by, before))

    def resolve(self, conversation: Conversation, by: Agent | None) -> None:
        """End the conversation."""
        conversation.touch(status="resolved")
        self._state.touched(conversation)
        user = self._state.users.get(conversation.user_ids[0], {})
        self._webhooks.send(conversation.id, events.resolution(conversation, by, user))

    def reopen(self, conversation: Conversation, actor_type: str, actor_id: str) -> None:
        """Start a new interaction of the conversation."""
        conversation.touch(status="new", assigned_agent_id="", assigned_org_agent_id="")
        conversation.new_interaction()
        self._state.touched(conversation)
        self._webhooks.send(conversation.id, events.reopening(conversation, actor_type, actor_id))

    def _message(self, conversation: Conversation, words: Words) -> JsonObject:
        record = conversation.record
        private = words.kind == "private"
        return {
            "message_parts": words.parts,
            "reply_parts": words.reply_parts or [],
            "app_id": record["app_id"],
            "actor_id": words.actor_id,
            "org_actor_id": self._org_ids.get(words.actor_id, ""),
            "id": self._ids.uuid(),
            "channel_id": record["channel_id"],
            "conversation_id": record["conversation_id"],
            "freshchat_conversation_id": str(record["conversation_internal_id"]),
            "freshchat_channel_id": self._internal_ids.get(record["channel_id"], ""),
            "interaction_id": conversation.interaction,
            "message_type": words.kind,
            "actor_type": words.actor_type,
            "created_time": iso(time.time() - words.ago),
            "user_id": record["user_id"],
            "restrictResponse": False,
            "botsPrivateNote": private and words.actor_type == "bot",
            "message_source": words.source,
        }
