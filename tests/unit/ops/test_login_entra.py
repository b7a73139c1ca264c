"""Signing in with Entra ID: who comes in, and every way of not being who one says."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge import ids

OTHER = "99999999-7a41-4c0b-9e55-8b2d1a9f0c11"
GROUP = "11111111-7a41-4c0b-9e55-8b2d1a9f0c11"


@pytest.fixture
def ada(entra):
    return next(user for user in entra.world.users if user.key == "ada")


@pytest.fixture
def served(rig, entra, ada):
    def serve(**settings):
        given = {
            "BRIDGE_OPS": "entra",
            "OPS_AUTHORITY": f"{entra.url}/entra/{entra.world.tenant}/v2.0",
            "OPS_ALLOWED": f"{OTHER}; {ada.aad_id.upper()}",
        }
        return rig(env=entra.env, **(given | settings))

    return serve


async def begun(browser):
    """Click the button; give Entra's address."""
    answer = await browser.get("/ops/sign-in")
    assert answer.status == 303
    return answer.headers["Location"]


async def chosen(browser, address, user="ada"):
    """Pick an account at Entra; give the address that it sends the browser back to."""
    async with browser.session.post(address, data={"user": user}, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"]


async def signed_in(browser, user="ada"):
    return await browser.get(await chosen(browser, await begun(browser), user))


async def test_an_operator_comes_in_and_the_log_knows_only_a_hash(served, ada):
    async with served() as page:
        browser = page.browser()
        assert "Sign in with Microsoft" in (await browser.get("/ops/login")).text
        answer = await signed_in(browser)
        assert (answer.status, answer.headers["Location"]) == (303, "/ops")
        assert (await browser.get("/ops/state")).status == 200
        assert [r["who"] for r in page.actions("ops_login")] == [ids.aad_hash(ada.aad_id)[:12]]
        for personal in (ada.aad_id, ada.name, ada.upn):
            assert personal not in page.log.getvalue()


async def test_the_request_to_entra_has_everything_that_protects_it(served, entra):
    async with served() as page:
        query = {k: v[0] for k, v in parse_qs(urlsplit(await begun(page.browser())).query).items()}
        assert query["redirect_uri"] == f"{page.url}/ops/callback"
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert query["client_id"] == entra.world.app_id
        assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 43


@pytest.mark.parametrize("claim", ["groups", "roles"])
async def test_a_group_or_an_app_role_lets_in(served, entra, claim):
    async with served(OPS_ALLOWED=f"{GROUP};Bridge.Operator") as page:
        entra.entra.sign_ins.wish = {claim: [GROUP if claim == "groups" else "Bridge.Operator"]}
        assert (await signed_in(page.browser(), "minjun")).status == 303


async def test_others_of_the_tenant_stay_outside(served, entra):
    async with served() as page:
        entra.entra.sign_ins.wish = {"groups": [GROUP], "roles": ["Reader"]}
        browser = page.browser()
        answer = await signed_in(browser, "minjun")
        assert answer.status == 401
        assert "not among the operators" in answer.text
        assert (await browser.get("/ops/state")).status == 401


FORGED = {
    "signed with another key": {"key": "other"},
    "unknown key id": {"kid": "nobody"},
    "not signed": {"alg": "none"},
    "signed with our public key as a secret": {"alg": "HS256"},
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"omit": ["exp"]},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "for another application": {"aud": OTHER},
    "for several applications": {"aud": ["7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10", OTHER]},
    "by another issuer": {"iss": f"https://login.microsoftonline.com/{OTHER}/v2.0"},
    "of another tenant": {"tid": OTHER},
    "without a tenant": {"omit": ["tid"]},
    "another nonce": {"nonce": "x" * 43},
    "without a nonce": {"omit": ["nonce"]},
    "without a person": {"omit": ["oid"]},
}


@pytest.mark.parametrize("wish", FORGED.values(), ids=FORGED)
async def test_a_wrong_id_token_is_refused(served, entra, wish):
    async with served() as page:
        entra.entra.sign_ins.wish = wish
        browser = page.browser()
        assert (await signed_in(browser)).status == 401
        assert (await browser.get("/ops/state")).status == 401
        assert page.actions("ops_login_refused")


async def test_a_sign_in_is_finished_once(served):
    async with served() as page:
        browser = page.browser()
        address = await begun(browser)
        sealed = browser.cookies()["ops-sign-in"]
        assert (await browser.get(await chosen(browser, address))).status == 303
        again = await chosen(page.browser(), address)
        replayed = await page.browser().get(again, Cookie=f"ops-sign-in={sealed}")
        assert replayed.status == 401
        assert [r["code"] for r in page.actions("ops_login_refused")] == ["state"]


async def test_a_sign_in_is_finished_only_where_it_was_begun(served):
    async with served() as page:
        browser, other = page.browser(), page.browser()
        back = await chosen(browser, await begun(browser))
        assert (await other.get(back)).status == 401
        await begun(other)
        assert (await other.get(back)).status == 401


@pytest.mark.parametrize("change", ["state=", "code="])
async def test_what_comes_back_from_entra_cannot_be_changed(served, change):
    async with served() as page:
        browser = page.browser()
        back = await chosen(browser, await begun(browser))
        assert (await browser.get(back.replace(change, change + "x"))).status == 401


async def test_a_sign_in_that_took_too_long_begins_again(served):
    async with served() as page:
        browser = page.browser()
        address = await begun(browser)
        sealed = browser.cookies()["ops-sign-in"]
        page.clock.advance(601)
        answer = await page.browser().get(await chosen(browser, address), Cookie=f"ops-sign-in={sealed}")
        assert answer.status == 401
        assert "took too long" in answer.text


async def test_a_person_may_change_their_mind_at_entra(served):
    async with served() as page:
        assert (await signed_in(page.browser(), "nobody")).status == 401


async def test_guessed_codes_do_not_keep_asking_entra(served, entra):
    async with served() as page:
        browser, statuses = page.browser(), []
        for _ in range(7):
            state = parse_qs(urlsplit(await begun(browser)).query)["state"][0]
            statuses.append((await browser.get(f"/ops/callback?code=guess&state={state}")).status)
        assert statuses == [401] * 5 + [429] * 2


async def test_the_token_form_is_not_there(served):
    async with served(OPS_TOKEN="a-token-that-was-left-over") as page:
        assert (await page.browser().enter("a-token-that-was-left-over")).status in (401, 405)


async def test_entra_being_away_is_told(served, entra):
    async with served() as page:
        await entra.stop()
        answer = await page.browser().get("/ops/sign-in")
        assert answer.status == 503
        assert page.actions("ops_login_unavailable")


async def test_a_public_client_needs_no_secret(served, entra):
    async with served(OPS_CLIENT_ID=entra.world.graph_client_id) as page:
        assert (await signed_in(page.browser())).status == 303


async def test_a_wrong_client_secret_is_no_login(served):
    async with served(MicrosoftAppPassword="not-it") as page:
        assert (await signed_in(page.browser())).status == 401
