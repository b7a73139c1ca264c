"""What a new conversation says about its question, and what becomes of properties that an account refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.local.lexicon import LexiconSentiment
from bridge.errors import Rejected
from bridge.events import Event, Place, Sender
from bridge.groups import Groups
from bridge.labels import FIELDS_SECONDS, Labels
from bridge.moods import Moods
from bridge.ports import NewConversation, Sent
from bridge.tenants import Route

PLACE = Place(
    scope="channel",
    conversation_id="19:c@thread.tacv2;messageid=100",
    service_url="https://x",
    team_id="19:g@thread.tacv2",
    channel_id="19:c@thread.tacv2",
    root_id="100",
)
EVENT = Event(
    idempotency_key="teams:-/c/100/1:create",
    tenant_id="t1",
    direction="inbound",
    kind="create",
    timestamp="2026-01-02T00:00:00Z",
    sender=Sender(kind="user", id="29:mina", locale="en-US"),
    text="The printer is broken again, this is terrible",
    place=PLACE,
    custom_attributes={"cf_team": "Facilities"},
)
LINK = "https://teams.microsoft.com/l/message/19:c@thread.tacv2/100?tenantId=t1&groupId=group-of-g&parentMessageId=100"
NEW = NewConversation(inbox_id="in", user_id="u", text="x", properties={"cf_a": "1", "cf_b": "2", "cf_c": "3"})


class Directory:
    """Knows one team, and counts who asks."""

    def __init__(self):
        self.asked = 0

    async def team_group_id(self, place):
        self.asked += 1
        return "group-of-g"


class Account:
    """An account that has some fields (None: it refuses everything), and what it tells of them."""

    def __init__(self, has, tells):
        self.has, self.tells, self.tries, self.asked = None if has is None else frozenset(has), tells, [], 0

    async def open_conversation(self, new):
        self.tries.append(sorted(new.properties))
        if self.has is None or not self.has.issuperset(new.properties):
            raise Rejected("400", code="freshchat_400", component="freshchat")
        return Sent(id="m", conversation_id="c")

    async def conversation_fields(self):
        self.asked += 1
        return self.tells


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def make(telemetry, threads, directory, clock):
    def make(sentiment=None, link="cf_teams_link"):
        moods = Moods(sentiment, telemetry, seconds=5)
        return Labels(telemetry, moods, Groups(threads, directory), link, clock)

    return make


async def test_a_conversation_tells_its_mood_its_place_and_what_the_route_says(make, directory):
    labels = make(LexiconSentiment())
    route = Route(tags=("a", "b"), attributes={"cf_x": "1"})
    found = {"cf_sentiment": "negative", "cf_tags": "a, b", "cf_x": "1", "cf_team": "Facilities", "cf_teams_link": LINK}
    assert await labels.of(EVENT, route) == found
    await labels.of(EVENT, route)
    assert directory.asked == 1


async def test_what_is_off_or_unknown_is_left_out(make):
    event = replace(EVENT, custom_attributes={})
    assert await make(link=None).of(event, Route()) == {}
    personal = replace(event, place=Place(scope="personal", conversation_id="a:1", service_url="https://x"))
    assert await make().of(personal, Route()) == {}


async def test_what_a_route_says_itself_counts_more(make):
    labels = make(LexiconSentiment())
    route = Route(attributes={"cf_sentiment": "vip", "cf_team": "Berlin"})
    found = await labels.of(EVENT, route)
    assert (found["cf_sentiment"], found["cf_team"]) == ("vip", "Berlin")


def any_text(*names):
    return dict.fromkeys(names)


async def test_only_the_property_without_a_field_is_left_out(make, clock):
    """And for a while it is not sent again; then a field that was made meanwhile is found."""
    labels, account = make(), Account({"cf_a", "cf_c"}, any_text("cf_a", "cf_c", "priority"))
    await labels.open(account, NEW)
    await labels.open(account, NEW)
    assert account.tries == [["cf_a", "cf_b", "cf_c"], ["cf_a", "cf_c"], ["cf_a", "cf_c"]]
    assert account.asked == 1
    account.has |= {"cf_b"}
    clock.advance(FIELDS_SECONDS)
    await labels.open(account, NEW)
    assert account.tries[3:] == [["cf_a", "cf_b", "cf_c"]]


ALL = ["cf_a", "cf_b", "cf_c"]
WITHOUT = [
    (None, [ALL, []]),
    (any_text("cf_a", "cf_b"), [ALL, ["cf_a", "cf_b"], []]),
    (any_text("cf_a", "cf_b") | {"cf_c": frozenset({"other"})}, [ALL, ["cf_a", "cf_b"], []]),
    (any_text("cf_a") | {"cf_b": frozenset(), "cf_c": frozenset({"3"})}, [ALL, ["cf_a", "cf_c"], []]),
    ({"other": None}, [ALL, []]),
]


@pytest.mark.parametrize(("fields", "tries"), WITHOUT)
async def test_rather_no_properties_than_no_conversation(make, fields, tries):
    """Left out is what has no field, or not this value; then all."""
    account = Account((), fields)
    await make().open(account, NEW)
    assert account.tries == tries


async def test_what_is_refused_for_another_reason_is_refused_at_once(make):
    """Where every property has its field; and where there is none left to blame."""
    account = Account({"cf_a"}, any_text(*ALL))
    with pytest.raises(Rejected):
        await make().open(account, NEW)
    assert account.tries == [ALL]
    account = Account(None, None)
    with pytest.raises(Rejected):
        await make().open(account, NEW)
    assert account.tries == [ALL, []]
    with pytest.raises(Rejected):
        await make().open(account, replace(NEW, properties={}))
    assert (account.tries[2:], account.asked) == ([[]], 1)
