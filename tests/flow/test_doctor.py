"""`bridgectl doctor` against the real sandbox and bridge: all is well, then one thing after the other is broken."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from stack import Stack, running

from tests.peers.language import LanguagePeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge whose service account is signed in."""
    async with running(tmp_path_factory.mktemp("doctor")) as running_stack:
        await sign_in(running_stack)
        yield running_stack


async def sign_in(stack: Stack) -> None:
    """Sign the service account in."""
    code, out, err = await stack.bridgectl("graph", "login")
    assert code == 0, (out, err)


async def run(stack: Stack, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run doctor with changes to the environment; it must end without a stack trace and print no secret."""
    before, stack.extra = stack.extra, stack.extra | environment
    try:
        given = stack.environment()
        code, out, err = await stack.bridgectl("doctor", *arguments)
    finally:
        stack.extra = before
    assert "Traceback" not in out + err, err
    secrets = ("FRESHCHAT_API_KEY", "MicrosoftAppPassword", "FRESHCHAT_WEBHOOK_TOKEN", "FRESHCHAT_WEBHOOK_KEYS")
    assert not [name for name in secrets if given[name] in out + err]
    return code, out


async def examine(stack: Stack, *arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Give the exit code and what was found."""
    code, out = await run(stack, "--json", *arguments, **environment)
    return code, json.loads(out)["checks"]


async def only_problem(stack: Stack, check: str, subject: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Find exactly this one problem, in it what to do; the other checks end well."""
    code, found = await examine(stack, *arguments, **environment)
    problems = [finding for finding in found if finding["status"] == "problem"]
    assert [(problem["check"], problem["subject"]) for problem in problems] == [(check, subject)], problems
    assert code == 1
    others = {"settings", "tenants", "stores", "freshchat", "bot", "bot keys", "clock"} - {check}
    well = {finding["check"] for finding in found if finding["status"] in ("ok", "skipped")}
    assert others <= well
    assert problems[0]["todo"]
    return dict(problems[0])


@asynccontextmanager
async def serving(answer: Any) -> AsyncIterator[str]:
    """Answer every request with this handler; give the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


# --- healthy ----------------------------------------------------------------------------------------------------------


async def test_healthy_is_all_well(stack: Stack) -> None:
    """The settings of the demo pass: exit code 0, and nothing to do."""
    code, found = await examine(stack, BRIDGE_PUBLIC_URL=stack.bridge_url)
    assert [finding for finding in found if finding["status"] not in ("ok", "skipped")] == []
    assert code == 0
    looked_at = {(finding["check"], finding["subject"]) for finding in found if finding["status"] == "ok"}
    assert looked_at >= {
        ("settings", "values"),
        ("tenants", "tenants"),
        ("stores", "queue"),
        ("stores", "threads"),
        ("stores", "secrets"),
        ("stores", "disk"),
        ("freshchat", "host"),
        ("freshchat", "token"),
        ("freshchat", "inbox"),
        ("freshchat", "webhook keys"),
        ("bot", "token"),
        ("bot keys", "BOT_OPENID_METADATA_URL"),
        ("graph", "sign-in"),
        ("graph", "scopes"),
        ("people", "User.Read.All"),
        ("files", "Files.Read.All"),
        ("freshchat", "conversation fields"),
        ("public address", "BRIDGE_PUBLIC_URL"),
        ("clock", "clock"),
    }


async def test_json_keeps_its_shape(stack: Stack) -> None:
    """Scripts may rely on these names."""
    _, out = await run(stack, "--json")
    report = json.loads(out)
    assert set(report) == {"status", "checks", "settings"}
    assert report["status"] == "ok"
    assert {tuple(finding) for finding in report["checks"]} == {("check", "subject", "status", "seen", "todo")}
    assert {tuple(row) for row in report["settings"]} == {("name", "source", "value")}
    sources = {row["name"]: row["source"] for row in report["settings"]}
    assert (sources["MicrosoftAppId"], sources["BRIDGE_QUEUE"]) == ("environment", "default")


async def test_people_read_a_line_each_and_what_to_do(stack: Stack) -> None:
    """Without --json: the settings with their sources, then a line per finding, with an arrow where one must act."""
    code, out = await run(stack, FRESHCHAT_CHANNEL_ID=NOWHERE)
    assert code == 1
    assert f"FRESHCHAT_CHANNEL_ID = {NOWHERE}  (environment)" in out
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("problem  freshchat: inbox:"))
    assert lines[at + 1].strip().startswith("→ Set FRESHCHAT_CHANNEL_ID")


async def test_offline_calls_nobody(stack: Stack) -> None:
    """--offline looks at what is on this machine only."""
    before = await stack.get("requests/counts")
    code, found = await examine(stack, "--offline", BRIDGE_PUBLIC_URL="https://bridge.example.com")
    assert code == 0
    assert await stack.get("requests/counts") == before
    skipped = {finding["check"] for finding in found if finding["status"] == "skipped"}
    assert skipped >= {"freshchat", "bot", "bot keys", "graph", "public address", "clock"}


async def test_before_the_first_start_nothing_is_made(stack: Stack, tmp_path: Path) -> None:
    """It leaves no folder and no store behind that would belong to whoever ran it."""
    folder = tmp_path / "new"
    code, _ = await examine(stack, BRIDGE_DATA_DIR=str(folder))
    assert code == 0
    assert not folder.exists()


# --- settings and stores ----------------------------------------------------------------------------------------------


async def test_unreadable_settings(stack: Stack) -> None:
    """A value that cannot be read is named, and nothing else is guessed."""
    code, found = await examine(stack, PORT="many")
    assert code == 1
    assert [finding["status"] for finding in found] == ["problem", "skipped"]
    assert found[0]["seen"].startswith("PORT:")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("FRESHCAT_API_KEY", "FRESHCHAT_API_KEY"), ("MICROSOFT_APP_ID", "MicrosoftAppId"), ("BRIDGE_EVN", "BRIDGE_ENV")],
)
async def test_misspelt_variable(stack: Stack, name: str, meant: str) -> None:
    """A slip in a name would otherwise silently leave the default."""
    problem = await only_problem(stack, "settings", "unknown variable", **{name: "x"})
    assert problem["seen"] == name
    assert problem["todo"].endswith(f"did you mean {meant}?")


async def test_variable_that_nobody_reads_is_a_warning(stack: Stack) -> None:
    """Platforms set variables that begin like ours: worth a word, no failure."""
    code, found = await examine(stack, BRIDGE_SERVICE_HOST="10.0.0.1")
    warnings = [finding["seen"] for finding in found if finding["status"] == "warning"]
    assert (code, warnings) == (0, ["BRIDGE_SERVICE_HOST"])


async def test_variable_that_a_secret_names_is_known(stack: Stack) -> None:
    """`secret:NAME` reads NAME, however much it looks like a slip."""
    named = {"FRESHCHAT_API_KEYS": stack.environment()["FRESHCHAT_API_KEY"]}
    before, stack.extra = stack.extra, stack.extra | named
    try:
        code, found = await examine(stack, FRESHCHAT_API_KEY="secret:FRESHCHAT_API_KEYS")
    finally:
        stack.extra = before
    assert code == 0, [finding for finding in found if finding["status"] == "problem"]


async def test_loopback_hosts_in_production(stack: Stack) -> None:
    """Tokens must not go to this machine where strangers' programs may listen."""
    code, found = await examine(stack, "--offline", BRIDGE_ENV="production")
    problems = {finding["subject"] for finding in found if finding["status"] == "problem"}
    assert code == 1
    assert {"BOT_SERVICE_URL_ALLOWLIST", "FRESHCHAT_HOST_ALLOWLIST"} == problems
    assert [f["subject"] for f in found if f["status"] == "warning"] == ["BRIDGE_PUBLIC_URL", "CLAMD_ADDRESS"]


async def test_allowlist_that_anybody_can_join(stack: Stack) -> None:
    """A suffix below which anybody can have a name sends our token to anybody."""
    listed = "127.0.0.1;trafficmanager.net"
    problem = await only_problem(stack, "settings", "BOT_SERVICE_URL_ALLOWLIST", BOT_SERVICE_URL_ALLOWLIST=listed)
    assert "trafficmanager.net" in problem["seen"]


async def test_broken_routing_file(stack: Stack, tmp_path: Path) -> None:
    """The file, the row and the field are named."""
    routing = tmp_path / "routing.toml"
    routing.write_text("[[route]]\ninbocks = 'x'\n")
    code, found = await examine(stack, BRIDGE_ROUTING_FILE=str(routing))
    problem = next(finding for finding in found if finding["status"] == "problem")
    assert code == 1
    assert (problem["check"], "route.0.inbocks" in problem["seen"]) == ("tenants", True)


async def test_data_folder_that_is_none(stack: Stack, tmp_path: Path) -> None:
    """The place of the stores cannot be written."""
    file = tmp_path / "data"
    file.touch()
    code, found = await examine(stack, BRIDGE_DATA_DIR=str(file))
    problems = [finding for finding in found if finding["status"] == "problem"]
    assert code == 1
    assert problems[0]["subject"] == "BRIDGE_DATA_DIR"
    assert {finding["check"] for finding in problems} == {"stores"}


async def test_data_folder_open_to_everybody_is_a_warning(stack: Stack, tmp_path: Path) -> None:
    """Messages wait in there."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    code, found = await examine(stack, BRIDGE_DATA_DIR=str(folder), TEAMS_REPLY_VIA="bot")
    warnings = [(f["subject"], f["todo"]) for f in found if f["status"] == "warning"]
    assert code == 0
    assert [subject for subject, _ in warnings] == ["BRIDGE_DATA_DIR"]
    assert warnings[0][1].startswith(f"chmod 700 {folder}")


async def test_full_disk(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store that takes nothing is found, although the folder looks right; the sign-in is left alone."""
    limited = tmp_path / "python"
    limited.write_text(f'#!/bin/bash\nulimit -f 8\nexec {sys.executable} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(limited))
    code, found = await examine(stack)
    problems = {(finding["check"], finding["subject"]) for finding in found if finding["status"] == "problem"}
    assert code == 1
    assert problems == {("stores", "queue"), ("stores", "threads")}
    assert "sign-in" in {finding["subject"] for finding in found if finding["status"] == "skipped"}


# --- Freshchat --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "subject", "todo"),
    [
        ("FRESHCHAT_API_KEY", "not-the-token", "token", "set FRESHCHAT_API_KEY"),
        ("FRESHCHAT_API_URL", "http://127.0.0.1:9/v2", "host", "FRESHCHAT_API_URL"),
        ("FRESHCHAT_API_URL", "https://desk.example.com", "host", "FRESHCHAT_HOST_ALLOWLIST"),
        ("FRESHCHAT_CHANNEL_ID", NOWHERE, "inbox", "FRESHCHAT_CHANNEL_ID"),
        ("FRESHCHAT_WEBHOOK_KEYS", "bm90IGEga2V5", "webhook keys", "FRESHCHAT_WEBHOOK_KEYS"),
        ("FRESHCHAT_WEBHOOK_TOKEN", "secret:NOT_THERE", "webhook token", "FRESHCHAT_WEBHOOK_TOKEN"),
    ],
)
async def test_freshchat_account(stack: Stack, variable: str, value: str, subject: str, todo: str) -> None:
    """Each part of an account is looked at by itself, and its setting is named."""
    assert todo in (await only_problem(stack, "freshchat", subject, **{variable: value}))["todo"]


async def test_freshchat_host_that_answers_with_a_page(stack: Stack) -> None:
    """A portal says 200 to everything, with HTML."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Portal</title>", content_type="text/html")

    async with serving(page) as url:
        problem = await only_problem(stack, "freshchat", "host", FRESHCHAT_API_URL=url)
    assert "Chat URL" in problem["todo"]


async def test_disabled_inbox_and_missing_group_of_a_route(stack: Stack, tmp_path: Path) -> None:
    """Every inbox and group that a route names must be there, on whatever page of the list."""
    disabled = next(inbox["id"] for inbox in stack.config["inboxes"] if not inbox["enabled"])
    routing = tmp_path / "routing.toml"
    routing.write_text(
        f'[[route]]\nscope = "personal"\ninbox = "{disabled}"\ngroup = "{NOWHERE}"\n'
        f'[[route]]\nscope = "channel"\ngroup = "{stack.config["groups"][0]["id"]}"\n'
    )
    code, found = await examine(stack, BRIDGE_ROUTING_FILE=str(routing))
    seen = [finding["seen"] for finding in found if finding["status"] == "problem"]
    assert (code, seen) == (1, [f"{disabled} is disabled", f"{NOWHERE} does not exist"])


async def test_limits_that_are_advertised_are_told(stack: Stack) -> None:
    """What the account allows is seen in its answers' headers."""
    async with serving(_relay(stack, {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "998"})) as url:
        code, found = await examine(stack, FRESHCHAT_API_URL=url)
    told = next(finding["seen"] for finding in found if finding["subject"] == "limits")
    assert (code, told) == (0, "998 of 1000 left")


@pytest.mark.parametrize(("seconds", "status"), [(-400, "problem"), (400, "problem"), (120, "warning"), (30, "ok")])
async def test_clock(stack: Stack, seconds: int, status: str) -> None:
    """Our clock is compared with every server's: Teams' tokens are refused beyond five minutes."""
    async with serving(_relay(stack, {"Date": formatdate(time.time() + seconds, usegmt=True)})) as url:
        code, found = await examine(stack, FRESHCHAT_API_URL=url)
    clock = {finding["status"] for finding in found if finding["check"] == "clock" and url in finding["seen"]}
    assert clock == {status}
    assert code == (1 if status == "problem" else 0)


def _relay(stack: Stack, headers: dict[str, str]) -> Any:
    """Pass requests on to the sandbox, and answer with other headers."""

    async def relay(request: web.Request) -> web.Response:
        sent = {"Authorization": request.headers.get("Authorization", "")}
        async with stack.session.get(f"{stack.url}{request.path_qs}", headers=sent) as answer:
            return web.Response(
                body=await answer.read(), status=answer.status, content_type="application/json", headers=headers
            )

    return relay


# --- bot and Graph ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "check", "subject", "todo"),
    [
        ("MicrosoftAppPassword", "wrong", "bot", "token", "set MicrosoftAppPassword"),
        ("BOT_OAUTH_URL", "http://127.0.0.1:9/token", "bot", "token", "BOT_OAUTH_URL"),
        ("BOT_OPENID_METADATA_URL", "http://127.0.0.1:9/keys", "bot keys", "BOT_OPENID_METADATA_URL", "national"),
        ("GRAPH_BASE_URL", "http://127.0.0.1:9/v1.0", "graph", "GRAPH_BASE_URL", "firewall"),
    ],
)
async def test_microsoft(stack: Stack, variable: str, value: str, check: str, subject: str, todo: str) -> None:
    """Secret, token endpoint, signing keys and Graph are looked at one by one."""
    assert todo in (await only_problem(stack, check, subject, **{variable: value}))["todo"]


async def test_app_id_that_is_no_guid(stack: Stack) -> None:
    """A name pasted in place of the id is told as such; the token service refuses it too."""
    code, found = await examine(stack, MicrosoftAppId="support-desk")
    problems = [finding["subject"] for finding in found if finding["check"] == "bot" and finding["status"] == "problem"]
    assert (code, problems) == (1, ["MicrosoftAppId", "token"])


async def test_keys_that_do_not_sign_for_teams(stack: Stack) -> None:
    """Metadata of something else, such as Entra's own, has keys that vouch for no activity."""
    entra = f"{stack.url}/entra/{stack.config['tenant']}/v2.0/.well-known/openid-configuration"
    problem = await only_problem(stack, "bot keys", "BOT_OPENID_METADATA_URL", BOT_OPENID_METADATA_URL=entra)
    assert problem["seen"] == "no key that signs for Teams"


async def test_nobody_signed_in(stack: Stack, tmp_path: Path) -> None:
    """A problem where all answers must go through Graph, a warning where the bot stands in."""
    environment = {"BRIDGE_DATA_DIR": str(tmp_path / "new"), "TEAMS_REPLY_VIA": "graph"}
    problem = await only_problem(stack, "graph", "sign-in", **environment)
    assert "bridgectl graph login" in problem["todo"]
    code, found = await examine(stack, **environment | {"TEAMS_REPLY_VIA": "auto"})
    assert (code, [f["subject"] for f in found if f["status"] == "warning"]) == (0, ["sign-in"])


async def test_scope_that_was_not_granted(stack: Stack) -> None:
    """Consent for posting alone does not let replies be read back."""
    granted = {"token_type": "Bearer", "expires_in": 3599, "access_token": "t", "scope": "ChannelMessage.Send openid"}
    await stack.fault("token", "status", status=200, body=granted, times=None)
    try:
        problem = await only_problem(stack, "graph", "scopes")
    finally:
        await stack.clear_faults()
    assert "ChannelMessage.Read.All, User.ReadBasic.All" in problem["seen"]
    assert "admin consent" in problem["todo"]


async def test_sign_in_that_was_revoked(stack: Stack) -> None:
    """Only Entra knows it, so the sign-in is renewed to find out."""
    await stack.post("rotate", what="revoke_signin")
    try:
        problem = await only_problem(stack, "graph", "sign-in")
    finally:
        await sign_in(stack)
    assert "graph_signin_lost" in problem["seen"]
    assert "bridgectl graph login" in problem["todo"]


async def warnings(stack: Stack, **environment: str) -> list[tuple[str, str, str]]:
    """Give what is warned of, where nothing is a problem."""
    code, found = await examine(stack, BRIDGE_PUBLIC_URL=stack.bridge_url, **environment)
    assert code == 0
    return [(f["check"], f["subject"], f["seen"] + f["todo"]) for f in found if f["status"] == "warning"]


async def test_departments_may_not_be_read(stack: Stack) -> None:
    """A hint, not a problem: agents see what the roster tells."""
    await stack.fault("graph", "status", status=403, match="GET .*/users/.*", times=None)
    try:
        ((check, subject, text),) = await warnings(stack)
    finally:
        await stack.clear_faults()
    assert (check, subject) == ("people", "User.Read.All")
    assert "application permission" in text


async def test_files_may_not_be_read(stack: Stack) -> None:
    """A hint too: agents get links."""
    await stack.fault("graph", "status", status=403, match="GET .*/drives/.*", times=None)
    try:
        ((check, subject, text),) = await warnings(stack)
    finally:
        await stack.clear_faults()
    assert (check, subject) == ("files", "Files.Read.All")
    assert "application permission" in text


async def test_conversation_field_that_is_missing(stack: Stack) -> None:
    """The property is left out; the operator learns which one."""
    ((_, subject, text),) = await warnings(stack, FRESHCHAT_LINK_PROPERTY="cf_unknown")
    assert (subject, "cf_unknown" in text) == ("conversation fields", True)
    assert await warnings(stack, FRESHCHAT_LINK_PROPERTY="off") == []


async def test_moods_by_azure(stack: Stack) -> None:
    """One word is judged; a service that cannot be used costs moods, one without an address stops the start-up."""
    azure = {"BRIDGE_SENTIMENT": "azure.language"}
    problem = await only_problem(stack, "sentiment", "BRIDGE_SENTIMENT", **azure)
    assert "AZURE_LANGUAGE_ENDPOINT" in problem["seen"]
    async with LanguagePeer() as peer:
        azure |= {"AZURE_LANGUAGE_ENDPOINT": peer.url, "AZURE_LANGUAGE_KEY": peer.key}
        assert await warnings(stack, **azure) == []
        ((_, _, text),) = await warnings(stack, **azure | {"AZURE_LANGUAGE_KEY": "wrong"})
    assert "language_401" in text


# --- outside ----------------------------------------------------------------------------------------------------------


def package(folder: Path, **changes: Any) -> str:
    """Write an app package that fits the sandbox, with these changes."""
    app_id = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10"
    manifest = {
        "bots": [{"botId": app_id, "scopes": ["team"]}],
        "validDomains": ["*.example.com"],
        "webApplicationInfo": {"id": app_id, "resource": "https://bridge.example.com"},
    }
    path = folder / "app.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("manifest.json", json.dumps(manifest | changes))
    return str(path)


async def test_app_package_that_fits(stack: Stack, tmp_path: Path) -> None:
    """The package is compared as it is uploaded, zipped."""
    code, found = await examine(
        stack, "--offline", "--manifest", package(tmp_path), BRIDGE_PUBLIC_URL="https://bridge.example.com"
    )
    looked_at = [(f["subject"], f["status"]) for f in found if f["check"] == "manifest"]
    assert (code, looked_at) == (0, [("bot id", "ok"), ("valid domains", "ok")])


@pytest.mark.parametrize(
    ("changes", "subject", "todo"),
    [
        ({"bots": [{"botId": NOWHERE}]}, "bot id", "MicrosoftAppId"),
        ({"bots": None}, "bot id", "MicrosoftAppId"),
        ({"validDomains": ["example.com"]}, "valid domains", "validDomains"),
        ({"webApplicationInfo": {"id": NOWHERE}}, "webApplicationInfo.id", "MicrosoftAppId"),
    ],
)
async def test_app_package_of_another_bot(
    stack: Stack, tmp_path: Path, changes: dict[str, Any], subject: str, todo: str
) -> None:
    """What does not fit the settings is named."""
    problem = await only_problem(
        stack,
        "manifest",
        subject,
        "--offline",
        "--manifest",
        package(tmp_path, **changes),
        BRIDGE_PUBLIC_URL="https://bridge.example.com",
    )
    assert todo in problem["todo"]


async def test_app_package_that_is_none(stack: Stack, tmp_path: Path) -> None:
    """A file that is no package is a finding; a file that is not there is a wrong call (exit code 2)."""
    broken = tmp_path / "app.zip"
    broken.write_bytes(b"PK\x03\x04 not really")
    await only_problem(stack, "manifest", "manifest", "--offline", "--manifest", str(broken))
    assert (await run(stack, "--manifest", str(tmp_path / "none.zip")))[0] == 2


async def test_public_address_that_leads_elsewhere(stack: Stack) -> None:
    """Something answers, but it is not the bridge."""
    problem = await only_problem(stack, "public address", "BRIDGE_PUBLIC_URL", BRIDGE_PUBLIC_URL=stack.url)
    assert "404" in problem["seen"]
