"""The demo's sandbox serves an export as well: its own conversations by report and list, and sample tickets."""

import base64
import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest


def window():
    now = datetime.now(UTC)
    ends = (now - timedelta(hours=12), now + timedelta(hours=11))
    return dict(zip(("start", "end"), (end.isoformat(timespec="milliseconds") for end in ends), strict=True))


async def rows_of(api, event):
    order = (await api.freshchat("POST", "/reports/raw", {"event": event, **window()})).body
    for _ in range(2):
        look = (await api.freshchat("GET", order["link"]["href"])).body
    (part,) = look["links"]
    async with api.session.get(part["link"]["href"]) as response:
        packed = await response.read()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (name,) = archive.namelist()
        return list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))


async def test_what_was_said_is_in_the_reports(api, words):
    conversation_id, user_id = await api.conversation(text='프린터, "고장"')
    await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id, "둘째\n줄"))
    await api.freshchat("POST", f"/csat/{conversation_id}", {"rating": 4, "comment": "좋아요"})
    assert [row["conversation_id"] for row in await rows_of(api, "Conversation-Created")] == [conversation_id]
    said = await rows_of(api, "Chat-Transcript")
    assert [row["message"] for row in said] == ['프린터, "고장"', "둘째\n줄"]
    assert [row["rating"] for row in await rows_of(api, "CSAT-Score")] == ["4"]
    assert len(await rows_of(api, "Message-Sent")) == 2


async def test_a_list_of_conversations_only_where_it_is_switched_on(api):
    conversation_id, _ = await api.conversation()
    assert (await api.freshchat("GET", "/conversations")).status == 404
    await api.control("archive/settings", {"conversations_listed": True})
    body = (await api.freshchat("GET", "/conversations")).body
    await api.control("archive/settings", {"conversations_listed": False})
    assert [row["conversation_id"] for row in body["conversations"]] == [conversation_id]


async def test_sample_tickets_are_behind_the_key_that_the_configuration_names(api):
    env = api.sandbox.env
    assert env["FRESHDESK_URL"] == api.sandbox.url
    headers = {"Authorization": basic(env["FRESHDESK_API_KEY"])}
    path = "/api/v2/tickets?updated_since=1970-01-01T00:00:00Z&per_page=100"
    answer = await api.call("GET", path, headers=headers)
    assert len(answer.body) > 10
    assert answer.headers["X-RateLimit-Total"] == "700"
    assert not any("cf_freshchat_conversation_id" in row["custom_fields"] for row in answer.body)
    assert (await api.call("GET", path)).status == 401
    log = await api.control("requests/counts")
    assert log["freshdesk"] == 2


async def test_limits_of_freshchat_can_be_switched_on(api):
    assert "X-RateLimit-Limit" not in (await api.freshchat("GET", "/agents")).headers
    await api.control("archive/settings", {"freshchat_rate": 1})
    answers = [await api.freshchat("GET", "/agents") for _ in range(2)]
    await api.control("archive/settings", {"freshchat_rate": 0})
    assert [answer.status for answer in answers] == [200, 429]


@pytest.mark.parametrize("body", [{"nothing": 1}, {"freshchat_rate": -1}, {"admin": 1}])
async def test_wrong_switches_are_refused(api, body):
    assert (await api.call("POST", "/_sandbox/archive/settings", json=body)).status == 400


def basic(key):
    return f"Basic {base64.b64encode(f'{key}:X'.encode()).decode()}"
