"""People and teams, as the Bot connector's roster and Entra know them; answers within a moment or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adapters.teams import limits
from adapters.teams.profiles import GraphProfiles
from adapters.teams.reply_bot import Connector
from bridge.events import Place
from bridge.ids import split_conversation
from bridge.ports import Member

TIMEOUT = 3.0

_FIELDS: dict[str, tuple[str, ...]] = {
    # ours: theirs, the first that is filled
    "name": ("name",),
    "mail": ("email", "mail", "userPrincipalName"),
    "title": ("jobTitle",),  # the public roster does not send these two; where it does, agents like to know
    "department": ("department",),
    "aad_object_id": ("aadObjectId", "objectId"),  # the documented and the received spelling
}


class TeamsDirectory:
    """Implements `bridge.ports.Directory`. Nothing is cached here: the caller keeps what it learns."""

    def __init__(
        self, connector: Connector, profiles: GraphProfiles | None = None, *, timeout: float = TIMEOUT
    ) -> None:
        self._connector = connector
        self._profiles = profiles
        self._timeout = timeout

    async def person(self, place: Place, teams_user_id: str) -> Mapping[str, str] | None:
        """Tell `name`, `mail`, `title`, `department`, `language` (and `aad_object_id`) of a member, as far as known.

        Asked with the team's id: with the `;messageid=` of a thread the roster was seen to answer 404.
        """
        roster = place.team_id or split_conversation(place.conversation_id)[0]
        member = await self._read(place, "conversations", roster, "members", teams_user_id)
        person = _person(member) if member else {}
        if self._profiles and "aad_object_id" in person:
            person |= await self._profiles.read(person["aad_object_id"])
        return person or None

    async def member(self, place: Place, address: str) -> Member | None:
        """Find a member of the place by mail address: the roster takes a user principal name in place of an id."""
        roster = place.team_id or split_conversation(place.conversation_id)[0]
        found = await self._read(place, "conversations", roster, "members", address)
        person, teams_id = _person(found or {}), (found or {}).get("id")
        if not isinstance(teams_id, str) or not teams_id or not person.keys() >= {"name", "aad_object_id"}:
            return None
        return Member(address, person["name"], teams_id, person["aad_object_id"])

    async def team_group_id(self, place: Place) -> str | None:
        """Tell the Entra group id of the place's team."""
        if place.team_group_id or not place.team_id:
            return place.team_group_id
        team = await self._read(place, "teams", place.team_id)
        group = (team or {}).get("aadGroupId")
        return group if isinstance(group, str) and group else None

    async def _read(self, place: Place, *path: str) -> dict[str, Any] | None:
        """Read one object; None whatever happens: a message is never held up for a name."""
        try:
            async with asyncio.timeout(self._timeout):
                parts = "/".join(quote(part, safe="") for part in path)
                answer = await self._connector.call(
                    "GET",
                    place.service_url,
                    parts,
                    owner=parts,
                    within=limits.roster(place.service_url, path[1]),
                    timeout=self._timeout,
                )
                return answer.object()
        except Exception:
            return None


def _person(member: Mapping[str, Any]) -> dict[str, str]:
    found = {ours: _first(member, theirs) for ours, theirs in _FIELDS.items()}
    if not found["name"]:
        found["name"] = " ".join(filter(None, (_first(member, (key,)) for key in ("givenName", "surname"))))
    return {ours: value for ours, value in found.items() if value}


def _first(member: Mapping[str, Any], names: tuple[str, ...]) -> str:
    values = (member.get(name) for name in names)
    return next((" ".join(value.split()) for value in values if isinstance(value, str) and value.strip()), "")
