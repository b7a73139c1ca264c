"""What the Teams door does with each kind of activity of an authentic caller."""

from __future__ import annotations

import json

import pytest

from bridge import ids

TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
CHANNEL_THREAD = f"{TENANT}/channel/19:c07a9e1f5b3d4826a1e0d9c8b7f65544@thread.tacv2/1767312000456"
PERSONAL_THREAD = f"{TENANT}/personal/2b9e6d50-71f4-4c3a-8a0e-5f6c7d8e9a01"

STORED = {
    "channel_root": ("create", CHANNEL_THREAD),
    "channel_reply": ("create", CHANNEL_THREAD),
    "edit": ("edit", CHANNEL_THREAD),
    "personal": ("create", PERSONAL_THREAD),
    "card_submit": ("create", PERSONAL_THREAD),
    "delete": ("delete", PERSONAL_THREAD),
    "team_added": ("install", f"{TENANT}/channel/19:Qx7General0042@thread.tacv2/-"),
    "install": ("install", f"{TENANT}/channel/19:Qx7General0042@thread.tacv2/-"),
    "group": ("create", f"{TENANT}/groupChat/19:0f1e2d3c4b5a69788796a5b4c3d2e1f0@thread.v2"),
}
IGNORED = {
    "reaction": "ignored_reaction",
    "channel_renamed": "ignored_conversation_update",
}


@pytest.mark.parametrize("name", STORED)
async def test_a_message_is_stored_whole_under_its_keys(name, door, bearer, activity):
    """The raw bytes as they came, with tenant, dedupe key, ordering key and a trace id."""
    body = json.dumps(activity(name), indent=3, ensure_ascii=False).encode()
    assert (await door.post(body, bearer))[:2] == (200, "")
    (envelope,) = await door.stored()
    kind, session = STORED[name]
    assert (envelope.body, envelope.tenant, envelope.direction) == (body, TENANT, "to-freshchat")
    assert (envelope.kind, envelope.session) == (kind, session)
    assert envelope.message_id.startswith(ids.dedupe_id(TENANT, "teams:"))
    assert len(envelope.trace) == 32


@pytest.mark.parametrize("name", IGNORED)
async def test_other_kinds_are_counted_and_not_stored(name, door, bearer, activity):
    """Answered 200, without a call to Teams within the request."""
    assert (await door.post(activity(name), bearer))[:2] == (200, "")
    assert await door.waiting() == 0
    assert door.counted("bridge_accepted_total", direction="to-freshchat", outcome=IGNORED[name]) == 1


TYPES = [
    "typing",
    "event",
    "endOfConversation",
    "handoff",
    "trace",
    "command",
    "Message",
    "MESSAGE",
    "x" * 5000,
    "유형",
]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind[:20])
async def test_a_type_that_nobody_knows_is_answered_200(kind, door, bearer, activity):
    """New kinds may start to arrive at any time; they are counted under a name of ours."""
    assert (await door.post(activity("personal", type=kind), bearer))[0] == 200
    assert await door.waiting() == 0
    exposition = door.telemetry.exposition().decode()
    assert 'outcome="ignored_' in exposition
    assert "x" * 100 not in exposition


@pytest.mark.parametrize("members", [None, [], "x", [None], [{"id": 1}]])
async def test_members_of_any_shape_are_not_looked_at(members, door, bearer, activity):
    """The SDK would ask Teams about each of them."""
    raw = activity("team_added", membersAdded=members, membersRemoved=members, reactionsAdded=members)
    assert (await door.post(raw, bearer))[0] == 200
    assert (await door.post(raw | {"type": "messageReaction"}, bearer))[0] == 200
    assert await door.waiting() == 0


@pytest.mark.parametrize(("locale", "words"), [("ko-KR", "이 버튼은"), ("en-GB", "This button"), (None, "This button")])
async def test_a_card_action_is_answered_in_the_response(locale, words, door, bearer, activity):
    """In the person's language; nothing is stored."""
    status, text, headers = await door.post(activity("invoke_card_action", locale=locale), bearer)
    answer = json.loads(text)
    assert (status, answer["statusCode"], answer["type"]) == (200, 400, "application/vnd.microsoft.error")
    assert answer["value"]["message"].startswith(words)
    assert headers["Content-Type"].startswith("application/json")
    assert await door.waiting() == 0


@pytest.mark.parametrize(
    "changes", [{}, {"name": None}, {"name": ""}, {"name": "adaptiveCard/Action"}, {"value": None}]
)
async def test_an_invoke_that_nobody_answers_says_so(changes, door, bearer, activity):
    """501 as Teams expects it for "not implemented": the one 5xx that is an answer."""
    assert (await door.post(activity("invoke_file_consent", **changes), bearer))[:2] == (501, "")
    assert await door.waiting() == 0


async def test_a_repeated_request_is_stored_once(door, bearer, activity):
    """Teams repeats what it believes unanswered: 200 again, and one message."""
    for _ in range(3):
        assert (await door.post(activity("channel_root"), bearer))[0] == 200
    assert await door.waiting() == 1
    assert door.counted("bridge_accepted_total", direction="to-freshchat", outcome="stored") == 1
    assert door.counted("bridge_accepted_total", direction="to-freshchat", outcome="duplicate") == 2


async def test_two_edits_of_one_message_are_two_events(door, bearer, activity):
    """An edit is known by its time; without one, by what it says."""
    for stamp, text in [("2026-01-02T00:05:00Z", "a"), ("2026-01-02T00:06:00Z", "a"), (None, "a"), (None, "b")]:
        assert (await door.post(activity("edit", timestamp=stamp, text=text), bearer))[0] == 200
    assert await door.waiting() == 4


async def test_a_message_its_edit_and_its_delete_stay_in_order(door, bearer, activity):
    """All three have one ordering key."""
    root = activity("channel_root")
    for kind in ("message", "messageUpdate", "messageDelete"):
        assert (await door.post(root | {"type": kind}, bearer))[0] == 200
    stored = await door.stored()
    assert [envelope.kind for envelope in stored] == ["create", "edit", "delete"]
    assert len({envelope.session for envelope in stored}) == 1
