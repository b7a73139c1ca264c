"""What an agent or a bot offers to choose from: buttons, quick replies, drop-downs, carousels; data only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Button:
    """A button: pressing it says `reply` to the agent or, with a `url`, opens that."""

    label: str
    reply: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One card of a carousel, or the buttons of a message. `lines` stand above the buttons, the first as a title."""

    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    dropdown: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`words` are said beside it; `lines` are the panel as text, for where no card can be shown.

    `rates`: what is pressed, with a comment, is no message but a rating of the conversation.
    """

    words: str
    lines: str
    sections: tuple[Section, ...]
    rates: bool = False

    @property
    def choices(self) -> Sequence[Button]:
        """The buttons that say something; their number is what a press names."""
        return [button for section in self.sections for button in section.buttons if button.reply is not None]

    def to_json(self) -> str:
        """Write it as a fact holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Panel:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(fields["words"], fields["lines"], tuple(map(_section, fields["sections"])), fields["rates"])


def _section(fields: dict[str, Any]) -> Section:
    buttons = tuple(Button(**button) for button in fields["buttons"])
    return Section(tuple(fields["lines"]), buttons, fields["dropdown"])
