"""Nothing is served without a login, and nothing is done for another site."""

from __future__ import annotations

import pytest

import app
from adapters.ops.guard import HEADERS, OPEN
from adapters.stores import open_ports
from bridge.errors import Misconfigured
from bridge.settings import load
from bridge.telemetry import Telemetry
from tests.unit.ops.conftest import TOKEN, free_port

OPEN_PATHS = {("GET", "/ops/login"), ("POST", "/ops/login"), ("GET", "/ops/page.css"), ("GET", "/ops/icon.svg")}


def paths(page):
    routes = [(route.method, route.resource.canonical) for route in page.app.router.routes()]
    return sorted((method, path.replace("{id}", "1")) for method, path in routes if method != "HEAD")


async def test_without_a_login_no_route_answers(rig):
    async with rig() as page:
        found = paths(page)
        assert len(found) >= 17
        for method, path in found:
            browser = page.browser()
            answer = await (browser.get(path) if method == "GET" else browser.post(path))
            if (method, path) in OPEN_PATHS:
                assert answer.status in (200, 401), path
            else:
                assert (answer.status, answer.text) in ((401, '{"problem": "login"}'), (303, "")), path


@pytest.mark.parametrize("path", ["/ops/x", "/ops/page/page.html", "/ops/page.html", "/ops/../app.py"])
async def test_what_is_not_there_asks_for_a_login_too(rig, path):
    async with rig() as page:
        assert (await page.browser().get(path)).status in (401, 404)
        assert (await (await page.inside()).get(path)).status == 404


async def test_the_page_is_found_with_a_slash_too(rig):
    async with rig() as page:
        assert (await page.browser().get("/ops/")).headers["Location"] == "/ops/login"
        assert "data-csrf" in (await (await page.inside()).get("/ops/")).text


async def test_no_route_is_open_by_mistake():
    assert {"login", "enter", "signin", "callback", "style", "icon"} == OPEN


async def test_every_answer_has_the_headers(rig):
    async with rig() as page:
        inside, outside = await page.inside(), page.browser()
        answers = [await inside.get(path) for method, path in paths(page) if method == "GET"]
        answers += [await outside.get(path) for path in ("/ops", "/ops/login", "/ops/nothing", "/ops/state")]
        answers += [await inside.post("/ops/state"), await outside.post("/ops/letters/replay")]
        assert {answer.status for answer in answers} >= {200, 303, 401, 404, 405}
        for answer in answers:
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "unsafe" not in HEADERS["Content-Security-Policy"]


FOREIGN = {
    "no csrf token": {"X-CSRF-Token": None},
    "a wrong csrf token": {"X-CSRF-Token": "x" * 43},
    "another origin": {"Origin": "https://evil.example"},
    "an opaque origin": {"Origin": "null"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "a sibling": {"Sec-Fetch-Site": "same-site"},
    "no browser's word": {"Origin": None},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_a_forged_request_changes_nothing(rig, letters, headers):
    async with rig() as page:
        (letter,) = await letters(page, 1)
        browser = await page.inside()
        answer = await browser.post("/ops/letters/replay", {"ids": [letter]}, **headers)
        assert answer.status == 403
        assert (await browser.post("/ops/logout", **headers)).status == 403
        assert (await page.ports.queue.depth("to-freshchat")).dead == 1
        assert (await browser.post("/ops/letters/replay", {"ids": [letter]})).json == {"replayed": 1, "missing": 0}


async def test_a_csrf_token_belongs_to_one_session(rig, letters):
    async with rig() as page:
        (letter,) = await letters(page, 1)
        browser, other = await page.inside(), await page.inside()
        answer = await browser.post("/ops/letters/replay", {"ids": [letter]}, **{"X-CSRF-Token": other.csrf})
        assert answer.status == 403


@pytest.fixture
def built(tmp_path, sandbox_keys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def build(**settings):
        chosen = load(**(sandbox_keys.env | {"BRIDGE_DATA_DIR": tmp_path, "PORT": free_port()} | settings))
        async with open_ports(chosen) as ports:
            made = await app.build_app(chosen, ports, role="web", telemetry=Telemetry("CRITICAL"))
            for context in made.cleanup_ctx[:1]:
                running = context(made)
                await anext(running)
                await anext(running, None)
            return {resource.canonical for resource in made.router.resources()}

    return build


async def test_it_is_off_by_default(built):
    assert not any(path.startswith("/ops") for path in await built())
    assert "/ops" in await built(BRIDGE_OPS="token")


@pytest.mark.parametrize(
    "settings",
    [
        {"BRIDGE_ENV": "production", "BRIDGE_OPS": "token"},
        {"BRIDGE_OPS": "entra"},
        {"BRIDGE_OPS": "entra", "OPS_ALLOWED": "x"},
        {"BRIDGE_OPS": "entra", "BRIDGE_PUBLIC_URL": "https://bridge.example.com"},
        {
            "BRIDGE_OPS": "entra",
            "OPS_ALLOWED": "x",
            "BRIDGE_PUBLIC_URL": "https://bridge.example.com",
            "OPS_AUTHORITY": "http://login.example.com/v2.0",
        },
    ],
)
async def test_what_is_missing_stops_the_start(rig, settings):
    with pytest.raises(Misconfigured):
        async with rig(**({"BRIDGE_PUBLIC_URL": None} | settings)):
            pass


async def test_the_token_is_nowhere(rig):
    async with rig() as page:
        browser = await page.inside()
        for method, path in paths(page):
            if method == "GET":
                assert TOKEN not in (await browser.get(path)).text
        assert TOKEN not in page.log.getvalue()
