"""Logging in with the operator token, and how a session ends."""

from __future__ import annotations

import pytest

from adapters.ops.sessions import IDLE, LIFE, MOST_SESSIONS, Sessions
from tests.unit.ops.conftest import TOKEN


async def test_the_token_opens_the_page_and_nothing_else_does(rig):
    async with rig() as page:
        browser = page.browser()
        for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\ud7a3" * 25):
            assert (await browser.enter(wrong)).status in (401, 429)
            page.clock.advance(60)
        assert (await browser.get("/ops/state")).status == 401
        assert (await browser.enter()).status == 303
        assert (await browser.get("/ops/state")).status == 200
        assert [r["who"] for r in page.actions("ops_login")] == ["token"]
        assert TOKEN[:-1] not in page.log.getvalue()


async def test_the_token_comes_from_the_secret_source_in_all_its_versions(rig):
    async with rig(OPS_TOKEN=None) as page:
        assert (await page.browser().enter("a" * 30)).status == 401
        await page.ports.secrets.put("ops-token", "a" * 30)
        await page.ports.secrets.put("ops-token", "b" * 30, keep=2)
        for token in ("a" * 30, "b" * 30):
            assert (await page.browser().enter(token)).status == 303


async def test_a_short_token_is_none(rig):
    async with rig(OPS_TOKEN="hunter2") as page:
        assert (await page.browser().enter("hunter2")).status == 401
        assert page.actions("ops_token_too_short")


async def test_secrets_that_cannot_be_read_are_not_a_wrong_token(rig, tmp_path):
    (tmp_path / "secrets").write_text("a file where the folder should be")
    async with rig(OPS_TOKEN=None) as page:
        answer = await page.browser().enter()
        assert answer.status == 503
        assert "cannot reach" in answer.text


async def test_guessing_is_slowed_down_for_the_right_token_too(rig):
    async with rig() as page:
        browser = page.browser()
        assert [(await browser.enter("wrong")).status for _ in range(7)] == [401] * 5 + [429] * 2
        limited = await browser.enter()
        assert limited.status == 429
        assert 1 <= int(limited.headers["Retry-After"]) <= 31
        page.clock.advance(31)
        assert (await browser.enter()).status == 303


async def test_right_logins_use_no_guesses_up(rig):
    async with rig() as page:
        browser = page.browser()
        assert [(await browser.enter()).status for _ in range(12)] == [303] * 12


async def test_a_long_form_is_not_read(rig):
    async def endless():
        yield f"token={TOKEN}".encode()

    async with rig() as page:
        browser = page.browser()
        assert (await browser.enter(TOKEN + " " * 5000)).status == 401
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": page.url}
        async with browser.session.post(f"{page.url}/ops/login", data=endless(), headers=headers) as answer:
            assert answer.status == 401


async def test_a_login_from_another_site_is_refused(rig):
    async with rig() as page:
        assert (await page.browser().enter(Origin="https://evil.example")).status == 403
        assert (await page.browser().enter(**{"Sec-Fetch-Site": "cross-site"})).status == 403


@pytest.mark.parametrize("seconds", [IDLE, LIFE])
async def test_a_session_ends(rig, seconds):
    async with rig() as page:
        browser = await page.inside()
        left = seconds
        while left > IDLE - 60 and seconds == LIFE:
            page.clock.advance(IDLE - 60)
            left -= IDLE - 60
            assert (await browser.get("/ops/state")).status == 200
        page.clock.advance(left)
        assert (await browser.get("/ops/state")).status == 401


async def test_a_session_ends_with_its_token(rig):
    async with rig(OPS_TOKEN=None) as page:
        await page.ports.secrets.put("ops-token", TOKEN)
        browser = await page.inside()
        await page.ports.secrets.put("ops-token", "another-long-operator-token")
        page.clock.advance(61)
        assert (await browser.get("/ops/state")).status == 401
        assert (await browser.get("/ops")).headers["Location"] == "/ops/login"


async def test_after_the_logout_the_old_cookie_is_worth_nothing(rig):
    async with rig() as page:
        browser = await page.inside()
        kept = browser.cookies()["ops-session"]
        assert (await browser.post("/ops/logout")).status == 200
        assert "ops-session" not in browser.cookies()
        thief = page.browser()
        assert (await thief.get("/ops/state", Cookie=f"ops-session={kept}")).status == 401
        assert page.actions("ops_logout")


async def test_each_login_has_an_id_of_its_own_and_ends_the_one_before(rig):
    async with rig() as page:
        browser = await page.inside()
        first = browser.cookies()["ops-session"]
        await browser.enter()
        assert browser.cookies()["ops-session"] != first
        assert (await page.browser().get("/ops/state", Cookie=f"ops-session={first}")).status == 401


async def test_a_session_id_that_was_put_there_is_not_taken_over(rig):
    async with rig() as page:
        browser = page.browser()
        browser.session.cookie_jar.update_cookies({"ops-session": "chosen-by-somebody"})
        await browser.enter()
        assert browser.cookies()["ops-session"] != "chosen-by-somebody"


def test_sessions_are_bounded():
    sessions = Sessions(lambda: 0.0)
    opened = [sessions.open("token") for _ in range(MOST_SESSIONS + 1)]
    assert sessions.find(opened[0]) is None
    assert sessions.find(opened[1]) is not None


@pytest.mark.parametrize(
    ("public_url", "name", "flags"),
    [
        ("https://bridge.example.com", "__Host-ops-session", {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"}),
        (None, "ops-session", {"HttpOnly", "SameSite=Lax", "Path=/"}),
    ],
)
async def test_cookies_are_for_this_host_and_no_script(rig, public_url, name, flags):
    async with rig(BRIDGE_PUBLIC_URL=public_url) as page:
        answer = await page.browser().enter(Origin=public_url or page.url)
        value, *given = answer.headers["Set-Cookie"].split("; ")
        assert value.startswith(f"{name}=")
        assert set(given) == flags
        assert ("Strict-Transport-Security" in answer.headers) == bool(public_url)
