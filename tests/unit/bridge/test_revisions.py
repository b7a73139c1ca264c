"""Which version of a message an agent reads: orders that two platforms rarely produce, on the real thread map."""

from __future__ import annotations

import json

import pytest

from bridge import ids
from bridge.events import Event, Ignored, Place, Sender
from bridge.newest import LONGEST, Newest
from bridge.ports import Delivery, Envelope
from bridge.revisions import FRESH, Revisions, message_step
from cards import texts

PLACE = Place(
    scope="channel",
    conversation_id="19:c@thread.tacv2;messageid=100",
    service_url="https://smba.trafficmanager.net/emea/t1/",
    channel_id="19:c@thread.tacv2",
    root_id="100",
)
MESSAGE = ids.sent_key("19:c@thread.tacv2", "100")
ORIGINAL = "teams:-/19:c@thread.tacv2/100/100:create"


def event(kind="create", text="first", at="", **more):
    """Make a version of the one message of these tests."""
    key = f"{ORIGINAL.rpartition(':')[0]}:{kind}{f'.{at}' if at else ''}"
    facts = {
        "idempotency_key": key,
        "tenant_id": "t1",
        "direction": "inbound",
        "kind": kind,
        "timestamp": "2026-01-02T00:00:00Z",
        "sender": Sender(kind="user", id="29:mina", name="Mina"),
        "text": text,
        "message_id": "100",
        "place": PLACE,
        "changed_at": at,
    }
    return Event(**(facts | more))


class World:
    """The decisions of one bridge; a raw activity is named by its text."""

    def __init__(self, threads, clock, telemetry):
        self.threads, self.clock = threads, clock
        self.newest = Newest(threads, telemetry, clock)
        self.known = {}
        self.revisions = Revisions(threads, self.newest, lambda raw: self.known[raw["name"]], texts.say, clock, None)

    async def comes_in(self, change):
        """The door takes a change in; give its envelope's time."""
        name = f"{len(self.known)}"
        self.known[name] = change
        await self.newest.note("t1", MESSAGE, change.changed_at, json.dumps({"name": name}).encode())
        self.clock.advance(1)
        return self.clock.now - 0.5

    async def current(self, one, received_at=0.0, attempts=0):
        """Decide on a delivery."""
        envelope = Envelope(
            direction="to-freshchat",
            tenant="t1",
            message_id="m",
            session="s",
            kind=one.kind,
            trace="0",
            body=b"{}",
            received_at=received_at,
        )
        return await self.revisions.current(
            one, Delivery(envelope=envelope, attempts=attempts, first_failed_at=None, lease="x")
        )

    async def says(self, one, received_at=0.0):
        """Deliver; give what is said, or why nothing is."""
        current = await self.current(one, received_at)
        if isinstance(current, Ignored):
            return current.reason
        current = await self.revisions.begin(current, None, None)
        step = message_step(current.idempotency_key, 0)
        await self.threads.start("t1", step, self.clock())
        await self.threads.done("t1", step, ids.sent_key("c", current.idempotency_key))
        await self.revisions.settle(current)
        return current.kind, current.text


@pytest.fixture
def world(threads, clock, telemetry):
    return World(threads, clock, telemetry)


async def test_what_is_delivered_at_once_is_not_looked_up(world):
    """Nothing is read for a first try within seconds, whatever is noted."""
    await world.comes_in(event("edit", "second", "2026-01-02T00:00:01Z"))
    fresh = world.clock.now - FRESH / 2
    assert (await world.current(event(), fresh)).text == "first"
    assert (await world.current(event(), fresh, attempts=1)).text == "second"
    assert (await world.current(event(), world.clock.now - FRESH)).text == "second"


async def test_a_deletion_that_was_taken_back_in_time_is_not_told(world):
    """Message, deletion without a time, restoration: the message is said as restored, and nothing after it."""
    gone = event("delete", "")
    back = event("edit", "first again", "2026-01-02T00:00:02Z", restored=True)
    times = [await world.comes_in(gone), await world.comes_in(back)]
    assert await world.says(event()) == ("create", "first again")
    assert await world.says(gone, times[0]) == "delete_in_original"
    assert await world.says(back, times[1]) == "edit_in_original"
    later = event("delete", "")
    assert await world.says(later, await world.comes_in(later)) == ("delete", "")


async def test_an_older_note_does_not_replace_a_newer_one(world):
    """Edits may overtake each other on their way to the door."""
    await world.comes_in(event("edit", "third", "2026-01-02T00:00:03Z"))
    await world.comes_in(event("edit", "second", "2026-01-02T00:00:02Z"))
    assert await world.says(event()) == ("create", "third")


async def test_a_message_that_was_said_stays_as_it_was(world):
    """A redelivery after the call: an edit that came in between follows, it is not taken for said."""
    assert await world.says(event()) == ("create", "first")
    edit = event("edit", "second", "2026-01-02T00:00:01Z")
    received = await world.comes_in(edit)
    assert (await world.current(event())).text == "first"
    assert await world.says(edit, received) == ("edit", "second")
    assert await world.says(edit, received) == "already_said"


async def test_a_replayed_message_does_not_come_after_its_edit(world):
    """It was given up, its edit was told; and a later replay says nothing either if it was deleted."""
    edit = event("edit", "second", "2026-01-02T00:00:01Z")
    assert await world.says(edit, await world.comes_in(edit)) == ("edit", "second")
    assert (await world.current(event(), attempts=1)).reason == "edit_was_told"
    gone = event("delete", "")
    assert await world.says(gone, await world.comes_in(gone)) == ("delete", "")
    assert (await world.current(event(), attempts=1)).reason == "deleted_before_delivery"


async def test_a_restored_message_that_was_never_said_is_a_message(world):
    """Nothing else would tell the agent of it."""
    gone = event("delete", "")
    received = await world.comes_in(gone)
    assert await world.says(event()) == "deleted_before_delivery"
    assert await world.says(gone, received) == "delete_of_unsent"
    back = event("edit", "first", "2026-01-02T00:00:02Z", restored=True)
    assert await world.says(back, await world.comes_in(back)) == ("create", "first")
    edit = event("edit", "second", "2026-01-02T00:00:03Z")
    assert await world.says(edit, await world.comes_in(edit)) == ("edit", "second")


async def test_a_long_text_that_was_tried_stays_as_it_was_tried(world):
    """Its pieces may be there in part."""
    await world.threads.start("t1", message_step(ORIGINAL, 0), 1.0)
    await world.comes_in(event("edit", "second", "2026-01-02T00:00:01Z"))
    long = "x" * 20_000
    assert (await world.current(event(text=long))).text == long
    now = await world.current(event())
    assert (now.text, now.revision.earlier) == ("second", ("first",))


async def test_what_two_tries_may_have_said_is_looked_for(world):
    """Every version that was tried, until the message is settled; then no text is kept."""
    await world.threads.start("t1", message_step(ORIGINAL, 0), 1.0)
    for number in (1, 2):
        await world.comes_in(event("edit", f"edit {number}", f"2026-01-02T00:00:0{number}Z"))
        now = await world.current(event())
    assert (now.text, now.revision.earlier) == ("edit 2", ("first", "edit 1"))
    await world.revisions.found(now, "edit 1")
    await world.revisions.settle(now)
    second = event("edit", "edit 2", "2026-01-02T00:00:02Z")
    assert await world.says(event("edit", "edit 1", "2026-01-02T00:00:01Z")) == "edit_in_original"
    assert await world.says(second) == ("edit", "edit 2")
    kept = [await world.threads.fact("t1", kind, MESSAGE) for kind in ("edit", "message")]
    assert "edit 1" not in json.dumps(kept)


async def test_a_note_that_cannot_be_had_costs_a_follow_up_only(world):
    """A body beyond all bounds is queued, not noted."""
    edit = event("edit", "second", "2026-01-02T00:00:01Z")
    await world.newest.note("t1", MESSAGE, edit.changed_at, b'"' + b"x" * LONGEST + b'"')
    assert await world.says(event()) == ("create", "first")
    assert await world.says(edit) == ("edit", "second")
