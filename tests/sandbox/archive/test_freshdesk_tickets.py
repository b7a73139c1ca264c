"""Freshdesk's tickets: paging, the wall, filters, windows, single and archived ones, conversations."""

import pytest

EVER = "updated_since=1970-01-01T00:00:00Z"
BY_CHANGE = f"{EVER}&order_by=updated_at&order_type=asc"


def ids(rows):
    return [row["id"] for row in rows]


async def test_pages_hold_thirty_by_default_and_link_to_the_next_until_the_last(hands):
    first = await hands.desk(f"/tickets?{EVER}")
    assert len(first.body) == 30
    assert "page=2" in first.next_page
    assert first.next_page.startswith(hands.server.url)
    last = await hands.desk(f"/tickets?{EVER}&per_page=100&page=2")
    assert 0 < len(last.body) < 100 + 1
    live = list(hands.truth.ids("live"))
    assert len(await hands.desk_list(f"/tickets?{EVER}")) == len(live)
    beyond = await hands.desk(f"/tickets?{EVER}&per_page=100&page=99")
    assert (beyond.body, beyond.next_page) == ([], None)


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("per_page=101", "per_page", "invalid_value"),
        ("per_page=0", "per_page", "invalid_value"),
        ("page=x", "page", "datatype_mismatch"),
        ("page=0", "page", "invalid_value"),
        ("page=301", "page", "invalid_value"),
        ("filter=archived", "filter", "invalid_value"),
        ("include=conversations", "include", "invalid_value"),
        ("order_by=id", "order_by", "invalid_value"),
        ("order_type=up", "order_type", "invalid_value"),
        ("updated_since=yesterday", "updated_since", "invalid_value"),
        ("updated_until=2026-01-01", "updated_until", "invalid_field"),
    ],
)
async def test_what_the_list_does_not_take_is_a_400_that_names_the_field(hands, query, field, code):
    answer = await hands.desk(f"/tickets?{query}")
    (error,) = answer.body["errors"]
    assert (answer.status, answer.body["description"]) == (400, "Validation failed")
    assert (error["field"], error["code"]) == (field, code)


async def test_page_301_says_the_words_of_the_wall(hands):
    answer = await hands.desk(f"/tickets?{EVER}&page=301")
    assert answer.body["errors"][0]["message"] == (
        "You cannot access tickets beyond the 300th page. Please provide a smaller page number."
    )
    assert (await hands.desk(f"/tickets?{EVER}&page=300")).status == 200


async def test_without_a_time_only_tickets_created_in_the_last_thirty_days_are_listed(hands):
    recent = await hands.desk_list("/tickets")
    everyone = await hands.desk_list(f"/tickets?{EVER}")
    edge = sorted(row["created_at"] for row in everyone)[-len(recent)]
    assert 0 < len(recent) < len(everyone) / 10
    assert set(ids(recent)) == {row["id"] for row in everyone if row["created_at"] >= edge}


async def test_the_list_leaves_out_deleted_spam_and_archived_tickets(hands):
    for query, kind in (("", "live"), ("&filter=deleted", "deleted"), ("&filter=spam", "spam")):
        rows = await hands.desk_list(f"/tickets?{BY_CHANGE}{query}")
        assert sorted(ids(rows)) == list(hands.truth.ids(kind))
    assert all(row["spam"] for row in rows)


@pytest.mark.parametrize("order", ["created_at", "updated_at", "due_by", "status"])
@pytest.mark.parametrize("since", [None, "1970-01-01T00:00:00Z", "middle"])
async def test_lists_are_in_the_order_that_was_asked_for(hands, order, since):
    if since == "middle":
        rows = await hands.desk_list(f"/tickets?{BY_CHANGE}")
        since = rows[len(rows) // 2]["updated_at"]
    time = f"&updated_since={since}" if since else ""
    up = await hands.desk_list(f"/tickets?order_by={order}&order_type=asc{time}")
    down = await hands.desk_list(f"/tickets?order_by={order}{time}")
    assert [row[order] for row in up] == sorted(row[order] for row in up)
    assert [row[order] for row in down] == [row[order] for row in up][::-1]
    assert sorted(ids(up)) == sorted(ids(down))


async def test_the_order_of_change_is_not_that_of_ids_and_many_share_a_second(serve):
    hands = await serve(tickets=400, same_second=128)
    rows = await hands.desk_list(f"/tickets?{BY_CHANGE}")
    assert ids(rows) != sorted(ids(rows))
    assert len({row["updated_at"] for row in rows[:128]}) == 1
    assert len({row["updated_at"] for row in rows[:129]}) == 2


async def test_a_time_is_included_in_its_own_window(hands):
    rows = await hands.desk_list(f"/tickets?{BY_CHANGE}")
    edge = rows[-1]["updated_at"]
    since = await hands.desk_list(f"/tickets?updated_since={edge}&order_by=updated_at&order_type=asc")
    assert ids(since) == [row["id"] for row in rows if row["updated_at"] >= edge]


async def test_tickets_of_a_requester_and_of_a_company(hands):
    rows = await hands.desk_list(f"/tickets?{EVER}")
    for field in ("requester_id", "company_id"):
        wanted = next(row[field] for row in rows if row[field])
        found = await hands.desk_list(f"/tickets?{EVER}&{field}={wanted}")
        assert sorted(ids(found)) == sorted(row["id"] for row in rows if row[field] == wanted)
    assert await hands.desk_list(f"/tickets?{EVER}&requester_id=1") == []


async def test_more_than_thirty_thousand_tickets_end_at_the_wall_and_go_on_in_a_window(serve):
    hands = await serve(conversations=100, tickets=40_000)
    live = list(hands.truth.ids("live"))
    last = (await hands.desk(f"/tickets?{BY_CHANGE}&per_page=100&page=300")).body
    assert len(live) > 30_000
    assert len(last) == 100
    rest = await hands.desk_list(f"/tickets?updated_since={last[-1]['updated_at']}&order_by=updated_at&order_type=asc")
    first = [
        row
        for page in (1, 150, 299)
        for row in (await hands.desk(f"/tickets?{BY_CHANGE}&per_page=100&page={page}")).body
    ]
    assert len(rest) >= len(live) - 30_000
    assert max(row["updated_at"] for row in first) <= rest[0]["updated_at"]
    assert set(ids(rest)) <= set(live)


async def test_more_tickets_in_one_second_than_the_wall_lets_through(serve):
    hands = await serve(conversations=100, tickets=40_000, same_second=30_500)
    first = (await hands.desk(f"/tickets?{BY_CHANGE}&per_page=100")).body
    last = (await hands.desk(f"/tickets?{BY_CHANGE}&per_page=100&page=300")).body
    assert first[0]["updated_at"] == last[-1]["updated_at"]
    assert len({row["requester_id"] for row in first + last}) > 1


async def test_a_single_ticket_has_what_the_list_leaves_out(hands):
    rows = {row["id"]: row for row in await hands.desk_list(f"/tickets?{EVER}")}
    alone = [(await hands.desk(f"/tickets/{ticket_id}")).body for ticket_id in list(rows)[:12]]
    assert all("attachments" not in row and "description" not in row for row in rows.values())
    assert all({"attachments", "description", "description_text"} <= set(ticket) for ticket in alone)
    assert any(ticket["attachments"] for ticket in alone)
    for ticket in alone:
        assert ticket | rows[ticket["id"]] == ticket


async def test_includes_add_their_objects_to_the_list(hands):
    row = (await hands.desk(f"/tickets?{EVER}&include=stats,requester,description")).body[0]
    assert {"stats", "requester", "description", "structured_description"} <= set(row)
    assert row["requester"]["id"] == row["requester_id"]


async def test_at_most_ten_conversations_are_included_and_all_are_paged(hands):
    rows = await hands.desk_list(f"/tickets?{BY_CHANGE}")
    counts = []
    for ticket_id in ids(rows)[:40]:
        answer = await hands.desk(f"/tickets/{ticket_id}?include=conversations")
        if answer.status == 404:
            continue
        every = await hands.desk_list(f"/tickets/{ticket_id}/conversations")
        counts.append(len(every))
        stable = [row["id"] for row in answer.body["conversations"]]
        assert stable == ids(every)[:10]
        assert [row["created_at"] for row in every] == sorted(row["created_at"] for row in every)
    assert max(counts) > 100
    assert {0, 12, 35} <= set(counts)


async def test_archived_tickets_answer_only_as_such(hands):
    archived = list(hands.truth.ids("archived"))
    answer = await hands.desk(f"/tickets/archived/{archived[0]}")
    assert (answer.status, answer.body["archived"]) == (200, True)
    assert (await hands.desk(f"/tickets/archived/{archived[0]}/conversations")).status == 200
    for path in (f"/tickets/{archived[0]}", f"/tickets/{archived[0]}/conversations"):
        refused = await hands.desk(path)
        assert (refused.status, refused.raw) == (404, b"")
    live = next(iter(hands.truth.ids("live")))
    assert (await hands.desk(f"/tickets/archived/{live}")).status == 404


async def test_every_id_is_live_deleted_spam_archived_or_absent(hands):
    counts = hands.truth.counts()["tickets"]
    unreadable, found = set(hands.truth.ids("unreadable")), {"live": 0, "archived": 0, "nothing": 0}
    known = set(hands.truth.ids("tickets"))
    for ticket_id in range(1, counts["highestId"] + 1):
        live = (await hands.desk(f"/tickets/{ticket_id}")).status == 200
        archived = (await hands.desk(f"/tickets/archived/{ticket_id}")).status == 200
        found["live" if live else "archived" if archived else "nothing"] += 1
        assert (live or archived) == (ticket_id in known and ticket_id not in unreadable)
    assert found["archived"] == counts["archived"]
    assert found["nothing"] == counts["absent"] + counts["unreadable"]
    assert (await hands.desk(f"/tickets/{counts['highestId'] + 1}")).status == 404


async def test_some_listed_tickets_cannot_be_read_any_more(hands):
    listed = {row["id"] for row in await hands.desk_list(f"/tickets?{EVER}")}
    gone = listed & set(hands.truth.ids("unreadable"))
    assert gone
    assert (await hands.desk(f"/tickets/{min(gone)}/conversations")).status == 404


async def test_time_entries_and_ratings_of_all_and_of_one_ticket(hands):
    for path, since, name in (
        ("/time_entries", "executed_after", "timeEntries"),
        ("/surveys/satisfaction_ratings", "created_since", "ratings"),
    ):
        rows = await hands.desk_list(f"{path}?{since}=2000-01-01T00:00:00Z")
        assert len(rows) == hands.truth.counts()[name]
        later = await hands.desk_list(f"{path}?{since}={rows[-1]['created_at']}")
        assert [row["created_at"] for row in later] == [rows[-1]["created_at"]] * len(later)
    of_ticket = (await hands.desk(f"/tickets/{rows[0]['ticket_id']}/satisfaction_ratings")).body
    assert of_ticket == [rows[0]]
    recent = await hands.desk_list("/surveys/satisfaction_ratings")
    assert len(recent) < len(rows), "without a time only the last thirty days"


async def test_odd_numbers_and_nulls_reach_the_reader_as_they_are_spelled(hands):
    raw = (await hands.desk(f"/tickets?{EVER}")).raw
    assert b'"cf_\xec\xa0\x90\xec\x88\x98":3.50' in raw
    assert b'"cf_category":null' in raw
    row = (await hands.desk(f"/tickets?{EVER}")).body[0]
    assert row["custom_fields"]["cf_legacy"] > 2**64


async def test_a_ticket_that_is_changed_moves_to_the_end_and_the_others_move_up(serve):
    hands = await serve(conversations=300, tickets=260)
    rows = await hands.desk_list(f"/tickets?{BY_CHANGE}")
    touched = [rows[70]["id"], rows[3]["id"]]
    for ticket_id in touched:
        hands.server.data.desk.touch(ticket_id)
    after = await hands.desk_list(f"/tickets?{BY_CHANGE}")
    assert ids(after) == [i for i in ids(rows) if i not in touched] + touched
    assert [row["updated_at"] for row in after] == sorted(row["updated_at"] for row in after)
    edge = after[-2]["updated_at"]
    changed = await hands.desk_list(f"/tickets?updated_since={edge}&order_by=updated_at&order_type=asc")
    assert ids(changed) == touched
    assert (await hands.desk(f"/tickets/{touched[0]}")).body["updated_at"] == edge
    spam = await hands.desk_list(f"/tickets?{BY_CHANGE}&filter=spam")
    assert not set(ids(spam)) & set(touched)


async def test_a_walk_by_pages_misses_tickets_when_others_change_meanwhile(serve):
    hands = await serve(conversations=300, tickets=600, touch_every=2)
    seen = ids(await hands.desk_list(f"/tickets?{BY_CHANGE}", size=50))
    assert set(hands.truth.ids("live")) - set(seen)
    await hands.switch(touch_every=0)
    assert sorted(ids(await hands.desk_list(f"/tickets?{BY_CHANGE}"))) == list(hands.truth.ids("live"))
