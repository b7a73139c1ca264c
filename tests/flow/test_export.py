"""`bridgectl export` as a process against real accounts: complete, resumable with the same bytes, polite, clear."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from archive_stack import Accounts, accounts, contents, folder_of, read, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS = ("users", "report")
RUN = ("run", "--transcript-days", "1", "--out")
QUICK = ("run", "--no-reports", "--out")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Accounts]:
    """Accounts with a small, nasty data set."""
    folder = tmp_path_factory.mktemp("accounts")
    async with accounts(folder, "--conversations", "120", "--tickets", "90", "--huge", "300") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(desk: Accounts) -> Path:
    """An archive made without any disturbance."""
    await desk.exported(*RUN, str(desk.folder / "whole"))
    return folder_of(desk.folder / "whole")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(desk: Accounts) -> Path:
    """One without reports, which take longest."""
    await desk.exported(*QUICK, str(desk.folder / "plain"))
    return folder_of(desk.folder / "plain")


async def test_everything_is_there(desk: Accounts, whole: Path) -> None:
    """As many of each kind as the accounts have, whoever leads to them; and what is missing is named."""
    truth, report = await desk.truth("", *WAYS), read(whole, "verification_report.json")
    totals = report["totals"]
    assert totals["conversations"] == truth["readable"] == len(read(whole, "freshchat/conversations.json"))
    for name in ("messages", "users", "ticketConversations", "contacts", "companies"):
        assert totals[name] == truth[name], name
    assert totals["tickets"] == truth["tickets"]["total"]
    kinds = ("live", "deleted", "spam", "archived", "highestId", "absent")
    assert {kind: report["sources"]["tickets"][kind] for kind in kinds} == {k: truth["tickets"][k] for k in kinds}
    ids = {row["conversation_id"] for row in read(whole, "freshchat/conversations.json")}
    assert ids == set(await desk.truth("readable", *WAYS))
    assert {row["id"] for row in read(whole, "freshdesk/tickets.json")} == set(await desk.truth("tickets"))
    gone = {gap["id"] for gap in read(whole, "gaps.json") if gap["what"] == "freshchat.conversations"}
    assert gone == set(await desk.truth("gone", *WAYS))


async def test_every_file_that_there_is(desk: Accounts, whole: Path) -> None:
    """Files of both products; those that are missing behind their address are listed one by one."""
    truth, rows = await desk.truth("", *WAYS), read(whole, "attachments.json")
    chat, files = truth["freshchatFiles"], truth["freshdeskFiles"]
    expected = chat["linked"] + chat["withoutUrl"] + files["linked"] + files["avatars"]["linked"]
    expected += sum(number for kind, number in files["inline"].items() if kind != "data")
    assert len(rows) == expected
    assert all((whole / row["path"]).stat().st_size == row["size"] for row in rows if row["state"] == "fetched")
    missing = [row for row in rows if row["state"] == "failed" and row["source"] not in ("inline", "contact")]
    assert len(missing) == chat["missing"] + chat["withoutUrl"] + files["missing"]
    on_disk = {str(path.relative_to(whole)) for path in (whole / "attachments").rglob("*") if path.is_file()}
    assert on_disk == {row["path"] for row in rows if row["state"] == "fetched"}


async def test_links(desk: Accounts, whole: Path) -> None:
    """Exactly the pairs that belong together, and the rest is named as unlinked."""
    found = {(row["conversation_id"], row["ticket_id"]): row["confidence"] for row in read(whole, "links.json")}
    expected = {
        (row["conversation_id"], row["ticket_id"]): row["confidence"] for row in await desk.truth("links", *WAYS)
    }
    assert found == expected
    report = read(whole, "verification_report.json")
    assert set(report["unlinkedConversationIds"]) == set(await desk.truth("unlinked", *WAYS))
    assert str(report["unlinkedConversations"]) in report["warning"]


async def test_the_tools_of_an_auditor_work(whole: Path) -> None:
    """`sha256sum -c` knows every file, `jq length` counts, the summary is in both languages."""
    checked = subprocess.run(["sha256sum", "-c", "--strict", "checksums.sha256"], cwd=whole, capture_output=True)
    assert checked.returncode == 0, checked.stdout[-500:]
    listed = (whole / "checksums.sha256").read_text(encoding="utf-8").count("\n")
    assert listed == sum(path.is_file() for path in whole.rglob("*")) - 1
    if shutil.which("jq"):
        counted = subprocess.run(["jq", "length", "freshdesk/tickets.json"], cwd=whole, capture_output=True)
        assert int(counted.stdout) == len(read(whole, "freshdesk/tickets.json"))
    told = (whole / "VERIFICATION_SUMMARY.txt").read_text(encoding="utf-8")
    assert "Freshchat 대화: " in told
    assert "Freshchat conversations: " in told


async def test_nothing_secret_is_in_the_archive(desk: Accounts, whole: Path) -> None:
    keys = [desk.env[name].encode() for name in ("FRESHCHAT_API_KEY", "FRESHDESK_API_KEY")]
    for path in whole.rglob("*"):
        assert not path.is_file() or not any(key in path.read_bytes() for key in keys), path


async def test_killed_at_any_moment(desk: Accounts, whole: Path) -> None:
    """SIGKILL again and again, then resume: the same bytes as without."""
    out, chance, killed = desk.folder / "killed", random.Random(7), 0
    child = await desk.export(*RUN, str(out))
    for _ in range(8):
        await wait_until(lambda: list(out.glob("export_omni_*/.work/state.sqlite")))
        await asyncio.sleep(chance.uniform(0.4, 2.5))
        if child.returncode is not None:
            break
        child.kill()
        await child.communicate()
        killed += 1
        child = await desk.export("resume", str(folder_of(out)))
    _, err = await asyncio.wait_for(child.communicate(), 120)
    assert child.returncode == 0, err[-2000:]
    assert killed >= 3
    assert contents(folder_of(out)) == contents(whole)


async def test_resume_of_a_complete_archive_changes_nothing(desk: Accounts, whole: Path) -> None:
    before = contents(whole)
    _, err = await desk.exported("resume", str(whole))
    assert "is complete" in err
    assert contents(whole) == before


async def test_storms_of_429(desk: Accounts, plain: Path) -> None:
    """Refusals with and without Retry-After, drops and 5xx change nothing in the result."""
    for on in ("freshchat", "freshdesk"):
        await desk.fault(on, "status", status=429, retry_after=1, times=10, skip=10)
        await desk.fault(on, "status", status=503, times=10, skip=60)
        await desk.fault(on, "drop_before", times=5, skip=90)
    try:
        await desk.exported(*QUICK, str(desk.folder / "storm"))
    finally:
        await desk.clear_faults()
    assert contents(folder_of(desk.folder / "storm")) == contents(plain)


async def test_a_key_that_is_refused(desk: Accounts) -> None:
    """A clear word with what to do, exit code 2, no key in it; with a valid one it goes on."""
    out = desk.folder / "key"
    await desk.fault("freshdesk", "status", status=401, times=None, skip=30, body={"code": "invalid_credentials"})
    try:
        _, err = await desk.exported(*QUICK, str(out), code=2)
    finally:
        await desk.clear_faults()
    assert "freshdesk refuses the key" in err
    assert f"export resume {folder_of(out)}" in err
    assert desk.env["FRESHDESK_API_KEY"] not in err
    await desk.exported("resume", str(folder_of(out)))
    assert (folder_of(out) / "checksums.sha256").exists()


async def test_interrupted_by_hand(desk: Accounts) -> None:
    """Ctrl-C says how to go on, exit code 2."""
    out = desk.folder / "interrupted"
    child = await desk.export(*RUN, str(out))
    await wait_until(lambda: list(out.glob("export_omni_*/.work/state.sqlite")))
    await asyncio.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 2, err[-2000:]
    assert f"export resume {folder_of(out)}".encode() in err
    assert b"Traceback" not in err


async def test_one_product_alone(desk: Accounts) -> None:
    """--only freshdesk needs nothing of Freshchat, and calls nothing of it."""
    out = desk.folder / "only"
    await desk.exported("run", "--out", str(out), "--only", "freshdesk", "--no-attachments", FRESHCHAT_API_KEY="")
    report = read(folder_of(out), "verification_report.json")
    assert (report["totals"]["conversations"], report["totals"]["attachments"]["fetched"]) == (0, 0)
    assert report["totals"]["tickets"] > 0


async def test_a_missing_setting_is_named(desk: Accounts) -> None:
    out = desk.folder / "none"
    _, err = await desk.exported("run", "--out", str(out), code=2, FRESHDESK_API_KEY="")
    assert "FRESHDESK_API_KEY" in err
    assert not out.exists()


async def test_events_for_machines(desk: Accounts) -> None:
    """--json: the folder first, the totals last, each a line."""
    out, _ = await desk.exported("run", "--only", "freshdesk", "--out", str(desk.folder / "json"), "--json")
    events: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("folder", "done")
    assert events[-1]["totals"] == read(Path(events[0]["folder"]), "verification_report.json")["totals"]


async def test_a_full_disk(desk: Accounts) -> None:
    """Said clearly, exit code 2; with room again it goes on to the same end."""
    out = desk.folder / "full"
    _, err = await desk.exported(*QUICK, str(out), code=2, limit=600 * 1024)
    assert "The disk is full" in err
    await desk.exported("resume", str(folder_of(out)))
    assert (folder_of(out) / "checksums.sha256").exists()


async def test_bars_on_a_terminal(desk: Accounts) -> None:
    """Each stream with how much is done and how fast; the summary itself is on output."""
    ours, theirs = os.openpty()
    out = desk.folder / "bars"
    child = await desk.export("run", "--only", "freshdesk", "--no-attachments", "--out", str(out), terminal=theirs)
    os.close(theirs)
    shown = await asyncio.to_thread(_drained, ours)
    assert await asyncio.wait_for(child.wait(), 60) == 0
    assert re.search(r"freshdesk\.ticket\s.*\d+/\d+ +\(\d+\.\d/s", shown), shown[-2000:]


def _drained(terminal: int) -> str:
    """Read a terminal to its end."""
    found = b""
    with suppress(OSError):  # nobody has the other side any more
        while chunk := os.read(terminal, 65536):
            found += chunk
    os.close(terminal)
    return re.sub(r"\x1b\[[\d;?]*\w", "", found.decode())
