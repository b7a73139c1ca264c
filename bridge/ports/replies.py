"""Posting into Teams threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.events import Place


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who can be mentioned: `address` as the agent wrote it, in lower case; the name and ids Teams knows.

    Without ids (in a personal chat) the name alone is shown.
    """

    address: str
    name: str
    teams_id: str = ""
    aad_id: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """An Adaptive Card (1.5). `id` occurs in it and in no other one."""

    id: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG, JPEG or GIF: its bytes, and a signed address where it can be read. Width and height are in pixels."""

    mime: str
    content: bytes
    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent says, for one Teams thread.

    `text` is plain text or, with `is_html`, Teams' HTML subset (docs/formatting.md), in which `<at>address</at>` stands
    for somebody to be mentioned; who is not among `mentions` stays text. `late` is a line that says when it was
    written, if that is a while ago. `starts`: in a channel it begins a thread of its own.

    A reply with a file has a `label`, which it shows in every form and by which it is found again. `text` links to the
    file; `picture` is shown instead where the transport takes one like it.
    """

    text: str
    is_html: bool = False
    mentions: tuple[Member, ...] = ()
    author: str | None = None
    late: str | None = None
    card: Card | None = None
    starts: bool = False
    label: str = ""
    picture: Picture | None = None


class TeamsReplies(Protocol):
    """Posts into Teams threads.

    Raises Throttled, Unavailable (with `maybe_done`), Forbidden (our credentials are refused), Rejected (this
    thread cannot be posted to).
    """

    async def post(self, place: Place, reply: Reply) -> str:
        """Post into the thread, as one message; return its id. The core has split long texts already."""

    async def find(self, place: Place, reply: Reply, since: float) -> Sequence[str] | None:
        """Read back: ids of our messages in the thread that say this (or show its `label`) since then, oldest first.

        None when this transport cannot look (the connector has no way to read).
        """

    async def ping(self) -> None:
        """Raise if it cannot be used now."""


class TeamsCards(Protocol):
    """Cards whose buttons come back to us: only the bot posts and changes them. Raises as `TeamsReplies` does."""

    async def update(self, place: Place, message_id: str, card: Card) -> None:
        """Show another card in a message of ours. Safe to repeat."""
