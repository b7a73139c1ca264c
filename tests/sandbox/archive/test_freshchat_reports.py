"""Freshchat's report extraction."""

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

WINDOW = {"start": "2024-03-01T00:00:00.000Z", "end": "2024-03-28T23:59:59.999Z"}
DAY = {"start": "2024-01-01T00:00:00.000Z", "end": "2024-01-01T23:59:59.999Z"}


async def ordered(hands, event, **rest):
    body = {"event": event, "format": "csv", **WINDOW, **rest}
    return await hands.chat("/reports/raw", "POST", json=body)


async def finished(hands, event, **rest):
    """The last look at a report."""
    order = await ordered(hands, event, **rest)
    assert order.status == 202, order.raw
    assert order.body["link"] == {"rel": "extracts", "href": f"/reports/raw/{order.body['id']}"}
    for _ in range(5):
        look = (await hands.chat(order.body["link"]["href"])).body
        if look["status"] != "PENDING":
            return look
    raise AssertionError("the report stays pending")


def unpacked(raw):
    """The CSV texts of a ZIP archive by name."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def rows_of(hands, event, **rest):
    rows = []
    for part in (await finished(hands, event, **rest))["links"]:
        for text in unpacked((await hands.call("GET", part["link"]["href"])).raw).values():
            rows += csv.DictReader(io.StringIO(text, newline=""))
    return rows


def months():
    """The two years of a data set in windows of 28 days."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    while start.year < 2026:
        end = start + timedelta(days=28) - timedelta(milliseconds=1)
        yield {"start": start.isoformat(timespec="milliseconds"), "end": end.isoformat(timespec="milliseconds")}
        start += timedelta(days=28)


async def test_a_report_is_pending_first_and_then_completed_with_signed_links(hands):
    order = (await ordered(hands, "Conversation-Created")).body
    first = (await hands.chat(f"/reports/raw/{order['id']}")).body
    second = (await hands.chat(f"/reports/raw/{order['id']}")).body
    assert (first["status"], second["status"]) == ("PENDING", "COMPLETED")
    for part in second["links"]:
        assert part["status"] == "COMPLETED"
        assert "X-Amz-Signature=" in part["link"]["href"]
    assert [second["links"][0]["from"], second["links"][-1]["to"]] == list(WINDOW.values())


async def test_the_file_is_a_zip_of_csv_and_takes_no_key(hands):
    link = (await finished(hands, "Conversation-Created"))["links"][0]["link"]["href"]
    assert (await hands.call("GET", link, headers={"Authorization": "Bearer x"})).status == 400
    assert (await hands.call("GET", re.sub(r"Signature=.", "Signature=_", link))).status == 403
    (text,) = unpacked((await hands.call("GET", link)).raw).values()
    assert text.splitlines()[0] == "conversation_id,created_at,channel_id,actor_type,actor_id"
    await hands.switch(link_seconds=0)
    late = (await finished(hands, "Conversation-Created"))["links"][0]["link"]["href"]
    assert (await hands.call("GET", late)).status == 403


async def test_reports_name_conversations_that_way_a_misses(hands):
    ids = {
        row["conversation_id"] for window in months() for row in await rows_of(hands, "Conversation-Created", **window)
    }
    assert ids == set(hands.truth.ids("conversations", frozenset({"report"})))
    by_users = set(hands.truth.ids("conversations", frozenset({"users"})))
    assert ids - by_users
    assert by_users - ids


async def test_messages_are_sent_in_their_own_window(hands):
    rows = await rows_of(hands, "Message-Sent")
    low, high = WINDOW.values()
    assert rows
    assert all(low <= row["created_at"] <= high for row in rows)
    by_id = {}
    for conversation_id in {row["conversation_id"] for row in rows}:
        for message in await hands.messages(conversation_id) or ():
            by_id[message["id"]] = message
    readable = [row for row in rows if row["message_id"] in by_id]
    assert len(readable) > len(rows) / 2
    assert {i for i, message in by_id.items() if low <= message["created_time"] <= high} == {
        r["message_id"] for r in readable
    }


async def test_a_window_has_the_messages_of_conversations_that_began_before_it(hands):
    reported = list(hands.truth.ids("readable", frozenset({"report"})))
    said = {i: await hands.messages(i) for i in reported[50:90]}
    conversation_id = max(said, key=lambda i: len(said[i]))
    times = sorted(message["created_time"] for message in said[conversation_id])
    middle, last = times[len(times) // 2], times[-1]
    rows = await rows_of(hands, "Message-Sent", start=middle, end=last)
    found = [row["created_at"] for row in rows if row["conversation_id"] == conversation_id]
    assert sorted(found) == [time for time in times if time >= middle]
    assert times[0] < middle


async def test_a_transcript_has_the_parts_as_json(serve):
    hands = await serve(conversations=3000, tickets=0)
    rows = await rows_of(hands, "Chat-Transcript", **DAY)
    assert {"message_id", "message_parts", "customer_id", "actor_email"} <= set(rows[0])
    message = next(m for m in await hands.messages(rows[0]["conversation_id"]) if m["id"] == rows[0]["message_id"])
    assert json.loads(rows[0]["message_parts"]) == message["message_parts"]


async def test_ratings_come_by_report_only(hands):
    rows = [row for window in months() for row in await rows_of(hands, "CSAT-Score", **window)]
    assert len(rows) > 20
    assert {"rating", "comment"} <= set(rows[0])
    assert any("\n" in row["comment"] for row in rows)


async def test_a_large_report_has_several_csv_files_in_one_archive(serve):
    hands = await serve(conversations=200_000, tickets=0, report_one_link=True)
    done = await finished(hands, "Conversation-Created", start="2024-02-01T00:00:00Z", end="2024-02-28T00:00:00Z")
    assert set(done) == {"id", "status", "interval", "link"}, "older answers have one link"
    assert len(unpacked((await hands.call("GET", done["link"]["href"])).raw)) == 1
    larger = await serve(conversations=300_000, tickets=0, report_one_link=True)
    done = await finished(larger, "Conversation-Created", start="2024-02-01T00:00:00Z", end="2024-02-28T00:00:00Z")
    files = unpacked((await larger.call("GET", done["link"]["href"])).raw)
    heads = {text.splitlines()[0] for text in files.values()}
    assert (len(files), heads) == (2, {"conversation_id,created_at,channel_id,actor_type,actor_id"})


async def test_columns_may_be_titles_behind_a_byte_order_mark(hands):
    await hands.switch(report_titles=True)
    link = (await finished(hands, "Conversation-Created"))["links"][0]["link"]["href"]
    (text,) = unpacked((await hands.call("GET", link)).raw).values()
    assert text.startswith("\ufeffConversation Id,Created At,")


async def test_a_report_may_fail_and_the_next_one_not(serve):
    hands = await serve(conversations=10, tickets=0, report_fail_every=2)
    ends = [await finished(hands, "Conversation-Created") for _ in range(3)]
    assert [end["status"] for end in ends] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "links" not in ends[1]


async def test_the_order_may_be_answered_with_200(hands):
    await hands.switch(report_status=200)
    assert (await ordered(hands, "Conversation-Created")).status == 200


@pytest.mark.parametrize(
    ("event", "rest", "message"),
    [
        ("Conversations", {}, "No matching event name"),
        ("Conversation-Created", {"format": "json"}, "format is not valid"),
        ("Conversation-Created", {"end": "2024-02-01T00:00:00Z"}, "start and end must be times in order"),
        ("Conversation-Created", {"end": "2024-04-01T00:00:00Z"}, "The time range is too large for this event"),
        ("Chat-Transcript", {}, "The time range is too large for this event"),
    ],
)
async def test_an_order_that_is_not_taken_is_a_400(hands, event, rest, message):
    answer = await ordered(hands, event, **rest)
    assert answer.status == 400
    assert answer.body == {"code": 400, "status": "INVALID_VALUE", "message": message}


async def test_orders_have_a_limit_of_their_own(serve):
    hands = await serve(report_rate=1, window_seconds=0.4)
    assert (await ordered(hands, "Conversation-Created")).status == 202
    refused = await ordered(hands, "Conversation-Created")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (await hands.chat("/agents")).status == 200
    assert (await hands.let_in(lambda: ordered(hands, "Conversation-Created"))).status == 202


async def test_an_unknown_report_is_a_404(hands):
    assert (await hands.chat("/reports/raw/rep-0")).status == 404
