"""Reconciliation on the real stores: what webhooks did not bring is queued once, in order, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.freshchat.translate import keys, to_event
from bridge import ids
from bridge.errors import Forbidden, Rejected, StoreFull, Throttled, Unavailable
from bridge.events import Ignored, Place
from bridge.intake import Intake
from bridge.ports import Link, ReadBack, Said
from bridge.reconcile import AGAIN, DAY, GAP, OVERLAP, START, TOGETHER, WAITS, YOUNG, Order, Reconciler
from bridge.reply_posts import reply_step
from bridge.retirement import Retired, reinstate, retire
from tests.unit.bridge.conftest import START as NOW

OLD = NOW - 3600.0
PLACE = Place(scope="groupChat", conversation_id="19:chat@thread.v2", service_url="https://x")


def _iso(at):
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _message(conversation, number, at=OLD, **more):
    actor = {"actor_type": "agent", "actor_id": "agent-1"}
    message = {
        "id": f"m{number}",
        "conversation_id": conversation,
        "created_time": _iso(at),
        "message_type": "normal",
        "message_parts": [{"text": {"content": f"answer {number}"}}],
    }
    message |= actor | more
    body = {"actor": actor, "action": "message_create", "action_time": _iso(at), "data": {"message": message}}
    return Said(body, at)


def _key(conversation, number):
    return f"freshchat:{conversation}/m{number}:create"


class Account:
    """A Freshchat account that knows its conversations; `troubles` are raised one after the other."""

    def __init__(self):
        self.said, self.status, self.changed, self.asked, self.troubles, self.meanwhile = {}, {}, {}, [], {}, None

    async def read_back(self, conversation_id, since):
        self.asked.append((conversation_id, since))
        if self.troubles.get(conversation_id):
            raise self.troubles[conversation_id].pop(0)
        if self.meanwhile:
            await self.meanwhile()
        said = [one for one in self.said.get(conversation_id, []) if one.at >= since]
        status = self.status.get(conversation_id, "open")
        return ReadBack(said=said, status=status, changed_at=self.changed.get(conversation_id))

    @property
    def read(self):
        return [conversation for conversation, _ in self.asked]


class Slept:
    """Sleeps no longer than it takes to note for how long."""

    def __init__(self):
        self.waits = []

    async def __call__(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def slept():
    return Slept()


@pytest.fixture
def helpdesks(account):
    return {"t1": account}


@pytest.fixture
def passes(helpdesks, threads, queue, telemetry, clock, slept):
    return Reconciler(
        helpdesks=helpdesks,
        threads=threads,
        intake=Intake(queue, telemetry, clock),
        keys=keys,
        translate=to_event,
        telemetry=telemetry,
        clock=clock,
        days=7,
        sleep=slept,
    )


@pytest.fixture
def linked(threads, clock):
    """Link conversations to threads of their own."""

    async def linked(*conversations, active_at=None, tenant="t1"):
        for conversation in conversations:
            link = Link(
                conversation_id=conversation,
                tenant_id=tenant,
                thread_key=f"{tenant}/{conversation}",
                place=PLACE,
                freshchat_user_id="u",
                inbox_id="ours",
                active_at=clock() if active_at is None else active_at,
            )
            await threads.link(link, "someone")

    return linked


@pytest.fixture
def queued(queue):
    """Take all that waits for Teams, settle it, and give its keys by session."""

    async def queued():
        found = {}
        while (session := await queue.accept("to-teams", wait=0)) is not None:
            while (delivery := await session.next()) is not None:
                assert json.loads(delivery.envelope.body)["action"] == "message_create"
                found.setdefault(session.key, []).append(delivery.envelope.message_id)
                await session.complete(delivery)
        return found

    return queued


def _ids(conversation, *numbers):
    return {ids.conversation_key("t1", conversation): [ids.dedupe_id("t1", _key(conversation, n)) for n in numbers]}


async def test_what_no_delivery_knows_of_is_queued_once_oldest_first(passes, account, linked, threads, queued):
    """Under the keys of the door; what the journal knows stays away, even if it is only under way."""
    await linked("c1", "c2")
    account.said["c1"] = [_message("c1", n, OLD + n) for n in range(5)]
    account.said["c2"] = [_message("c2", 9)]
    await threads.start("t1", reply_step(_key("c1", 1), 0), OLD)
    await threads.done("t1", reply_step(_key("c1", 3), 0), "sent")
    result = await passes.run("t1")
    assert (result.read, result.found, result.missing) == (2, 6, 4)
    assert await queued() == _ids("c1", 0, 2, 4) | _ids("c2", 9)
    assert (await passes.run("t1")).missing == 0
    assert await queued() == {}


async def test_a_webhook_that_comes_after_all_is_a_duplicate(passes, account, linked, queue, clock, telemetry):
    """And one that came first is not healed: the queue has seen it, though nothing is sent yet."""
    await linked("c1")
    early, late = _message("c1", 1), _message("c1", 2, OLD + 1)
    door = Intake(queue, telemetry, clock)

    async def webhook(said):
        key, session, kind = keys(said.body, "t1")
        return await door.store("to-teams", "t1", key, session, kind, json.dumps(said.body).encode())

    assert await webhook(early)
    account.said["c1"] = [early, late]
    assert (await passes.run("t1")).missing == 1
    assert not await webhook(late)
    assert (await queue.depth("to-teams")).waiting == 2


PASSES_NOT = {
    "a private note": {"message_type": "private"},
    "a bot's private note": {"actor_type": "bot", "botsPrivateNote": True},
    "an unknown type": {"message_type": "whisper"},
    "what the user wrote": {"actor_type": "user"},
    "the system": {"actor_type": "system"},
    "an unknown actor": {"actor_type": "oracle"},
    "an empty message": {"message_parts": []},
    "a message without id": {"id": None},
}


@pytest.mark.parametrize("more", PASSES_NOT.values(), ids=PASSES_NOT)
async def test_what_the_door_would_not_carry_is_not_read_back_either(more, passes, account, linked, queued):
    """One rule for both ways in."""
    await linked("c1")
    account.said["c1"] = [_message("c1", 1, **more), _message("c1", 2, actor_type="bot")]
    assert (await passes.run("t1")).missing == 1
    assert await queued() == _ids("c1", 2)


async def test_a_message_that_cannot_be_translated_is_queued_all_the_same(passes, account, linked, queued):
    """It becomes a dead letter that can be replayed after a fix, as from the door."""
    await linked("c1")
    account.said["c1"] = [_message("c1", 1, created_time="yesterday")]
    assert (await passes.run("t1")).missing == 1
    assert await queued() == _ids("c1", 1)


async def test_the_newest_are_left_to_their_webhooks(passes, account, linked, queued, clock):
    """The next pass takes them, if they are still missing then; a pass by hand takes them at once."""
    await linked("c1")
    account.said["c1"] = [_message("c1", 1, clock() - YOUNG - 1), _message("c1", 2, clock() - YOUNG + 1)]
    result = await passes.run("t1")
    assert (result.found, result.missing) == (1, 1)
    assert (await passes.run("t1", Order(conversation="c1", dry_run=True))).missing == 2
    clock.advance(900)
    assert (await passes.run("t1")).missing == 1
    assert await queued() == _ids("c1", 1, 2)


async def test_a_dry_run_changes_nothing(passes, account, linked, queued, threads):
    """It only tells."""
    await linked("c1")
    account.said["c1"], account.status["c1"] = [_message("c1", 1)], "resolved"
    told = []
    result = await passes.run("t1", Order(dry_run=True), told.append)
    assert (result.missing, result.statuses) == (1, 1)
    assert [(one.conversation, one.key, one.at) for found in told for one in found] == [("c1", _key("c1", 1), OLD)]
    assert await queued() == {}
    assert (await threads.by_conversation("t1", "c1")).status == "open"
    assert await threads.fact("t1", "mark", "reconcile") is None


# --- since when -----------------------------------------------------------------------------------------------------


async def test_a_pass_reads_since_the_last_complete_one_began(passes, account, linked, clock):
    """The first one reads the window; each overlaps the one before."""
    await linked("c1")
    began = clock()
    await passes.run("t1")
    clock.advance(900)
    await passes.run("t1")
    clock.advance(20 * DAY)
    await linked("c2")
    await passes.run("t1")
    assert [since for _, since in account.asked] == [
        began - 7 * DAY,
        began - OVERLAP,
        *[began + 900 - OVERLAP] * 2,
    ]


async def test_a_bridge_that_was_away_for_weeks_reads_no_further_than_its_journal(passes, account, linked, clock):
    """Beyond that it could not tell what was delivered."""
    await linked("c1")
    await passes.run("t1")
    clock.advance(60 * DAY)
    await linked("c2")
    await passes.run("t1")
    assert account.asked[1:] == [("c2", clock() - 28 * DAY)]


async def test_a_pass_by_hand_leaves_the_mark_alone(passes, account, linked, threads, clock):
    """It has read something else than what the next pass must read."""
    await linked("c1", "c2")
    await passes.run("t1", Order(since=OLD))
    await passes.run("t1", Order(conversation="c2"))
    assert account.asked == [("c1", OLD), ("c2", OLD), ("c2", clock() - 7 * DAY)]
    assert await threads.fact("t1", "mark", "reconcile") is None
    assert (await passes.run("t1", Order(conversation="nobody's"))).read == 0


async def test_conversations_that_were_quiet_for_longer_are_not_read(passes, account, linked, clock):
    """Nobody pays for the conversations of all times in every pass."""
    await linked("quiet", active_at=clock() - 8 * DAY)
    await linked(*(f"c{n}" for n in range(250)))
    await passes.run("t1", Order(since=OLD))
    assert sorted(account.read) == sorted(f"c{n}" for n in range(250))


# --- status ---------------------------------------------------------------------------------------------------------

STATUSES = [("open", "resolved", "resolved"), ("resolved", "open", "open"), ("open", None, "open")]


@pytest.mark.parametrize(("before", "now", "after"), STATUSES)
async def test_a_status_whose_webhook_was_lost_is_corrected(before, now, after, passes, account, linked, threads):
    """After `resolved`, the next question opens a new conversation."""
    await linked("c1")
    await threads.update(replace(await threads.by_conversation("t1", "c1"), status=before))
    account.status["c1"], account.changed["c1"] = now, OLD
    assert (await passes.run("t1")).statuses == (before != after)
    assert (await threads.by_conversation("t1", "c1")).status == after


async def test_a_status_that_has_just_changed_is_left_to_its_webhook(passes, account, linked, threads, clock):
    """Unless somebody asks."""
    await linked("c1")
    account.status["c1"], account.changed["c1"] = "resolved", clock() - 1
    assert (await passes.run("t1")).statuses == 0
    assert (await threads.by_conversation("t1", "c1")).status == "open"
    assert (await passes.run("t1", Order(conversation="c1"))).statuses == 1


@pytest.mark.parametrize("told", ["open", "resolved"])
async def test_what_happens_while_we_read_is_kept(told, passes, account, linked, threads):
    """The link is read anew before it is changed: another delivery may have changed it, or corrected it."""
    await linked("c1")
    account.status["c1"] = "resolved"

    async def moved():
        link = await threads.by_conversation("t1", "c1")
        await threads.update(replace(link, status=told, place=replace(link.place, service_url="https://y")))

    account.meanwhile = moved
    assert (await passes.run("t1")).statuses == (told == "open")
    link = await threads.by_conversation("t1", "c1")
    assert (link.status, link.place.service_url) == ("resolved", "https://y")


# --- trouble --------------------------------------------------------------------------------------------------------


def _away():
    return Unavailable("503", code="freshchat_503", component="freshchat")


async def test_a_pass_waits_as_long_as_it_is_asked_to(passes, account, linked, slept, queued):
    """Then it goes on where it was."""
    await linked("c1")
    account.said["c1"] = [_message("c1", 1)]
    account.troubles["c1"] = [Throttled("429", code="freshchat_429", component="freshchat", after=77.0), _away()]
    assert (await passes.run("t1")).missing == 1
    assert slept.waits == [77.0, WAITS[1], GAP]


async def test_one_conversation_that_cannot_be_read_stops_no_other(passes, account, linked, queued, threads):
    """But the next pass reads the same again."""
    await linked("c1", "c2", "c3")
    account.said = {c: [_message(c, 1)] for c in ("c1", "c2", "c3")}
    account.troubles["c2"] = [_away() for _ in range(len(WAITS) + 1)]
    result = await passes.run("t1")
    assert (result.read, result.failed, result.missing) == (2, 1, 2)
    assert await threads.fact("t1", "mark", "reconcile") is None
    assert (await passes.run("t1")).missing == 1
    assert await threads.fact("t1", "mark", "reconcile") is not None
    assert await queued() == _ids("c1", 1) | _ids("c2", 1) | _ids("c3", 1)


async def test_a_conversation_that_is_gone_is_passed_over(passes, account, linked, threads):
    """Agents can delete; that is no failure."""
    await linked("c1", "c2")
    account.troubles["c1"] = [Rejected("404", code="freshchat_404", component="freshchat")]
    result = await passes.run("t1")
    assert (result.read, result.gone, result.failed) == (1, 1, 0)
    assert await threads.fact("t1", "mark", "reconcile") is not None


@pytest.mark.parametrize("error", [_away(), Forbidden("401", code="freshchat_401", component="freshchat")])
async def test_a_helpdesk_that_is_away_ends_the_pass(error, passes, account, linked, threads):
    """After a few conversations, not after all of them; at once where our token is refused."""
    names = [f"c{n}" for n in range(9)]
    await linked(*names)
    account.troubles = {name: [error] * 9 for name in names}
    with pytest.raises(type(error)):
        await passes.run("t1")
    assert len(set(account.read)) == (1 if isinstance(error, Forbidden) else TOGETHER)
    assert await threads.fact("t1", "mark", "reconcile") is None


async def test_a_full_store_ends_the_pass(passes, account, linked, threads, monkeypatch, queue):
    """What was not stored is still missing in the next one."""
    await linked("c1")
    account.said["c1"] = [_message("c1", 1)]

    async def full(_envelope):
        raise StoreFull("full")

    monkeypatch.setattr(queue, "put", full)
    with pytest.raises(StoreFull):
        await passes.run("t1")
    assert await threads.fact("t1", "mark", "reconcile") is None


# --- the timer ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def serve(passes):
    """Run the timer from the first call to the end of the test; wait until something is the case."""
    tasks = []

    async def until(what):
        if not tasks:
            tasks.append(asyncio.create_task(passes.serve(900.0)))
        async with asyncio.timeout(5):
            while not what():
                await asyncio.sleep(0.001)

    yield until
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_the_timer_passes_soon_and_again_and_survives_trouble(linked, account, clock, slept, serve):
    """A pass that was stopped is made again sooner; a bug does not end it."""
    await linked("c1")
    account.troubles["c1"] = [Forbidden("401", code="freshchat_401", component="freshchat"), RuntimeError("bug")]
    await serve(lambda: len(account.asked) >= 3 and len(slept.waits) > 5)
    waits = [wait for wait in slept.waits if wait != GAP][:4]
    assert waits == [pytest.approx(wait, rel=0.11) for wait in (START, AGAIN, AGAIN, 900.0)]


async def test_another_replicas_pass_is_as_good_as_our_own(linked, account, threads, clock, slept, serve):
    """Not at the start, where this replica may have lost webhooks itself."""
    await linked("c1")
    await threads.learn("t1", "mark", "reconcile", {"began": str(clock())}, None)
    await serve(lambda: len(slept.waits) > 10)
    assert account.read == ["c1"]
    clock.advance(900)
    await serve(lambda: len(account.read) > 1)


async def test_a_retired_bridge_reads_nothing_back_until_it_is_in_service_again(linked, account, threads, slept, serve):
    await linked("c1")
    await retire(threads, Retired(1.0, "grace", "left"))
    await serve(lambda: len(slept.waits) > 10)
    assert account.read == []
    assert [wait for wait in slept.waits if wait != GAP][1] == pytest.approx(900.0, rel=0.11)
    await reinstate(threads)
    await serve(lambda: account.read)


async def test_a_tenant_that_hangs_holds_no_other(linked, account, helpdesks, serve):
    """Each has a timer of its own."""
    hanging = Account()
    hanging.meanwhile = asyncio.Event().wait
    helpdesks.clear()
    helpdesks |= {"t0": hanging, "t1": account}
    await linked("c0", tenant="t0")
    await linked("c1")
    await serve(lambda: hanging.read and account.read)
    assert (hanging.read, account.read) == (["c0"], ["c1"])


def test_the_door_and_the_core_speak_of_the_same_three_keys():
    """A tuple of idempotency key, session, kind."""
    found = keys(_message("c1", 1).body, "t1")
    assert not isinstance(found, Ignored)
    assert tuple(found) == (_key("c1", 1), ids.conversation_key("t1", "c1"), "create")
