"""What an activity means: one row per recorded shape."""

from __future__ import annotations

import json

import pytest

from bots.activity import BadActivity, read_keys, tenant_of, to_event
from bots.message_text import read_text
from bridge import ids
from bridge.events import Ignored, Mention

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
CHANNEL = "19:c07a9e1f5b3d4826a1e0d9c8b7f65544@thread.tacv2"
C = "19:c07a9e1f5b3d4826a1e0d9c8b7f65544@thread.tacv2"
G = "19:0f1e2d3c4b5a69788796a5b4c3d2e1f0@thread.v2"
MINA = "2b9e6d50-71f4-4c3a-8a0e-5f6c7d8e9a01"
GENERAL = "19:Qx7General0042@thread.tacv2"

KEYS = {
    "channel_root": f"teams:{GENERAL}/{C}/1767312000456/1767312000456:create",
    "channel_reply": f"teams:{GENERAL}/{C}/1767312000456/1767312077001:create",
    "edit": f"teams:-/{C}/1767312000456/1767312000456:edit.2026-01-02T000500Z",
    "group": f"teams:-/{G}/-/1767312200777:create",
    "personal": "teams:-/a:1opaque-conversation-of-mina/-/1767312100009:create",
    "delete": "teams:-/a:1opaque-conversation-of-mina/-/1767312100009:delete",
}
EVENTS = {
    "channel_root": (
        "create",
        "the door of *lab 4* does not open, @Ole Brandt saw it too",
        True,
        "2026-01-02T00:00:00.456Z",
    ),
    "channel_reply": ("create", "the reader blinks red three times", False, "2026-01-02T00:01:17.001Z"),
    "edit": ("edit", "the door of lab 5 does not open", True, "2026-01-02T00:05:00.000Z"),
    "group": ("create", "any news?", True, "2026-01-02T00:03:20.777Z"),
    "personal": ("create", "안녕하세요, VPN이 안 돼요 🙏🏽", False, "2026-01-02T00:01:40.009Z"),
    "delete": ("delete", "", False, "2026-01-02T00:01:40.009Z"),
}


@pytest.mark.parametrize("name", KEYS)
def test_an_activity_has_its_key(name, activity):
    """Readable, and the same whenever Teams sends it again."""
    key = read_keys(activity(name)).idempotency
    assert key == KEYS[name]
    assert ids.parse_teams_key(key).message == activity(name)["id"]
    assert read_keys(activity(name)) == read_keys(json.loads(json.dumps(activity(name))))


@pytest.mark.parametrize("name", EVENTS)
def test_an_activity_is_understood(name, activity):
    """Kind, text, whether the bot is meant, and when; everything the schema asks for."""
    event = to_event(activity(name), APP)
    assert (event.kind, event.text, event.names_bot, event.timestamp) == EVENTS[name]
    assert (event.tenant_id, event.direction, event.source) == (TENANT, "inbound", "teams")
    assert event.user_hash == ids.aad_hash(activity(name)["from"]["aadObjectId"])
    assert event.message_id == activity(name)["id"]


def test_a_root_is_its_own_thread(activity):
    """With the suffix or without it, and a reply belongs to the root that its conversation names."""
    suffixed, reply = activity("channel_root"), activity("channel_reply", replyToId="1767312077000")
    bare = activity("channel_root", conversation=suffixed["conversation"] | {"id": CHANNEL})
    sessions = {read_keys(raw).session for raw in (suffixed, bare, reply)}
    assert sessions == {f"{TENANT}/channel/{C}/1767312000456"}
    assert to_event(bare, APP).place.root_id == "1767312000456"


def test_a_personal_thread_is_the_persons(activity):
    """Known by the Entra id; by the pairwise id where Teams sends none."""
    assert read_keys(activity("personal")).session == f"{TENANT}/personal/{MINA}"
    sender = activity("personal")["from"] | {"aadObjectId": None}
    assert read_keys(activity("personal", **{"from": sender})).session == f"{TENANT}/personal/29:1Hk4-pairwise-of-mina"


@pytest.mark.parametrize("name", ["install", "team_added", "channel_renamed", "invoke_card_action"])
def test_what_is_no_message_has_no_keys(name, activity):
    """The door does not store it."""
    with pytest.raises(BadActivity):
        read_keys(activity(name))


REACTIONS = [
    (["like"], "👍"),
    (["heart", "1f44f_clappinghands"], "❤️ 👏"),
    (["1f468-200d-1f4bb_mantechnologist"], "👨\u200d💻"),
    (["custom_word", "<b>", "d800_x", "0041_a"], "custom_word d800_x 0041_a"),
]


@pytest.mark.parametrize(("kinds", "shown"), REACTIONS)
def test_reactions_are_shown_as_emoji(kinds, shown, activity):
    """What has none, by its name; markup by nothing."""
    event = to_event(activity("reaction", reactionsAdded=[{"type": kind} for kind in kinds]), APP)
    assert (event.kind, event.text, event.message_id) == ("reaction", shown, "1767312000999")
    assert event.idempotency_key.endswith("1767312000999:reaction.f%3A7c21d0ab")


def test_a_version_has_a_time(activity):
    """To the millisecond; a deletion mostly has none, and one that is taken back says so."""
    assert to_event(activity("edit"), APP).changed_at == "2026-01-02T00:05:00.000Z"
    assert to_event(activity("delete"), APP).changed_at == ""
    restored = activity("edit")["channelData"] | {"eventType": "undeleteMessage"}
    assert to_event(activity("edit", channelData=restored), APP).restored
    assert not to_event(activity("edit"), APP).restored


IGNORED = [
    ("reaction", {"reactionsAdded": None, "reactionsRemoved": [{"type": "like"}]}, "reaction_removed"),
    ("card_submit", {}, "card_submit"),
    ("personal", {"text": ""}, "empty"),
    ("personal", {"text": " \u00a0\r\n "}, "empty"),
    ("group", {"text": "<at>Helpdesk</at> "}, "empty"),
    ("personal", {"from": {"id": f"28:{APP}", "name": "Helpdesk"}}, "from_bot"),
]


@pytest.mark.parametrize(("name", "changes", "reason"), IGNORED)
def test_what_says_nothing_is_ignored_with_a_reason(name, changes, reason, activity):
    """An empty text is no question, and a bot is nobody who asks."""
    assert to_event(activity(name, **changes), APP) == Ignored(reason)


TENANTS = [
    ({"tenant": {"id": "a"}}, {"tenantId": "a"}, "a"),
    ({"tenant": {"id": "a"}}, {}, "a"),
    ({}, {"tenantId": "a"}, "a"),
    ({"tenant": {"id": "a"}}, {"tenantId": "b"}, None),
    ({"tenant": {"id": ""}}, {"tenantId": "b"}, "b"),
    ({"tenant": {"id": ["a"]}}, {"tenantId": None}, None),
    ({"tenant": "a"}, {}, None),
    (None, None, None),
]


@pytest.mark.parametrize(("channel_data", "conversation", "tenant"), TENANTS)
def test_the_tenant_is_what_all_places_agree_on(channel_data, conversation, tenant):
    """Two places name it; a contradiction is no tenant at all."""
    assert tenant_of({"channelData": channel_data, "conversation": conversation}) == tenant


TIMES = [
    ("2026-01-02T00:00:00.4567891Z", "2026-01-02T00:00:00.456Z"),
    ("2026-01-02T09:00:00+09:00", "2026-01-02T00:00:00.000Z"),
    ("2026-01-02T00:00:00", "2026-01-02T00:00:00.000Z"),
    ("not a time", "2026-01-02T00:01:40.009Z"),
    ("0001-01-01T00:00:00+14:00", "2026-01-02T00:01:40.009Z"),
    ("9999-12-31T23:59:59-14:00", "2026-01-02T00:01:40.009Z"),
    (None, "2026-01-02T00:01:40.009Z"),
    (7, "2026-01-02T00:01:40.009Z"),
]


@pytest.mark.parametrize(("sent", "time"), TIMES)
def test_the_time_is_rfc_3339_in_utc(sent, time, activity):
    """Teams sends seven digits of a second; without a usable time the message's id tells it."""
    assert to_event(activity("personal", timestamp=sent), APP).timestamp == time


@pytest.mark.parametrize("odd", ["²", "٣", "1" * 40, "f:1", "-5"])
def test_an_id_that_is_no_time_gives_the_epoch(odd, activity):
    """Any id is good enough to be delivered."""
    assert to_event(activity("personal", timestamp=None, id=odd), APP).timestamp == "1970-01-01T00:00:00.000Z"


def test_the_published_event_tells_nothing_about_the_person(activity):
    """Neither name nor Entra id nor the pairwise id of who wrote it."""
    for name in ("personal", "channel_reply", "group"):
        raw = activity(name)
        published = json.dumps(to_event(raw, APP).to_json(), ensure_ascii=False)
        assert not [value for value in raw["from"].values() if value in published]
        assert raw["serviceUrl"] not in published


BOT = f"28:{APP}"
OLE = "29:1Rw8-pairwise-of-ole"
TEXTS = {
    "the bot first": ("<at>Helpdesk</at> hello", [("<at>Helpdesk</at>", BOT)], "hello", [], True),
    "the bot last": ("hello <at>Helpdesk</at>", [("<at>Helpdesk</at>", BOT)], "hello", [], True),
    "its name as a word": (
        "<at>Helpdesk</at> where is Helpdesk?",
        [("<at>Helpdesk</at>", BOT)],
        "where is Helpdesk?",
        [],
        True,
    ),
    "an escaped name": ("<at>R&amp;D</at> hello", [("<at>R&amp;D</at>", BOT)], "hello", [], True),
    "a name with signs": ("<at>D.*(e)sk[</at> D.*(e)sk[", [("<at>D.*(e)sk[</at>", BOT)], "D.*(e)sk[", [], True),
    "an escaped person": (
        "ask <at>O&#39;Neil &lt;x&gt;</at>",
        [("<at>O&#39;Neil &lt;x&gt;</at>", OLE)],
        "ask @O'Neil <x>",
        ["O'Neil <x>"],
        False,
    ),
    "the bot twice": ("<at>H</at> a <at>H</at> b", [("<at>H</at>", BOT), ("<at>H</at>", BOT)], "a  b", [], True),
    "the bot twice, told once": ("<at>H</at> a <at>H</at> b", [("<at>H</at>", BOT)], "a @H b", [], True),
    "the bot by two names": ("<at>H</at> <at>D</at> b", [("<at>H</at>", BOT), ("<at>D</at>", BOT)], "b", [], True),
    "a person named like the bot": (
        "<at>H</at> <at>H</at> b",
        [("<at>H</at>", BOT), ("<at>H</at>", OLE)],
        "@H b",
        ["H"],
        True,
    ),
    "two people of one name": (
        "<at>Kim</at> and <at>Kim</at>",
        [("<at>Kim</at>", "29:a"), ("<at>Kim</at>", "29:b")],
        "@Kim and @Kim",
        ["Kim", "Kim"],
        False,
    ),
    "a spoofed bot": ("<at>Helpdesk</at> hi", [], "@Helpdesk hi", [], False),
    "a name that says bot, an id that says person": (
        "<at>Helpdesk</at> hi",
        [("<at>Helpdesk</at>", OLE)],
        "@Helpdesk hi",
        ["Helpdesk"],
        False,
    ),
    "another bot": ("<at>Poll</at> hi", [("<at>Poll</at>", "28:other")], "@Poll hi", ["Poll"], False),
    "a mention that is not in the text": ("hi", [("<at>Helpdesk</at>", BOT)], "hi", [], False),
    "an attribute": ('<at id="0">Ole</at> hi', [('<at id="0">Ole</at>', OLE)], "@Ole hi", ["Ole"], False),
    "no closing tag": ("<at>Ole hi", [], "Ole hi", [], False),
    "only a closing tag": ("Ole</at> hi", [], "Ole hi", [], False),
    "tags within tags": ("<at>a<at>b</at>c</at>", [], "a@bc", [], False),
    "words that begin like the tag": (
        'x<attic> and <attachment id="1"></attachment> y',
        [],
        'x<attic> and <attachment id="1"></attachment> y',
        [],
        False,
    ),
    "arithmetic": ("a<b and at>c", [], "a<b and at>c", [], False),
    "lines": ("a\r\nb\u00a0c\n", [], "a\nb c", [], False),
    "Korean": (
        "<at>헬프데스크</at> 안녕 <at>김하나</at>",
        [("<at>헬프데스크</at>", BOT), ("<at>김하나</at>", OLE)],
        "안녕 @김하나",
        ["김하나"],
        True,
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_mentions_become_plain_text(name):
    """The bot's own mention goes, a person's becomes `@Name`, and only the entity's id tells who is who."""
    text, entities, plain, people, bot = TEXTS[name]
    raw = {"text": text, "entities": [{"type": "mention", "text": t, "mentioned": {"id": i}} for t, i in entities]}
    found, mentions, names_bot = read_text(raw, APP)
    assert (found, [mention.display for mention in mentions], names_bot) == (plain, people, bot)
    assert all(isinstance(mention, Mention) and mention.id != BOT for mention in mentions)


@pytest.mark.parametrize("part", ["<at>", "<at", "</at>", "<at >", "<at a<at b"])
def test_text_full_of_broken_tags_is_read(part):
    """A hundred thousand tags without an end are one pass, not a hundred thousand."""
    found, mentions, names_bot = read_text({"text": part * 100_000}, APP)
    assert (mentions, names_bot) == ((), False)
    assert "<at>" not in found


def test_a_card_of_another_app_is_read_below_the_text(activity):
    """It is a message of its own where nothing else was said."""
    content = {"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "Build 7 failed"}]}
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    said = to_event(activity("personal", text="look", attachments=[card]), APP)
    alone = to_event(activity("personal", text="", attachments=[card]), APP)
    assert (said.text, alone.text) == ("look\nBuild 7 failed", "Build 7 failed")
