"""Activities that tell of a message that was edited, deleted, restored or reacted to; functions from facts to data."""

from sandbox.teams import activities
from sandbox.teams.activities import Said
from sandbox.wire import JsonObject
from sandbox.world import World

_FRAME = ("channelId", "serviceUrl", "from", "conversation", "recipient", "locale")


def edit(world: World, service_url: str, said: Said, event: str = "editMessage") -> JsonObject:
    """messageUpdate with what the message says now; its channelData has no team. `undeleteMessage` restores."""
    activity = activities.message(world, service_url, said)
    return {**activity, "type": "messageUpdate", "channelData": _event(world, event)}


def deletion(world: World, service_url: str, said: Said) -> JsonObject:
    """messageDelete, which tells neither the text nor the time."""
    frame = _frame(world, service_url, said)
    return {"type": "messageDelete", "id": said.message_id, **frame, "channelData": _event(world, "softDeleteMessage")}


def reaction(world: World, service_url: str, said: Said, event_id: str, kind: str, *, added: bool) -> JsonObject:
    """messageReaction; `said` names the person who reacts, and the message they react to."""
    return {
        "type": "messageReaction",
        "id": event_id,
        **_frame(world, service_url, said),
        "reactionsAdded" if added else "reactionsRemoved": [{"type": kind}],
        "replyToId": said.message_id,
        "channelData": activities.channel_data(world, said.scope, said.place_id),
    }


def _frame(world: World, service_url: str, said: Said) -> JsonObject:
    activity = activities.message(world, service_url, said)
    return {name: activity[name] for name in _FRAME}


def _event(world: World, event: str) -> JsonObject:
    return {"eventType": event, "tenant": {"id": world.tenant}}
