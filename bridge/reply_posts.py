"""Posting into Teams: which transport carries a reply, and that it is posted once, whatever fails.

Every try of a reply says what the first one noted, so that a look back knows it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bridge import ids
from bridge.errors import Forbidden, Rejected
from bridge.events import Place
from bridge.journal import Cause, Journal
from bridge.mentions import from_note, to_note
from bridge.ports import Attempt, Reply, TeamsReplies
from bridge.telemetry import Telemetry

Via = Literal["graph", "bot"]


@dataclass(frozen=True, slots=True)
class Transports:
    """How to post: both transports, the setting, and whether Graph has somebody signed in."""

    by_name: Mapping[Via, TeamsReplies]
    setting: Literal["auto", "graph", "bot"]
    graph_ready: Callable[[], Awaitable[bool]]

    async def choose(self, place: Place) -> tuple[Via, ...]:
        """Name the transports to try, in order.

        Graph can never answer in a personal chat (the other member is the bot), and in a group chat only if the
        account is a member. `auto` keeps answers flowing through the bot when Graph refuses.
        """
        if self.setting == "bot" or place.scope == "personal":
            return ("bot",)
        if self.setting == "graph":
            return ("graph",) if place.scope == "channel" else ("graph", "bot")
        return ("graph", "bot") if place.scope == "channel" and await self.graph_ready() else ("bot",)

    async def ping(self) -> None:
        """Raise if the transport that keeps answers flowing cannot be used now."""
        await self.by_name["graph" if self.setting == "graph" else "bot"].ping()


class ReplyPosts:
    """Posts replies, each as a step of what causes it."""

    def __init__(self, journal: Journal, transports: Transports, telemetry: Telemetry) -> None:
        self._journal, self._transports, self._telemetry = journal, transports, telemetry

    async def post(self, cause: Cause, place: Place, reply: Reply, number: int | str, via: tuple[Via, ...] = ()) -> str:
        """Post one piece; in `auto`, Graph's refusal of our sign-in falls back to the bot, with an alert."""
        first, *others = via or await self._transports.choose(place)
        try:
            return await self._post_via(first, cause, place, reply, number)
        except Forbidden as error:
            if not others:
                raise
            self._telemetry.error("graph_refused", code=error.code, tenant=cause.tenant)
            return await self._post_via(others[0], cause, place, reply, number)

    async def posted(self, cause: Cause, place: Place, number: int | str) -> str | None:
        """Give the reply with a file that an earlier try posted, found by its label."""
        container = ids.split_conversation(place.conversation_id)[0]

        async def look_back(attempt: Attempt) -> Sequence[str] | None:
            return await self._look_back(attempt, place, _noted(Reply(text=""), attempt), container)

        return await self._journal.found(cause.tenant, reply_step(cause.key, number), look_back)

    async def _post_via(self, via: Via, cause: Cause, place: Place, reply: Reply, number: int | str) -> str:
        container = ids.split_conversation(place.conversation_id)[0]
        noted = reply

        async def call() -> str:
            return ids.sent_key(container, await self._transports.by_name[via].post(place, noted))

        async def look_back(attempt: Attempt) -> Sequence[str] | None:
            nonlocal noted
            noted = _noted(reply, attempt)
            return await self._look_back(attempt, place, noted, container)

        step = reply_step(cause.key, number)
        heads = {"author": reply.author, "late": reply.late}
        note = {"via": via} | {name: text for name, text in heads.items() if text}
        if reply.label:
            note["label"] = reply.label
        if reply.mentions:
            note["mentions"] = to_note(reply.mentions)
        return await self._journal.once(cause.tenant, step, call, look_back, note, cause.trace)

    async def _look_back(self, attempt: Attempt, place: Place, reply: Reply, container: str) -> Sequence[str] | None:
        """Look where the earlier attempt posted; None when that transport cannot look, or may not any more."""
        earlier = self._transports.by_name["graph" if attempt.note.get("via") == "graph" else "bot"]
        try:
            found = await earlier.find(place, reply, attempt.started_at)
        except (Forbidden, Rejected):  # refused: there, nothing can be read or have been posted
            return None
        return None if found is None else [ids.sent_key(container, message) for message in found]


def reply_step(idempotency_key: str, number: int | str) -> str:
    """Name the journal row of one piece of an answer."""
    return ids.step_key(idempotency_key, f"reply.{number}")


def _noted(reply: Reply, attempt: Attempt) -> Reply:
    """Give the reply as the first try noted it: every try says the same, whatever is known of the agent by now."""
    note = attempt.note
    author, label = note.get("author", reply.author), note.get("label", reply.label)
    return replace(reply, author=author, late=note.get("late"), label=label, mentions=from_note(note))
