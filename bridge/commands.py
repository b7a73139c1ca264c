"""Commands that people write to the bridge in Teams: help, status, close, new. No agent sees them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from bridge import ids
from bridge.delivery import Done
from bridge.events import Event, Ignored
from bridge.journal import Journal
from bridge.ports import Attempt, Helpdesk, Link, ThreadMap
from bridge.sayings import Sayings
from bridge.states import State, recall, remember

Command = Literal["help", "status", "close", "new"]

WORDS: Mapping[str, Command] = {
    "help": "help",
    "도움말": "help",
    "도움": "help",
    "status": "status",
    "상태": "status",
    "close": "close",
    "종료": "close",
    "닫기": "close",
    "new": "new",
    "새 대화": "new",
    "새대화": "new",
    "새 문의": "new",
}
"""In lower case, with single spaces."""


def command_of(event: Event) -> Command | None:
    """Tell which command a message is: the word alone, said to the bot (elsewhere than in a personal chat by name)."""
    if event.kind != "create" or event.place is None or event.attachments or event.files:
        return None
    if event.place.scope != "personal" and not event.names_bot:
        return None
    return meaning(event.text)


def meaning(text: str) -> Command | None:
    """Tell which command a text is; blanks, case and the way a keyboard composes Hangul do not matter."""
    return WORDS.get(" ".join(unicodedata.normalize("NFC", text).split()).casefold())


class Commands:
    """Does what a command asks for, and answers in the thread, once."""

    def __init__(self, threads: ThreadMap, journal: Journal, sayings: Sayings, clock: Callable[[], float]) -> None:
        self._threads, self._journal, self._sayings, self._clock = threads, journal, sayings, clock

    async def run(self, command: Command, event: Event, helpdesk: Helpdesk, link: Link | None) -> Done:
        """Do it; raises as `Helpdesk`. `link` is the conversation that is open in the thread, or was last."""
        now, note = self._clock(), {"command": command}
        row = await self._threads.start(event.tenant_id, _row(event), now, note, event.trace)
        if row.sent_id is not None:
            return Done({"command": command})
        if command == "help":
            text, values = "help", dict[str, str]()
        elif command == "status":
            text, values = await self._status(event, link)
        elif command == "close":
            text, values = await self._close(event, helpdesk, link), {}
        else:
            text, values = await self._leave(link), {}
        await self._sayings.put(event, link.conversation_id if link else None, text, about="command", values=values)
        await self._threads.done(event.tenant_id, _row(event), ids.sent_key(command, event.message_id))
        return Done({"command": command})

    async def is_about_one(self, event: Event) -> Ignored | None:
        """Say that nobody hears of an edit or a deletion of a command, if this is one: nobody heard of the command."""
        if event.kind not in ("edit", "delete") or not await self._threads.attempted(event.tenant_id, _row(event)):
            return None
        return Ignored(f"{event.kind}_of_command")

    async def _status(self, event: Event, link: Link | None) -> tuple[str, dict[str, str]]:
        if link is None or link.status == "left":
            return "none_open", {}
        state = await recall(self._threads, event.tenant_id, link.conversation_id)
        if link.status == "resolved":
            at = state.at if state and state.status == "resolved" else _iso(link.active_at)
            return "status_is_resolved", {"time": _shown(at)}
        if state is not None and state.status == "assigned":
            return "status_is_assigned", {"agent": state.agent, "time": _shown(state.at)}
        return "status_is_open", {"time": _shown(_iso(link.created_at))}

    async def _close(self, event: Event, helpdesk: Helpdesk, link: Link | None) -> str:
        """End the conversation at the helpdesk, and at once in our books: its webhook may take a while."""
        step = ids.step_key(event.idempotency_key, "close")
        if link is None or (link.status != "open" and not await self._threads.attempted(event.tenant_id, step)):
            return "none_open"
        conversation = link.conversation_id
        closed = State(status="resolved", at=event.timestamp, by="command")
        await remember(self._threads, event.tenant_id, conversation, closed)

        async def call() -> str:
            await helpdesk.resolve(conversation)
            return ids.sent_key(conversation, f"close.{event.message_id}")

        async def look_back(_: Attempt) -> Sequence[str]:
            return ()  # a conversation can be resolved again without harm

        await self._journal.once(event.tenant_id, step, call, look_back, trace=event.trace)
        await self._threads.update(replace(link, status="resolved"))
        return "close_done"

    async def _leave(self, link: Link | None) -> str:
        """Let the next message open a conversation; the agent may still end the old one, and answer in it."""
        if link is not None and link.status == "open":
            await self._threads.update(replace(link, status="left"))
        return "new_next"


def _row(event: Event) -> str:
    """Name the journal row of a command, so that its edits find it (they come without their team)."""
    container = ids.split_conversation(event.place.conversation_id)[0] if event.place else ""
    return ids.step_key(ids.sent_key(container, event.message_id), "command")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _shown(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
