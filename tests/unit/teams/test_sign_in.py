"""The service account signs in once and stays signed in, on all replicas, although its refresh token rotates."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from adapters.teams.sign_in import SECRET, GraphSignIn, Record, SignedIn, Status
from bridge.errors import Forbidden, StoreFull, Throttled, Unavailable
from tests.unit.freshchat.upstream import DROP

NOW = 1_767_600_000.0
DESK = SignedIn(oid="oid-1", tid="tid-1", name="Support Desk")


def jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


class Entra:
    """Rotates refresh tokens at each use: the old one is dead at once."""

    def __init__(self, upstream):
        self.live, self.number, self.polls = None, 0, []
        upstream.on("POST /t/oauth2/v2.0/token", self.token)
        code = {"user_code": "ABC", "device_code": "dev-1", "verification_uri": "https://x", "expires_in": 900,
                "interval": 5, "message": "go"}  # fmt: skip
        upstream.on("POST /t/oauth2/v2.0/devicecode", code)
        self.upstream = upstream

    def grant(self):
        self.number += 1
        self.live = f"refresh-{self.number}"
        return {
            "access_token": f"access-{self.number}",
            "refresh_token": self.live,
            "expires_in": 3600,
            "id_token": jwt(oid="oid-1", tid="tid-1", name="Support Desk"),
        }

    def token(self, asked):
        if asked.form["grant_type"] == "refresh_token":
            return self.grant() if asked.form["refresh_token"] == self.live else (400, {"error": "invalid_grant"})
        answer = self.polls.pop(0) if self.polls else None
        return answer or self.grant()

    @property
    def refreshes(self):
        return [a for a in self.upstream.asked if a.form.get("grant_type") == "refresh_token"]


@pytest.fixture
def entra(upstream):
    return Entra(upstream)


@pytest.fixture
def replica(session, upstream, clock, secrets):
    def make():
        url = f"{upstream.url}/t/oauth2/v2.0/token"
        return GraphSignIn(session, url, "client-1", secrets, clock=clock, sleep=clock.sleep)

    return make


async def sign_in(replica):
    one = replica()
    await one.finish(await one.start())
    return one


PENDING = (400, {"error": "authorization_pending"})


async def test_a_person_confirms_a_code_and_the_sign_in_is_stored(entra, replica, upstream, secrets, clock):
    entra.polls = [PENDING, (400, {"error": "slow_down"}), DROP, (503, {}), PENDING]
    one = replica()
    code = await one.start()
    assert (code.user_code, code.uri, code.expires_at) == ("ABC", "https://x", NOW + 900)
    assert await one.finish(code) == DESK
    assert clock.now == NOW + 5 + 5 + 10 + 15 + 20 + 20
    assert upstream.asked[0].form == {
        "client_id": "client-1",
        "scope": "https://graph.microsoft.com/ChannelMessage.Send https://graph.microsoft.com/ChannelMessage.Read.All "
        "https://graph.microsoft.com/User.ReadBasic.All offline_access openid profile",
    }
    assert upstream.asked[1].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "client-1",
        "device_code": "dev-1",
    }
    assert Record.from_json(secrets.kept[SECRET][0]).account == DESK
    assert await one.token() == "access-1"


ENDS = [
    ((400, {"error": "authorization_declined"}), "graph_signin_declined"),
    ((400, {"error": "access_denied"}), "graph_signin_declined"),
    ((400, {"error": "expired_token"}), "graph_signin_expired"),
    ((401, {"error": "invalid_client"}), "entra_invalid_client"),
    ((200, {"access_token": "a", "expires_in": 3600, "id_token": jwt(oid="o", tid="t")}), "graph_signin_incomplete"),
    ((200, {"access_token": "a", "expires_in": 3600, "refresh_token": "r"}), "graph_signin_incomplete"),
    (
        (200, {"access_token": "a", "expires_in": 1, "refresh_token": "r", "id_token": "a.%%.c"}),
        "graph_signin_incomplete",
    ),
]


@pytest.mark.parametrize(("answer", "code"), ENDS)
async def test_a_sign_in_that_ends_badly_is_told(entra, replica, secrets, answer, code):
    entra.polls = [PENDING, answer]
    one = replica()
    with pytest.raises(Forbidden) as caught:
        await one.finish(await one.start())
    assert caught.value.code == code
    assert secrets.kept == {}


async def test_a_code_that_nobody_confirms_ends(entra, replica):
    entra.polls = [PENDING] * 1000
    one = replica()
    with pytest.raises(Forbidden) as caught:
        await one.finish(await one.start())
    assert caught.value.code == "graph_signin_expired"
    assert len(entra.polls) == 1000 - 180


async def test_nobody_signed_in_is_forbidden_and_a_later_sign_in_is_seen(entra, replica):
    server = replica()
    for _ in range(2):
        with pytest.raises(Forbidden) as caught:
            await server.token()
        assert caught.value.code == "graph_not_signed_in"
    await sign_in(replica)
    assert await server.token() == "access-1"
    assert await server.account() == DESK


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"refresh_token":1}', "x", "[" * 100_000])
async def test_a_stored_sign_in_that_cannot_be_read_is_told(replica, secrets, text):
    secrets.kept[SECRET] = [text]
    with pytest.raises(Forbidden) as caught:
        await replica().token()
    assert caught.value.code == "graph_not_signed_in"


async def test_a_token_is_renewed_in_time_and_stored_before_it_is_used(entra, replica, secrets, clock):
    one = await sign_in(replica)
    clock.now += 3600 - 301
    assert await one.token() == "access-1"
    clock.now += 2
    assert await asyncio.gather(*(one.token() for _ in range(10))) == ["access-2"] * 10
    assert len(entra.refreshes) == 1
    assert Record.from_json(secrets.kept[SECRET][0]).refresh_token == entra.live


async def test_a_restarted_replica_uses_the_stored_token(entra, replica):
    await sign_in(replica)
    assert await replica().token() == "access-1"
    assert entra.refreshes == []


async def test_two_replicas_share_the_rotating_token(entra, replica, clock):
    one, two = await sign_in(replica), replica()
    await two.token()
    for number in range(2, 6):
        clock.now += 3600
        tokens = [await one.token(), await two.token()]
        assert tokens == [f"access-{number}"] * 2
    assert len(entra.refreshes) == 4, "each renewal is made by one of them"


async def test_two_replicas_that_renew_at_the_same_moment_both_go_on(entra, replica, clock):
    one, two = await sign_in(replica), replica()
    await two.token()
    for _ in range(5):
        clock.now += 3600
        first, second = await asyncio.gather(one.token(), two.token())
        assert first == second == f"access-{entra.number}"


async def test_the_slower_replica_waits_until_the_faster_one_has_stored(
    entra, replica, secrets, clock, session, upstream
):
    await sign_in(replica)
    clock.now += 3600
    late = []

    async def sleep(seconds):
        if seconds == 1.0:
            late.append(Record.from_json(secrets.kept[SECRET][0]))
            await replica_that_was_faster()

    async def replica_that_was_faster():
        await secrets.put(SECRET, Record(refresh_token="refresh-9", access_token="access-9", expires_at=NOW + 9e4,
                                         account=DESK).to_json())  # fmt: skip

    entra.live = "refresh-9"
    slow = GraphSignIn(session, f"{upstream.url}/t/oauth2/v2.0/token", "client-1", secrets, clock=clock, sleep=sleep)
    assert await slow.token() == "access-9"
    assert late[0].refresh_token == "refresh-1"


async def test_a_revoked_sign_in_is_lost_for_all_until_somebody_signs_in_again(entra, replica, clock):
    one = await sign_in(replica)
    entra.live = None
    clock.now += 3600
    for _ in range(2):
        with pytest.raises(Forbidden) as caught:
            await one.token()
        assert caught.value.code == "graph_signin_lost"
    await sign_in(replica)
    assert await one.token() == "access-2"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ((503, b"<html>"), Unavailable, "entra_503"),
        (DROP, Unavailable, "entra_unreachable"),
        ((429, {}, {"Retry-After": "4"}), Throttled, "entra_429"),
        ((401, {"error": "invalid_client"}), Forbidden, "entra_invalid_client"),
        ((400, {"error": "interaction_required"}), Forbidden, "graph_signin_lost"),
    ],
)
async def test_a_renewal_that_fails_loses_nothing(entra, replica, upstream, secrets, clock, answer, kind, code):
    one = await sign_in(replica)
    clock.now += 3600
    before = list(secrets.kept[SECRET])
    upstream.on("POST /t/oauth2/v2.0/token", answer, times=2)
    with pytest.raises(kind) as caught:
        await one.token()
    assert caught.value.code == code
    assert secrets.kept[SECRET] == before
    upstream.rules.pop(0)
    clock.now += 60  # for so long a refusal is believed
    assert await one.token() == "access-2"


async def test_a_lost_sign_in_is_not_asked_about_again_for_a_minute(entra, replica, clock, upstream):
    one = await sign_in(replica)
    entra.live = None
    clock.now += 3600
    asked = []
    for wait in (0, 59, 1):
        clock.now += wait
        with pytest.raises(Forbidden):
            await one.token()
        asked.append(len(entra.refreshes))
    assert asked[0] == asked[1] < asked[2]


@pytest.mark.parametrize("fault", [StoreFull("read-only"), Unavailable("x", code="c", component="secrets")])
async def test_a_token_that_could_not_be_stored_is_stored_before_anything_else(entra, replica, secrets, clock, fault):
    one = await sign_in(replica)
    clock.now += 3600
    secrets.fault = fault
    for _ in range(2):
        with pytest.raises(Unavailable):
            await one.token()
    assert len(entra.refreshes) == 1, "the rotated token is kept, not spent again"
    secrets.fault = None
    assert await one.token() == "access-2"
    assert Record.from_json(secrets.kept[SECRET][0]).refresh_token == entra.live


async def test_a_refused_access_token_is_not_used_again_by_anybody(entra, replica):
    one = await sign_in(replica)
    one.invalidate("access-1")
    assert await one.token() == "access-2"
    two = replica()
    assert await two.token() == "access-2"


async def test_status_tells_people_how_it_is(entra, replica, clock):
    one = replica()
    assert await one.status() == Status(problem="graph_not_signed_in")
    one = await sign_in(replica)
    assert await one.status() == Status(account=DESK, expires_at=clock.now + 3300)
    entra.live = None
    clock.now += 3600
    assert await one.status() == Status(account=DESK, problem="graph_signin_lost")


async def test_no_token_shows_in_a_repr(entra, replica, secrets):
    one = replica()
    code = await one.start()
    await one.finish(code)
    shown = repr(code) + repr(Record.from_json(secrets.kept[SECRET][0])) + repr(await one.status())
    assert "dev-1" not in shown and "refresh-1" not in shown and "access-1" not in shown


async def test_a_sign_in_made_elsewhere_is_noticed_within_a_second(entra, replica, clock):
    watching = replica()
    assert await watching.signed_in() is None
    await sign_in(replica)
    await clock.sleep(1.0)
    assert await watching.signed_in() == DESK
    assert entra.refreshes == [], "knowing who is signed in costs no token"
