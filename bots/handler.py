"""What the bot does with an activity: queue it, raw. Everything else happens in delivery."""

from __future__ import annotations

from botbuilder.core import InvokeResponse, TurnContext
from botbuilder.core.teams import TeamsActivityHandler

from bots.activity import changed_at, message_of, read_keys, tenant_of
from bots.clicks import read_click
from bots.installs import read_install_keys
from bots.raw import Raw
from bridge.clicks import Clicks
from bridge.intake import Intake
from bridge.newest import Newest
from bridge.telemetry import Telemetry
from cards import texts
from cards.card_text import ADAPTIVE

RAW = "bridge.raw"
"""Key of the turn state under which the adapter leaves the request's (bytes, parsed JSON)."""


class QueueingBot(TeamsActivityHandler):  # type: ignore[misc]
    """Queues messages, edits, deletes, installations, and reactions where they are wanted; answers invokes at once.

    Every other kind is counted and ignored. The SDK's hooks for edits, members and reactions are overridden one level
    above: they call Teams within the request, and fail the request when that fails.
    """

    def __init__(
        self,
        intake: Intake,
        telemetry: Telemetry,
        *,
        clicks: Clicks | None = None,
        newest: Newest | None = None,
        reactions: frozenset[str] = frozenset(),
    ) -> None:
        """`newest` is told of edits and deletes; `reactions` are the tenants that want those."""
        super().__init__()
        self._intake, self._telemetry, self._clicks = intake, telemetry, clicks
        self._newest, self._reactions = newest, reactions

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        """Queue a message."""
        await self._queue(turn_context)

    async def on_message_update_activity(self, turn_context: TurnContext) -> None:
        """Queue an edit."""
        await self._note(turn_context)
        await self._queue(turn_context)

    async def on_message_delete_activity(self, turn_context: TurnContext) -> None:
        """Queue a delete."""
        await self._note(turn_context)
        await self._queue(turn_context)

    async def on_conversation_update_activity(self, turn_context: TurnContext) -> None:
        """Queue that the app was added or removed; count what happens to other members and to channels."""
        await self._installed(turn_context, "conversation_update")

    async def on_message_reaction_activity(self, turn_context: TurnContext) -> None:
        """Queue a reaction where it is wanted."""
        if tenant_of(_raw(turn_context)[1]) in self._reactions:
            await self._queue(turn_context)
        else:
            self._ignore("reaction")

    async def on_event_activity(self, turn_context: TurnContext) -> None:
        """Count."""
        self._ignore("event")

    async def on_installation_update(self, turn_context: TurnContext) -> None:
        """Queue that the app was added or removed."""
        await self._installed(turn_context, "installation_update")

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
        """Answer in the response: the press of a button with the card as it is then, or a readable refusal.

        Anything else gets 501 as from the SDK.
        """
        if turn_context.activity.name != "adaptiveCard/action":
            self._ignore("invoke")
            return InvokeResponse(status=501)
        click = read_click(_raw(turn_context)[1]) if self._clicks else None
        card = await self._clicks.press(click) if self._clicks and click else None
        if card is not None:
            body = {"statusCode": 200, "type": ADAPTIVE, "value": card.content}
            return InvokeResponse(status=200, body=body)
        self._ignore("invoke")
        message = texts.say("button_unknown", turn_context.activity.locale)
        error = {"code": "NotSupported", "message": message}
        return InvokeResponse(
            status=200, body={"statusCode": 400, "type": "application/vnd.microsoft.error", "value": error}
        )

    async def _note(self, turn_context: TurnContext) -> None:
        """Note what the message says now, before the edit is queued: after, its delivery could be over already."""
        body, raw = _raw(turn_context)
        if self._newest is not None:
            await self._newest.note(read_keys(raw).tenant, message_of(raw), changed_at(raw), body)

    async def _queue(self, turn_context: TurnContext) -> None:
        body, raw = _raw(turn_context)
        keys = read_keys(raw)
        await self._intake.store("to-freshchat", keys.tenant, keys.idempotency, keys.session, keys.kind, body)

    async def _installed(self, turn_context: TurnContext, name: str) -> None:
        body, raw = _raw(turn_context)
        keys = read_install_keys(raw)
        if keys is None:
            self._ignore(name)
        else:
            await self._intake.store("to-freshchat", keys.tenant, keys.idempotency, keys.session, keys.kind, body)

    def _ignore(self, reason: str) -> None:
        self._telemetry.accepted("to-freshchat", f"ignored_{reason}")


def _raw(turn_context: TurnContext) -> tuple[bytes, Raw]:
    body, raw = turn_context.turn_state[RAW]
    return body, raw
