"""Recorded-shape webhook in, event (or the reason why not) out."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from adapters.freshchat.translate import Keys, keys, to_event
from bridge import ids
from bridge.errors import Rejected
from bridge.events import Ignored

FIXTURES = Path(__file__).parents[2] / "fixtures" / "freshchat"
CONVERSATION = "eeeeeeee-0000-4000-8000-000000000001"
INBOX = "dddddddd-0000-4000-8000-000000000001"
MESSAGE = "ffffffff-0000-4000-8000-000000000001"
AGENT = "cccccccc-0000-4000-8000-000000000001"


def load(name):
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


TEXTS = {
    "agent_text": "How can I help?",
    "agent_text_korean": "안녕하세요, 무엇을 도와드릴까요? 🙂\nsecond line",
    "agent_text_no_type": "Seen in 2022",
    "bot_text": "I am the desk bot",
    "agent_files": "See these\n[image]\n[video]\n[file: manual.pdf]\n[file]",
    "bot_carousel": "Pick one\n[image]\nLaptop\nAbout Laptop\n[Go]\n[image]\nPhone\nAbout Phone\n[Go]",
    "bot_buttons": "Solved?\n[Guide] https://help.example.com/1\nor\n[Call me]\n[FAQ]\n[Yes]\n[No]",
    "bot_form": "Tell us\n[unsupported content: text_input]\n[unsupported content: hologram]",
    "agent_mail": "Your request\nIt is  done  & dusted",
    "old_agent_text": "Hi\n[image]",
}


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_a_public_message_of_an_agent_or_bot_is_carried(name, text):
    event = to_event(load(name), "t1")
    assert (event.kind, event.direction, event.text, event.tenant_id) == ("create", "outbound", text, "t1")
    assert event.sender.kind == name.split("_")[-2 if name == "old_agent_text" else 0] and event.sender.name is None


IGNORED = {
    "agent_private": "private",
    "bot_private_note": "private",
    "agent_unknown_type": "private",
    "user_echo": "echo",
    "system_welcome": "system",
    "unassignment": "unassigned",
    "unknown_action": "unknown_action",
}


@pytest.mark.parametrize(("name", "reason"), IGNORED.items())
def test_what_is_not_for_the_employee_is_ignored_at_the_door_and_in_delivery(name, reason):
    assert keys(load(name), "t1") == Ignored(reason) == to_event(load(name), "t1")


def test_every_fixture_is_in_a_table():
    tables = {*TEXTS, *IGNORED, "assignment", "assignment_group", "resolution", "reopen"}
    assert {path.stem for path in FIXTURES.glob("*.json")} == tables


def test_a_message_in_full():
    event = to_event(load("agent_text"), "t1")
    assert event.idempotency_key == f"freshchat:{CONVERSATION}/{MESSAGE}:create"
    assert (event.sender.kind, event.sender.id) == ("agent", AGENT)
    assert (event.message_id, event.conversation_id) == (MESSAGE, CONVERSATION)
    assert event.timestamp == "2026-01-05T08:00:00.123Z"
    assert "sender" not in json.dumps(event.to_json()) and AGENT not in json.dumps(event.to_json())


STATUS = {
    "assignment": ("assigned", "agent", {"assignedAgentId": "cccccccc-0000-4000-8000-000000000002"}),
    "assignment_group": ("assigned", "system", {"assignedGroupId": "99999999-0000-4000-8000-000000000001"}),
    "resolution": ("resolved", "agent", {}),
    "reopen": ("reopened", "user", {}),
}


@pytest.mark.parametrize(("name", "wanted"), STATUS.items())
def test_a_change_of_status_is_carried(name, wanted):
    event = to_event(load(name), "t1")
    assert (event.kind, event.text, event.conversation_id) == ("status", "", CONVERSATION)
    assert (event.status, event.sender.kind, dict(event.custom_attributes)) == wanted


@pytest.mark.parametrize("name", [*TEXTS, *STATUS])
def test_the_keys_of_the_door_are_those_of_the_event(name):
    found, event = keys(load(name), "t/1"), to_event(load(name), "t/1")
    assert isinstance(found, Keys)
    assert found.idempotency_key == event.idempotency_key
    assert ids.parse_freshchat_key(found.idempotency_key).conversation == event.conversation_id
    assert found.session == ids.conversation_key("t/1", event.conversation_id)
    assert (found.kind, event.inbox_id) == (event.kind, INBOX)


def test_a_retry_has_the_same_key_and_another_event_another_one():
    def key(name, **change):
        body = load(name)
        body.update(change)
        return keys(body, "t1").idempotency_key

    assert key("resolution") == key("resolution", extra=1)
    distinct = {key(name) for name in STATUS} | {key("resolution", action_time="2026-01-05T09:00:00.001Z")}
    assert len(distinct) == len(STATUS) + 1, "group and agent assigned in the same instant are two events"


def at(body, path, value):
    changed = copy.deepcopy(body)
    *way, last = path.split(".")
    target = changed
    for step in way:
        target = target[int(step)] if step.isdigit() else target[step]
    target[last] = value
    return changed


MESSAGE_DAMAGE = [
    ("data", None),
    ("data", []),
    ("data.message", "text"),
    ("data.message.conversation_id", None),
    ("data.message.conversation_id", ""),
    ("data.message.conversation_id", 7),
    ("data.message.conversation_id", "x" * 300),
    ("data.message.id", None),
    ("data.message.id", ["x"]),
    ("data.message.actor_type", 1),
    ("data.message.channel_id", {}),
]
CONTENT_DAMAGE = [
    ("data.message.message_parts", None),
    ("data.message.message_parts", {}),
    ("data.message.message_parts", "text"),
    ("data.message.message_parts", ["text"]),
    ("data.message.message_parts", [{"text": "Hi"}]),
    ("data.message.message_parts", [{"text": None}]),
    ("data.message.message_parts", [{"text": {"content": 5}}]),
    ("data.message.message_parts", [{"file": {"name": []}}]),
    ("data.message.message_parts", [{"collection": {"sub_parts": "x"}}]),
    ("data.message.message_parts", [{"template_content": {"sections": ["x"]}}]),
    ("data.message.reply_parts", "x"),
    ("data.message.created_time", "yesterday"),
    ("data.message.created_time", 5),
    ("data.message.created_time", "0001-01-01T00:00:00+14:00"),
]


@pytest.mark.parametrize(("path", "value"), MESSAGE_DAMAGE + CONTENT_DAMAGE)
def test_a_malformed_message_is_told_and_says_nothing_of_its_content(path, value):
    with pytest.raises(Rejected) as caught:
        to_event(at(load("agent_text"), path, value), "t1")
    assert caught.value.code == "not_understood"
    assert "help" not in str(caught.value) and "yesterday" not in str(caught.value)


@pytest.mark.parametrize(("path", "value"), MESSAGE_DAMAGE)
def test_the_door_tells_a_message_without_keys(path, value):
    with pytest.raises(Rejected):
        keys(at(load("agent_text"), path, value), "t1")


@pytest.mark.parametrize(("path", "value"), CONTENT_DAMAGE)
def test_the_door_does_not_look_into_the_content(path, value):
    assert isinstance(keys(at(load("agent_text"), path, value), "t1"), Keys)


@pytest.mark.parametrize(
    "value", ["2026-01-05T08:00:00.123Z", "2026-01-05T08:00:00.123+00:00", "2026-01-05T17:00:00.123+0900"]
)
def test_times_are_told_in_utc_however_the_zone_is_spelt(value):
    event = to_event(at(load("agent_text"), "data.message.created_time", value), "t1")
    assert event.timestamp == "2026-01-05T08:00:00.123Z"


def test_nothing_to_say_is_ignored():
    for parts in ([], [{"text": {"content": "  "}}], [{"collection": {}}]):
        assert to_event(at(load("agent_text"), "data.message.message_parts", parts), "t1") == Ignored("empty")


def test_nesting_is_bounded():
    part = {"text": {"content": "deep"}}
    for _ in range(40):
        part = {"collection": {"sub_parts": [part]}}
    event = to_event(at(load("agent_text"), "data.message.message_parts", [part]), "t1")
    assert event.text == "[unsupported content: nesting]"


def test_the_number_of_parts_is_bounded():
    parts = [{"text": {"content": str(n)}} for n in range(5000)]
    event = to_event(at(load("agent_text"), "data.message.message_parts", parts), "t1")
    assert event.text.splitlines()[-1] == "199"


def test_it_is_known_whether_a_text_says_everything():
    assert {name: to_event(load(name), "t1").whole for name in TEXTS} == {name: name != "bot_form" for name in TEXTS}
