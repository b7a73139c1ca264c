"""The Entra group ids of teams: plain channel messages lack them, while Graph and links need them."""

from __future__ import annotations

from dataclasses import replace

from bridge.events import Place
from bridge.ports import Directory, ThreadMap

MAX_GROUPS = 10_000
"""Teams whose group id is kept in memory."""


class Groups:
    """Finds a team's group id out once, and remembers it."""

    def __init__(self, threads: ThreadMap, directory: Directory) -> None:
        self._threads, self._directory = threads, directory
        self._known: dict[tuple[str, str], str] = {}

    async def fill_in(self, tenant: str, place: Place) -> Place:
        """Give the place with its team's group id, where it is in a team and the id can be found out now."""
        if place.scope != "channel" or place.team_group_id or not place.team_id:
            return place
        group = self._known.get((tenant, place.team_id)) or await self._find(tenant, place.team_id, place)
        return replace(place, team_group_id=group)

    async def _find(self, tenant: str, team: str, place: Place) -> str | None:
        known = await self._threads.fact(tenant, "team", team)
        group = known["group"] if known else await self._directory.team_group_id(place)
        if group and not known:
            await self._threads.learn(tenant, "team", team, {"group": group}, None)
        if group and len(self._known) < MAX_GROUPS:
            self._known[tenant, team] = group  # it never changes
        return group
