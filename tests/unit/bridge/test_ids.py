"""Every composed key can be taken apart again, and two different things never share one."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import ids
from bridge.ids import FreshchatKey, TeamsKey, ThreadKey

SEPARATORS = st.text(alphabet="/:#%|-.;=a", max_size=6)
"""Few letters, nearly all of them separators: two draws are often equal, or differ only by an escape."""

AWKWARD = st.sampled_from(
    ["-", "--", "%2D", "%2d", "%", "/", ":", "#", "a/b", "a:b", "한국어", "👩🏽‍🚀", " ", "\n", "\0", "+"]
)
TEXT = st.one_of(st.text(max_size=20), SEPARATORS, AWKWARD)
SOME = TEXT.filter(bool)
ACTIONS = st.sampled_from(get_args(ids.Action))

TEAMS = st.builds(TeamsKey, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT, TEXT, ACTIONS, st.none() | TEXT)
FRESHCHAT = st.builds(
    FreshchatKey, TEXT, TEXT, st.sampled_from(["create", "conversation_resolution", "re-open"]), st.none() | TEXT
)
THREAD = st.one_of(
    st.builds(ThreadKey, TEXT, st.just("channel"), st.tuples(TEXT, TEXT)),
    st.builds(ThreadKey, TEXT, st.sampled_from(["groupChat", "personal"]), st.tuples(TEXT)),
)


def _missing_is_none(key):
    return key._replace(**{name: None for name in ("team", "channel", "thread", "version") if not getattr(key, name)})


@given(TEAMS)
def test_a_teams_key_is_taken_apart_into_what_it_was_made_of(key):
    """Any text survives; an empty optional part means the same as an absent one."""
    assert ids.parse_teams_key(ids.teams_key(key)) == _missing_is_none(key)


@given(FRESHCHAT)
def test_a_freshchat_key_is_taken_apart_into_what_it_was_made_of(key):
    """Any text survives; an empty time means the same as none."""
    assert ids.parse_freshchat_key(ids.freshchat_key(key)) == key._replace(time=key.time or None)


@given(THREAD)
def test_a_thread_key_is_taken_apart_into_what_it_was_made_of(key):
    """Any text survives in every scope."""
    assert ids.parse_thread_key(ids.thread_key(key)) == key


@given(TEXT, TEXT)
def test_a_sent_key_is_taken_apart_into_what_it_was_made_of(container, message):
    """Any text survives on both sides of the slash."""
    assert ids.parse_sent_key(ids.sent_key(container, message)) == (container, message)


@given(TEXT, TEAMS.map(ids.teams_key) | FRESHCHAT.map(ids.freshchat_key))
def test_a_message_id_is_taken_apart_into_what_it_was_made_of(tenant, key):
    """Also that of a notice, which names the message it is about."""
    assert ids.parse_dedupe_id(ids.dedupe_id(tenant, key)) == (tenant, key)
    notice = ids.notice_key(key)
    assert notice != key
    assert ids.about(notice) == ids.about(key) == key


@given(TEAMS.map(ids.teams_key) | FRESHCHAT.map(ids.freshchat_key), st.from_regex(r"[a-z]+\.[0-9]+", fullmatch=True))
def test_a_step_key_is_taken_apart_into_what_it_was_made_of(key, step):
    """A journal key names its delivery and its step, whatever text is in the delivery's key."""
    assert ids.parse_step_key(ids.step_key(key, step)) == (key, step)


def _never_collide(make, one, other, same):
    assert (make(one) == make(other)) == same


@given(st.builds(TeamsKey, SEPARATORS, SEPARATORS, SEPARATORS, SEPARATORS, ACTIONS, SEPARATORS), st.data())
def test_teams_keys_of_different_activities_differ(key, data):
    """Moving a character from one part to its neighbour makes another key."""
    other = data.draw(st.builds(TeamsKey, SEPARATORS, SEPARATORS, SEPARATORS, SEPARATORS, ACTIONS, SEPARATORS))
    _never_collide(ids.teams_key, key, other, _missing_is_none(key) == _missing_is_none(other))


@given(SEPARATORS, SEPARATORS, SEPARATORS, SEPARATORS)
def test_no_tenant_can_shadow_another_ones_message(tenant, key, other_tenant, other_key):
    """The queue's message id is different for every pair of tenant and key."""
    same = (tenant, key) == (other_tenant, other_key)
    assert (ids.dedupe_id(tenant, key) == ids.dedupe_id(other_tenant, other_key)) == same


def test_the_same_message_in_two_tenants_is_two_messages():
    """Dedupe is per tenant, also for a tenant whose name begins like another one's key."""
    key = ids.teams_key(TeamsKey(None, "c", "1", "2", "create"))
    assert ids.dedupe_id("a", key) != ids.dedupe_id("b", key)
    assert ids.dedupe_id("a", f"b|{key}") != ids.dedupe_id("a|b", key)


@given(THREAD, SEPARATORS, SEPARATORS)
def test_an_ordering_key_to_teams_is_never_one_to_freshchat(thread, tenant, conversation):
    """A conversation and a thread do not share a session, whatever their ids are."""
    assert ids.thread_key(thread) != ids.conversation_key(tenant, conversation)


@given(SEPARATORS, SEPARATORS, SEPARATORS, SEPARATORS)
def test_conversations_of_different_tenants_have_their_own_order(tenant, conversation, other_tenant, other):
    """Equal conversation ids of two accounts do not wait for each other."""
    same = (tenant, conversation) == (other_tenant, other)
    assert (ids.conversation_key(tenant, conversation) == ids.conversation_key(other_tenant, other)) == same


@given(st.one_of(TEXT, SEPARATORS.map(lambda t: f"teams:{t}"), SEPARATORS.map(lambda t: f"freshchat:{t}")))
def test_what_is_no_key_is_refused_with_a_value_error_and_nothing_else(text):
    """Taking apart any text gives parts or ValueError."""
    for parse in (ids.parse_teams_key, ids.parse_freshchat_key, ids.parse_thread_key, ids.parse_sent_key):
        try:
            parse(text)
        except ValueError:
            continue


NOT_KEYS = [
    (ids.parse_teams_key, "freshchat:a/b:create"),
    (ids.parse_teams_key, "teams:a/b/c:create"),
    (ids.parse_teams_key, "teams:a/b/c/d"),
    (ids.parse_teams_key, "teams:a/b/c/d:create."),
    (ids.parse_teams_key, "teams:a/b/c/d:create\n"),
    (ids.parse_freshchat_key, "teams:a/b/c/d:create"),
    (ids.parse_freshchat_key, "freshchat:a:create"),
    (ids.parse_thread_key, ""),
    (ids.parse_thread_key, "t/channel/only-one"),
    (ids.parse_thread_key, "t/personal/a/b"),
    (ids.parse_thread_key, "t/conversation/a"),
    (ids.parse_sent_key, "no-slash"),
    (ids.parse_sent_key, "container/"),
    (ids.parse_sent_key, ""),
]


@pytest.mark.parametrize(("parse", "text"), NOT_KEYS)
def test_a_key_of_another_kind_is_refused(parse, text):
    """A key is only taken apart by its own function."""
    with pytest.raises(ValueError):
        parse(text)


@given(st.text(max_size=30).filter(lambda t: ";messageid=" not in t), st.integers(1, 10**18).map(str))
def test_a_conversation_id_is_split_into_what_it_was_joined_of(channel, root):
    """Splitting takes back what joining did."""
    assert ids.split_conversation(ids.join_conversation(channel, root)) == (channel, root)


@given(st.text(max_size=30), st.integers(1, 10**18).map(str), st.integers(1, 10**18).map(str))
def test_joining_replaces_a_suffix_that_is_already_there(channel, old, new):
    """A conversation id never carries two root messages."""
    joined = ids.join_conversation(ids.join_conversation(channel, old), new)
    assert joined.count(";messageid=") == 1
    assert joined.endswith(f";messageid={new}")


@pytest.mark.parametrize("root", ["", "0", "000", "abc", "-1", "1.0", " 1", "1 ", "²", "٣٣", "１２", "1;x"])
def test_only_a_non_zero_number_is_a_root(root):
    """Teams refuses other roots, so they are refused here; other scripts' digits are no digits to Teams."""
    with pytest.raises(ValueError):
        ids.join_conversation("19:x@thread.tacv2", root)


def test_a_conversation_without_a_root_has_none():
    """Top-level posts, chats and an empty suffix name no root."""
    assert ids.split_conversation("19:x@thread.v2") == ("19:x@thread.v2", None)
    assert ids.split_conversation("19:x@thread.tacv2;messageid=") == ("19:x@thread.tacv2", None)


def test_an_entra_id_has_one_hash_however_it_is_written():
    """GUIDs compare case-blind; the hash is lower-case hex and does not contain the id."""
    hashed = ids.aad_hash("2B9E6D50-71f4-4c3a-8a0e-5f6c7d8e9a01")
    assert hashed == ids.aad_hash(" 2b9e6d50-71F4-4C3A-8A0E-5F6C7D8E9A01 ")
    assert len(hashed) == 64
    assert "2b9e6d50" not in hashed
    assert ids.reference_id(hashed) == f"teams:{hashed}"


def test_a_reference_can_be_read_out():
    """A trace id is 32 hex digits; its short form is eight of them."""
    trace = ids.new_trace_id()
    assert len(trace) == 32
    assert int(trace, 16) >= 0
    assert ids.reference("7f3a09bc" + "0" * 24) == "7F3A-09BC"


@pytest.mark.parametrize("written", ["7F3A-09BC", "7f3a09bc", " 7f3a-09BC ", "7F3A-09BC-1234"])
def test_a_reference_is_read_however_it_is_written(written):
    """Any case, with or without dashes, or longer, up to a whole trace id."""
    trace = "7f3a09bc1234" + "0" * 20
    assert trace.startswith(ids.parse_reference(written))
    assert ids.parse_reference(trace) == trace


@pytest.mark.parametrize("wrong", ["", "7F3A", "7F3A-09BG", "7f3a09bc" * 5, "７F3A09BC"])
def test_what_is_no_reference_is_refused(wrong):
    """Too short, too long, not hexadecimal."""
    with pytest.raises(ValueError, match="reference"):
        ids.parse_reference(wrong)


def test_a_log_shows_threads_but_no_person():
    """Channels, chats and conversations stay readable; the Entra id of a personal chat becomes a short hash."""
    person = "2b9e6d50-71f4-4c3a-8a0e-5f6c7d8e9a01"
    shown = ids.for_log(ids.thread_key(ThreadKey("t1", "personal", (person,))))
    assert shown == f"t1/personal/{ids.aad_hash(person)[:12]}"
    for session in ("t1/conversation/c1", "t1/groupChat/19:x", "t1/channel/19:x/7", "no key at all"):
        assert ids.for_log(session) == session
