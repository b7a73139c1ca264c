"""The ring of keys: what is added verifies, what is promoted is tried first, what is retired stays retired."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.freshchat.key_ring import (
    MAX_ENTRIES,
    MAX_RETIRED,
    KeyRing,
    LastKey,
    RingFull,
    change_ring,
    parse_ring,
    record_name,
)
from adapters.freshchat.signature import load_key
from adapters.local.files_secrets import LocalSecrets
from bridge.errors import Misconfigured

OLD = load_key("hmac", "old")


def key_id(text):
    return load_key("hmac", text).id


def ring(*texts, start=100.0):
    made = KeyRing()
    for number, text in enumerate(texts):
        made = made.add("hmac", text, start + number)
    return made


def live(made, *configured):
    return [key.id for key in made.live(configured)]


def states(made):
    return {entry.id: entry.state for entry in made.entries}


def test_an_added_key_verifies_at_once_beside_those_of_the_settings():
    made = ring("new")
    assert live(made, OLD) == [OLD.id, key_id("new")]
    assert states(made) == {key_id("new"): "pending"}


def test_a_promoted_key_is_tried_first_and_the_one_before_goes_on_verifying():
    made = ring("a", "b").promote(key_id("a"), 200.0)
    made = made.promote(key_id("b"), 300.0)
    assert states(made) == {key_id("a"): "previous", key_id("b"): "current"}
    assert [entry.promoted_at for entry in made.entries] == [200.0, 300.0]
    assert live(made, OLD) == [key_id("b"), OLD.id, key_id("a")]
    assert made.promote(key_id("b"), 400.0) == made


def test_adding_what_is_there_changes_nothing():
    made = ring("a").promote(key_id("a"), 200.0)
    assert made.add("hmac", " a\n", 300.0) is made


def test_a_retired_key_of_the_settings_verifies_no_more_and_can_be_added_again():
    made = ring("a").retire(OLD.id, 200.0, [OLD])
    assert live(made, OLD) == [key_id("a")]
    assert live(made.add("hmac", "old", 300.0), OLD) == [OLD.id, key_id("a")]


def test_a_retired_key_that_comes_back_with_old_settings_stays_retired():
    made = ring("old", "a").retire(OLD.id, 200.0, [])
    assert live(made, OLD) == [key_id("a")]
    assert made.find(OLD.id) is None


def test_the_last_key_cannot_be_retired():
    with pytest.raises(LastKey):
        KeyRing().retire(OLD.id, 1.0, [OLD])
    made = ring("a").retire(OLD.id, 1.0, [OLD])
    with pytest.raises(LastKey):
        made.retire(key_id("a"), 2.0, [OLD])


def test_a_key_in_ring_and_settings_is_tried_once_in_the_place_of_its_state():
    made = ring("old", "a").promote(OLD.id, 1.0)
    assert live(made, load_key("hmac", "b"), OLD) == [OLD.id, key_id("b"), key_id("a")]


def test_a_full_ring_says_so():
    made = ring(*(f"k{n}" for n in range(MAX_ENTRIES)))
    with pytest.raises(RingFull):
        made.add("hmac", "one more", 1.0)


def test_very_many_retired_ids_are_bounded_and_the_newest_stay():
    made = ring("a")
    for number in range(MAX_RETIRED + 5):
        made = made.retire(f"{number:08x}", float(number), [])
    assert len(made.retired) == MAX_RETIRED
    assert list(made.retired)[-1] == f"{MAX_RETIRED + 4:08x}"


@pytest.mark.parametrize("text", ["", "a"])
def test_what_cannot_be_used_is_not_added(text):
    with pytest.raises(Misconfigured):
        KeyRing().add("rsa", text, 1.0)


steps = st.lists(st.tuples(st.sampled_from(["add", "promote", "retire"]), st.sampled_from("abcd")), max_size=25)


@given(steps)
def test_whatever_is_done_one_key_is_live_one_is_current_and_nothing_retired_verifies(steps):
    made = KeyRing()
    for number, (what, text) in enumerate(steps):
        name = key_id(text)
        if what == "add":
            made = made.add("hmac", text, float(number))
        elif what == "promote" and made.find(name):
            made = made.promote(name, float(number))
        elif what == "retire":
            try:
                made = made.retire(name, float(number), [OLD])
            except LastKey:
                continue
        assert live(made, OLD)
        assert list(states(made).values()).count("current") <= 1
        assert not set(live(made, OLD)) & set(made.retired)
        assert parse_ring("t", made.model_dump_json()) == made


@pytest.mark.parametrize("text", ["", "{", "[]", '{"entries": 7}', '{"entries": [{"id": "x", "value": "planted"}]}'])
def test_a_record_that_is_none_is_named_and_not_quoted(text):
    with pytest.raises(Misconfigured, match="webhook-keys-t9") as caught:
        parse_ring("t9", text)
    assert "planted" not in str(caught.value)


def test_a_value_is_in_no_repr():
    assert "planted" not in repr(ring("planted"))


async def test_changes_by_two_processes_at_once_are_all_kept(tmp_path):
    """Each has its own source on the same folder, as two commands have."""
    sources = [LocalSecrets(tmp_path, {}) for _ in range(4)]
    adding = [
        change_ring(sources[n % 4], "t1", lambda ring, n=n: ring.add("hmac", f"k{n}", 1.0)) for n in range(MAX_ENTRIES)
    ]
    await asyncio.gather(*adding)
    [text] = await sources[0].get(record_name("t1"))
    assert {entry.id for entry in parse_ring("t1", text).entries} == {key_id(f"k{n}") for n in range(MAX_ENTRIES)}


async def test_two_retirements_at_once_leave_a_key(tmp_path):
    secrets = LocalSecrets(tmp_path, {})
    await change_ring(secrets, "t1", lambda _: ring("a", "b"))
    results = await asyncio.gather(
        *(change_ring(secrets, "t1", lambda r, t=t: r.retire(key_id(t), 1.0, [])) for t in "ab"), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LastKey", "tuple"]
