"""Freshchat is archived whole and exactly; what cannot be had is named; what stops the export can be mended."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from account import Account, Links, read, run
from aiohttp import web

from archive import freshchat
from archive.rounds import Order
from archive.run import begin, reopen
from archive.streams import Away
from bridge.errors import Forbidden, Misconfigured


def message(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "created_time": f"2026-01-05T08:{number // 60:02}:{number % 60:02}.000Z"} | more


async def test_what_was_received_is_what_is_written(account: Account, tmp_path: Path) -> None:
    """Order, unknown fields, big and odd numbers, Korean; messages oldest first; every file has its hash."""
    account.chat("c1", [])
    account.answers["/v2/conversations/c1"] = (
        '{"conversation_id": "c1", "z": 1, "a": 1.10, "conversation_internal_id": 123456789012345678901,'
        ' "n": "\\ud55c"}'
    )
    account.answers["/v2/conversations/c1/messages"] = {
        "messages": [message(2), message(1, text="안녕 🙂"), message(1) | {"id": "m0"}]
    }
    report = await run(account, tmp_path / "out", "freshchat")
    root = tmp_path / "out"
    assert (root / "freshchat/conversations.json").read_text(encoding="utf-8") == (
        '[\n{"conversation_id":"c1","z":1,"a":1.10,"conversation_internal_id":123456789012345678901,"n":"한"}\n]\n'
    )
    assert [m["id"] for m in read(root, "freshchat/messages/c1.json")] == ["m0", "m1", "m2"]
    assert "안녕 🙂" in (root / "freshchat/messages/c1.json").read_text(encoding="utf-8")
    listed = [line.split("  ./") for line in (root / "checksums.sha256").read_text(encoding="utf-8").splitlines()]
    assert {path: digest for digest, path in listed} == {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.name != "checksums.sha256"
    }
    assert (report["complete"], report["totals"]["messages"]) == (True, 3)
    assert not (root / ".work").exists()


async def test_messages_are_read_to_the_last_page(account: Account, tmp_path: Path) -> None:
    """Along `link`, and where an account gives none, until a page is empty; a repeated page ends it."""

    def linked(request: web.Request) -> Any:
        page = int(request.query["page"])
        more = {"link": {"href": f"/v2/x?page={page + 1}"}} if page < 3 else {}
        return {"messages": [message(page)]} | more

    def silent(request: web.Request) -> Any:
        page = int(request.query["page"])
        return {"messages": [message(10 + page)] if page < 3 else []}

    def same(request: web.Request) -> Any:
        return {"messages": [message(1)], "link": {"href": f"/v2/x?page={int(request.query['page']) + 1}"}}

    for name, answer in (("silent", silent), ("same", same), ("linked", linked)):
        account.chat(name, [])
        account.answers[f"/v2/conversations/{name}/messages"] = answer
    await run(account, tmp_path / "out", "freshchat")
    counts = {n: len(read(tmp_path / "out", f"freshchat/messages/{n}.json")) for n in ("linked", "silent", "same")}
    assert counts == {"linked": 3, "silent": 2, "same": 1}


async def test_a_window_with_many_users_is_halved(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All users of all halves are read, and pages stay shallow."""
    monkeypatch.setattr(freshchat, "SLICE", 10)
    days = [f"2026-01-{day:02}T00:00:00.000Z" for day in range(1, 29)]

    def users(request: web.Request) -> Any:
        query = request.query
        found = [{"id": d, "created_time": d} for d in days if query["created_from"] <= d <= query["created_to"]]
        return {"users": found[:50], "pagination": {"total_pages": 1, "total_items": len(found)}}

    account.answers["/v2/users"] = users
    for day in days:
        account.answers[f"/v2/users/{day}/conversations"] = {"conversations": []}
    report = await run(account, tmp_path / "out", "freshchat")
    assert report["totals"]["users"] == len(days)
    assert report["complete"]


async def test_a_page_of_messages_that_are_written_meanwhile(account: Account, tmp_path: Path) -> None:
    """They move all others by a whole page, so one page comes twice: the older ones are read all the same."""
    written = [message(number) for number in range(200)]

    def newest_first(request: web.Request) -> Any:
        page = int(request.query["page"])
        rows = written[::-1][50 * page - 50 : 50 * page]
        if page == 1:
            written.extend(message(number) for number in range(200, 250))
        return {"messages": rows}

    account.chat("c1", [])
    account.answers["/v2/conversations/c1/messages"] = newest_first
    report = await run(account, tmp_path / "out", "freshchat")
    assert report["totals"]["messages"] == 200


@pytest.mark.parametrize("telling", [True, False])
async def test_users_that_are_deleted_while_they_are_read(account: Account, tmp_path: Path, telling: bool) -> None:
    """Who is deleted moves the others up, and one of them past the edge of a page: nobody is left out."""
    users = [f"u{number:02}" for number in range(30)]
    deletions = iter(range(2))

    def answer(request: web.Request) -> Any:
        page = int(request.query["page"])
        found, count = [{"id": name} for name in users[4 * page - 4 : 4 * page]], len(users)
        if next(deletions, None) is not None:
            users.pop(0)
        return {"users": found, "pagination": {"total_pages": -(-count // 4), "total_items": count} if telling else {}}

    account.answers["/v2/users"] = answer
    for name in users:
        account.answers[f"/v2/users/{name}/conversations"] = {"conversations": []}
    report = await run(account, tmp_path / "out", "freshchat")
    assert (report["totals"]["users"], report["complete"]) == (30, True)
    again = len([seen for seen in account.requests("/v2/users") if seen.query["page"] == "1"])
    assert again == (2 if telling else 3)


async def test_a_list_of_conversations_that_breaks_off(account: Account, tmp_path: Path) -> None:
    """An account may have no such list; half of one is told."""
    account.answers["/v2/conversations"] = lambda request: (
        {"conversations": [{"id": "c1"}]} if request.query["page"] == "1" else web.json_response({}, status=400)
    )
    account.answers["/v2/conversations/c1"] = {"conversation_id": "c1"}
    account.answers["/v2/conversations/c1/messages"] = {"messages": []}
    await run(account, tmp_path / "out", "freshchat")
    gaps = read(tmp_path / "out", "gaps.json")
    assert [(gap["what"], gap["reason"]) for gap in gaps] == [("freshchat.list", "refused_400")]


async def test_each_source_is_read_and_compared(account: Account, tmp_path: Path) -> None:
    """A conversation that only the bridge knows, one that only a list has; read once, whoever knows it."""
    account.chat("c1", [message(1)])
    for hidden in ("c2", "c3"):
        account.answers[f"/v2/conversations/{hidden}"] = {"conversation_id": hidden}
        account.answers[f"/v2/conversations/{hidden}/messages"] = {"messages": []}
    account.answers["/v2/conversations"] = {
        "conversations": [{"conversation_id": "c3"}, {"conversation_id": "c1"}],
        "pagination": {"total_pages": 1},
    }
    report = await run(account, tmp_path / "out", "freshchat", known=Links("c1", "c2"))
    sources = report["sources"]
    assert sources["conversations"] == {"users": 1, "report": 0, "webhooks": 0, "bridge": 2, "list": 2}
    assert (sources["onlyIn"]["bridge"], sources["onlyIn"]["list"]) == (["c2"], ["c3"])
    assert report["totals"]["conversations"] == 3
    assert len(account.requests("/v2/conversations/c1")) == 1


async def test_what_cannot_be_had_is_named(account: Account, tmp_path: Path) -> None:
    """A user that is gone, a conversation that is not ours to read, one that always fails; the rest is there."""
    for name in ("c1", "c2", "c3"):
        account.chat(name, [message(1)])
    account.answers["/v2/users"]["users"].append({"id": "u2"})
    account.fails["/v2/conversations/c2"] = [(403, {})]
    account.fails["/v2/conversations/c2/messages"] = [(403, {})]
    account.fails["/v2/conversations/c3"] = [(500, {})]
    report = await run(account, tmp_path / "out", "freshchat")
    gaps = {(gap["what"], gap["id"]): gap["reason"] for gap in read(tmp_path / "out", "gaps.json")}
    assert gaps == {
        ("freshchat.user_conversations", "u2"): "gone",
        ("freshchat.conversations", "c2"): "not_permitted",
        ("freshchat.conversations", "c3"): "unavailable_500",
    }
    assert [c["conversation_id"] for c in read(tmp_path / "out", "freshchat/conversations.json")] == ["c1"]
    assert not report["complete"]
    assert report["sources"]["notFetched"] == ["c2", "c3"]


async def test_messages_of_a_conversation_that_cannot_be_read(account: Account, tmp_path: Path) -> None:
    """They are kept, and the conversation is a gap."""
    account.chat("c1", [message(1)])
    del account.answers["/v2/conversations/c1"]
    await run(account, tmp_path / "out", "freshchat")
    assert read(tmp_path / "out", "freshchat/conversations.json") == [{"conversation_id": "c1"}]
    assert len(read(tmp_path / "out", "freshchat/messages/c1.json")) == 1
    assert [gap["id"] for gap in read(tmp_path / "out", "gaps.json")] == ["c1"]


async def test_a_key_that_is_refused_stops_and_a_valid_one_goes_on(account: Account, tmp_path: Path) -> None:
    """Nothing that was read is read again."""
    for number in range(3):
        account.chat(f"c{number}", [message(1)], user=f"u{number}")
    account.fails["/v2/conversations/c2"] = [(401, {}), (200, {})]
    with pytest.raises(Forbidden):
        await run(account, tmp_path / "out", "freshchat")
    account.fails.clear()
    account.seen.clear()
    report = await run(account, tmp_path / "out", "freshchat")
    assert (report["totals"]["conversations"], report["complete"]) == (3, True)
    assert not account.requests("/v2/users")


async def test_an_account_that_is_away_stops_the_export(account: Account, tmp_path: Path) -> None:
    """It is no gap, and the export can go on later."""
    account.chat("c1", [message(1)])
    account.fails["/v2/users"] = [(503, {})]
    account.fails["/v2/accounts/configuration"] = [(200, {}), (503, {})]
    for path in ("agents", "groups", "channels", "conversations/fields", "conversations"):
        account.fails[f"/v2/{path}"] = [(503, {})]
    with pytest.raises(Away):
        await run(account, tmp_path / "out", "freshchat")
    account.fails.clear()
    assert (await run(account, tmp_path / "out", "freshchat"))["complete"]


async def test_one_thing_that_never_answers_stops_nothing(account: Account, tmp_path: Path) -> None:
    """Although nothing else is asked meanwhile: the account itself answers."""
    account.chat("c1", [message(1)])
    account.chat("c2", [message(1)])
    account.fails["/v2/conversations/c2/messages"] = [(500, {})]
    report = await run(account, tmp_path / "out", "freshchat")
    assert [(gap["id"], gap["reason"]) for gap in read(tmp_path / "out", "gaps.json")] == [("c2", "unavailable_500")]
    assert report["totals"]["conversations"] == 2


async def test_retry_after_is_kept(account: Account, tmp_path: Path) -> None:
    """Nobody calls before the time that a 429 names, and nothing is lost by it."""
    for number in range(5):
        account.chat(f"c{number}", [message(1)], user=f"u{number}")
    account.fails["/v2/users"] = [(429, {"Retry-After": "1"}), (200, {})]
    report = await run(account, tmp_path / "out", "freshchat")
    first, second = account.requests("/v2/users")[:2]
    assert second.at - first.at >= 1
    assert (report["totals"]["conversations"], report["complete"]) == (5, True)


async def test_ids_that_are_no_file_names(account: Account, tmp_path: Path) -> None:
    """Each has a file of its own, and the metadata tell which."""
    ids = ("ABC", "abc", "nul", "x" * 200)
    for name in ids:
        account.chat(name, [message(1, conversation=name)])
    await run(account, tmp_path / "out", "freshchat")
    renamed = read(tmp_path / "out", "export_metadata.json")["renamed"]["freshchat/messages"]
    for name in ids:
        path = f"freshchat/messages/{renamed.get(name, f'{name}.json')}"
        assert read(tmp_path / "out", path)[0]["conversation"] == name
    assert renamed["abc"] == "abc~2.json"
    assert renamed["nul"] == "_nul.json"


def test_only_one_process_works_on_an_export(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    state = begin(tmp_path / "out", Order(), 0.0)
    with pytest.raises(Misconfigured):
        reopen(tmp_path / "out")
    state.close()


async def test_rights_that_are_revoked(account: Account, tmp_path: Path) -> None:
    """When everything is refused the export stops, and what was refused is read when the rights are back."""
    for number in range(60):
        account.chat(f"c{number}", [message(1)], user=f"u{number}")
        account.fails[f"/v2/conversations/c{number}"] = [(403, {})]
        account.fails[f"/v2/conversations/c{number}/messages"] = [(403, {})]
        account.fails[f"/v2/users/u{number}/conversations"] = [(200, {}), (403, {})]
    with pytest.raises(Forbidden):
        await run(account, tmp_path / "out", "freshchat")
    account.fails.clear()
    report = await run(account, tmp_path / "out", "freshchat")
    assert (report["totals"]["conversations"], report["complete"]) == (60, True)


async def test_what_was_refused_is_asked_again_on_resume(account: Account, tmp_path: Path) -> None:
    account.chat("c1", [message(1)])
    account.chat("c2", [message(1)], user="u2")
    account.fails["/v2/agents"] = [(403, {})]
    account.fails["/v2/conversations/c2"] = [(401, {})]
    with pytest.raises(Forbidden):
        await run(account, tmp_path / "out", "freshchat")
    account.fails.clear()
    assert (await run(account, tmp_path / "out", "freshchat"))["complete"]
