"""The tokens that come with activities: valid ones verify with the published keys, broken ones are as ordered."""

import json
import time
from base64 import urlsafe_b64decode

import jwt
import pytest


async def published_keys(api):
    metadata = (await api.call("GET", "/botframework/.well-known/openidconfiguration")).body
    assert metadata["issuer"] == "https://api.botframework.com"
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256"]
    path = metadata["jwks_uri"].removeprefix(api.sandbox.url)
    return {key["kid"]: key for key in (await api.call("GET", path)).body["keys"]}


async def verified(api, token):
    key = (await published_keys(api))[jwt.get_unverified_header(token)["kid"]]
    assert key["endorsements"] == ["msteams"]
    return jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=api.sandbox.world.app_id)


async def test_an_activity_comes_with_a_token_that_verifies(api, bridge):
    await api.control("teams/messages", {"user": "ada", "text": "hi"})
    scheme, token = bridge.activities()[0].headers["Authorization"].split()
    claims = await verified(api, token)
    assert scheme == "Bearer"
    assert claims["iss"] == "https://api.botframework.com"
    assert claims["serviceurl"] == bridge.activities()[0].json["serviceUrl"] == api.sandbox.service_url
    assert claims["nbf"] <= time.time() < claims["exp"]
    assert {"iat", "nbf", "exp"} <= set(claims)


async def test_a_token_is_reused_for_the_same_service_url(api, bridge):
    for _ in range(2):
        await api.control("teams/messages", {"user": "ada", "text": "hi"})
    first, second = (activity.headers["Authorization"] for activity in bridge.activities())
    assert first == second


async def test_claims_can_be_replaced_and_left_out(api):
    wish = {"aud": "someone-else", "omit": ["exp"], "extra": 1}
    token = (await api.control("teams/token", wish))["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == "someone-else"
    assert claims["extra"] == 1
    assert "exp" not in claims


@pytest.mark.parametrize("wish", [{"key": "other"}, {"alg": "HS256"}, {"alg": "none"}])
async def test_a_forged_token_does_not_verify(api, wish):
    token = (await api.control("teams/token", wish))["token"]
    with pytest.raises(jwt.InvalidTokenError):
        await verified(api, token)
    assert json.loads(urlsafe_b64decode(token.split(".")[0] + "=="))["alg"] == wish.get("alg", "RS256")


async def test_a_kid_can_lie(api):
    token = (await api.control("teams/token", {"kid": "unheard-of"}))["token"]
    assert jwt.get_unverified_header(token)["kid"] == "unheard-of"
    assert "unheard-of" not in await published_keys(api)


@pytest.mark.parametrize(("raw", "header"), [("garbage", "Bearer garbage"), ("", None)])
async def test_a_raw_token_is_sent_as_it_is(api, bridge, raw, header):
    await api.control("teams/activity", {"activity": {"type": "message"}, "token": {"raw": raw}})
    assert bridge.activities()[0].headers.get("Authorization") == header


async def test_headers_replace_the_usual_ones(api, bridge):
    headers = {"Authorization": "bearer x", "Content-Type": "text/plain", "X-Test": "1"}
    await api.control("teams/activity", {"activity": {"type": "message"}, "headers": headers})
    assert headers.items() <= bridge.activities()[0].headers.items()


async def test_rotation_publishes_a_new_key_and_signs_with_it(api):
    before = set(await published_keys(api))
    rotated = await api.control("rotate", {"what": "bot_keys"})
    token = (await api.control("teams/token", {}))["token"]
    assert set(await published_keys(api)) == {rotated["kid"]}
    assert rotated["kid"] not in before
    assert await verified(api, token)


async def test_the_key_service_can_fail(api):
    await api.control("faults", {"on": "keys", "kind": "status", "status": 503})
    assert (await api.call("GET", "/botframework/keys")).status == 503
    assert (await api.call("GET", "/botframework/keys")).status == 200
