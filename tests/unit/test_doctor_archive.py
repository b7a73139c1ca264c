"""What `doctor` says of archives: their keys, the store, the newest monthly one, and the Freshdesk account."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.archives import open_archive_store
from adapters.http import session as http_session
from adapters.stores import open_secrets
from bridge.ports.archives import ArchiveKind, Label
from bridge.settings import Settings, load
from bridgectl.doctor.archive import OLD_DAYS, look_at_archives
from bridgectl.doctor.case import Case, Heard
from bridgectl.doctor.examine import Check
from bridgectl.doctor.freshdesk import look_at_account
from bridgectl.doctor.report import Finding, Report
from sandbox.archive_server import ArchiveServer, ServerOptions
from sandbox.archive_settings import ArchiveSettings
from sandbox.dataset import Shape
from tests.contract.archive_store_suite import KEY, pieces

DAY = 86_400.0
SECRET = "a-key-that-nobody-may-read"
NEWEST = "newest monthly archive"
NOWHERE = "http://127.0.0.1:9"
OTHER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


async def findings(check: Check, settings: Settings, *, offline: bool = False) -> dict[str, Finding]:
    """Run one check; give what was found of each subject. The key is in none of it."""
    report, heard, secrets = Report("checked"), Heard(), open_secrets(settings)
    try:
        async with http_session(watch=[heard.trace]) as session:
            case = Case(
                settings=settings,
                tenants=(),
                secrets=secrets,
                stores_usable=True,
                session=session,
                heard=heard,
                offline=offline,
                manifest=None,
            )
            await check(report, case)
    finally:
        await secrets.close()
    assert SECRET not in str(report.findings)
    found = {finding.subject: finding for finding in report.findings}
    assert len(found) == len(report.findings)
    assert all(bool(finding.todo) == (finding.status in ("warning", "problem")) for finding in report.findings)
    return found


def statuses(found: dict[str, Finding]) -> dict[str, str]:
    return {subject: finding.status for subject, finding in found.items()}


@asynccontextmanager
async def answering(*answers: web.Response) -> AsyncIterator[str]:
    """Answer one request after the other, all further ones like the last; give the address."""
    left = [(answer.status, answer.body, answer.headers.copy()) for answer in answers]

    async def handle(_: web.Request) -> web.Response:
        status, body, headers = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


# --- the store


def keeping(folder: Path, **more: str) -> Settings:
    """Settings of a machine that stores archives, for two holders of keys."""
    return load(BRIDGE_DATA_DIR=str(folder), ARCHIVE_RECIPIENTS=f" {KEY},{OTHER} ", **more)


async def store(settings: Settings, kind: ArchiveKind, days: float) -> None:
    """Store an archive that is so many days old."""
    archives = open_archive_store(settings)
    made = time.time() - days * DAY
    label = Label(kind=kind, made=made, fingerprint="f" * 64, recipients=(KEY,), totals={})
    await archives.put(f"export_{kind}_{days:.0f}.tar.age", label, pieces(b"sealed"))
    await archives.close()


async def test_nothing_is_said_where_no_archives_are_stored(tmp_path: Path) -> None:
    found = await findings(look_at_archives, load(BRIDGE_DATA_DIR=str(tmp_path)))
    assert statuses(found) == {"ARCHIVE_RECIPIENTS": "skipped"}
    assert not (tmp_path / "archives").exists()


async def test_offline_the_keys_alone_are_counted(tmp_path: Path) -> None:
    found = await findings(look_at_archives, keeping(tmp_path), offline=True)
    assert statuses(found) == {"ARCHIVE_RECIPIENTS": "ok", "store": "skipped"}
    assert found["ARCHIVE_RECIPIENTS"].seen == "public keys: 2"


async def test_a_store_without_any_archive_is_warned_of(tmp_path: Path) -> None:
    """A job that has never run looks just like one whose first of the month is still to come."""
    found = await findings(look_at_archives, keeping(tmp_path))
    assert statuses(found) == {"ARCHIVE_RECIPIENTS": "ok", "store": "ok", NEWEST: "warning"}
    assert "export run --kind monthly" in found[NEWEST].todo


@pytest.mark.parametrize(("days", "status"), [(0, "ok"), (OLD_DAYS + 0.5, "ok"), (OLD_DAYS + 1.5, "warning")])
async def test_the_newest_monthly_archive_is_what_counts(tmp_path: Path, days: float, status: str) -> None:
    """Older ones do no harm, and a fresh one of another kind does not stand in for it."""
    settings = keeping(tmp_path)
    await store(settings, "monthly", 200)
    await store(settings, "monthly", days)
    await store(settings, "event", 1)
    found = await findings(look_at_archives, settings)
    assert (found[NEWEST].status, found[NEWEST].seen) == (status, f"days old: {int(days)}")


async def test_who_stores_no_monthly_archives_is_not_warned(tmp_path: Path) -> None:
    settings = keeping(tmp_path)
    await store(settings, "final", 300)
    found = await findings(look_at_archives, settings)
    assert (found[NEWEST].status, found[NEWEST].seen) == ("skipped", "there is none among the stored archives: 1")


async def test_a_store_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "archives").write_text("", encoding="utf-8")
    found = await findings(look_at_archives, keeping(tmp_path))
    assert statuses(found) == {"ARCHIVE_RECIPIENTS": "ok", "store": "problem"}


def blobs(folder: Path, url: str) -> Settings:
    """Archives in a storage account at this address."""
    connection = f"AccountName=bridge;AccountKey={'A' * 86}==;BlobEndpoint={url}/bridge;"
    return keeping(folder, BRIDGE_OBJECTS="azure.blob", AZURE_STORAGE_CONNECTION_STRING=connection)


def refusal(status: int, code: str) -> web.Response:
    """A storage account's refusal, as to a request without a body."""
    return web.Response(status=status, headers={"x-ms-error-code": code, "x-ms-version": "2025-05-05"})


async def test_a_process_without_rights_on_archives_is_no_problem(tmp_path: Path) -> None:
    """The monthly job alone has them: the server and the workers are refused."""
    async with answering(refusal(403, "AuthorizationPermissionMismatch")) as url:
        found = await findings(look_at_archives, blobs(tmp_path, url))
    assert statuses(found) == {"ARCHIVE_RECIPIENTS": "ok", "store": "skipped"}


async def test_containers_that_are_missing(tmp_path: Path) -> None:
    async with answering(refusal(404, "ContainerNotFound")) as url:
        found = await findings(look_at_archives, blobs(tmp_path, url))
    assert found["store"].status == "problem"
    assert "ARCHIVE_CONTAINER" in found["store"].seen


# --- Freshdesk


def archiving(url: str, **more: str) -> Settings:
    """Settings of an account at this address."""
    given = {"FRESHDESK_URL": url, "FRESHDESK_API_KEY": SECRET, "FRESHDESK_HOST_ALLOWLIST": "127.0.0.1"}
    return load(**given | more)


@asynccontextmanager
async def account(**switches: Any) -> AsyncIterator[dict[str, str]]:
    """The sandbox's Freshdesk; give the variables of its account."""
    options = ServerOptions(Shape(conversations=2, tickets=2), switches=ArchiveSettings(**switches))
    async with ArchiveServer(options) as server:
        yield server.env


async def test_an_account_is_looked_at_where_there_is_one() -> None:
    found = await findings(look_at_account, load())
    assert statuses(found) == {"FRESHDESK_DOMAIN": "skipped"}
    found = await findings(look_at_account, archiving(NOWHERE), offline=True)
    assert statuses(found) == {"account": "skipped"}


async def test_an_administrators_key_sees_everything() -> None:
    async with account() as env:
        found = await findings(look_at_account, load(**env))
    assert statuses(found) == {"key": "ok", "tickets": "ok", "rights": "ok"}


async def test_a_key_with_less_rights_says_what_is_left_out() -> None:
    """Freshdesk itself does not: what its owner may not see is just not in the lists."""
    async with account(admin=False) as env:
        found = await findings(look_at_account, load(**env))
    assert statuses(found) == {"key": "ok", "tickets": "warning", "rights": "warning"}
    assert "only tickets of its owner" in found["tickets"].seen
    assert "agents" in found["rights"].seen


@pytest.mark.parametrize(
    ("me", "seen"),
    [
        ({"ticket_scope": 1}, "the key shows all"),
        ({"ticket_scope": 2}, "only tickets of its owner's groups"),
        ({"ticket_scope": 9}, "perhaps not all tickets"),
        ({"ticket_scope": [1]}, "perhaps not all tickets"),
        ({}, "perhaps not all tickets"),
        ([], "perhaps not all tickets"),
    ],
)
async def test_a_scope_counts_as_global_only_if_it_is(me: Any, seen: str) -> None:
    async with answering(web.json_response(me), web.json_response([])) as url:
        found = await findings(look_at_account, archiving(url))
    assert seen in found["tickets"].seen
    assert (found["tickets"].status == "ok") == (me == {"ticket_scope": 1})


@pytest.mark.parametrize(
    ("answer", "subject", "status"),
    [
        (web.json_response({"code": "invalid_credentials"}, status=401), "key", "problem"),
        (web.json_response({"code": "password_lockout"}, status=403), "key", "problem"),
        (web.Response(text="<html>", content_type="text/html"), "host", "problem"),
        (web.Response(status=404), "host", "problem"),
        (web.Response(status=503), "host", "problem"),
        (web.Response(status=429, headers={"Retry-After": "30"}), "host", "warning"),
    ],
    ids=["refused", "locked", "another page", "nothing there", "away", "limit"],
)
async def test_an_account_that_refuses(answer: web.Response, subject: str, status: str) -> None:
    async with answering(answer) as url:
        found = await findings(look_at_account, archiving(url))
    assert statuses(found) == {subject: status}


@pytest.mark.parametrize("wrong", [{"FRESHDESK_API_KEY": ""}, {"FRESHDESK_HOST_ALLOWLIST": "freshdesk.com"}])
async def test_settings_that_cannot_be_used(wrong: dict[str, str]) -> None:
    """A key is sent to no host that is not allowed; production allows no loopback."""
    settings = archiving("http://desk.example", **wrong)
    found = await findings(look_at_account, settings)
    assert statuses(found) == {"settings": "problem"}


async def test_a_host_that_cannot_be_reached() -> None:
    found = await findings(look_at_account, archiving(NOWHERE))
    assert statuses(found) == {"host": "problem"}


@pytest.mark.parametrize("status", [404, 503])
async def test_an_error_between_two_questions_is_not_taken_for_missing_rights(status: int) -> None:
    async with answering(web.json_response({"ticket_scope": 1}), web.Response(status=status)) as url:
        found = await findings(look_at_account, archiving(url))
    assert statuses(found) == {"key": "ok", "tickets": "ok", "host": "problem"}
