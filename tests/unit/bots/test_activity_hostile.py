"""Whatever an activity looks like, reading it ends in keys, in an event, or in one of two refusals."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bots.activity import BadActivity, Keys, read_keys, tenant_of, to_event
from bots.message_text import read_text
from bridge.errors import Rejected
from bridge.events import Event, Ignored

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "teams"
RECORDED = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIXTURES.glob("*.json"))]

ODD = st.sampled_from(
    ["", " ", "-", "\0", "²", "message", "28:", "29:x", ";messageid=", ";messageid=7", "19:x@thread.v2", "channel",
     "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "<at>", "<at>x</at>", "٣" * 13, "9" * 13, "-1", "x" * 3000]
)  # fmt: skip
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ODD
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["type", "id", "timestamp", "serviceUrl", "from", "conversation", "channelData", "entities", "text", "value",
         "replyToId", "locale"]  # fmt: skip
DEEP = {
    "from": ["id", "name", "aadObjectId"],
    "conversation": ["id", "conversationType", "tenantId"],
    "channelData": ["tenant", "team", "channel"],
}


@st.composite
def bent(draw):
    """A recorded activity with a few fields bent, some of them deep inside."""
    raw = json.loads(json.dumps(draw(st.sampled_from(RECORDED))))
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)):
        inside = raw.get(name)
        if name in DEEP and isinstance(inside, dict) and draw(st.booleans()):
            inside[draw(st.sampled_from(DEEP[name]))] = draw(JSON)
        elif name == "entities" and draw(st.booleans()):
            raw[name] = draw(
                st.lists(st.fixed_dictionaries({"type": st.just("mention"), "text": JSON, "mentioned": JSON}))
            )
        else:
            raw[name] = draw(JSON)
    return raw


def _read(raw):
    try:
        keys = read_keys(raw)
    except BadActivity:
        keys = None
    try:
        event = to_event(raw, APP)
    except Rejected as refused:
        assert refused.code in ("not_understood", "bad_event")
        return keys, None
    return keys, event


@given(bent())
def test_a_bent_activity_is_read_or_refused(raw):
    """Never another exception; and what delivery understands, the door has had keys for."""
    keys, event = _read(raw)
    assert isinstance(event, Event | Ignored | None)
    if isinstance(event, Event):
        assert isinstance(keys, Keys)
        assert (event.idempotency_key, event.thread_key) == (keys.idempotency, keys.session)
        assert event.tenant_id == tenant_of(raw)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON))
def test_any_object_is_read_or_refused(raw):
    """Nothing in it has to be there, or to be what it says."""
    keys, event = _read(raw)
    assert not isinstance(event, Event) or keys is not None


MARKUP = st.lists(st.sampled_from(["<at>", "</at>", "<at id=1>", "Desk", "&amp;", "&lt;at&gt;", " ", "한", "<", ">"]))


@given(
    MARKUP.map("".join), st.lists(st.tuples(MARKUP.map("".join), st.sampled_from([f"28:{APP}", "29:x"])), max_size=4)
)
def test_no_tag_that_came_as_a_tag_is_left_for_the_agent(text, entities):
    """However tags are nested, broken or repeated; what was escaped as text may stay text."""
    raw = {"text": text, "entities": [{"type": "mention", "text": t, "mentioned": {"id": i}} for t, i in entities]}
    found, mentions, _ = read_text(raw, APP)
    assert "<at id=1>" not in found
    assert len(mentions) <= len(entities)
