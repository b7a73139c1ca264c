"""The state of a conversation as the people in its thread know it: one small line for each change."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from bridge.errors import Rejected
from bridge.events import Event, Status
from bridge.own_words import OwnWords
from bridge.ports import Helpdesk, Link, Reply, ThreadMap
from bridge.switches import Switches
from bridge.telemetry import Telemetry

KEPT = 90 * 86_400.0
"""Seconds that a state is remembered: longer than anybody goes on with a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What last happened to a conversation: `status`, the agent's name if it was assigned, and when (RFC 3339).

    `by` is `command` if somebody in Teams wrote `close`: they were told already.
    """

    status: str
    at: str
    agent: str = ""
    by: str = ""

    def same_as(self, other: State) -> bool:
        """Whether a line about the other one would say nothing new."""
        return (self.status, self.agent) == (other.status, other.agent)


async def recall(threads: ThreadMap, tenant: str, conversation_id: str) -> State | None:
    """Tell the last state of a conversation; None if nothing has happened to it."""
    fact = await threads.fact(tenant, "state", conversation_id)
    return State(**fact) if fact else None


async def remember(threads: ThreadMap, tenant: str, conversation_id: str, state: State) -> None:
    """Keep the state of a conversation."""
    await threads.learn(tenant, "state", conversation_id, asdict(state), KEPT)


class StatusLines:
    """Follows states, and shows each change in the thread if the tenant wants that.

    The line comes first and the memory of it after: between the two, the journal knows that the line was posted.
    """

    def __init__(
        self,
        threads: ThreadMap,
        helpdesks: Mapping[str, Helpdesk],
        switches: Mapping[str, Switches],
        own: OwnWords,
        say: Callable[..., str],
        telemetry: Telemetry,
    ) -> None:
        self._threads, self._helpdesks, self._switches = threads, helpdesks, switches
        self._own, self._say, self._telemetry = own, say, telemetry

    async def follow(self, event: Event, link: Link) -> bool:
        """Show a change and remember it; False if it is none, came too late, or is about a group's queue only."""
        now = await self._state(event, link)
        if now is None:
            return False
        known = await recall(self._threads, link.tenant_id, link.conversation_id)
        closed = known is not None and known.by == "command" and now.same_as(known)
        if known is not None and not closed and (now.same_as(known) or now.at < known.at):
            return False
        if await self._is_current(link):
            await self._tell(event, link, now, told=closed)
        await remember(self._threads, link.tenant_id, link.conversation_id, now)
        return True

    async def _state(self, event: Event, link: Link) -> State | None:
        status, agent = event.status, event.custom_attributes.get("assignedAgentId")
        if status is None or (status == "assigned" and not agent):
            return None
        if status != "assigned" or not agent:
            return State(status=status, at=event.timestamp)
        name = await self._helpdesks[link.tenant_id].agent_name(agent)
        return State(status=status, at=event.timestamp, agent=name or self._say("agent", link.locale))

    async def _is_current(self, link: Link) -> bool:
        """Whether the thread has not gone on with another conversation: nobody asks about the old one any more."""
        thread = await self._threads.thread(link.tenant_id, link.thread_key)
        return thread is not None and thread.conversation_id == link.conversation_id

    async def _tell(self, event: Event, link: Link, state: State, *, told: bool) -> None:
        wanted = self._switches.get(link.tenant_id, Switches())
        try:
            if wanted.status_lines and not told:
                await self._line(event, link, state)
            if wanted.rating and state.status == "resolved":
                await self._own.ask(event, link)
        except Rejected as error:  # a thread that takes nothing any more: nobody waits for this
            self._telemetry.info("status_line_refused", conversation=link.conversation_id, code=error.code)

    async def _line(self, event: Event, link: Link, state: State) -> None:
        text = html.escape(self._say(_TEXTS[state.status], link.locale, agent=state.agent), quote=False)
        await self._own.line(event, link, Reply(text=f"<p><em>{text}</em></p>", is_html=True))


_TEXTS: Mapping[str, str] = dict[Status, str](
    assigned="status_assigned", resolved="status_resolved", reopened="status_reopened"
)
