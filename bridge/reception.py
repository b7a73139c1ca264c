"""What people ask of the bridge itself, and not of an agent; it comes through the same queue, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.away import Away
from bridge.commands import Commands, command_of
from bridge.delivery import Done, Outcome
from bridge.events import Event
from bridge.journal import Journal
from bridge.ports import Envelope, Helpdesk, Link, Queue, ThreadMap
from bridge.ratings import Ratings
from bridge.sayings import Sayings
from bridge.switches import Switches
from bridge.welcomes import Welcomes


class Reception:
    """Takes what is for the bridge, and tells people what they should know beside it."""

    def __init__(
        self,
        threads: ThreadMap,
        queue: Queue,
        clock: Callable[[], float],
        switches: Mapping[str, Switches],
    ) -> None:
        self._switches = switches
        journal, sayings = Journal(threads, clock), Sayings(queue, clock)
        self._commands = Commands(threads, journal, sayings, clock)
        self._ratings = Ratings(journal)
        self._welcomes = Welcomes(threads, sayings)
        self._away = Away(threads, sayings)

    async def take(self, event: Event, helpdesk: Helpdesk, link: Link | None) -> Outcome | None:
        """Do what an event asks of the bridge; None if it is for an agent. Raises BridgeError, StoreFull."""
        if event.kind == "install":
            return await self._welcomes.follow(event)
        command = command_of(event)
        if command is not None:
            return await self._commands.run(command, event, helpdesk, link)
        return await self._commands.is_about_one(event)

    async def rate(self, helpdesk: Helpdesk, envelope: Envelope) -> Done:
        """Deliver a rating. Raises BridgeError."""
        return await self._ratings.deliver(helpdesk, envelope)

    async def hint(self, event: Event, helpdesk: Helpdesk, conversation_id: str, group: str | None) -> None:
        """Say, once a message has arrived, what its writer should know. Raises Unavailable, StoreFull."""
        if self._switches[event.tenant_id].away:
            await self._away.hint(event, helpdesk, conversation_id, group)
