"""The published event keeps its schema, and nobody's personal data is in it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import fastjsonschema
import pytest

from bridge.errors import Rejected
from bridge.events import Attachment, Event, Mention, Place, Sender, schema, validate

PLANTED = {
    "sender id": "29:planted-pairwise-id",
    "sender name": "Planted Person",
    "sender Entra id": "deadbeef-1111-4222-8333-444455556666",
    "sender locale": "xx-PLANTED",
    "service url": "https://planted.example/emea/",
    "chat id": "a:1planted-chat",
    "thread key": "t1/personal/deadbeef-1111-4222-8333-444455556666",
    "team thread id": "19:planted-general@thread.tacv2",
    "inbox": "planted-inbox",
}
EVENT = Event(
    idempotency_key="teams:-/19%3Ac/1767312000456/1767312000456:create",
    tenant_id="t1",
    direction="inbound",
    kind="create",
    timestamp="2026-01-02T00:00:00.456Z",
    sender=Sender(
        kind="user",
        id=PLANTED["sender id"],
        name=PLANTED["sender name"],
        aad_object_id=PLANTED["sender Entra id"],
        locale=PLANTED["sender locale"],
    ),
    text="안녕하세요",
    message_id="1767312000456",
    thread_key=PLANTED["thread key"],
    inbox_id=PLANTED["inbox"],
    user_hash="0f" * 32,
    place=Place(
        scope="channel",
        conversation_id=PLANTED["chat id"],
        service_url=PLANTED["service url"],
        team_id=PLANTED["team thread id"],
        team_group_id="6a1f0c3e-9d84-4b27-8e5a-7c2d1b0f9e38",
        channel_id="19:c@thread.tacv2",
        root_id="1767312000456",
    ),
    mentions=(Mention(display="Ole", id="29:ole"),),
    attachments=(Attachment(type="image", name="photo.png", signed_url="https://files.example/x?sig=y"),),
    tags=("vip",),
    custom_attributes={"cf_floor": "4"},
)
ANSWER = Event(
    idempotency_key="freshchat:c1/m1:create",
    tenant_id="t1",
    direction="outbound",
    kind="create",
    timestamp="2026-01-02T00:00:00Z",
    sender=Sender(kind="agent", id="agent-planted", name="Planted Agent"),
    conversation_id="c1",
    text="hello",
)
CHECK = fastjsonschema.compile(schema())

REQUIRED = [
    ("idempotencyKey",),
    ("tenantId",),
    ("direction",),
    ("source",),
    ("context",),
    ("context", "user"),
    ("content",),
    ("content", "text"),
    ("content", "mentions"),
    ("content", "mentions", 0, "type"),
    ("content", "mentions", 0, "display"),
    ("content", "mentions", 0, "id"),
    ("content", "attachments"),
    ("content", "attachments", 0, "type"),
    ("content", "attachments", 0, "name"),
    ("content", "attachments", 0, "signedUrl"),
    ("routing",),
    ("routing", "tags"),
    ("routing", "customAttributes"),
    ("timestamp",),
]
WRONG = [
    (("idempotencyKey",), "slack:a/b"),
    (("idempotencyKey",), "teams:"),
    (("idempotencyKey",), "xteams:a"),
    (("idempotencyKey",), "teams:" + "x" * 2048),
    (("tenantId",), ""),
    (("tenantId",), None),
    (("direction",), "sideways"),
    (("source",), "slack"),
    (("kind",), "shout"),
    (("version",), "2.0"),
    (("timestamp",), "2026-01-02"),
    (("timestamp",), "2026-01-02T00:00:00"),
    (("timestamp",), "yesterday"),
    (("timestamp",), 1767312000),
    (("context", "user", "aadUserIdHash"), "0F" * 32),
    (("context", "user", "aadUserIdHash"), "0f" * 31),
    (("context", "user", "aadUserIdHash"), PLANTED["sender Entra id"]),
    (("context", "threadId"), 1767312000456),
    (("content", "text"), None),
    (("content", "mentions", 0, "type"), "tag"),
    (("content", "attachments", 0, "type"), "video"),
    (("content", "attachments", 0, "name"), ""),
    (("content", "attachments", 0, "signedUrl"), "not a url"),
    (("routing", "tags"), "vip"),
    (("routing", "customAttributes", "cf_floor"), 4),
    (("extra",), 1),
    (("context", "user", "name"), "Planted Person"),
]


def _parent(value, path):
    for step in path[:-1]:
        value = value[step]
    return value


def test_the_published_form_keeps_the_schema():
    """Both directions pass, with everything filled in and with nothing optional."""
    CHECK(EVENT.to_json())
    CHECK(ANSWER.to_json())
    assert validate(EVENT) is EVENT


@pytest.mark.parametrize("path", REQUIRED, ids=str)
def test_each_required_field_is_required(path):
    """An event without it does not keep the schema."""
    event = copy.deepcopy(EVENT.to_json())
    del _parent(event, path)[path[-1]]
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        CHECK(event)


@pytest.mark.parametrize(("path", "value"), WRONG, ids=str)
def test_a_wrong_value_does_not_keep_the_schema(path, value):
    """Patterns, enumerations, types and unknown fields are checked."""
    event = copy.deepcopy(EVENT.to_json())
    _parent(event, path)[path[-1]] = value
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        CHECK(event)


BROKEN = [
    ("idempotencyKey", {"idempotency_key": "slack:planted-value"}),
    ("tenantId", {"tenant_id": ""}),
    ("timestamp", {"timestamp": "planted-value"}),
    ("aadUserIdHash", {"user_hash": "planted-value"}),
    ("customAttributes", {"custom_attributes": {"cf_a": 1}}),
    ("signedUrl", {"attachments": (Attachment(type="file", name="a", signed_url="planted-value"),)}),
    ("kind", {"kind": "planted-value"}),
    ("status", {"status": "planted-value"}),
]


@pytest.mark.parametrize(("field", "change"), BROKEN, ids=[field for field, _ in BROKEN])
def test_a_broken_event_is_rejected_by_the_name_of_its_field(field, change):
    """Leaving translation fails for good, and the error tells where but not what."""
    with pytest.raises(Rejected) as refused:
        validate(replace(EVENT, **change))
    assert refused.value.code == "bad_event"
    assert field in str(refused.value)
    assert "planted" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("planted", PLANTED)
def test_the_published_form_holds_no_personal_data(planted):
    """Who wrote it and how to reach them is for the delivery only."""
    assert PLANTED[planted] not in json.dumps(EVENT.to_json(), ensure_ascii=False)


def test_an_agent_is_not_in_the_published_form_either():
    """Neither the id nor the name of whoever answers."""
    assert "lanted" not in json.dumps(ANSWER.to_json())


def test_the_published_form_names_the_thread_and_the_person_by_hash():
    """What analytics may see: team, channel, thread, and one hash per person."""
    assert EVENT.to_json()["context"] == {
        "teamId": "6a1f0c3e-9d84-4b27-8e5a-7c2d1b0f9e38",
        "channelId": "19:c@thread.tacv2",
        "threadId": "1767312000456",
        "user": {"aadUserIdHash": "0f" * 32},
    }
    assert ANSWER.to_json()["context"] == {"conversationId": "c1", "user": {}}
    assert ANSWER.to_json()["source"] == "freshchat"
