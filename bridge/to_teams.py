"""Delivery to Teams: an agent's answer is posted into the very thread where the question was asked, exactly once.

Reads top to bottom: translate, drop what must not pass, find the thread, choose the transport, post, record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bridge import ids
from bridge.delivery import Done, Outcome
from bridge.errors import Forbidden, NotLinked, Rejected
from bridge.events import Event, Ignored, Place
from bridge.journal import Journal
from bridge.links import refresh
from bridge.ports import Attempt, Delivery, Directory, Helpdesk, Link, Reply, TeamsReplies, ThreadMap
from bridge.telemetry import Telemetry
from bridge.text import TEAMS, read_stored, split

LINK_PATIENCE = 60.0
"""Seconds to wait for the link of a conversation in one of our inboxes before it is taken for somebody else's."""

Via = Literal["graph", "bot"]
Translate = Callable[[dict[str, Any], str], Event | Ignored]
Say = Callable[..., str]


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


class ToTeams:
    """The handler of the direction `to-teams`."""

    def __init__(
        self,
        *,
        translate: Translate,
        helpdesks: Mapping[str, Helpdesk],
        inboxes: Mapping[str, frozenset[str]],
        threads: ThreadMap,
        transports: Transports,
        directory: Directory,
        say: Say,
        clock: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        self._translate, self._helpdesks, self._inboxes = translate, helpdesks, inboxes
        self._threads, self._transports, self._directory = threads, transports, directory
        self._say, self._clock, self._telemetry = say, clock, telemetry
        self._journal = Journal(threads, clock)

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Deliver one webhook; raises BridgeError."""
        event = self._translate(read_stored(delivery.envelope.body), delivery.envelope.tenant)
        if isinstance(event, Ignored):
            return event
        event = replace(event, trace=delivery.envelope.trace)
        if event.tenant_id not in self._helpdesks:
            raise Rejected("no such tenant", code="unknown_tenant", component="to-teams")
        conversation = event.conversation_id or ""
        if await self._threads.origin(event.tenant_id, ids.sent_key(conversation, event.message_id)) is not None:
            return Ignored("own_message")
        link = await self._threads.by_conversation(event.tenant_id, conversation)
        if link is None:
            return self._unlinked(event, delivery)
        link = await refresh(self._threads, link, link, self._clock())
        if event.kind == "status":
            return await self._status(event, link)
        return await self._answer(event, link)

    def _unlinked(self, event: Event, delivery: Delivery) -> Outcome:
        """Webhooks of all conversations of the account arrive; wait a little only where the link may be on its way."""
        if event.inbox_id is not None and event.inbox_id not in self._inboxes[event.tenant_id]:
            return Ignored("other_inbox")
        waited_since = delivery.first_failed_at
        if waited_since is not None and self._clock() - waited_since > LINK_PATIENCE:
            return Ignored("not_linked")
        raise NotLinked("no Teams thread belongs to this conversation (yet)", code="not_linked", component="to-teams")

    async def _status(self, event: Event, link: Link) -> Outcome:
        """Follow the conversation's state: after `resolved`, the next question opens a new conversation."""
        status: Literal["open", "resolved"] = "resolved" if event.status == "resolved" else "open"
        if event.status != "assigned" and status != link.status:
            await self._threads.update(replace(link, status=status))
        return Done({"conversation": link.conversation_id, "status": event.status})

    async def _answer(self, event: Event, link: Link) -> Outcome:
        if not event.text.strip():
            return Ignored("empty")
        author = await self._author(event, link)
        place = await self._with_group_id(link)
        pieces = split(event.text, TEAMS)
        for number, text in enumerate(pieces):
            reply = Reply(text=text, author=author if number == 0 else None)
            sent = await self._post(event, place, reply, number)
        message = ids.parse_sent_key(sent)[1]
        return Done({"conversation": link.conversation_id, "message": message, "question": link.trace})

    async def _author(self, event: Event, link: Link) -> str:
        helpdesk = self._helpdesks[event.tenant_id]
        name = await helpdesk.agent_name(event.sender.id) if event.sender.kind == "agent" else None
        return name or self._say("agent", link.locale)

    async def _with_group_id(self, link: Link) -> Place:
        """Fill in the team's Entra group id, which Graph needs and plain channel messages lack."""
        place = link.place
        if place.scope != "channel" or place.team_group_id or not place.team_id or self._transports.setting == "bot":
            return place
        known = await self._threads.fact(link.tenant_id, "team", place.team_id)
        group = known["group"] if known else await self._directory.team_group_id(place)
        if group and not known:
            await self._threads.learn(link.tenant_id, "team", place.team_id, {"group": group}, None)
        return replace(place, team_group_id=group)

    async def _post(self, event: Event, place: Place, reply: Reply, number: int) -> str:
        """Post one piece; in `auto`, Graph's refusal of our sign-in falls back to the bot, with an alert."""
        first, *others = await self._transports.choose(place)
        try:
            return await self._post_via(first, event, place, reply, number)
        except Forbidden as error:
            if not others:
                raise
            self._telemetry.error("graph_refused", code=error.code, tenant=event.tenant_id)
            return await self._post_via(others[0], event, place, reply, number)

    async def _post_via(self, via: Via, event: Event, place: Place, reply: Reply, number: int) -> str:
        container = ids.split_conversation(place.conversation_id)[0]

        async def call() -> str:
            return ids.sent_key(container, await self._transports.by_name[via].post(place, reply))

        async def look_back(attempt: Attempt) -> Sequence[str] | None:
            return await self._look_back(attempt, place, reply, container)

        step = ids.step_key(event.idempotency_key, f"reply.{number}")
        note = {"via": via} | ({"author": reply.author} if reply.author else {})
        return await self._journal.once(event.tenant_id, step, call, look_back, note, event.trace)

    async def _look_back(self, attempt: Attempt, place: Place, reply: Reply, container: str) -> Sequence[str] | None:
        """Look where the earlier attempt posted, for what it posted: the agent's name may be known by now, or no more.

        None when that transport cannot look, or may not any more.
        """
        reply = replace(reply, author=attempt.note.get("author", reply.author))
        earlier = self._transports.by_name["graph" if attempt.note.get("via") == "graph" else "bot"]
        try:
            found = await earlier.find(place, reply, attempt.started_at)
        except Forbidden:
            return None
        return None if found is None else [ids.sent_key(container, message) for message in found]
