"""An archive of what has changed since another one was begun, and no other."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from account import Account, read, run

from bridge.errors import Misconfigured
from bridge.moments import iso

OLD = "2026-01-05T12:00:00.000Z"
NEW = iso(4_000_000_000.0)
"""Later than any start of a test."""


def old_message(number: int) -> dict[str, Any]:
    return {"id": f"m{number}", "created_time": OLD}


async def test_only_what_has_changed(account: Account, tmp_path: Path) -> None:
    """Conversations with a new time or a new message, tickets and contacts that changed; the base is named."""
    for name in ("quiet", "renewed", "talked"):
        account.chat(name, [old_message(1)], created_time=OLD, updated_time=OLD)
    tickets = [{"id": number, "created_at": OLD, "updated_at": OLD} for number in (1, 2)]
    account.desk(*tickets)
    account.answers["/api/v2/contacts"] = [{"id": 5, "updated_at": OLD}, {"id": 6, "updated_at": OLD}]
    account.answers |= {f"/api/v2/contacts/{number}": {"id": number, "tags": []} for number in (5, 6)}
    await run(account, tmp_path / "base")

    account.chat("begun", [old_message(1)], created_time=NEW)
    account.answers["/v2/conversations/renewed"]["updated_time"] = NEW
    account.answers["/v2/conversations/talked/messages"] = {
        "messages": [{"id": "m2", "created_time": NEW}, old_message(1)]
    }
    changed = {"id": 2, "updated_at": NEW, "created_at": OLD}
    account.desk(changed)
    account.answers["/api/v2/contacts"] = [{"id": 5, "updated_at": OLD}, {"id": 6, "updated_at": NEW}]
    account.seen.clear()
    report = await run(account, tmp_path / "more", base=tmp_path / "base")

    chats = [row["conversation_id"] for row in read(tmp_path / "more", "freshchat/conversations.json")]
    assert chats == ["begun", "renewed", "talked"]
    assert len(read(tmp_path / "more", "freshchat/messages/talked.json")) == 2
    assert read(tmp_path / "more", "freshdesk/tickets.json") == [changed]
    assert not account.requests("/api/v2/contacts/5")
    assert account.requests("/api/v2/contacts/6")
    assert account.requests("/api/v2/tickets")[0].query["updated_since"] > OLD
    assert report["sources"]["notFetched"] == []
    base = read(tmp_path / "more", "export_metadata.json")["base"]
    listed = (tmp_path / "base" / "checksums.sha256").read_bytes()
    assert (base["folder"], base["checksumsSha256"]) == ("base", hashlib.sha256(listed).hexdigest())


async def test_tickets_that_were_begun_and_archived_since(account: Account, tmp_path: Path) -> None:
    """No list names them, so the ids behind the highest one that the base has are looked for; others are not."""
    account.desk({"id": 3, "created_at": OLD, "updated_at": OLD})
    await run(account, tmp_path / "base", "freshdesk")
    account.answers["/api/v2/tickets/archived/4"] = {"id": 4, "archived": True}
    account.answers["/api/v2/tickets/archived/4/conversations"] = []
    account.desk({"id": 5, "created_at": NEW, "updated_at": NEW})
    account.seen.clear()
    await run(account, tmp_path / "more", "freshdesk", base=tmp_path / "base")
    assert [row["id"] for row in read(tmp_path / "more", "freshdesk/tickets.json")] == [4, 5]
    assert not account.requests("/api/v2/tickets/archived/1")
    account.desk()
    await run(account, tmp_path / "none", "freshdesk", base=tmp_path / "more")
    account.desk({"id": 7, "created_at": NEW, "updated_at": NEW})
    account.seen.clear()
    await run(account, tmp_path / "last", "freshdesk", base=tmp_path / "none")
    looked_for = {seen.path.rpartition("/")[2] for seen in account.seen if "/archived/" in seen.path}
    assert looked_for == {"6"}  # also where the archive before had no ticket at all


async def test_a_base_of_another_account_is_refused(account: Account, tmp_path: Path) -> None:
    await run(account, tmp_path / "base", "freshchat")
    metadata = tmp_path / "base" / "export_metadata.json"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("127.0.0.1", "acme.freshchat.com"), "utf-8")
    with pytest.raises(Misconfigured):
        await run(account, tmp_path / "more", "freshchat", base=tmp_path / "base")


async def test_a_base_that_is_none_is_refused(account: Account, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        await run(account, tmp_path / "more", "freshchat", base=tmp_path)
