"""What Entra knows of a person is read where it may be, and never holds anybody up."""

from __future__ import annotations

import asyncio
import io

import pytest

from adapters.http import HostRule
from adapters.teams.directory import TeamsDirectory
from adapters.teams.profiles import AWAY_SECONDS, REFUSED_SECONDS, TIMEOUT, GraphProfiles
from adapters.teams.reply_bot import Connector
from bridge.errors import Forbidden
from bridge.events import Place
from bridge.telemetry import Telemetry

USER = "GET /v1.0/users/c1a7"
ADA = {"department": " Facilities \n", "jobTitle": "Manager", "preferredLanguage": "en-US"}
KNOWN = {"department": "Facilities", "title": "Manager", "language": "en-US"}


class Tokens:
    fault, invalidated = None, 0

    async def token(self):
        if self.fault:
            raise self.fault
        return "token"

    def invalidate(self, token=None):
        self.invalidated += 1


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def profiles(session, upstream, tokens, clock, log):
    return GraphProfiles(session, f"{upstream.url}/v1.0", tokens, Telemetry("WARNING", log), clock)


async def test_a_profile_is_read(profiles, upstream):
    upstream.on(USER, ADA)
    assert await profiles.read("c1a7") == KNOWN
    (asked,) = upstream.asked
    assert asked.query == {"$select": "department,jobTitle,preferredLanguage"}
    assert asked.headers["Authorization"] == "Bearer token"


@pytest.mark.parametrize("body", [{"department": None, "jobTitle": 5}, {}, [], None])
async def test_what_is_not_told_is_not_known(profiles, upstream, body):
    """Graph sends null for what is empty, and for what the permission does not cover."""
    upstream.on(USER, body)
    assert await profiles.read("c1a7") == {}


async def test_a_missing_permission_is_said_once_and_asked_for_again_in_an_hour(profiles, upstream, clock, log):
    upstream.on("GET .*", (403, {"error": {"code": "Authorization_RequestDenied"}}))
    for _ in range(3):
        assert await profiles.read("c1a7") == {}
        assert await profiles.read("c1a7") == {}
        clock.now += REFUSED_SECONDS
    assert len(upstream.asked) == 3
    assert log.getvalue().count("profiles_refused") == 1
    upstream.on(USER, ADA)
    assert await profiles.read("c1a7") == KNOWN


@pytest.mark.parametrize("answer", [(500, {}), (429, {}), (429, {}, {"Retry-After": "5"}), (503, {}), (401, {})])
async def test_an_outage_is_not_asked_for_each_person(profiles, upstream, clock, answer):
    upstream.on("GET .*", answer)
    for _ in range(3):
        assert await profiles.read("c1a7") == {}
    assert len(upstream.asked) == 1
    upstream.on("GET .*", ADA)
    clock.now += AWAY_SECONDS
    assert await profiles.read("c1a7") == KNOWN


async def test_a_person_that_is_not_there_says_nothing_of_others(profiles, upstream):
    upstream.on(USER, ADA)
    assert await profiles.read("somebody/else") == {}
    assert [one.path for one in upstream.asked] == ["/v1.0/users/somebody%2Felse"]
    assert await profiles.read("c1a7") == KNOWN


async def test_a_refused_token_is_renewed_and_no_token_is_no_failure(profiles, upstream, tokens, clock):
    upstream.on("GET .*", (401, {}))
    await profiles.read("c1a7")
    assert tokens.invalidated == 1
    clock.now += AWAY_SECONDS
    tokens.fault = Forbidden("x", code="entra_invalid_client", component="entra")
    assert await profiles.read("c1a7") == {}
    assert len(upstream.asked) == 1


async def test_a_token_that_does_not_come_holds_nobody_up(profiles, tokens, upstream):
    tokens.token = asyncio.Event().wait
    async with asyncio.timeout(2 * TIMEOUT):
        assert await profiles.read("c1a7") == {}
        assert await profiles.read("c1a7") == {}
    assert upstream.asked == []


async def test_the_directory_joins_roster_and_profile(profiles, session, upstream, tokens, clock):
    connector = Connector(session, tokens, HostRule(["127.0.0.1"], allow_loopback_http=True), clock=clock)
    directory = TeamsDirectory(connector, profiles)
    place = Place(scope="personal", conversation_id="a:1", service_url=f"{upstream.url}/emea/")
    upstream.on("GET /emea/v3/conversations/.*", {"name": "Ada Fenn", "objectId": "c1a7", "jobTitle": "old"})
    upstream.on(USER, ADA)
    assert await directory.person(place, "29:1") == {"name": "Ada Fenn", "aad_object_id": "c1a7"} | KNOWN
    upstream.on(USER, (404, {}))
    assert (await directory.person(place, "29:1"))["title"] == "old"
