"""Raw reports that are not as expected: none is taken for whole that is not, and none holds the export up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from account import Account, read, run
from aiohttp import web
from test_export_files import packed, reports

from archive import reports as raw_reports
from bridge.moments import epoch, iso

EMPTY = "conversation_id,message_id\n"
TABLES = {"Conversation-Created": EMPTY, "Message-Sent": EMPTY, "Chat-Transcript": EMPTY, "CSAT-Score": EMPTY}
LATELY = 30 * 86_400.0


def begun(account: Account, *chats: str, ago: float = LATELY) -> None:
    """Have an account that is a few windows old, with chats of which only its reports know."""
    account.answers["/v2/agents"]["agents"] = [{"id": "a", "created_time": iso(time.time() - ago)}]
    for name in chats:
        account.answers[f"/v2/conversations/{name}"] = {"conversation_id": name}
        account.answers[f"/v2/conversations/{name}/messages"] = {"messages": []}


def gaps(root: Path) -> set[tuple[str, str]]:
    """Give event and reason of each gap."""
    return {(gap["id"].rpartition("/")[2][:12], gap["reason"]) for gap in read(root, "gaps.json")}


@pytest.mark.parametrize("column", ["conversationId", "CONVERSATION-ID", '"Conversation ID"'])
async def test_columns_by_other_names(column: str, account: Account, tmp_path: Path) -> None:
    begun(account, "c1")
    reports(account, TABLES | {"Conversation-Created": f"{column},x\nc1,y\n"})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    assert (report["totals"]["conversations"], report["complete"]) == (1, True)


async def test_a_table_without_the_column(account: Account, tmp_path: Path) -> None:
    """Chats that only this report knows are missing then, which is told; of the other reports nothing is."""
    begun(account)
    reports(account, TABLES | {"Conversation-Created": "chat;x\nc1;y\n"})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    assert gaps(tmp_path / "out") == {("Conversation", "no_conversation_id")}
    assert not report["complete"]
    (tmp_path / "again").mkdir()
    reports(account, TABLES | {"Message-Sent": "chat;x\nc1;y\n"})
    assert (await run(account, tmp_path / "again", "freshchat", "reports"))["complete"]


@pytest.mark.parametrize(
    ("text", "reason"), [("c1,m1," + "x" * 200_000 + "\n", None), ("c1,m1,a\rb\n", "report_broken")]
)
async def test_cells_that_python_alone_does_not_take(
    text: str, reason: str | None, account: Account, tmp_path: Path
) -> None:
    """A message longer than usual is read; a line that is none is told, and the export goes on."""
    begun(account, "c1")
    account.answers["/v2/conversations/c1/messages"] = {"messages": [{"id": "m1"}]}
    reports(account, TABLES | {"Message-Sent": f"conversation_id,message_id,message\n{text}"})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    assert {found for _, found in gaps(tmp_path / "out")} == ({reason} if reason else set())
    assert report["totals"]["conversations"] == (1 if reason is None else 0)


def job(account: Account, answer: Any) -> list[str]:
    """Have this answer for each job of chats, other reports empty; give the events that were asked for."""
    asked: list[str] = []

    async def ask(request: web.Request) -> dict[str, str]:
        event = (await request.json())["event"]
        asked.append(event)
        number = f"r{len(asked)}"
        done = {"status": "COMPLETED", "links": []}
        account.answers[f"/v2/reports/raw/{number}"] = answer if event == "Conversation-Created" else done
        return {"id": number}

    account.answers["/v2/reports/raw"] = ask
    account.answers["/zip"] = lambda _: web.Response(body=packed("conversation_id\nc1\n"))
    return asked


async def test_a_part_that_failed(account: Account, tmp_path: Path) -> None:
    """The job says that it is done, of one file that it is not: it is asked for once more, then told."""
    begun(account, "c1", ago=3600)
    parts = [{"status": "COMPLETED", "link": {"href": f"{account.url}/zip"}}, {"status": "FAILED"}]
    asked = job(account, {"status": "COMPLETED", "links": parts})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    assert {reason for _, reason in gaps(tmp_path / "out")} == {"report_failed"}
    assert not report["complete"]
    assert asked.count("Conversation-Created") == 2 * len(read(tmp_path / "out", "gaps.json"))


async def test_a_job_that_does_not_end(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_reports, "LOOKS", 2)
    begun(account, ago=3600)
    job(account, {"status": "IN_PROGRESS"})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    assert {reason for _, reason in gaps(tmp_path / "out")} == {"report_endless"}
    assert not report["complete"]


async def test_reports_tell_nothing_older_than_what_has_changed(account: Account, tmp_path: Path) -> None:
    """Chats that nothing has happened in are not read again, so their messages are not asked for either."""
    begun(account)
    await run(account, tmp_path / "base", "freshchat")
    windows: list[str] = []

    async def ask(request: web.Request) -> dict[str, str]:
        windows.append((await request.json())["start"])
        return {"id": "r"}

    account.answers["/v2/reports/raw"] = ask
    account.answers["/v2/reports/raw/r"] = {"status": "COMPLETED", "links": []}
    await run(account, tmp_path / "more", "freshchat", "reports", base=tmp_path / "base")
    since = epoch(read(tmp_path / "more", "export_metadata.json")["since"])
    assert windows
    assert all((epoch(start) or 0) >= (since or 0) for start in windows)
