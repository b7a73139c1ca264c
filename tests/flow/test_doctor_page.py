"""`bridgectl doctor` on what an installation may leave out: the operators' page, exporters, pictures, the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from collector import CONNECTION
from stack import Stack, running
from test_doctor import examine, only_problem, serving

from tests.contract.archive_store_suite import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTLP, INSIGHTS = "OTEL_EXPORTER_OTLP_ENDPOINT", "APPLICATIONINSIGHTS_CONNECTION_STRING"
PAGE, EXPORTS = "operators' page", "exporters"
CLIENT = "0c9d3a51-7b62-4f0e-8a4d-5e1b2c3d4f60"
NOBODY = "http://127.0.0.1:9"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge with neither."""
    async with running(tmp_path_factory.mktemp("doctor"), TEAMS_REPLY_VIA="bot") as stack:
        yield stack


def entra(stack: Stack, **more: str) -> dict[str, str]:
    """Settings with which operators sign in to the sandbox's Entra."""
    authority = f"{stack.url}/entra/{stack.config['tenant']}/v2.0"
    needed = {"BRIDGE_OPS": "entra", "BRIDGE_PUBLIC_URL": stack.bridge_url, "OPS_ALLOWED": "role.operator"}
    return needed | {"OPS_AUTHORITY": authority} | more


async def seen(stack: Stack, check: str, **environment: str) -> list[tuple[str, str]]:
    """What one check says of this environment: subjects and how they are. The exit code tells whether one is bad."""
    code, found = await examine(stack, **environment)
    ours = [(finding["subject"], finding["status"]) for finding in found if finding["check"] == check]
    assert (code == 1) == ("problem" in {status for _, status in ours})
    return ours


async def test_what_is_off_is_told_as_off(stack: Stack) -> None:
    assert await seen(stack, PAGE) == [("BRIDGE_OPS", "skipped")]
    assert await seen(stack, EXPORTS) == [("exporters", "skipped")]
    assert await seen(stack, "archive") == [("ARCHIVE_RECIPIENTS", "skipped")]


@pytest.mark.parametrize(
    ("pictures", "shown"), [("on", "titles and pictures"), ("off", "titles (BRIDGE_PICTURES=off)")]
)
async def test_the_permission_that_pictures_need(stack: Stack, pictures: str, shown: str) -> None:
    """It is that of departments, so one line tells of both."""
    _, found = await examine(stack, BRIDGE_PICTURES=pictures)
    (people,) = [finding for finding in found if finding["check"] == "people"]
    assert (people["status"], people["seen"].endswith(shown)) == ("ok", True)


async def test_archives(stack: Stack) -> None:
    """What is stored, and the account whose tickets are in it."""
    archive = {"ARCHIVE_RECIPIENTS": KEY}
    keys, store, newest = await seen(stack, "archive", **archive)
    assert [keys, store] == [("ARCHIVE_RECIPIENTS", "ok"), ("store", "ok")]
    assert newest == ("newest monthly archive", "warning")
    away = {"FRESHDESK_URL": NOBODY, "FRESHDESK_API_KEY": "k"}
    assert await seen(stack, "freshdesk", **away) == [("host", "problem")]


# --- the operators' page ----------------------------------------------------------------------------------------------


async def test_a_page_that_can_be_entered(stack: Stack) -> None:
    """With a token, or by a sign-in that Entra describes."""
    assert await seen(stack, PAGE, BRIDGE_OPS="token", OPS_TOKEN="t" * 20) == [("OPS_TOKEN", "ok")]
    code, found = await examine(stack, "--offline", BRIDGE_OPS="token", OPS_TOKEN="secret:PAGE", PAGE="t" * 20)
    assert (code, [f["status"] for f in found if f["check"] == PAGE]) == (0, ["ok"])
    own = {"OPS_CLIENT_ID": CLIENT, "OPS_CLIENT_SECRET": "x"}
    code, found = await examine(stack, **entra(stack, **own))
    told = {f["subject"]: f["status"] for f in found if f["check"] == PAGE}
    assert told == dict.fromkeys(("OPS_ALLOWED", "OPS_CLIENT_ID", "OPS_CLIENT_SECRET", "OPS_AUTHORITY"), "ok")


@pytest.mark.parametrize(
    ("environment", "subject", "todo"),
    [
        ({}, "secret ops-token", "bridgectl secrets set ops-token"),
        ({"OPS_TOKEN": "secret:NOT_THERE"}, "OPS_TOKEN", "openssl"),
        ({"OPS_TOKEN": "too short"}, "OPS_TOKEN", "openssl"),
    ],
)
async def test_a_token_that_lets_nobody_in(stack: Stack, environment: dict[str, str], subject: str, todo: str) -> None:
    """None, or one that could be guessed."""
    problem = await only_problem(stack, PAGE, subject, BRIDGE_OPS="token", **environment)
    assert "nobody can log in" in problem["seen"]
    assert todo in problem["todo"]


async def test_one_token_of_two_that_is_too_short(stack: Stack) -> None:
    """The other one works, so it is a warning."""
    assert await seen(stack, PAGE, BRIDGE_OPS="token", OPS_TOKEN="t" * 20 + ";short") == [("OPS_TOKEN", "warning")]


@pytest.mark.parametrize(
    ("environment", "subject"),
    [
        ({"OPS_ALLOWED": ""}, "BRIDGE_OPS"),
        ({"OPS_AUTHORITY": f"{NOBODY}/v2.0"}, "OPS_AUTHORITY"),
        ({"OPS_AUTHORITY": "http://login.example.com/v2.0"}, "BRIDGE_OPS"),
        ({"OPS_CLIENT_ID": CLIENT, "OPS_CLIENT_SECRET": "secret:NOT_THERE"}, "OPS_CLIENT_SECRET"),
        ({"OPS_CLIENT_ID": "operators", "OPS_CLIENT_SECRET": "x"}, "OPS_CLIENT_ID"),
    ],
)
async def test_a_sign_in_that_lacks_something(stack: Stack, environment: dict[str, str], subject: str) -> None:
    """Each setting of the Entra login is looked at by itself."""
    await only_problem(stack, PAGE, subject, **entra(stack, **environment))


# --- exporters --------------------------------------------------------------------------------------------------------


def receiver(status: int, asked: list[tuple[str, str, int]]) -> Any:
    """Answer every request so, and note method, path and length of what came."""

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, len(await request.read())))
        return web.Response(status=status)

    return handle


@pytest.mark.parametrize(("status", "told"), [(200, "ok"), (404, "warning"), (401, "warning"), (503, "warning")])
async def test_a_collector(stack: Stack, status: int, told: str) -> None:
    """It is sent an empty batch; an answer that is no acceptance would lose every trace, but no message."""
    asked: list[tuple[str, str, int]] = []
    async with serving(receiver(status, asked)) as url:
        assert await seen(stack, EXPORTS, **{OTLP: f"{url}/"}) == [(OTLP, told)]
    assert asked == [("POST", "/v1/traces", 0)]


async def test_a_collector_that_wants_a_header(stack: Stack) -> None:
    """Only the exporter sends it, so a refusal without it proves nothing."""
    async with serving(receiver(401, [])) as url:
        header = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=x"}
        assert await seen(stack, EXPORTS, **{OTLP: url}, **header) == [(OTLP, "skipped")]


async def test_application_insights(stack: Stack) -> None:
    """Its ingestion endpoint answers, whatever it says."""
    async with serving(receiver(405, [])) as url:
        assert await seen(stack, EXPORTS, **{INSIGHTS: CONNECTION.format(url=url)}) == [(INSIGHTS, "ok")]


@pytest.mark.parametrize("environment", [{OTLP: NOBODY}, {INSIGHTS: CONNECTION.format(url=NOBODY)}], ids=list)
async def test_an_exporter_that_does_not_answer(stack: Stack, environment: dict[str, str]) -> None:
    """Messages go on without it."""
    assert await seen(stack, EXPORTS, **environment) == [(name, "warning") for name in environment]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (OTLP, "http://collector.example.com:4318"),
        (OTLP, "http://[::1"),
        (INSIGHTS, "InstrumentationKey=not-a-key"),
        (INSIGHTS, CONNECTION.format(url="http://insights.example.com")),
    ],
)
async def test_an_exporter_that_stops_the_start(stack: Stack, name: str, value: str) -> None:
    """Not a warning: the bridge would not start with it."""
    problem = await only_problem(stack, EXPORTS, name, **{name: value})
    assert value not in problem["seen"]


async def test_nobody_is_asked_offline(stack: Stack, tmp_path: Path) -> None:
    asked: list[tuple[str, str, int]] = []
    async with serving(receiver(200, asked)) as url:
        settings = {OTLP: url, "BRIDGE_DATA_DIR": str(tmp_path)} | entra(stack, OPS_AUTHORITY=f"{url}/v2.0")
        code, _ = await examine(stack, "--offline", **settings)
    assert (code, asked) == (0, [])
