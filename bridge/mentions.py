"""People whom an agent names as `@person@company.com`: found in Teams, and put where the text has room for them."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, replace
from typing import Any

from bridge import ids
from bridge.events import Place
from bridge.ports import Directory, Member, Reply

PATIENCE = 2.0
"""Seconds that an answer waits for its mentions, all of them together."""
KNOWN, UNKNOWN = 3600.0, 60.0
"""Seconds for which a member is remembered, and that an address was not found."""
REMEMBERED = 5_000
MOST = 20
"""People looked up for one answer; others stay text."""

_AT = re.compile(r"<at>([^<]*)</at>")


class Mentions:
    """Finds members of the place of a conversation by address; keeps what it learns for a while."""

    def __init__(self, directory: Directory, clock: Callable[[], float]) -> None:
        self._directory, self._clock = directory, clock
        self._kept: dict[tuple[str, str, str], tuple[float, Member | None]] = {}

    async def fill_in(self, tenant: str, place: Place, reply: Reply) -> Reply:
        """Add the members whom the reply names. Whoever is not found in time stays text; never raises."""
        if not reply.is_html or "<at>" not in reply.text:
            return reply
        found = await self._find(tenant, place, list(dict.fromkeys(map(_address, _AT.findall(reply.text))))[:MOST])
        if place.scope == "personal":  # there is nobody else whom it would call
            found = [replace(member, teams_id="", aad_id="") for member in found]
        return replace(reply, mentions=tuple(found))

    async def _find(self, tenant: str, place: Place, addresses: Iterable[str]) -> list[Member]:
        tasks = [asyncio.create_task(self._member(tenant, place, address)) for address in addresses]
        try:
            done, late = await asyncio.wait(tasks, timeout=PATIENCE)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        results = (task.result() for task in tasks if task in done)
        return [member for member in results if member is not None]

    async def _member(self, tenant: str, place: Place, address: str) -> Member | None:
        key = (tenant, place.team_id or ids.split_conversation(place.conversation_id)[0], address)
        until, member = self._kept.pop(key, (0.0, None))
        if until <= self._clock():
            self._keep(key, UNKNOWN, None)  # also for when looking takes too long: the next answer does not wait again
            member = await self._directory.member(place, address)
            until = self._clock() + (KNOWN if member else UNKNOWN)
        self._kept[key] = (until, member)
        return member

    def _keep(self, key: tuple[str, str, str], seconds: float, member: Member | None) -> None:
        self._kept[key] = (self._clock() + seconds, member)
        if len(self._kept) > REMEMBERED:
            del self._kept[next(iter(self._kept))]


def named(reply: Reply) -> tuple[str, list[Member]]:
    """Give an HTML reply's text with `<at id="n">Name</at>` for its mentions, and who the numbers are.

    Each place in the text has a number of its own, because Graph wants exactly one mention for each.
    """
    by_address = {member.address: member for member in reply.mentions}
    mentioned: list[Member] = []

    def shown(found: re.Match[str]) -> str:
        member = by_address.get(_address(found[1]))
        if member is None:
            return f"@{found[1]}"
        name = html.escape(member.name, quote=False)
        if not member.teams_id or not member.aad_id:
            return name
        mentioned.append(member)
        return f'<at id="{len(mentioned) - 1}">{name}</at>'

    return _AT.sub(shown, reply.text), mentioned


def to_note(members: Iterable[Member]) -> str:
    """Write members for the journal: every try of an answer names the same."""
    return json.dumps([astuple(member) for member in members], ensure_ascii=False)


def from_note(note: Mapping[str, str]) -> tuple[Member, ...]:
    """Read what `to_note` wrote, from the note of an attempt."""
    members: Any = json.loads(note.get("mentions", "[]"))
    return tuple(Member(*fields) for fields in members)


def _address(escaped: str) -> str:
    return html.unescape(escaped).lower()
