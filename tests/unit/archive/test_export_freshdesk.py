"""Freshdesk is archived whole: behind the wall, deleted, spam, archived; with replies, people and links to chats."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from account import Account, read, run
from aiohttp import web

from archive import freshdesk
from archive.page import Page
from archive.rounds import Order, Rounds
from archive.state import State

BASE = "/api/v2"


def ticket(number: int, second: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": number, "updated_at": f"2026-01-05T12:00:{second:02}Z", "created_at": "2026-01-05T12:00:00Z"} | more


def paged(rows: list[dict[str, Any]], request: web.Request, size: int) -> web.Response:
    """Answer a page as Freshdesk does, with a `Link` header while there are more."""
    page = int(request.query.get("page", 1))
    more = len(rows) > page * size
    headers = {"Link": f'<{request.url.with_path("/elsewhere")}>; rel="next"'} if more else {}
    return web.json_response(rows[(page - 1) * size : page * size], headers=headers)


async def test_tickets_behind_the_wall(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new window begins at the last ticket's second; tickets that share it are not lost."""
    monkeypatch.setattr(freshdesk, "WALL", 2)
    rows = [ticket(number, number // 3) for number in range(1, 30)]
    account.desk(*rows)

    def tickets(request: web.Request) -> web.Response:
        if "filter" in request.query:
            return web.json_response([])
        assert request.query["order_by"] == "updated_at"
        if int(request.query["page"]) > 2:
            return web.json_response({"errors": [{"code": "invalid_value", "field": "page"}]}, status=400)
        return paged([row for row in rows if row["updated_at"] >= request.query["updated_since"]], request, 4)

    account.answers[f"{BASE}/tickets"] = tickets
    report = await run(account, tmp_path / "out", "freshdesk")
    assert [t["id"] for t in read(tmp_path / "out", "freshdesk/tickets.json")] == list(range(1, 30))
    assert report["complete"]


async def test_tickets_that_change_while_they_are_read(account: Account, tmp_path: Path) -> None:
    """One that is changed goes to the end of the list and the others move up: none falls between two pages."""
    rows = [ticket(number, number, spam=True) for number in range(1, 31)]
    account.desk()
    changes = iter(range(31, 60))

    def tickets(request: web.Request) -> web.Response:
        if request.query.get("filter") != "spam":
            return web.json_response([])
        since = request.query["updated_since"]
        answer = paged([row for row in rows if row["updated_at"] >= since], request, 4)
        if (second := next(changes)) < 50:
            rows.append(ticket(rows.pop(0)["id"], second, spam=True))
        return answer

    account.answers[f"{BASE}/tickets"] = tickets
    await run(account, tmp_path / "out", "freshdesk")
    assert [row["id"] for row in read(tmp_path / "out", "freshdesk/tickets.json")] == list(range(1, 31))


async def test_a_second_with_more_tickets_than_the_wall(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that no page shows are found by their ids."""
    monkeypatch.setattr(freshdesk, "WALL", 2)
    rows = [ticket(number, 7) for number in range(1, 21)] + [ticket(21, 9)]
    account.desk(*rows)
    account.answers[f"{BASE}/tickets"] = lambda request: (
        web.json_response([])
        if "filter" in request.query
        else paged([row for row in rows if row["updated_at"] >= request.query["updated_since"][:19]], request, 4)
    )
    report = await run(account, tmp_path / "out", "freshdesk")
    assert [t["id"] for t in read(tmp_path / "out", "freshdesk/tickets.json")] == list(range(1, 22))
    assert [gap["reason"] for gap in read(tmp_path / "out", "gaps.json")] == ["wall_in_one_second"]
    assert report["complete"]


async def test_deleted_spam_and_archived_tickets(account: Account, tmp_path: Path) -> None:
    """Each is found, in its own way; ids that never were are counted; a row is kept where nothing else can be read."""
    account.desk(ticket(1), ticket(6))
    found = {None: [ticket(1), ticket(6)], "deleted": [ticket(2, deleted=True)], "spam": [ticket(3, spam=True)]}
    account.answers[f"{BASE}/tickets"] = lambda request: found[request.query.get("filter")]
    account.answers[f"{BASE}/tickets/3"] = ticket(3, spam=True, description="x")
    account.answers[f"{BASE}/tickets/3/conversations"] = []
    account.answers[f"{BASE}/tickets/archived/4"] = ticket(4, archived=True)
    account.answers[f"{BASE}/tickets/archived/4/conversations"] = [{"id": 40, "body": "old"}]
    report = await run(account, tmp_path / "out", "freshdesk")
    tickets = report["sources"]["tickets"]
    assert tickets == {"live": 2, "deleted": 1, "spam": 1, "archived": 1, "highestId": 6, "absent": 1}
    assert [t["id"] for t in read(tmp_path / "out", "freshdesk/tickets.json")] == [1, 2, 3, 4, 6]
    assert read(tmp_path / "out", "freshdesk/tickets.json")[2]["description"] == "x"
    assert read(tmp_path / "out", "freshdesk/conversations/4.json") == [{"id": 40, "body": "old"}]
    assert [(gap["id"], gap["reason"]) for gap in read(tmp_path / "out", "gaps.json")] == [("2", "gone")]


async def test_archived_tickets_are_looked_for_at_the_same_time(account: Account, tmp_path: Path) -> None:
    """Also where there are few ids: each of these is answered only while the others are asked for."""
    account.desk(ticket(1), ticket(5))
    together = asyncio.Barrier(3)

    async def archived(request: web.Request) -> dict[str, Any]:
        async with asyncio.timeout(10):
            await together.wait()
        return ticket(int(request.path.rpartition("/")[2]), archived=True)

    for number in (2, 3, 4):
        account.answers[f"{BASE}/tickets/archived/{number}"] = archived
        account.answers[f"{BASE}/tickets/archived/{number}/conversations"] = []
    report = await run(account, tmp_path / "out", "freshdesk")
    assert report["sources"]["tickets"]["archived"] == 3


def test_many_ids_are_looked_for_in_ranges(tmp_path: Path) -> None:
    """Ranges grow with the account up to a bound, and leave no id out."""
    with closing(State(tmp_path / "state.sqlite")) as state:
        page = Page()
        for number in (1, 99_990):
            page.item("freshdesk.tickets", str(number), ticket(number))
        state.apply(page)
        seeded = Page()
        Rounds(state, Order(only=("freshdesk",)), 0.0).seed(1, seeded)
    keys = [values[1] for sql, values in seeded.writes if values[0] == "freshdesk.probe"]
    ranges = [tuple(int(end) for end in key.split("-")) for key in keys]
    assert [first for first, _ in ranges] == [1, *(last + 1 for _, last in ranges[:-1])]
    assert ranges[-1][1] == 99_990
    assert max(last - first + 1 for first, last in ranges) == freshdesk.PROBES


async def test_replies_past_the_first_page(account: Account, tmp_path: Path) -> None:
    replies = [{"id": 1000 - number, "created_at": "2026-01-05T12:00:00Z"} for number in range(250)]
    account.desk(ticket(1))
    account.answers[f"{BASE}/tickets/1/conversations"] = lambda request: paged(
        replies, request, int(request.query["per_page"])
    )
    report = await run(account, tmp_path / "out", "freshdesk")
    assert read(tmp_path / "out", "freshdesk/conversations/1.json") == replies
    assert report["totals"]["ticketConversations"] == 250


async def test_a_ticket_that_changes_meanwhile_is_read_again(account: Account, tmp_path: Path) -> None:
    """The second look finds a new version; the archive has it, and no ticket twice."""
    account.desk(ticket(1), ticket(2))
    looks = iter([[ticket(1), ticket(2)], [ticket(1, 30)], [ticket(1, 30)]])
    account.answers[f"{BASE}/tickets"] = lambda request: [] if "filter" in request.query else next(looks)
    reads = iter([ticket(1), ticket(1, 30, status=5)])
    account.answers[f"{BASE}/tickets/1"] = lambda _: next(reads)
    await run(account, tmp_path / "out", "freshdesk")
    assert [t.get("status") for t in read(tmp_path / "out", "freshdesk/tickets.json")] == [5, None]


async def test_contacts_of_all_lists_and_authors_of_none(account: Account, tmp_path: Path) -> None:
    """Blocked, deleted and visiting contacts; a former agent is found by who wrote; a refusal is told."""
    account.desk(ticket(1), replies={1: [{"id": 5, "user_id": 77}, {"id": 6, "user_id": 10}]})
    by_state = {"blocked": [{"id": 11}], "deleted": [{"id": 12}]}
    account.answers[f"{BASE}/contacts"] = lambda request: (
        [{"id": 13}] if "contact_type" in request.query else by_state.get(request.query.get("state", ""), [{"id": 10}])
    )
    for number in (10, 11, 13, 77):
        account.answers[f"{BASE}/contacts/{number}"] = {"id": number, "tags": ["whole"]}
    account.fails[f"{BASE}/agents"] = [(403, {})]
    report = await run(account, tmp_path / "out", "freshdesk")
    contacts = read(tmp_path / "out", "freshdesk/contacts.json")
    assert [(c["id"], c.get("tags")) for c in contacts] == [
        (10, ["whole"]),
        (11, ["whole"]),
        (12, None),
        (13, ["whole"]),
        (77, ["whole"]),
    ]
    gaps = {(gap["what"], gap["id"], gap["reason"]) for gap in read(tmp_path / "out", "gaps.json")}
    assert gaps == {("freshdesk.lists", "agents", "not_permitted"), ("freshdesk.contact", "12", "gone")}
    assert not report["complete"]


async def test_people_that_are_deleted_while_they_are_read(account: Account, tmp_path: Path) -> None:
    """Who is deleted moves the others up: nobody falls between two pages, and the list is not read for ever."""
    account.desk()
    rows = [{"id": number} for number in range(1, 31)]
    account.answers |= {f"{BASE}/contacts/{number}": {"id": number} for number in range(1, 31)}
    deletions = iter(range(3))

    def contacts(request: web.Request) -> web.Response:
        if "state" in request.query or "contact_type" in request.query:
            return web.json_response([])
        answer = paged(rows, request, 4)
        if next(deletions, None) is not None:
            rows.pop(0)
        return answer

    account.answers[f"{BASE}/contacts"] = contacts
    report = await run(account, tmp_path / "out", "freshdesk")
    assert [row["id"] for row in read(tmp_path / "out", "freshdesk/contacts.json")] == list(range(1, 31))
    begun = [seen for seen in account.requests(f"{BASE}/contacts") if seen.query == {"page": "1", "per_page": "100"}]
    assert len(begun) == 3  # the second time found those that the first had not, the third nobody
    assert report["complete"]


async def test_a_list_that_breaks_off(account: Account, tmp_path: Path) -> None:
    """Accounts without chat refuse the list of visitors; one that refuses its second page has visitors."""
    account.desk()
    account.answers[f"{BASE}/contacts/1"] = {"id": 1}
    account.answers[f"{BASE}/contacts"] = lambda request: (
        web.json_response([])
        if "contact_type" not in request.query
        else paged([{"id": 1}, {"id": 2}], request, 1)
        if request.query["page"] == "1"
        else web.json_response({}, status=400)
    )
    report = await run(account, tmp_path / "out", "freshdesk")
    assert [gap["id"] for gap in read(tmp_path / "out", "gaps.json")] == ["contacts visitor"]
    assert not report["complete"]


async def test_links_between_chats_and_tickets(account: Account, tmp_path: Path) -> None:
    """Each way in which one names the other, and the person with the time; with the evidence, and no other."""
    for chat, more in {
        "c1111111-0000-4000-8000-000000000001": {"conversation_internal_id": 1000000000000001},
        "c2222222-0000-4000-8000-000000000002": {"properties": {"cf_freshdesk_ticket_id": "2"}},
        "c3333333-0000-4000-8000-000000000003": {},
        "c4444444-0000-4000-8000-000000000004": {"conversation_internal_id": 1000000000000004},
        "c5555555-0000-4000-8000-000000000005": {"created_time": "2026-01-05T11:59:00Z"},
        "c6666666-0000-4000-8000-000000000006": {"properties": {"cf_ticket": "999"}},
    }.items():
        account.chat(chat, [], user=f"u-{chat[:2]}", **more)
    note = {"id": "n", "message_type": "private", "message_parts": [{"text": {"content": "see /a/tickets/3"}}]}
    account.answers["/v2/conversations/c3333333-0000-4000-8000-000000000003/messages"] = {"messages": [note]}
    for user in account.answers["/v2/users"]["users"]:
        user["email"] = f"{user['id']}@example.com"
    account.desk(
        ticket(1, custom_fields={"cf_freshchat_conversation_id": "c1111111-0000-4000-8000-000000000001"}),
        ticket(2),
        ticket(3),
        ticket(4),
        ticket(5, source=15, requester_id=50),
        ticket(6, source=2, requester_id=60),
        replies={4: [{"id": 1, "body": "https://x/crm/messaging/a/1/inbox/open/0/conversation/1000000000000004"}]},
    )
    account.answers[f"{BASE}/contacts"] = [
        {"id": 50, "email": "U-c5@example.com"},
        {"id": 60, "email": "u-c6@example.com"},
    ]
    report = await run(account, tmp_path / "out", "freshchat", "freshdesk")
    found = {(link["conversation_id"][:2], link["ticket_id"]): link for link in read(tmp_path / "out", "links.json")}
    assert {key: link["confidence"] for key, link in found.items()} == {
        ("c1", 1): "explicit",
        ("c2", 2): "explicit",
        ("c3", 3): "explicit",
        ("c4", 4): "explicit",
        ("c5", 5): "probable",
    }
    assert found["c1", 1]["evidence"] == "ticket.custom_fields.cf_freshchat_conversation_id"
    assert found["c2", 2]["evidence"] == "conversation.properties.cf_freshdesk_ticket_id"
    assert (report["linkedConversations"], report["unlinkedConversations"]) == (5, 1)
    assert report["unlinkedConversationIds"] == ["c6666666-0000-4000-8000-000000000006"] or (
        read(tmp_path / "out", "verification_report.json")["unlinkedConversationIds"]
        == ["c6666666-0000-4000-8000-000000000006"]
    )
    assert "1 conversations have no ticket" in report["warning"]
