"""People and teams are looked up in the roster; whatever goes wrong, the answer is None, and soon."""

from __future__ import annotations

import time

import pytest

from adapters.http import HostRule
from adapters.teams.directory import TeamsDirectory
from adapters.teams.reply_bot import Connector
from bridge.errors import Unavailable
from bridge.events import Place
from bridge.ports import Member
from tests.unit.freshchat.upstream import DROP, HANG

ADA = {
    "id": "29:1Qm",
    "name": "Ada Fenn",
    "objectId": "c1a7",
    "givenName": "Ada",
    "surname": "Fenn",
    "email": "ada@fenn.example",
    "userPrincipalName": "ada_upn@fenn.example",
}


class Tokens:
    fault = None

    async def token(self):
        if self.fault:
            raise self.fault
        return "token"

    def invalidate(self, token=None):
        return None


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def directory(session, clock, tokens):
    hosts = HostRule(["127.0.0.1"], allow_loopback_http=True)
    return TeamsDirectory(Connector(session, tokens, hosts, clock=clock), timeout=0.3)


def place(upstream, **more):
    facts = {"scope": "channel", "conversation_id": "19:b7@thread.tacv2;messageid=17", "team_id": "19:Kq@thread.tacv2"}
    return Place(**{**facts, "service_url": f"{upstream.url}/emea/", **more})


ROSTERS = [
    ({}, "19%3AKq%40thread.tacv2"),
    ({"team_id": None}, "19%3Ab7%40thread.tacv2"),
    ({"scope": "personal", "team_id": None, "conversation_id": "a:1Q"}, "a%3A1Q"),
]


@pytest.mark.parametrize(("where", "roster"), ROSTERS)
async def test_a_person_is_looked_up_where_the_roster_is(directory, upstream, where, roster):
    upstream.on(f"GET /emea/v3/conversations/{roster}/members/29%3A1Qm", ADA)
    assert await directory.person(place(upstream, **where), "29:1Qm") == {
        "name": "Ada Fenn",
        "mail": "ada@fenn.example",
        "aad_object_id": "c1a7",
    }


MEMBERS = [
    ({"aadObjectId": "a", "objectId": "b", "name": "N"}, {"name": "N", "aad_object_id": "a"}),
    ({"givenName": "Ada", "surname": " Fenn"}, {"name": "Ada Fenn"}),
    ({"surname": "Fenn", "email": "", "userPrincipalName": "u@x"}, {"name": "Fenn", "mail": "u@x"}),
    (
        {"name": " Ada \n Fenn ", "jobTitle": "QA", "department": "D"},
        {"name": "Ada Fenn", "title": "QA", "department": "D"},
    ),
    ({"name": 5, "email": None}, None),
    ({}, None),
    ([], None),
]


@pytest.mark.parametrize(("member", "person"), MEMBERS)
async def test_what_the_roster_knows_is_told(directory, upstream, member, person):
    upstream.on("GET .*", member)
    assert await directory.person(place(upstream), "29:1Qm") == person


@pytest.mark.parametrize("answer", [DROP, HANG, (401, {}), (404, {}), (429, {}), (500, {}), b"<html>"])
async def test_no_answer_is_none_and_soon(directory, upstream, answer):
    upstream.on("GET .*", answer)
    started = time.monotonic()
    assert await directory.person(place(upstream), "29:1Qm") is None
    assert await directory.team_group_id(place(upstream)) is None
    assert time.monotonic() - started < 2


async def test_no_token_and_no_good_url_are_none(directory, upstream, tokens):
    assert await directory.person(place(upstream, service_url="https://evil.example.com/"), "29:1Qm") is None
    assert await directory.person(place(upstream), "\ud800") is None
    tokens.fault = Unavailable("x", code="c", component="entra")
    assert await directory.person(place(upstream), "29:1Qm") is None
    assert upstream.asked == []


async def test_a_teams_group_id_is_looked_up_unless_it_is_known(directory, upstream):
    upstream.on("GET /emea/v3/teams/19%3AKq%40thread.tacv2", {"id": "19:Kq", "name": "F", "aadGroupId": "5d2e"})
    assert await directory.team_group_id(place(upstream)) == "5d2e"
    assert await directory.team_group_id(place(upstream, team_group_id="known")) == "known"
    assert await directory.team_group_id(place(upstream, team_id=None)) is None
    assert len(upstream.asked) == 1


async def test_a_member_is_found_by_address(directory, upstream):
    """The roster takes a user principal name in place of an id; both ids are needed to mention somebody."""
    path = "/emea/v3/conversations/19%3AKq%40thread.tacv2/members/ada%40fenn.example"
    upstream.on(f"GET {path}", (200, ADA))
    assert await directory.member(place(upstream), "ada@fenn.example") == Member(
        "ada@fenn.example", "Ada Fenn", "29:1Qm", "c1a7"
    )


@pytest.mark.parametrize(
    "answer",
    [(404, {}), (200, ADA | {"id": 7}), (200, ADA | {"objectId": None}), HANG],
    ids=["not found", "no id", "no Entra id", "hangs"],
)
async def test_an_address_that_is_no_members_is_nobody(directory, upstream, answer):
    """Without a name or an id there is nobody to mention; a directory that hangs knows nobody."""
    upstream.on("GET /emea/v3/conversations/19%3AKq%40thread.tacv2/members/ada%40fenn.example", answer)
    assert await directory.member(place(upstream), "ada@fenn.example") is None
