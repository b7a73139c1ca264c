"""Where a piece of a Teams message goes in Freshchat, noted so that a later try can look where an earlier one went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import Rejected
from bridge.ports import Helpdesk, Sent


@dataclass(frozen=True, slots=True)
class Target:
    """As this user, into this conversation or (None) into a new one; `named`: with the speaker's name in front.

    Between two tries a conversation may be resolved or reopened, and what is known of people may change: the second
    try then aims differently, so what it looks for must come from the note of the first.
    """

    user: str
    conversation: str | None = None
    named: bool = False

    def note(self) -> dict[str, str]:
        """Write it down for the journal's row."""
        facts = {"user": self.user, "conversation": self.conversation, "named": "yes" if self.named else None}
        return {name: value for name, value in facts.items() if value}

    @classmethod
    def from_note(cls, note: Mapping[str, str]) -> Target | None:
        """Read it; None in a row from before there were such notes."""
        return cls(note["user"], note.get("conversation"), "named" in note) if "user" in note else None

    async def find(self, helpdesk: Helpdesk, text: str, since: float) -> Sequence[Sent]:
        """Read back what was sent there since then; nothing if the conversation or the user is gone."""
        try:
            if self.conversation is None:
                return await helpdesk.find_conversation(self.user, text, since)
            return await helpdesk.find_message(self.conversation, self.user, text, since)
        except Rejected:
            return []
