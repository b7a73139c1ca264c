"""What the bot does with an activity: queue it, raw. Everything else happens in delivery."""

from __future__ import annotations

from botbuilder.core import InvokeResponse, TurnContext
from botbuilder.core.teams import TeamsActivityHandler

from bots.activity import read_keys
from bots.raw import Raw
from bridge.intake import Intake
from bridge.telemetry import Telemetry
from cards import texts

RAW = "bridge.raw"
"""Key of the turn state under which the adapter leaves the request's (bytes, parsed JSON)."""


class QueueingBot(TeamsActivityHandler):  # type: ignore[misc]
    """Queues messages, edits and deletes; counts and ignores every other kind; answers invokes in the response.

    The SDK's hooks for edits, members and reactions are overridden one level above: they call Teams within the
    request, and fail the request when that fails.
    """

    def __init__(self, intake: Intake, telemetry: Telemetry) -> None:
        super().__init__()
        self._intake, self._telemetry = intake, telemetry

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        """Queue a message."""
        await self._queue(turn_context)

    async def on_message_update_activity(self, turn_context: TurnContext) -> None:
        """Queue an edit."""
        await self._queue(turn_context)

    async def on_message_delete_activity(self, turn_context: TurnContext) -> None:
        """Queue a delete."""
        await self._queue(turn_context)

    async def on_conversation_update_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("conversation_update")

    async def on_message_reaction_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("reaction")

    async def on_event_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("event")

    async def on_installation_update(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("installation_update")

    async def on_typing_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("typing")

    async def on_end_of_conversation_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("end_of_conversation")

    async def on_unrecognized_activity_type(self, turn_context: TurnContext) -> None:
        """Count: new kinds may arrive at any time and must be answered 200."""
        self._ignore("unknown_type")

    async def on_invoke_activity(self, turn_context: TurnContext) -> InvokeResponse:
        """Answer in the response: a card action gets a readable refusal, anything else 501 as the SDK would."""
        self._ignore("invoke")
        if turn_context.activity.name != "adaptiveCard/action":
            return InvokeResponse(status=501)
        message = texts.say("button_unknown", turn_context.activity.locale)
        error = {"code": "NotSupported", "message": message}
        return InvokeResponse(
            status=200, body={"statusCode": 400, "type": "application/vnd.microsoft.error", "value": error}
        )

    async def _queue(self, turn_context: TurnContext) -> None:
        body, raw = _raw(turn_context)
        keys = read_keys(raw)
        await self._intake.store("to-freshchat", keys.tenant, keys.idempotency, keys.session, keys.kind, body)

    def _ignore(self, reason: str) -> None:
        self._telemetry.accepted("to-freshchat", f"ignored_{reason}")


def _raw(turn_context: TurnContext) -> tuple[bytes, Raw]:
    body, raw = turn_context.turn_state[RAW]
    return body, raw
