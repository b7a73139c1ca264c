"""The thread map in Cosmos DB when the account refuses, throttles, goes away, or an answer gets lost."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from adapters.azure import cosmos_container
from adapters.azure.cosmos import open_threads
from adapters.azure.cosmos_container import answer
from bridge.errors import Forbidden, Misconfigured, Rejected, StoreFull, Throttled, Unavailable
from bridge.settings import load
from tests.contract.thread_map_suite import KEY, LINK
from tests.peers.cosmos import CosmosPeer
from tests.peers.http_peer import Fault
from tests.peers.managed_identity import Issuer, ManagedIdentityPeer
from tests.peers.tls import make_certificate

WRONG_KEY = base64.b64encode(b"x" * 64).decode()


@pytest.fixture
async def peer() -> AsyncIterator[CosmosPeer]:
    async with CosmosPeer() as peer:
        yield peer


@pytest.fixture
async def open_map(peer):
    """Open a map with a client of its own, as another process would."""
    async with AsyncExitStack() as stack:

        async def open_map(**settings):
            named = {"AZURE_COSMOS_ENDPOINT": peer.url, "AZURE_COSMOS_KEY": peer.key} | settings
            return await stack.enter_async_context(open_threads(load(**named)))

        yield open_map


@pytest.fixture
async def threads(open_map):
    return await open_map()


class TestStart:
    """What cannot be used is said at the start, with what to do about it."""

    async def test_in_development_everything_is_made_as_terraform_makes_it(self, peer, threads):
        made = {name: container.definition for name, container in peer.databases["bridge"].items()}
        assert {name: (one["partitionKey"]["paths"], one.get("defaultTtl")) for name, one in made.items()} == {
            "links": (["/freshchatConversationId"], None),
            "threads": (["/threadKey"], None),
            "journal": (["/id"], 30 * 86_400),
            "facts": (["/id"], -1),
        }
        assert made["threads"]["indexingPolicy"]["includedPaths"] == []
        assert made["links"]["indexingPolicy"]["includedPaths"] == [{"path": "/tenantId/?"}, {"path": "/activeKey/?"}]

    @pytest.mark.parametrize("missing", ["everything", "journal"])
    async def test_in_production_nothing_is_made(self, peer, open_map, missing):
        if missing != "everything":
            await open_map()
            del peer.databases["bridge"][missing]
        before = {name: set(found) for name, found in peer.databases.items()}
        with pytest.raises(Misconfigured, match=r"container bridge/.* is not there.*Terraform"):
            await open_map(BRIDGE_ENV="production")
        assert {name: set(found) for name, found in peer.databases.items()} == before

    async def test_in_production_what_is_there_is_used(self, open_map):
        await open_map()
        await (await open_map(BRIDGE_ENV="production")).ping()

    @pytest.mark.parametrize(
        ("name", "changed", "said"),
        [
            ("links", {"partitionKey": {"paths": ["/id"]}}, "partition key /id, and needs /freshchatConv"),
            ("journal", {"defaultTtl": 60}, "time to live 60, and needs 2592000"),
            ("facts", {"defaultTtl": None}, "time to live off, and needs -1"),
            ("threads", {"defaultTtl": 60}, "time to live 60, and needs off"),
        ],
    )
    async def test_a_container_of_another_shape_is_refused(self, peer, open_map, name, changed, said):
        await open_map()
        peer.databases["bridge"][name].definition |= changed
        with pytest.raises(Misconfigured, match=f"container bridge/{name} has the .*{said}"):
            await open_map()

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"AZURE_COSMOS_ENDPOINT": ""}, "AZURE_COSMOS_ENDPOINT must be the account's https address"),
            ({"AZURE_COSMOS_ENDPOINT": "http://10.0.0.1:8081"}, "AZURE_COSMOS_ENDPOINT must be"),
            ({"AZURE_COSMOS_ENDPOINT": "bridge"}, "AZURE_COSMOS_ENDPOINT must be"),
            ({"AZURE_COSMOS_KEY": "not base64!"}, "AZURE_COSMOS_KEY is not a key"),
            ({"AZURE_COSMOS_KEY": ""}, "AZURE_COSMOS_KEY is missing"),
        ],
    )
    async def test_settings_that_cannot_be_right(self, open_map, settings, said):
        with pytest.raises(Misconfigured, match=said):
            await open_map(**settings)

    async def test_a_wrong_key(self, open_map):
        with pytest.raises(Forbidden, match="AZURE_COSMOS_KEY") as caught:
            await open_map(AZURE_COSMOS_KEY=WRONG_KEY)
        assert WRONG_KEY not in str(caught.value)

    async def test_nobody_there(self, unused_tcp_port, open_map):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await open_map(AZURE_COSMOS_ENDPOINT=f"http://127.0.0.1:{unused_tcp_port}")


class TestManagedIdentity:
    """Without a key the machine's identity is used: over HTTPS, with its role."""

    @pytest.fixture
    def machine(self):
        return ManagedIdentityPeer(Issuer(), identities={"client": "object"})

    @pytest.fixture
    async def account(self, machine, monkeypatch, tmp_path):
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)
        certificate = make_certificate(tmp_path)
        async with (
            machine,
            CosmosPeer(tls=certificate, tokens=machine.issuer.check, principals={"object"}) as account,
        ):
            for name, value in machine.app_service_environment().items():
                monkeypatch.setenv(name, value)
            yield account

    async def _open(self, account, stack, **settings):
        named = {"AZURE_COSMOS_ENDPOINT": account.url, "BRIDGE_ENV": "production"} | settings
        return await stack.enter_async_context(open_threads(load(**named)))

    async def test_an_identity_with_the_role_works(self, account):
        async with AsyncExitStack() as stack:
            await self._open(account, stack, AZURE_COSMOS_KEY=account.key, BRIDGE_ENV="development")
            threads = await self._open(account, stack, AZURE_CLIENT_ID="client")
            await threads.learn("t", "team", "x", {"a": "1"}, None)
            assert await threads.fact("t", "team", "x") == {"a": "1"}

    @pytest.mark.parametrize(("client", "said"), [(None, "Built-in Data Contributor"), ("unknown", "gets no token")])
    async def test_an_identity_without_it_is_told_what_it_lacks(self, account, client, said):
        async with AsyncExitStack() as stack:
            await self._open(account, stack, AZURE_COSMOS_KEY=account.key, BRIDGE_ENV="development")
            with pytest.raises(Forbidden, match=said):
                await self._open(account, stack, **({"AZURE_CLIENT_ID": client} if client else {}))


REFUSALS = [
    (400, 1001, Rejected),
    (401, 0, Forbidden),
    (403, 5301, Forbidden),
    (403, 0, Forbidden),
    (403, 1014, StoreFull),
    (403, 3, Unavailable),
    (404, 1002, Unavailable),
    (404, 1003, Forbidden),
    (408, 0, Unavailable),
    (410, 1000, Unavailable),
    (413, 0, Rejected),
    (449, 0, Unavailable),
    (500, 0, Unavailable),
    (503, 0, Unavailable),
]


class TestRefusals:
    """Each refusal says whether to try again, to hold, or to give up; the next call works again."""

    @pytest.mark.parametrize(("status", "substatus", "kind"), REFUSALS)
    async def test_a_write(self, peer, threads, status, substatus, kind, monkeypatch):
        monkeypatch.setattr(cosmos_container, "CALL_SECONDS", 2.0)  # the SDK follows a moving write region for minutes
        peer.faults.append(Fault("create", status=status, substatus=substatus, count=50))
        with pytest.raises(kind) as caught:
            await threads.start("t", "key#1", 1.0)
        assert type(caught.value).__mro__[:2].count(kind) == 1
        peer.faults.clear()
        assert (await threads.start("t", "key#1", 1.0)).first

    @pytest.mark.parametrize(("status", "substatus"), [(404, 1002), (404, 1003), (503, 0), (403, 5301)])
    async def test_a_read_that_failed_is_not_a_missing_item(self, peer, threads, status, substatus):
        """A replica that is behind, or a container that is gone, says 404 too."""
        await threads.link(LINK, "nobody")
        peer.faults.append(Fault("read", status=status, substatus=substatus, count=50))
        for call in (threads.by_conversation("t", "c1"), threads.thread("t", KEY), threads.origin("t", "x")):
            with pytest.raises((Unavailable, Forbidden)):
                await call
        peer.faults.clear()
        assert await threads.by_conversation("t", "c1") == LINK

    async def test_a_container_that_is_deleted_under_us_holds_everything(self, peer, threads):
        kept = peer.databases["bridge"].pop("journal")
        with pytest.raises(Forbidden, match=r"missing.*Terraform"):
            await threads.start("t", "key#1", 1.0)
        peer.databases["bridge"]["journal"] = kept
        assert (await threads.start("t", "key#1", 1.0)).first

    async def test_no_answer_in_time(self):
        with pytest.raises(Unavailable, match="no answer within 0 s"):
            await answer(lambda: asyncio.sleep(5), 0.05)

    async def test_an_account_that_went_away_and_came_back(self, peer, threads):
        await threads.start("t", "key#1", 1.0)
        peer.faults.append(Fault(drop="before", count=1000))
        with pytest.raises(Unavailable):
            await threads.start("t", "key#1", 1.0)
        peer.faults.clear()
        assert not (await threads.start("t", "key#1", 1.0)).first


class TestThrottling:
    """429 is waited for as long as the account says, within a bound."""

    async def test_a_short_wait_is_waited(self, peer, threads):
        peer.faults.append(Fault("create", status=429, headers={"x-ms-retry-after-ms": "40"}, count=2))
        began = time.monotonic()
        assert (await threads.start("t", "key#1", 1.0)).first
        assert time.monotonic() - began >= 0.08

    async def test_a_long_wait_is_the_queues_business(self, peer, threads):
        peer.faults.append(Fault("create", status=429, headers={"x-ms-retry-after-ms": "60000"}))
        with pytest.raises(Throttled) as caught:
            await threads.start("t", "key#1", 1.0)
        assert caught.value.after == 60
        assert peer.counts["create"] == 1

    async def test_many_short_waits_are_as_well(self, peer, threads, monkeypatch):
        monkeypatch.setattr(cosmos_container, "PATIENCE", 0.61)
        each = 0.2
        headers = {"x-ms-retry-after-ms": str(int(each * 1000))}
        peer.faults.append(Fault("create", status=429, headers=headers, count=50))
        with pytest.raises(Throttled) as caught:
            await threads.start("t", "key#1", 1.0)
        assert caught.value.after == pytest.approx(each)
        assert peer.counts["create"] == 4

    async def test_too_few_units_make_it_slow_and_lose_nothing(self):
        """Thirty starts cost 150 units; the account gives 60 per second."""
        async with CosmosPeer() as peer, AsyncExitStack() as stack:
            settings = load(AZURE_COSMOS_ENDPOINT=peer.url, AZURE_COSMOS_KEY=peer.key)
            threads = await stack.enter_async_context(open_threads(settings))
            peer.throughput = 60
            starts = await asyncio.gather(*(threads.start("t", f"key#{n}", 1.0) for n in range(30)))
            assert all(attempt.first for attempt in starts)
            assert peer.counts["create"] > 30


class TestLostAnswers:
    """The account did it, and the connection broke before it could say so."""

    async def test_a_start_is_still_known_as_the_first(self, peer, threads):
        """Else it would look for the effect of a call that nobody made."""
        peer.faults.append(Fault("create", drop="after"))
        assert (await threads.start("t", "key#1", 1.0, {"a": "b"})).first
        assert not (await threads.start("t", "key#1", 2.0)).first

    async def test_a_claim_can_be_taken_up_by_its_claimant(self, peer, threads):
        peer.faults.append(Fault("create", drop="after"))
        claimed = await threads.claim("t", KEY, "message-1", 30, None)
        thread = await threads.thread("t", KEY)
        assert thread is not None
        assert claimed in (None, thread)
        assert thread.claimed_by == "message-1"
        assert await threads.claim("t", KEY, "message-1", 30, thread.etag) is not None

    @pytest.mark.parametrize("operation", ["create", "patch"])
    async def test_a_link_is_still_the_claimants(self, peer, threads, operation):
        await threads.claim("t", KEY, "message-1", 30, None)
        peer.faults.append(Fault(operation, drop="after"))
        assert await threads.link(LINK, "message-1")
        assert await threads.by_conversation("t", "c1") == LINK

    @pytest.mark.parametrize("operation", ["create", "patch"])
    async def test_what_is_done_stays_done(self, peer, threads, operation):
        await threads.start("t", "key#1", 1.0)
        peer.faults.append(Fault(operation, drop="after"))
        await threads.done("t", "key#1", "sent-1")
        assert (await threads.start("t", "key#1", 1.0)).sent_id == "sent-1"
        assert await threads.origin("t", "sent-1") == "key#1"

    async def test_a_fact_and_a_status(self, peer, threads):
        await threads.link(LINK, "nobody")
        peer.faults += [Fault("upsert", drop="after"), Fault("replace", drop="after")]
        await threads.learn("t", "team", "x", {"a": "1"}, None)
        await threads.update(LINK)
        assert await threads.fact("t", "team", "x") == {"a": "1"}


class TestBetweenTwoWrites:
    """A process may end between the writes of one step; whoever comes next finishes it."""

    async def test_done_without_its_origin_is_healed_by_the_next_start(self, peer, open_map):
        dying, next_one = await open_map(), await open_map()
        await dying.start("t", "key#1", 1.0)
        peer.faults.append(Fault("create", status=503, count=50))
        with pytest.raises(Unavailable):
            await dying.done("t", "key#1", "sent-1")
        peer.faults.clear()
        assert await next_one.origin("t", "sent-1") is None
        assert (await next_one.start("t", "key#1", 2.0)).sent_id == "sent-1"
        assert await next_one.origin("t", "sent-1") == "key#1"

    async def test_a_link_without_its_thread_is_finished_by_the_next_try(self, peer, open_map):
        dying, next_one = await open_map(), await open_map()
        await dying.claim("t", KEY, "message-1", 30, None)
        peer.faults.append(Fault("patch", status=503, count=50))
        with pytest.raises(Unavailable):
            await dying.link(LINK, "message-1")
        peer.faults.clear()
        assert await next_one.by_conversation("t", "c1") == LINK
        assert await next_one.link(LINK, "message-1")
        thread = await next_one.thread("t", KEY)
        assert thread is not None
        assert (thread.conversation_id, thread.claimed_by) == ("c1", None)


class TestContention:
    """Conditional writes under contention: tried again, and never lost to a stale version."""

    async def test_updates_from_two_processes_both_count(self, open_map):
        one, other = await open_map(), await open_map()
        await one.link(LINK, "nobody")
        await asyncio.gather(*((one, other)[n % 2].update(LINK) for n in range(4)))
        assert await other.by_conversation("t", "c1") == LINK

    async def test_an_update_that_never_gets_through_is_tried_again_later(self, peer, threads):
        await threads.link(LINK, "nobody")
        peer.faults.append(Fault("replace", status=412, count=50))
        with pytest.raises(Unavailable, match="others keep changing"):
            await threads.update(LINK)

    async def test_a_link_that_comes_too_late_takes_no_claim_away(self, peer, open_map):
        """It saw its own claim, and another process took that over before the thread was written."""
        slow, fast = await open_map(), await open_map()
        claimed = await slow.claim("t", KEY, "slow", 0, None)
        assert claimed is not None
        peer.faults.append(Fault("patch", delay=0.3))
        linking = asyncio.create_task(slow.link(LINK, "slow"))
        while peer.faults:
            await asyncio.sleep(0.01)
        assert await fast.claim("t", KEY, "fast", 30, claimed.etag) is not None
        assert not await linking
        thread = await fast.thread("t", KEY)
        assert thread is not None
        assert (thread.claimed_by, thread.conversation_id) == ("fast", None)

    async def test_a_row_that_is_done_meanwhile_is_not_taken_back(self, peer, open_map):
        """The delete names the version that was seen to be unfinished."""
        one, other = await open_map(), await open_map()
        await one.start("t", "key#1", 1.0)
        peer.faults.append(Fault("delete", delay=0.3))
        giving_up = asyncio.create_task(one.abandon("t", "key#1"))
        while peer.faults:
            await asyncio.sleep(0.01)
        await other.done("t", "key#1", "sent-1")
        await giving_up
        assert (await one.start("t", "key#1", 1.0)).sent_id == "sent-1"


ODD = ["a/b\\c?d#e", "키/값", "x" * 1500, "'; \"quoted\\", " ", "a\tb"]


@pytest.mark.parametrize("odd", ODD)
async def test_any_text_can_be_a_key(threads, odd):
    """Ids and partition keys have rules; what platforms call their things must not meet them."""
    assert await threads.claim("t", odd, odd, 30, None) is not None
    link = replace(LINK, conversation_id=odd, thread_key=odd)
    assert await threads.link(link, odd)
    assert await threads.by_conversation("t", odd) == link
    assert (await threads.start("t", odd, 1.0)).first
    await threads.done("t", odd, odd)
    assert await threads.origin("t", odd) == odd
    await threads.learn("t", "team", odd, {odd: odd}, 60)
    assert await threads.fact("t", "team", odd) == {odd: odd}


async def test_parts_of_a_key_cannot_be_shifted(threads):
    await threads.start("t", "ab", 1.0)
    assert not await threads.attempted("ta", "b")
    await threads.start("sent", "t", 1.0)
    assert await threads.origin("sent", "t") is None


async def test_nothing_is_logged(threads, caplog):
    """The SDK would log each request's address and headers."""
    caplog.set_level(logging.DEBUG)
    await threads.claim("t", KEY, "a", 30, None)
    await threads.link(LINK, "a")
    await threads.links("t", 0)
    assert await threads.fact("t", "team", "x") is None
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]
    assert KEY not in caplog.text
    assert "/docs" not in caplog.text


async def test_a_replica_that_is_behind_may_not_answer(peer, threads):
    """A process reads what it wrote: each read says how new the answer must be."""
    await threads.start("t", "key#1", 1.0)
    journal = peer.databases["bridge"]["journal"]
    behind, journal.lsn = journal.lsn, journal.lsn - 1
    with pytest.raises(Unavailable, match="404/1002"):
        await threads.attempted("t", "never started")
    journal.lsn = behind
    assert not await threads.attempted("t", "never started")
