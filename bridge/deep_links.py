"""Addresses that open a Teams thread in whoever's Teams client follows them.

https://learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/deep-link-teams
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from bridge.events import Place

TEAMS = "https://teams.microsoft.com/l"


def thread_link(tenant: str, place: Place) -> str | None:
    """Link to a channel's thread or to a group chat; None where Teams knows no link.

    That is the personal chat with an app: its id (`a:…`) is the connector's own, and nobody else could open it. Without
    the team's group id the link works for who has the team open already, so it is given if it is known.
    """
    if place.scope == "channel" and place.channel_id and place.root_id:
        facts = {"tenantId": tenant, "groupId": place.team_group_id, "parentMessageId": place.root_id}
        query = urlencode({name: value for name, value in facts.items() if value})
        return f"{TEAMS}/message/{_part(place.channel_id)}/{_part(place.root_id)}?{query}"
    if place.scope == "groupChat" and place.conversation_id.startswith("19:"):
        return f"{TEAMS}/chat/{_part(place.conversation_id)}/conversations?{urlencode({'tenantId': tenant})}"
    return None


def _part(text: str) -> str:
    return quote(text, safe=":@")
