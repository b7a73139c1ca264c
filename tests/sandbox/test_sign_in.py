"""Entra's sign-in in a browser: one code for one person, one client, one address and one verifier."""

import hashlib
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from sandbox.world import APP_ID, APP_PASSWORD, DEFAULT_TENANT

VERIFIER = "v" * 43
BACK = "http://127.0.0.1:3978/ops/callback"
ASKED = {
    "client_id": APP_ID,
    "response_type": "code",
    "redirect_uri": BACK,
    "scope": "openid profile",
    "state": "st",
    "nonce": "no",
    "code_challenge": urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("="),
    "code_challenge_method": "S256",
}
REDEEMED = {
    "grant_type": "authorization_code",
    "client_id": APP_ID,
    "client_secret": APP_PASSWORD,
    "redirect_uri": BACK,
    "code_verifier": VERIFIER,
}


def authorize(**change):
    query = {name: value for name, value in {**ASKED, **change}.items() if value is not None}
    return f"/entra/{DEFAULT_TENANT}/oauth2/v2.0/authorize?{urlencode(query)}"


async def agreed(api, user="ada"):
    answer = await api.call("POST", authorize(), data={"user": user})
    assert answer.status == 302
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert query["state"] == "st"
    return query


async def test_a_person_picks_an_account_and_the_client_learns_who_it_is(api):
    page = await api.call("GET", authorize())
    assert (page.status, b"Ada Fenn" in page.body) == (200, True)
    answer = await api.token({**REDEEMED, "code": (await agreed(api))["code"]})
    metadata = (await api.call("GET", f"/entra/{DEFAULT_TENANT}/v2.0/.well-known/openid-configuration")).body
    keys = (await api.call("GET", urlsplit(metadata["jwks_uri"]).path)).body["keys"]
    claims = jwt.decode(
        answer.body["id_token"], jwt.PyJWK(keys[0]), algorithms=["RS256"], audience=APP_ID, issuer=metadata["issuer"]
    )
    ada = next(user for user in api.sandbox.world.users if user.key == "ada")
    assert (claims["nonce"], claims["oid"], claims["tid"]) == ("no", ada.aad_id, DEFAULT_TENANT)


async def test_a_code_is_redeemed_once(api):
    code = (await agreed(api))["code"]
    assert (await api.token({**REDEEMED, "code": code})).status == 200
    again = await api.token({**REDEEMED, "code": code})
    assert (again.status, again.body["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"code": "invented"}, 400),
        ({"code_verifier": "w" * 43}, 400),
        ({"code_verifier": ""}, 400),
        ({"redirect_uri": "http://127.0.0.1:3978/other"}, 400),
        ({"client_secret": "wrong"}, 401),
        ({"client_secret": None}, 401),
    ],
)
async def test_a_code_is_worth_nothing_to_others(api, change, status):
    form = {**REDEEMED, "code": (await agreed(api))["code"], **change}
    answer = await api.token({name: value for name, value in form.items() if value is not None})
    assert answer.status == status


async def test_nobody_picked_is_a_refusal(api):
    assert (await agreed(api, ""))["error"] == "access_denied"


@pytest.mark.parametrize(
    "change", [{"client_id": "9" * 8}, {"nonce": None}, {"code_challenge": None}, {"code_challenge_method": "plain"}]
)
async def test_an_incomplete_request_is_refused(api, change):
    assert (await api.call("GET", authorize(**change))).status == 400
