"""What an activity tells of its writer and of its place, for the agent's eyes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bots.activity import to_event

TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "teams"


def event(**changes):
    raw = json.loads((FIXTURES / "channel_root.json").read_text(encoding="utf-8"))
    for name in ("localTimezone", "entities", "locale"):
        raw.pop(name, None)
    return to_event(raw | changes, "app-id")


def client(**facts):
    return [{"type": "clientInfo", **facts}]


ZONES = [
    ({"localTimezone": "Asia/Seoul"}, "Asia/Seoul"),
    ({"localTimezone": "America/Argentina/Buenos_Aires"}, "America/Argentina/Buenos_Aires"),
    ({"entities": client(timezone="Europe/Berlin")}, "Europe/Berlin"),
    ({"localTimezone": "Etc/GMT+9", "entities": client(timezone="Europe/Berlin")}, "Etc/GMT+9"),
    ({"localTimezone": "<b>x</b>", "entities": client(timezone="UTC")}, "UTC"),
    ({"localTimezone": 9, "entities": [5, None, {"type": "mention"}, *client(timezone=["x"])]}, None),
    ({"localTimezone": "A" * 65}, None),
    ({"localTimezone": "Asia/Seoul\n"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("changes", "zone"), ZONES)
def test_the_time_zone_of_the_writer(changes, zone):
    assert event(**changes).sender.time_zone == zone


def test_the_locale_of_the_writer():
    assert event(locale="ko-KR").sender.locale == "ko-KR"
    assert event().sender.locale is None


def test_names_of_team_and_channel_where_they_are_told():
    """They are attributes of the event, so they reach the conversation's properties; ids alone are none."""
    ids = {"tenant": {"id": TENANT}, "team": {"id": "19:g"}, "channel": {"id": "19:c"}}
    assert event(channelData=ids).custom_attributes == {}
    named = ids | {"team": {"id": "19:g", "name": "Facilities"}, "channel": {"id": "19:c", "name": "n" * 300}}
    found = event(channelData=named)
    assert found.custom_attributes == {"cf_team": "Facilities", "cf_channel": "n" * 256}
    assert found.to_json()["routing"]["customAttributes"] == found.custom_attributes
