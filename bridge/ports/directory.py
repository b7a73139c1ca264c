"""Who is who in Teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge.events import Place
from bridge.ports.replies import Member


class Directory(Protocol):
    """Looks people and teams up in Teams. Never raises: None when it cannot be found out now."""

    async def person(self, place: Place, teams_user_id: str) -> Mapping[str, str] | None:
        """Tell `name`, `mail`, `title`, `department`, `language` (such as `ko-KR`) of a member, as far as known."""

    async def member(self, place: Place, address: str) -> Member | None:
        """Find a member of the place by mail address (user principal name); None for anybody else."""

    async def team_group_id(self, place: Place) -> str | None:
        """Tell the Entra group id of the place's team, which Graph needs."""
