"""Entra: application tokens, the device-code sign-in, rotating refresh tokens, and its error bodies."""

import base64

import jwt
import pytest

from sandbox.world import APP_ID, APP_PASSWORD

BOT_SCOPE = "https://api.botframework.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GOOD = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": APP_PASSWORD, "scope": BOT_SCOPE}


async def start(api, scope=f"{GRAPH_SCOPE} offline_access"):
    client = {"client_id": api.env["GRAPH_CLIENT_ID"]}
    started = (await api.token({**client, "scope": scope}, "devicecode")).body
    return started, {**client, "grant_type": DEVICE_GRANT, "device_code": started["device_code"]}


def refresh(api, token):
    client_id = api.env["GRAPH_CLIENT_ID"]
    return api.token({"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token})


@pytest.mark.parametrize(
    ("scope", "audience", "roles"),
    [
        (BOT_SCOPE, "https://api.botframework.com", []),
        (GRAPH_SCOPE, "https://graph.microsoft.com", ["ChannelMessage.Read.Group"]),
    ],
)
async def test_an_application_gets_a_token_for_one_audience(api, scope, audience, roles):
    token = await api.app_token(scope)
    keys = (await api.call("GET", f"/entra/{api.env['MicrosoftAppTenantId']}/discovery/v2.0/keys")).body["keys"]
    claims = jwt.decode(token, jwt.PyJWK(keys[0]), algorithms=["RS256"], audience=audience)
    assert (claims["appid"], claims["azp"], claims["tid"]) == (APP_ID, APP_ID, api.env["MicrosoftAppTenantId"])
    assert set(roles) <= set(claims["roles"])
    assert "scp" not in claims


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": "9" * 8}, 400, "unauthorized_client"),
        ({"scope": "https://example.org/.default"}, 400, "invalid_scope"),
        ({"scope": "https://api.botframework.com"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": DEVICE_GRANT, "device_code": "x"}, 400, "bad_verification_code"),
    ],
)
async def test_a_wrong_request_is_refused_in_entras_words(api, change, status, error):
    form = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    answer = await api.token(form)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.body["error_description"].startswith("AADSTS")
    assert isinstance(answer.body["error_codes"][0], int)


async def test_another_tenant_is_not_found(api):
    answer = await api.token(GOOD, tenant="00000000-0000-0000-0000-000000000000")
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


async def test_a_json_body_is_refused(api):
    answer = await api.call("POST", f"/entra/{api.env['MicrosoftAppTenantId']}/oauth2/v2.0/token", json=GOOD)
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


async def test_the_secret_may_come_in_a_basic_header(api):
    form = {"grant_type": "client_credentials", "scope": BOT_SCOPE}
    path = f"/entra/{api.env['MicrosoftAppTenantId']}/oauth2/v2.0/token"
    for header, status in (("Basic " + _basic(APP_ID, APP_PASSWORD), 200), ("Basic ???", 401)):
        answer = await api.call("POST", path, data=form, headers={"Authorization": header})
        assert answer.status == status


def _basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_device_code_is_pending_once_and_then_signs_the_service_account_in(api):
    started, form = await start(api, f"{GRAPH_SCOPE} offline_access openid")
    pending, signed_in = await api.token(form), await api.token(form)
    assert started["user_code"] in started["message"]
    assert (pending.status, pending.body["error"]) == (400, "authorization_pending")
    account = api.sandbox.world.service_account
    claims = jwt.decode(signed_in.body["access_token"], options={"verify_signature": False})
    assert (claims["oid"], claims["aud"]) == (account.aad_id, "https://graph.microsoft.com")
    assert "ChannelMessage.Send" in claims["scp"].split()
    assert (
        jwt.decode(signed_in.body["id_token"], options={"verify_signature": False})["preferred_username"] == account.upn
    )


async def test_a_device_code_works_once(api):
    _, form = await start(api)
    for _ in range(2):
        await api.token(form)
    assert (await api.token(form)).body["error"] == "invalid_grant"


async def test_a_device_code_expires(api):
    await api.control("settings", {"device_code_seconds": 0})
    _, form = await start(api)
    assert (await api.token(form)).body["error"] == "expired_token"


@pytest.mark.parametrize(("decision", "error"), [("approve", None), ("decline", "authorization_declined")])
async def test_a_person_decides_when_approval_is_not_automatic(api, decision, error):
    await api.control("settings", {"device_code_auto_approve": False})
    started, form = await start(api)
    for _ in range(3):
        assert (await api.token(form)).body["error"] == "authorization_pending"
    page = started["verification_uri"].removeprefix(api.sandbox.url)
    assert (await api.call("GET", page)).status == 200
    assert (await api.call("POST", page, data={"user_code": "WRONG"})).status == 400
    assert (await api.call("POST", page, data={"user_code": started["user_code"], "decision": decision})).status == 200
    assert (await api.token(form)).body.get("error") == error


async def test_without_offline_access_there_is_no_refresh_token(api):
    assert "refresh_token" not in await api.sign_in(GRAPH_SCOPE)


async def test_only_the_asked_scopes_are_granted(api):
    signed_in = await api.sign_in("https://graph.microsoft.com/ChannelMessage.Send offline_access")
    assert jwt.decode(signed_in["access_token"], options={"verify_signature": False})["scp"] == "ChannelMessage.Send"
    renewed = (await refresh(api, signed_in["refresh_token"])).body
    assert renewed["scope"] == "https://graph.microsoft.com/ChannelMessage.Send"


async def test_a_refresh_token_rotates_and_the_old_one_is_dead(api):
    first = (await api.sign_in())["refresh_token"]
    renewed = await refresh(api, first)
    assert renewed.status == 200
    assert renewed.body["refresh_token"] != first
    assert (await refresh(api, first)).body["error"] == "invalid_grant"
    assert (await refresh(api, renewed.body["refresh_token"])).status == 200


async def test_revoking_the_sign_in_ends_refresh_and_access_tokens(api):
    signed_in = await api.sign_in()
    assert (await api.graph("GET", "/me", token=signed_in["access_token"])).status == 200
    assert (await api.control("rotate", {"what": "revoke_signin"}))["revoked"] >= 1
    assert (await refresh(api, signed_in["refresh_token"])).body["error"] == "invalid_grant"
    refused = await api.graph("GET", "/me", token=signed_in["access_token"])
    assert (refused.status, refused.body["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert (await api.graph("GET", "/me")).status == 200


async def test_a_new_bot_secret_ends_the_old_one_but_no_token(api):
    token = await api.app_token(BOT_SCOPE)
    rotated = await api.control("rotate", {"what": "bot_secret"})
    assert rotated["bot_secret"] == rotated["env"]["MicrosoftAppPassword"] == api.sandbox.env["MicrosoftAppPassword"]
    try:
        refused = await api.token(GOOD)
        assert (refused.status, refused.body["error"]) == (401, "invalid_client")
        assert (await api.token({**GOOD, "client_secret": rotated["bot_secret"]})).status == 200
        assert api.sandbox.access.check(f"Bearer {token}", ("https://api.botframework.com",)).app_id == APP_ID
    finally:
        api.sandbox.entra.bot_secret = APP_PASSWORD  # the other tests use the published one


async def test_the_token_service_can_fail(api):
    await api.control("faults", {"on": "token", "kind": "status", "status": 503, "match": "POST .*/token$"})
    answer = await api.token(GOOD)
    assert (answer.status, answer.body["error"]) == (503, "temporarily_unavailable")
