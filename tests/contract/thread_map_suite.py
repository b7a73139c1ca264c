"""What every `ThreadMap` promises. A new adapter joins by giving a `ThreadRig` fixture (see `test_thread_map.py`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from bridge.errors import StoreFull, Unavailable
from bridge.events import Place
from bridge.ports import Link, Step, ThreadMap
from bridge.retirement import Retired, read_retirement, reinstate, retire

KEY = "t/channel/19%3Ageneral/1700000000000"
DAY = 86_400
PLACE = Place(
    scope="channel",
    conversation_id="19:general@thread.tacv2;messageid=1700000000000",
    service_url="https://smba.example/emea/",
    team_id="19:team",
    channel_id="19:general@thread.tacv2",
    root_id="1700000000000",
)
LINK = Link(
    conversation_id="c1",
    tenant_id="t",
    thread_key=KEY,
    place=PLACE,
    freshchat_user_id="u1",
    inbox_id="i1",
    locale="ko-KR",
    created_at=1_750_000_000.25,
    active_at=1_750_000_100.5,
    trace="7f3a09bc" + "0" * 24,
)


class MovableClock(Protocol):
    """A clock that a test may set forward."""

    time: float


@dataclass
class ThreadRig:
    """How the suite uses one adapter. `open` gives one more map on the same store, like another process.

    `clock` is None where time is the store's own; the suite then waits up to half a second. `lock`/`unlock` make
    the store refuse writes and take them again.
    """

    open: Callable[[], Awaitable[ThreadMap]]
    clock: MovableClock | None = None
    journal_days: float = 30
    lock: Callable[[ThreadMap], Awaitable[None]] | None = None
    unlock: Callable[[ThreadMap], Awaitable[None]] | None = None

    def now(self) -> float:
        return self.clock.time if self.clock else time.time()

    async def pass_time(self, seconds: float) -> None:
        if self.clock:
            self.clock.time += seconds
        else:
            await asyncio.sleep(seconds)


class ThreadMapSuite:
    """Claims, links, journal and facts, each tenant for itself."""

    # --- Claims

    async def test_an_unknown_thread_is_none(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        assert await threads.thread("t", KEY) is None

    async def test_a_claim_is_recorded(self, rig: ThreadRig) -> None:
        threads, other = await rig.open(), await rig.open()
        claimed = await threads.claim("t", KEY, "message-1", 30, None)
        assert claimed is not None
        assert (claimed.thread_key, claimed.conversation_id, claimed.claimed_by) == (KEY, None, "message-1")
        assert claimed.claimed_until == pytest.approx(rig.now() + 30, abs=2)
        assert await other.thread("t", KEY) == claimed

    async def test_of_many_first_claims_exactly_one_wins(self, rig: ThreadRig) -> None:
        """However many messages of a new thread arrive at once, one opens the conversation."""
        maps = [await rig.open(), await rig.open()]
        claims = await asyncio.gather(*(maps[i % 2].claim("t", KEY, f"message-{i}", 30, None) for i in range(50)))
        winners = [claim for claim in claims if claim is not None]
        assert len(winners) == 1
        assert await maps[0].thread("t", KEY) == winners[0]

    async def test_of_many_takeovers_exactly_one_wins(self, rig: ThreadRig) -> None:
        maps = [await rig.open(), await rig.open()]
        stale = await maps[0].claim("t", KEY, "crashed", 0, None)
        assert stale is not None
        claims = await asyncio.gather(*(maps[i % 2].claim("t", KEY, f"m{i}", 30, stale.etag) for i in range(50)))
        assert sum(claim is not None for claim in claims) == 1

    async def test_a_stale_etag_takes_nothing_over(self, rig: ThreadRig) -> None:
        """Neither one from before a claim, nor one from before a link, nor one that never was."""
        threads = await rig.open()
        first = await threads.claim("t", KEY, "a", 30, None)
        assert first is not None
        second = await threads.claim("t", KEY, "b", 30, first.etag)
        assert second is not None
        assert second.etag != first.etag
        assert await threads.claim("t", KEY, "c", 30, first.etag) is None
        assert await threads.link(LINK, "b")
        for etag in (first.etag, second.etag, "never", ""):
            assert await threads.claim("t", KEY, "c", 30, etag) is None
        linked = await threads.thread("t", KEY)
        assert linked is not None
        assert (linked.claimed_by, linked.conversation_id) == (None, "c1")

    async def test_an_etag_claims_nothing_that_does_not_exist(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        assert await threads.claim("t", KEY, "a", 30, "1") is None
        assert await threads.thread("t", KEY) is None

    async def test_a_claim_keeps_the_conversation_until_the_new_link(self, rig: ThreadRig) -> None:
        """While a thread is switched to a new conversation, the present one stays known."""
        threads = await rig.open()
        await threads.claim("t", KEY, "a", 30, None)
        await threads.link(LINK, "a")
        linked = await threads.thread("t", KEY)
        assert linked is not None
        switching = await threads.claim("t", KEY, "b", 30, linked.etag)
        assert switching is not None
        assert (switching.conversation_id, switching.claimed_by) == ("c1", "b")
        assert await threads.link(replace(LINK, conversation_id="c2"), "b")
        switched = await threads.thread("t", KEY)
        assert switched is not None
        assert (switched.conversation_id, switched.claimed_by, switched.claimed_until) == ("c2", None, None)
        assert await threads.by_conversation("t", "c1") == LINK

    # --- Links

    async def test_a_link_is_found_by_its_conversation(self, rig: ThreadRig) -> None:
        """Every field of it, in another process too."""
        threads, other = await rig.open(), await rig.open()
        await threads.claim("t", KEY, "a", 30, None)
        assert await threads.link(LINK, "a")
        assert await other.by_conversation("t", "c1") == LINK
        assert await other.by_conversation("t", "c2") is None

    async def test_linking_after_a_takeover_says_so_and_still_links(self, rig: ThreadRig) -> None:
        """The answers in that conversation must find their thread, though another one is open there."""
        threads = await rig.open()
        first = await threads.claim("t", KEY, "slow", 0, None)
        assert first is not None
        await threads.claim("t", KEY, "fast", 30, first.etag)
        assert not await threads.link(LINK, "slow")
        assert await threads.by_conversation("t", "c1") == LINK
        thread = await threads.thread("t", KEY)
        assert thread is not None
        assert (thread.claimed_by, thread.conversation_id) == ("fast", None)

    async def test_linking_without_any_claim_says_so_and_still_links(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        assert not await threads.link(LINK, "nobody")
        assert await threads.by_conversation("t", "c1") == LINK

    async def test_the_same_link_again_is_harmless(self, rig: ThreadRig) -> None:
        """It is still True, and undoes nothing that has happened since."""
        threads = await rig.open()
        await threads.claim("t", KEY, "a", 30, None)
        assert await threads.link(LINK, "a")
        resolved = replace(LINK, status="resolved")
        await threads.update(resolved)
        before = await threads.thread("t", KEY)
        assert await threads.link(LINK, "a")
        assert await threads.thread("t", KEY) == before
        assert await threads.by_conversation("t", "c1") == resolved

    async def test_an_update_changes_a_link_and_creates_none(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.claim("t", KEY, "a", 30, None)
        await threads.link(LINK, "a")
        place = replace(PLACE, service_url="https://smba.example/apac/", team_group_id="g")
        changed = replace(LINK, status="resolved", place=place, locale=None)
        await threads.update(changed)
        await threads.update(replace(changed, conversation_id="c9"))
        assert await threads.by_conversation("t", "c1") == changed
        assert await threads.by_conversation("t", "c9") is None

    async def _linked(self, threads: ThreadMap, *active: float, tenant: str = "t") -> list[Link]:
        """Write links of these activities, the ids against their order."""
        links = [
            replace(LINK, tenant_id=tenant, conversation_id=f"c{99 - place}", thread_key=f"{KEY}{place}", active_at=at)
            for place, at in enumerate(active)
        ]
        for link in links:
            await threads.link(link, "nobody")
        return links

    async def test_links_are_listed_by_activity(self, rig: ThreadRig) -> None:
        """Those active since then, the longest quiet first, of one tenant."""
        threads, other = await rig.open(), await rig.open()
        old, new, older, equal = await self._linked(threads, 200.0, 300.5, 100.0, 300.5)
        await self._linked(threads, 250.0, tenant="u")
        assert list(await other.links("t", 0)) == [older, old, equal, new]
        assert list(await other.links("t", 200.0)) == [old, equal, new]
        assert list(await other.links("t", 200.1)) == [equal, new]
        assert list(await other.links("t", 301)) == []
        assert [link.tenant_id for link in await other.links("u", 0)] == ["u"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_links_come_in_pages(self, rig: ThreadRig, limit: int) -> None:
        """Each once, also those that were active at the same moment."""
        threads = await rig.open()
        links = await self._linked(threads, 5.0, 7.0, 7.0, 7.0, 7.0, 9.0, 1.0)
        found: list[Link] = []
        while page := await threads.links("t", 2.0, after=found[-1] if found else None, limit=limit):
            assert len(page) <= limit
            found += page
        assert found == sorted(links[:6], key=lambda link: (link.active_at, link.conversation_id))

    async def test_a_link_that_gets_active_between_pages_hides_none(self, rig: ThreadRig) -> None:
        """Neither itself nor those behind it, even if it is the one where the page ended."""
        threads = await rig.open()
        first, second, third = await self._linked(threads, 1.0, 2.0, 3.0)
        (page,) = await threads.links("t", 0, limit=1)
        assert page == first
        awake = replace(first, active_at=9.0)
        await threads.update(awake)
        assert list(await threads.links("t", 0, after=page)) == [second, third, awake]

    async def test_an_update_moves_a_link_in_time(self, rig: ThreadRig) -> None:
        """Its first message stays what it was."""
        threads = await rig.open()
        (link,) = await self._linked(threads, 100.0)
        await threads.update(replace(link, active_at=500.0, trace="f" * 32, created_at=9.0))
        assert list(await threads.links("t", 101)) == [replace(link, active_at=500.0)]

    # --- Journal

    async def test_the_first_start_is_told_from_the_others(self, rig: ThreadRig) -> None:
        threads, other = await rig.open(), await rig.open()
        first = await threads.start("t", "key#part.1", 1000.5, {"user": "u1", "문": "자"})
        again = await other.start("t", "key#part.1", 2000.0, {"user": "other"})
        assert (first.first, again.first) == (True, False)
        assert (again.started_at, again.note, again.sent_id) == (1000.5, {"user": "u1", "문": "자"}, None)
        assert (first.started_at, first.note, first.sent_id) == (again.started_at, again.note, None)

    async def test_of_many_starts_exactly_one_is_first(self, rig: ThreadRig) -> None:
        maps = [await rig.open(), await rig.open()]
        starts = await asyncio.gather(*(maps[i % 2].start("t", "key#1", float(i)) for i in range(50)))
        assert sum(attempt.first for attempt in starts) == 1
        assert len({attempt.started_at for attempt in starts}) == 1

    async def test_done_is_told_by_start_and_by_origin(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.start("t", "key#1", rig.now())
        assert await threads.origin("t", "sent-1") is None
        await threads.done("t", "key#1", "sent-1")
        await threads.done("t", "key#1", "sent-1")
        again = await threads.start("t", "key#1", rig.now())
        assert (again.first, again.sent_id) == (False, "sent-1")
        assert await threads.origin("t", "sent-1") == "key#1"

    async def test_done_without_start_is_kept_as_well(self, rig: ThreadRig) -> None:
        """What reconciliation finds out is worth as much."""
        threads = await rig.open()
        await threads.done("t", "key#1", "sent-1")
        assert await threads.origin("t", "sent-1") == "key#1"
        again = await threads.start("t", "key#1", rig.now())
        assert (again.first, again.sent_id) == (False, "sent-1")

    async def test_an_attempt_is_known_from_its_start_until_it_is_abandoned(self, rig: ThreadRig) -> None:
        """Also to another process, and to no other tenant."""
        threads, other = await rig.open(), await rig.open()
        assert not await threads.attempted("t", "key#1")
        await threads.start("t", "key#1", 1.0)
        assert await other.attempted("t", "key#1")
        assert not await other.attempted("u", "key#1")
        await threads.abandon("t", "key#1")
        assert not await other.attempted("t", "key#1")
        await threads.done("t", "key#2", "sent-1")
        assert await other.attempted("t", "key#2")

    async def test_a_row_is_read_as_a_second_start_gives_it(self, rig: ThreadRig) -> None:
        """And reading writes none."""
        threads, other = await rig.open(), await rig.open()
        assert await other.recall("t", "key#1") is None
        assert (await threads.start("t", "key#1", 1.5, {"user": "u"})).first
        row = await other.recall("t", "key#1")
        assert row == await threads.start("t", "key#1", 2.0)
        await threads.done("t", "key#1", "sent-1")
        found = await other.recall("t", "key#1")
        assert found is not None and found.sent_id == "sent-1"
        assert await other.recall("u", "key#1") is None

    async def test_a_call_is_made_again_by_one_only(self, rig: ThreadRig) -> None:
        """And the row tells when; where the look back begins stays as it was."""
        threads, other = await rig.open(), await rig.open()
        first = await threads.start("t", "key#1", 1000.5)
        seen = await other.start("t", "key#1", 2000.0)
        assert (first.tried_at, seen.tried_at) == (1000.5, 1000.5)
        tries = await asyncio.gather(*(maps.again("t", "key#1", seen, 2000.25) for maps in (threads, other)))
        assert sorted(tries) == [False, True]
        later = await threads.start("t", "key#1", 3000.0)
        assert (later.started_at, later.tried_at) == (1000.5, 2000.25)
        assert await other.again("t", "key#1", later, 3000.0)

    async def test_what_is_done_or_unknown_is_not_made_again(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        attempt = await threads.start("t", "key#1", 1.0)
        assert not await threads.again("u", "key#1", attempt, 2.0)
        await threads.done("t", "key#1", "sent-1")
        assert not await threads.again("t", "key#1", attempt, 2.0)

    async def test_a_start_whose_call_was_made_again_cannot_be_abandoned(self, rig: ThreadRig) -> None:
        """Whoever made it the second time may have had success."""
        threads = await rig.open()
        attempt = await threads.start("t", "key#1", 1.0)
        assert await threads.again("t", "key#1", attempt, 2.0)
        await threads.abandon("t", "key#1")
        assert not (await threads.start("t", "key#1", 3.0)).first

    async def test_a_message_is_adopted_by_one_key_only(self, rig: ThreadRig) -> None:
        """Which may do it again; and one that some key has made is nobody else's."""
        threads, other = await rig.open(), await rig.open()
        for key in ("key#1", "key#2", "key#3"):
            await threads.start("t", key, 1.0)
        await threads.done("t", "key#1", "sent-1")
        assert not await other.adopt("t", "key#2", "sent-1")
        tries = [("key#2", threads), ("key#3", other)]
        found = await asyncio.gather(*(maps.adopt("t", key, "sent-2") for key, maps in tries))
        assert sorted(found) == [False, True]
        owner = tries[found.index(True)][0]
        assert await threads.origin("t", "sent-2") == owner
        assert await other.adopt("t", owner, "sent-2")
        assert [(await other.start("t", key, 2.0)).sent_id for key, _ in tries].count("sent-2") == 1
        assert await other.adopt("u", "key#1", "sent-1")

    async def test_an_abandoned_start_can_be_made_again(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.start("t", "key#1", 1.0, {"try": "1"})
        await threads.abandon("t", "key#1")
        await threads.abandon("t", "never started")
        again = await threads.start("t", "key#1", 2.0, {"try": "2"})
        assert (again.first, again.started_at, again.note) == (True, 2.0, {"try": "2"})

    async def test_what_is_done_cannot_be_abandoned(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.start("t", "key#1", 1.0)
        await threads.done("t", "key#1", "sent-1")
        await threads.abandon("t", "key#1")
        assert (await threads.start("t", "key#1", 2.0)).sent_id == "sent-1"
        assert await threads.origin("t", "sent-1") == "key#1"

    async def test_steps_are_found_by_their_trace(self, rig: ThreadRig) -> None:
        """Of all tenants, the newest first, from its first eight digits to the whole of it."""
        threads, other = await rig.open(), await rig.open()
        trace, twin = "7f3a09bc" + "1" * 24, "7f3a09bc" + "2" * 24
        await threads.start("t", "key#1", 10.5, {"문": "자"}, trace)
        await threads.start("u", "key#1", 11.5, None, twin)
        await threads.start("t", "key#2", 12.5, None, "7f3a09bd" + "1" * 24)
        await threads.start("t", "key#3", 13.5)
        first = Step(
            tenant="t", key="key#1", trace=trace, started_at=10.5, done_at=None, sent_id=None, note={"문": "자"}
        )
        second = Step(tenant="u", key="key#1", trace=twin, started_at=11.5, done_at=None, sent_id=None)
        assert list(await other.steps("7f3a09bc")) == [second, first]
        assert list(await other.steps("7f3a09bc1")) == [first]
        assert list(await other.steps(trace)) == [first]
        assert list(await other.steps("7f3a09bc", limit=1)) == [second]
        assert list(await other.steps("7f3a09bc3")) == []
        for nothing in ("7f3a", "no digits", "7f3a09bc!"):
            assert list(await other.steps(nothing)) == []

    async def test_the_newest_steps_need_no_trace(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        for number in range(5):
            await threads.start("t", f"key#{number}", 10.0 + number, None, f"{number:032x}" if number % 2 else "")
        assert [step.key for step in await threads.steps("", limit=3)] == ["key#4", "key#3", "key#2"]

    async def test_a_step_tells_when_it_was_done(self, rig: ThreadRig) -> None:
        """And the second start of the same call changes nothing."""
        threads = await rig.open()
        trace = "a" * 32
        await threads.start("t", "key#1", rig.now(), {"try": "1"}, trace)
        await rig.pass_time(0.2)
        await threads.done("t", "key#1", "sent-1")
        done = rig.now()
        await threads.start("t", "key#1", rig.now() + 9, {"try": "2"}, "b" * 32)
        (step,) = await threads.steps(trace)
        assert (step.sent_id, step.note) == ("sent-1", {"try": "1"})
        assert step.done_at == pytest.approx(done, abs=1)
        assert step.started_at + 0.15 <= (step.done_at or 0)

    async def test_an_abandoned_step_is_not_listed(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.start("t", "key#1", 1.0, None, "a" * 32)
        await threads.abandon("t", "key#1")
        assert list(await threads.steps("a" * 32)) == []

    async def test_the_same_message_sent_twice_has_its_first_origin(self, rig: ThreadRig) -> None:
        """A platform's answer that names a message of ours again must not give it to another delivery."""
        threads = await rig.open()
        await threads.done("t", "key#1", "sent-1")
        await threads.done("t", "key#2", "sent-1")
        assert await threads.origin("t", "sent-1") == "key#1"

    # --- Facts

    async def test_a_fact_is_recalled_until_replaced(self, rig: ThreadRig) -> None:
        threads, other = await rig.open(), await rig.open()
        assert await threads.fact("t", "person", "p") is None
        await threads.learn("t", "person", "p", {"name": "홍길동"}, None)
        assert await other.fact("t", "person", "p") == {"name": "홍길동"}
        await threads.learn("t", "person", "p", {"name": "x", "mail": ""}, 60)
        assert await threads.fact("t", "person", "p") == {"name": "x", "mail": ""}
        assert await threads.fact("t", "team", "p") is None

    async def test_a_fact_fades_after_its_time(self, rig: ThreadRig) -> None:
        threads = await rig.open()
        await threads.learn("t", "team", "short", {"a": "1"}, 0.2)
        await threads.learn("t", "team", "kept", {"a": "2"}, None)
        assert await threads.fact("t", "team", "short") == {"a": "1"}
        await rig.pass_time(0.25)
        assert await threads.fact("t", "team", "short") is None
        assert await threads.fact("t", "team", "kept") == {"a": "2"}

    async def test_seen_conversations_are_listed_page_by_page(self, rig: ThreadRig) -> None:
        """Each once, in the order of their ids, of one tenant only; other facts are in no list."""
        threads, other = await rig.open(), await rig.open()
        assert await threads.seen("t") == []
        for conversation in ("c2", "c1", "c10", "c1", "대화"):
            await threads.learn("t", "seen", conversation, {}, None)
        await threads.learn("t2", "seen", "c3", {}, None)
        await threads.learn("t", "team", "c4", {}, None)
        assert await other.seen("t") == ["c1", "c10", "c2", "대화"]
        assert await other.seen("t", limit=2) == ["c1", "c10"]
        assert await other.seen("t", after="c10") == ["c2", "대화"]
        assert await other.seen("t2") == ["c3"]

    async def test_a_retirement_is_seen_by_everybody_and_can_be_taken_back(self, rig: ThreadRig) -> None:
        threads, other = await rig.open(), await rig.open()
        assert await read_retirement(other) is None
        retired = Retired(1_750_000_000.25, "grace", "떠납니다")
        await retire(threads, retired)
        assert await read_retirement(other) == retired
        await reinstate(other)
        assert await read_retirement(threads) is None

    # --- All of it

    async def test_tenants_see_nothing_of_each_other(self, rig: ThreadRig) -> None:
        """The same keys and ids in another tenant are other records."""
        threads = await rig.open()
        await threads.claim("t", KEY, "a", 30, None)
        await threads.link(LINK, "a")
        await threads.start("t", "key#1", 1.0)
        await threads.abandon("u", "key#1")
        assert not (await threads.start("t", "key#1", 1.0)).first
        await threads.done("t", "key#1", "sent-1")
        await threads.learn("t", "team", "x", {"a": "1"}, None)
        assert await threads.thread("u", KEY) is None
        assert await threads.by_conversation("u", "c1") is None
        assert await threads.origin("u", "sent-1") is None
        assert await threads.fact("u", "team", "x") is None
        assert (await threads.start("u", "key#1", 2.0)).first
        await threads.update(replace(LINK, tenant_id="u", status="resolved"))
        assert await threads.by_conversation("t", "c1") == LINK
        assert await threads.claim("u", KEY, "b", 30, None) is not None

    async def test_ping_passes_when_it_works(self, rig: ThreadRig) -> None:
        await (await rig.open()).ping()

    async def test_a_store_that_cannot_write_says_so_and_recovers(self, rig: ThreadRig) -> None:
        if rig.lock is None or rig.unlock is None:
            pytest.skip("this store cannot be made read-only")
        threads = await rig.open()
        await threads.done("t", "key#1", "sent-1")
        await rig.lock(threads)
        for call in (threads.start("t", "key#2", 1.0), threads.claim("t", KEY, "a", 1, None), threads.ping()):
            with pytest.raises((StoreFull, Unavailable)):
                await call
        assert await threads.origin("t", "sent-1") == "key#1"
        await rig.unlock(threads)
        assert (await threads.start("t", "key#2", 1.0)).first
