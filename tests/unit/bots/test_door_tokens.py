"""Who may call the Teams door: one valid caller, and every wrong one that we could think of."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
SERVICE_URL = f"https://smba.trafficmanager.net/emea/{TENANT}/"
SKEW = 300


def _in(seconds):
    return int(time.time()) + seconds


ACCEPTED = {
    "plain": lambda t: t.make(),
    "expired within the skew": lambda t: t.make({"exp": _in(-SKEW + 60)}),
    "valid from within the skew": lambda t: t.make({"nbf": _in(SKEW - 60)}),
    "without nbf": lambda t: t.make({"nbf": None}),
    "with more claims": lambda t: t.make({"extra": ["x"], "azp": "someone"}),
}

REFUSED = {
    "none": lambda t: None,
    "empty": lambda t: "",
    "garbage": lambda t: "Bearer garbage",
    "garbage of three parts": lambda t: "Bearer a.b.c",
    "no scheme": lambda t: t.make(),
    "no token": lambda t: "Bearer ",
    "lower-case scheme": lambda t: f"bearer {t.make()}",
    "other scheme": lambda t: f"Basic {t.make()}",
    "two spaces": lambda t: f"Bearer  {t.make()}",
    "two tokens": lambda t: f"Bearer {t.make()} {t.make()}",
    "not ASCII": lambda t: "Bearer 토큰",
    "expired beyond the skew": lambda t: f"Bearer {t.make({'exp': _in(-SKEW - 60)})}",
    "not yet valid": lambda t: f"Bearer {t.make({'nbf': _in(SKEW + 60)})}",
    "issued in the future": lambda t: f"Bearer {t.make({'iat': _in(SKEW + 60)})}",
    "no exp": lambda t: f"Bearer {t.make({'exp': None})}",
    "exp as text": lambda t: f"Bearer {t.make({'exp': str(_in(3600))})}",
    "exp true": lambda t: f"Bearer {t.make({'exp': True})}",
    "exp infinite": lambda t: f"Bearer {t.make({'exp': float('inf')})}",
    "exp not a number": lambda t: f"Bearer {t.make({'exp': float('nan')})}",
    "exp an object": lambda t: f"Bearer {t.make({'exp': {}})}",
    "no aud": lambda t: f"Bearer {t.make({'aud': None})}",
    "other aud": lambda t: f"Bearer {t.make({'aud': 'someone-else'})}",
    "aud as a list": lambda t: f"Bearer {t.make({'aud': [APP]})}",
    "no iss": lambda t: f"Bearer {t.make({'iss': None})}",
    "other iss": lambda t: f"Bearer {t.make({'iss': 'https://api.botframework.us'})}",
    "iss as a list": lambda t: f"Bearer {t.make({'iss': ['https://api.botframework.com']})}",
    "emulator": lambda t: (
        "Bearer "
        + t.make({"iss": "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/", "appid": APP, "ver": "1.0"})
    ),
    "skill": lambda t: (
        "Bearer "
        + t.make({"iss": "https://login.microsoftonline.com/f8cdef31-a31e-4b4a-93e4-5f571e91255a/v2.0", "azp": APP})
    ),
    "alg none, unsigned": lambda t: f"Bearer {t.make(header={'alg': 'none'}, sign=lambda _: b'')}",
    "alg none, signed": lambda t: f"Bearer {t.make(header={'alg': 'none'})}",
    "alg None": lambda t: f"Bearer {t.make(header={'alg': 'None'}, sign=lambda _: b'')}",
    "no alg": lambda t: f"Bearer {t.make(header={'alg': None})}",
    "HS256 with the public key": lambda t: (
        "Bearer " + t.make(header={"alg": "HS256"}, sign=t.hs256_with_the_public_key)
    ),
    "PS256 named, RS256 signed": lambda t: f"Bearer {t.make(header={'alg': 'PS256'})}",
    "unknown kid": lambda t: f"Bearer {t.make(header={'kid': 'kid-9'})}",
    "no kid": lambda t: f"Bearer {t.make(header={'kid': None})}",
    "empty kid": lambda t: f"Bearer {t.make(header={'kid': ''})}",
    "kid a number": lambda t: f"Bearer {t.make(header={'kid': 1})}",
    "kid an object": lambda t: f"Bearer {t.make(header={'kid': {'a': 1}})}",
    "kid a list": lambda t: f"Bearer {t.make(header={'kid': ['kid-1']})}",
    "key without endorsements": lambda t: f"Bearer {t.make(header={'kid': 'kid-bare'})}",
    "key for another channel": lambda t: f"Bearer {t.make(header={'kid': 'kid-web'})}",
    "critical header that nobody knows": lambda t: f"Bearer {t.make(header={'crit': ['x'], 'x': 1})}",
    "bad signature": lambda t: f"Bearer {t.make(sign=lambda data: t.rs256(data + b'!'))}",
    "no signature": lambda t: f"Bearer {t.make(sign=lambda _: b'')}",
    "signature cut off": lambda t: f"Bearer {t.make()[:-8]}",
    "claims that are a list": lambda t: "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImtpZC0xIn0.W10.AAAA",
    "no serviceurl": lambda t: f"Bearer {t.make({'serviceurl': None})}",
    "other serviceurl": lambda t: f"Bearer {t.make({'serviceurl': 'https://smba.trafficmanager.net/amer/'})}",
    "serviceurl without the slash": lambda t: f"Bearer {t.make({'serviceurl': SERVICE_URL[:-1]})}",
    "serviceurl in capitals": lambda t: f"Bearer {t.make({'serviceurl': SERVICE_URL.upper()})}",
    "serviceurl as a list": lambda t: f"Bearer {t.make({'serviceurl': [SERVICE_URL]})}",
    "larger than any token": lambda t: f"Bearer {t.make({'padding': 'x' * 17_000})}",
    "deeply nested": lambda t: "Bearer " + _nested(t),
}


def _nested(tokens):
    deep = base64.urlsafe_b64encode(b'{"iss":' + b"[" * 5000 + b"]" * 5000 + b"}").rstrip(b"=").decode()
    head = tokens.make().split(".")[0]
    return f"{head}.{deep}.AAAA"


@pytest.mark.parametrize("name", ACCEPTED)
async def test_the_bot_framework_is_let_in(name, door, tokens, activity):
    """Its message is stored, byte for byte, and answered 200 with nothing."""
    status, text, _ = await door.post(activity("personal"), f"Bearer {ACCEPTED[name](tokens)}")
    assert (status, text) == (200, "")
    assert await door.waiting() == 1


@pytest.mark.parametrize("name", REFUSED)
async def test_everybody_else_is_answered_401(name, door, tokens, activity):
    """Without saying why, and with nothing stored."""
    status, text, _ = await door.post(activity("personal"), REFUSED[name](tokens))
    assert (status, text) == (401, '{"error": "not_authentic"}')
    assert await door.waiting() == 0
    assert door.counted("bridge_refused_total", direction="to-freshchat", status="401") == 1


async def test_a_key_of_somebody_else_under_a_known_name_is_refused(door, tokens, other_key, activity):
    """The name of a key is no secret; only its signature counts."""
    forged = tokens.make(sign=lambda data: tokens.rs256(data, other_key))
    assert (await door.post(activity("personal"), f"Bearer {forged}"))[0] == 401
    assert await door.waiting() == 0


async def test_a_key_inside_the_token_is_not_used(door, tokens, other_key, jwk, activity):
    """Nor is a place to fetch it from."""
    header = {"jwk": jwk(other_key, "kid-1"), "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/"}
    forged = tokens.make(header=header, sign=lambda data: tokens.rs256(data, other_key))
    assert (await door.post(activity("personal"), f"Bearer {forged}"))[0] == 401
    assert await door.waiting() == 0


async def test_a_stranger_learns_nothing_about_bodies(door):
    """The caller is known before the body is looked at: any body is 401 without a token."""
    for body in (b"", b"{", b"[]", b"x" * 2_000_000, {"type": "message"}):
        assert (await door.post(body, "Bearer nonsense"))[0] == 401


async def test_a_new_key_works_at_once(door, tokens, key, jwk, activity):
    """Published after the first fetch, met in a token: fetched again, without a refusal."""
    await door.post(activity("personal"), f"Bearer {tokens.make()}")
    door.keys._tried_at -= 11
    door.published["keys"].append(jwk(key, "kid-new"))
    status, _, _ = await door.post(activity("group"), f"Bearer {tokens.make(header={'kid': 'kid-new'})}")
    assert (status, door.key_requests) == (200, 2)


async def test_without_keys_nobody_is_refused_for_good(door, tokens, activity):
    """The key server is away: 503 and when to come back, nothing stored; afterwards the message is taken."""
    published, door.published = door.published, None
    status, _, headers = await door.post(activity("personal"), f"Bearer {tokens.make()}")
    assert (status, headers["Retry-After"], await door.waiting()) == (503, "5", 0)
    door.published = published
    door.keys._tried_at -= 11
    assert (await door.post(activity("personal"), f"Bearer {tokens.make()}"))[0] == 200


async def test_many_first_requests_fetch_the_keys_once(door, bearer, activity):
    """A cold start under load asks the key server one time."""
    bodies = [activity("personal", id=str(1767312100009 + n)) for n in range(40)]
    answers = await asyncio.gather(*(door.post(body, bearer) for body in bodies))
    assert {status for status, _, _ in answers} == {200}
    assert door.key_requests == 1
    assert await door.waiting() == 40
