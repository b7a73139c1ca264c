"""Links back to a Teams thread, in the forms that Microsoft documents."""

from __future__ import annotations

import pytest

from bridge.deep_links import thread_link
from bridge.events import Place

TEAMS = "https://teams.microsoft.com/l"


def place(**more):
    facts = {"scope": "channel", "conversation_id": "19:c1@thread.tacv2;messageid=1767225600123", "service_url": "x"}
    return Place(**(facts | {"channel_id": "19:c1@thread.tacv2", "root_id": "1767225600123"} | more))


GROUP = place(scope="groupChat", conversation_id="19:chat@thread.v2", channel_id=None, root_id=None)
LINKS = [
    (
        place(team_group_id="g-1"),
        f"{TEAMS}/message/19:c1@thread.tacv2/1767225600123?tenantId=t1&groupId=g-1&parentMessageId=1767225600123",
    ),
    (place(), f"{TEAMS}/message/19:c1@thread.tacv2/1767225600123?tenantId=t1&parentMessageId=1767225600123"),
    (
        place(channel_id="19:a b/c?d&e#f@thread.tacv2", root_id="1&x=2/3"),
        f"{TEAMS}/message/19:a%20b%2Fc%3Fd%26e%23f@thread.tacv2/1%26x%3D2%2F3?tenantId=t1&parentMessageId=1%26x%3D2%2F3",
    ),
    (GROUP, f"{TEAMS}/chat/19:chat@thread.v2/conversations?tenantId=t1"),
    (place(scope="groupChat", conversation_id="a:odd"), None),
    (place(scope="personal", conversation_id="a:1Qm", channel_id=None, root_id=None), None),
    (place(root_id=None), None),
    (place(channel_id=None), None),
]


@pytest.mark.parametrize(("where", "link"), LINKS)
def test_a_thread_has_its_link(where, link):
    assert thread_link("t1", where) == link
