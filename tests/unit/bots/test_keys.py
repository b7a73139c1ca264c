"""Signing keys: a new one works at once, an old one at most a day, and nobody can make us ask too often."""

from __future__ import annotations

import asyncio
from io import StringIO

import pytest

from bots.keys import HOUR, KeysUnavailable, SigningKeys, UnknownKey
from bridge.telemetry import Telemetry

METADATA = "https://keys.example/openid"


class Server:
    """The key server as its answers: `keys` is what it publishes, `error` what it does instead."""

    def __init__(self, published):
        self.keys, self.error, self.fetches, self.gate = published, None, 0, None
        self.now = 1_000_000.0

    async def fetch(self, url):
        if url == METADATA:
            self.fetches += 1
            if self.gate:
                await self.gate.wait()
            return {"jwks_uri": "https://keys.example/keys"}
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.keys


@pytest.fixture
def server(key, jwk):
    return Server({"keys": [jwk(key, "kid-1")]})


@pytest.fixture
async def keys(server):
    made = SigningKeys(METADATA, server.fetch, lambda: server.now, Telemetry("ERROR", StringIO()))
    yield made
    await made.close()


async def _settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_known_keys_are_not_asked_for_again(keys, server):
    """One fetch serves a day's requests."""
    for _ in range(50):
        assert (await keys.get("kid-1")).endorsements == ["msteams", "webchat"]
        server.now += 60
    assert server.fetches == 1


async def test_a_flood_of_invented_ids_costs_a_fetch_every_ten_seconds(keys, server):
    """Each of them is unknown, and known keys go on working."""
    await keys.get("kid-1")
    for number in range(200):
        with pytest.raises(UnknownKey):
            await keys.get(f"invented-{number}")
        server.now += 0.1
    await keys.get("kid-1")
    assert server.fetches <= 4


async def test_a_new_key_is_found_after_ten_seconds(keys, server, key, jwk):
    """Not before: the last look was just now."""
    await keys.get("kid-1")
    server.keys = {"keys": [jwk(key, "kid-2")]}
    with pytest.raises(UnknownKey):
        await keys.get("kid-2")
    server.now += 10
    assert await keys.get("kid-2")
    with pytest.raises(UnknownKey):
        await keys.get("kid-1")


@pytest.mark.parametrize("kid", [None, "", 7, ["kid-1"], {"kid": 1}, True])
async def test_what_is_no_id_is_unknown_without_asking(kid, keys, server):
    """A token that names no key is nobody's."""
    with pytest.raises(UnknownKey):
        await keys.get(kid)
    assert server.fetches == 0


async def test_old_keys_are_refreshed_in_the_background(keys, server):
    """After 20 hours the request is served at once with the keys there are."""
    await keys.get("kid-1")
    server.now += 20 * HOUR + 1
    server.gate = asyncio.Event()
    for _ in range(20):
        assert await keys.get("kid-1")
    await _settle()
    assert server.fetches == 2
    server.gate.set()
    await _settle()
    server.now += 20 * HOUR - 60
    assert await keys.get("kid-1")
    await _settle()
    assert server.fetches == 2


async def test_a_withdrawn_key_is_not_used_for_more_than_a_day(keys, server, other_key, jwk):
    """Whatever the key server said before."""
    await keys.get("kid-1")
    server.keys = {"keys": [jwk(other_key, "kid-2")]}
    server.now += 24 * HOUR + 1
    with pytest.raises(UnknownKey):
        await keys.get("kid-1")


async def test_keys_are_used_for_a_day_without_the_key_server(keys, server):
    """Then nobody can be checked any more: unavailable, not unauthentic."""
    await keys.get("kid-1")
    server.error = OSError("away")
    server.now += 23.9 * HOUR
    assert await keys.get("kid-1")
    await _settle()
    server.now += 0.2 * HOUR
    with pytest.raises(KeysUnavailable):
        await keys.get("kid-1")
    server.error = None
    server.now += 10
    assert await keys.get("kid-1")


async def test_an_unknown_id_is_not_judged_while_the_key_server_is_away(keys, server):
    """It may be a new key: the caller is asked to come back, and the server is left in peace for ten seconds."""
    await keys.get("kid-1")
    server.error = OSError("away")
    server.now += 10
    for _ in range(30):
        with pytest.raises(KeysUnavailable):
            await keys.get("kid-2")
    assert server.fetches == 2
    assert await keys.get("kid-1")


async def test_many_at_once_ask_once(keys, server):
    """A hundred requests on a cold start wait for the same answer."""
    server.gate = asyncio.Event()
    waiting = [asyncio.create_task(keys.get("kid-1")) for _ in range(100)]
    await _settle()
    server.gate.set()
    found = await asyncio.gather(*waiting)
    assert len(found) == 100
    assert server.fetches == 1


async def test_a_caller_who_gives_up_does_not_spoil_it_for_the_others(keys, server):
    """The fetch belongs to nobody."""
    server.gate = asyncio.Event()
    first, second = (asyncio.create_task(keys.get("kid-1")) for _ in range(2))
    await _settle()
    first.cancel()
    await _settle()
    server.gate.set()
    assert await second
    assert server.fetches == 1


BROKEN = {
    "a list": [],
    "null": None,
    "no keys": {},
    "keys null": {"keys": None},
    "keys a number": {"keys": 7},
    "an empty set": {"keys": []},
    "nothing but other kinds": {"keys": [{"kty": "EC", "kid": "e"}, 7, None, {}]},
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_answer_that_is_no_key_set_is_like_none(name, keys, server):
    """The keys we have stay; a first fetch is unavailable, so that callers come back."""
    good, server.keys = server.keys, BROKEN[name]
    with pytest.raises(KeysUnavailable):
        await keys.get("kid-1")
    server.keys = good
    server.now += 10
    await keys.get("kid-1")
    server.keys = BROKEN[name]
    server.now += 10
    with pytest.raises(KeysUnavailable):
        await keys.get("kid-2")
    assert await keys.get("kid-1")


ODD_KEYS = {
    "no modulus": {"kty": "RSA", "kid": "odd", "e": "AQAB"},
    "no exponent": {"kty": "RSA", "kid": "odd", "n": "AQAB"},
    "not base64": {"kty": "RSA", "kid": "odd", "n": "@@@", "e": "AQAB"},
    "a number": {"kty": "RSA", "kid": "odd", "n": 7, "e": "AQAB"},
    "tiny": {"kty": "RSA", "kid": "odd", "n": "AQ", "e": "Aw"},
}


@pytest.mark.parametrize("name", ODD_KEYS)
async def test_one_odd_key_does_not_spoil_the_set(name, keys, server):
    """The others are used; the odd one is unknown."""
    server.keys["keys"].insert(0, ODD_KEYS[name])
    assert await keys.get("kid-1")
    with pytest.raises(UnknownKey):
        await keys.get("odd")


@pytest.mark.parametrize("endorsements", [None, [], "msteams", 7, {"msteams": 1}, [None, 7]], ids=repr)
async def test_a_key_that_endorses_nothing_readable_endorses_nobody(endorsements, keys, server):
    """The SDK skips its check for an empty list; so there is always something in it that is not a channel."""
    server.keys["keys"][0]["endorsements"] = endorsements
    found = await keys.get("kid-1")
    assert found.endorsements
    assert "msteams" not in found.endorsements


async def test_a_start_without_the_key_server_is_a_start(keys, server):
    """Warming up only logs; the first request tries again."""
    server.error = TimeoutError()
    await keys.warm_up()
    server.error = None
    server.now += 10
    assert await keys.get("kid-1")


async def test_closing_ends_a_fetch_under_way(keys, server):
    """No task is left behind."""
    server.gate = asyncio.Event()
    waiting = asyncio.create_task(keys.get("kid-1"))
    await _settle()
    await keys.close()
    with pytest.raises(KeysUnavailable):
        await waiting
