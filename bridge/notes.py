"""Notices for agents: private notes in the conversation where an answer was given, posted exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge import ids
from bridge.delivery import Done
from bridge.journal import Journal
from bridge.notices import Notice
from bridge.ports import Attempt, Envelope, Helpdesk, Sent


class AgentNotes:
    """Posts notices into Freshchat."""

    def __init__(self, journal: Journal, say: Callable[..., str]) -> None:
        self._journal, self._say = journal, say

    async def post(self, helpdesk: Helpdesk, envelope: Envelope) -> Done:
        """Deliver one notice; it is read back by its text, in which the reference is unique. Raises as `Helpdesk`."""
        notice = Notice.from_bytes(envelope.body)
        conversation, text = notice.conversation_id or "", notice.text(self._say, "answer", envelope.trace)

        async def call() -> str:
            return _key(await helpdesk.post_note(conversation, text))

        async def look_back(attempt: Attempt) -> Sequence[str]:
            return [_key(sent) for sent in await helpdesk.find_note(conversation, text, attempt.started_at)]

        step = ids.step_key(ids.parse_dedupe_id(envelope.message_id)[1], "note")
        sent = await self._journal.once(envelope.tenant, step, call, look_back, trace=envelope.trace)
        return Done({"conversation": conversation, "message": ids.parse_sent_key(sent)[1]})


def _key(sent: Sent) -> str:
    return ids.sent_key(sent.conversation_id, sent.id)
