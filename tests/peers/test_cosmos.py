"""The Cosmos DB peer against the unmodified SDK: status codes, ETags, TTL, batches, queries, charges, throttling."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from tests.peers.cosmos import CosmosPeer
from tests.peers.http_peer import Fault
from tests.peers.managed_identity import Issuer
from tests.peers.tls import Certificate

NO_RETRIES = {"retry_total": 0, "retry_connect": 0, "retry_read": 0, "retry_status": 0}


@asynccontextmanager
async def opened(client: CosmosClient) -> AsyncIterator[CosmosClient]:
    """Close a client also if it fails while it is opened, as the SDK does not."""
    try:
        yield await client.__aenter__()
    finally:
        await client.close()


@pytest.fixture
async def peer() -> AsyncIterator[CosmosPeer]:
    async with CosmosPeer() as running:
        yield running


@pytest.fixture
async def client(peer: CosmosPeer) -> AsyncIterator[CosmosClient]:
    async with CosmosClient(peer.url, peer.key) as opened:
        yield opened


@pytest.fixture
async def items(client: CosmosClient) -> ContainerProxy:
    database = await client.create_database_if_not_exists("bridge")
    return await database.create_container("items", PartitionKey("/part"), default_ttl=-1)


def item(doc_id: str, part: str = "a", **more: Any) -> dict[str, Any]:
    return {"id": doc_id, "part": part, **more}


async def listed(pages: Any) -> list[Any]:
    return [one async for one in pages]


class TestDocuments:
    """One at a time."""

    async def test_what_is_created_is_read(self, items: ContainerProxy) -> None:
        made = await items.create_item(item("1", text="문의 é"))
        read = await items.read_item("1", "a")
        assert read == made
        assert (read["text"], read["_etag"][0], isinstance(read["_ts"], int)) == ("문의 é", '"', True)

    async def test_what_is_not_there_is_404(self, items: ContainerProxy) -> None:
        await items.create_item(item("1"))
        for call in (
            items.read_item("2", "a"),
            items.read_item("1", "b"),
            items.delete_item("2", "a"),
            items.replace_item("2", item("2")),
            items.patch_item("2", "a", [{"op": "set", "path": "/x", "value": 1}]),
        ):
            with pytest.raises(CosmosResourceNotFoundError):
                await call

    async def test_an_id_is_taken_once_per_partition(self, items: ContainerProxy) -> None:
        await items.create_item(item("1"))
        with pytest.raises(CosmosResourceExistsError):
            await items.create_item(item("1"))
        await items.create_item(item("1", "b"))

    async def test_of_many_that_create_one_wins(self, items: ContainerProxy) -> None:
        outcomes = await asyncio.gather(*(items.create_item(item("1", n=n)) for n in range(10)), return_exceptions=True)
        assert sum(isinstance(one, CosmosResourceExistsError) for one in outcomes) == 9

    async def test_upsert_makes_and_replaces(self, items: ContainerProxy) -> None:
        await items.upsert_item(item("1", old=True))
        await items.upsert_item(item("1", new=True))
        read = await items.read_item("1", "a")
        assert "old" not in read
        assert read["new"]

    async def test_a_stale_etag_is_412(self, items: ContainerProxy) -> None:
        """For every kind of write; and the fresh one is taken."""
        stale = await items.create_item(item("1"))
        fresh = await items.replace_item("1", item("1", n=1))
        given: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified, "etag": stale["_etag"]}
        for call in (
            items.replace_item("1", item("1"), **given),
            items.upsert_item(item("1"), **given),
            items.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 2}], **given),
            items.delete_item("1", "a", **given),
        ):
            with pytest.raises(CosmosAccessConditionFailedError):
                await call
        await items.delete_item("1", "a", match_condition=MatchConditions.IfNotModified, etag=fresh["_etag"])

    async def test_of_many_that_replace_one_version_one_wins(self, items: ContainerProxy) -> None:
        etag = (await items.create_item(item("1")))["_etag"]
        outcomes = await asyncio.gather(
            *(
                items.replace_item("1", item("1", n=n), match_condition=MatchConditions.IfNotModified, etag=etag)
                for n in range(8)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(one, CosmosAccessConditionFailedError) for one in outcomes) == 7

    async def test_patch_changes_parts(self, items: ContainerProxy) -> None:
        await items.create_item(item("1", n=1, gone=True, list=[1]))
        operations = [
            {"op": "incr", "path": "/n", "value": 2},
            {"op": "remove", "path": "/gone"},
            {"op": "add", "path": "/list/-", "value": 2},
            {"op": "set", "path": "/deep", "value": {"x": 1}},
            {"op": "replace", "path": "/deep/x", "value": 5},
        ]
        patched = await items.patch_item("1", "a", operations)
        assert {k: v for k, v in patched.items() if k[0] != "_"} == item("1", n=3, list=[1, 2], deep={"x": 5})

    async def test_a_patch_is_whole_or_not(self, items: ContainerProxy) -> None:
        await items.create_item(item("1", n=1))
        operations = [{"op": "set", "path": "/n", "value": 9}, {"op": "remove", "path": "/missing"}]
        with pytest.raises(CosmosHttpResponseError) as caught:
            await items.patch_item("1", "a", operations)
        assert (caught.value.status_code, (await items.read_item("1", "a"))["n"]) == (400, 1)

    async def test_a_patch_with_a_condition(self, items: ContainerProxy) -> None:
        await items.create_item(item("1", n=1))
        operations = [{"op": "incr", "path": "/n", "value": 1}]
        await items.patch_item("1", "a", operations, filter_predicate="from c where c.n = 1")
        with pytest.raises(CosmosAccessConditionFailedError):
            await items.patch_item("1", "a", operations, filter_predicate="from c where c.n = 1")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (item("a/b"), 400),
            (item("x" * 1024), 400),
            (item("1", ttl=0), 400),
            (item("1", ttl="5"), 400),
            (item("1", big="x" * (2 * 1024 * 1024)), 413),
        ],
        ids=["slash", "long", "ttl of nothing", "ttl of text", "too large"],
    )
    @pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
    async def test_what_the_service_refuses(self, items: ContainerProxy, body: dict[str, Any], status: int) -> None:
        with pytest.raises((CosmosHttpResponseError, ValueError)) as caught:
            await items.create_item(body)
        assert getattr(caught.value, "status_code", 400) == status

    async def test_unique_keys_hold_in_a_partition(self, client: CosmosClient) -> None:
        database = await client.create_database("bridge")
        unique = await database.create_container(
            "unique", PartitionKey("/part"), unique_key_policy={"uniqueKeys": [{"paths": ["/name"]}]}
        )
        await unique.create_item(item("1", name="x"))
        with pytest.raises(CosmosResourceExistsError):
            await unique.create_item(item("2", name="x"))
        await unique.create_item(item("2", "b", name="x"))


class TestLifetime:
    """TTL really ends a document."""

    async def test_a_document_expires(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        await items.create_item(item("short", ttl=60))
        await items.create_item(item("long"))
        peer.advance(59)
        await items.read_item("short", "a")
        peer.advance(2)
        with pytest.raises(CosmosResourceNotFoundError):
            await items.read_item("short", "a")
        assert [one["id"] for one in await listed(items.query_items("SELECT c.id FROM c", partition_key="a"))] == [
            "long"
        ]
        await items.create_item(item("short"))

    async def test_a_write_starts_it_anew(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        await items.create_item(item("1", ttl=60))
        peer.advance(50)
        await items.upsert_item(item("1", ttl=60))
        peer.advance(50)
        await items.read_item("1", "a")

    async def test_without_a_default_a_ttl_means_nothing(self, peer: CosmosPeer, client: CosmosClient) -> None:
        database = await client.create_database("bridge")
        plain = await database.create_container("plain", PartitionKey("/part"))
        await plain.create_item(item("1", ttl=1))
        peer.advance(1000)
        await plain.read_item("1", "a")

    async def test_the_default_can_be_left(self, peer: CosmosPeer, client: CosmosClient) -> None:
        database = await client.create_database("bridge")
        brief = await database.create_container("brief", PartitionKey("/part"), default_ttl=10)
        await brief.create_item(item("default"))
        await brief.create_item(item("for ever", ttl=-1))
        peer.advance(11)
        assert [one["id"] for one in await listed(brief.read_all_items())] == ["for ever"]


class TestBatches:
    """All or nothing."""

    async def test_all_is_done(self, items: ContainerProxy) -> None:
        await items.create_item(item("old"))
        results = await items.execute_item_batch(
            [
                ("create", (item("1"),)),
                ("upsert", (item("2"),)),
                ("replace", ("1", item("1", n=1))),
                ("patch", ("1", [{"op": "incr", "path": "/n", "value": 1}])),
                ("read", ("1",)),
                ("delete", ("old",)),
            ],
            partition_key="a",
        )
        assert [one["statusCode"] for one in results] == [201, 201, 200, 200, 200, 204]
        assert results[4]["resourceBody"]["n"] == 2
        assert sorted(one["id"] for one in await listed(items.read_all_items())) == ["1", "2"]

    @pytest.mark.parametrize("last", ["conflict", "stale"])
    async def test_nothing_is_done_if_one_fails(self, items: ContainerProxy, last: str) -> None:
        """The others are told as 424, and neither content nor ETags changed."""
        before = await items.create_item(item("there"))
        fails: Any = ("create", (item("there"),))
        if last == "stale":
            fails = ("replace", ("there", item("there", n=2)), {"if_match_etag": '"stale"'})
        with pytest.raises(CosmosBatchOperationError) as caught:
            await items.execute_item_batch(
                [("create", (item("new"),)), ("upsert", (item("there", n=1),)), fails, ("delete", ("there",))],
                partition_key="a",
            )
        codes = [int(one["statusCode"]) for one in caught.value.operation_responses]
        assert codes == [424, 424, 409 if last == "conflict" else 412, 424]
        assert (caught.value.error_index, await items.read_item("there", "a")) == (2, before)
        with pytest.raises(CosmosResourceNotFoundError):
            await items.read_item("new", "a")

    async def test_a_batch_stays_in_one_partition(self, items: ContainerProxy) -> None:
        with pytest.raises(CosmosBatchOperationError):
            await items.execute_item_batch([("create", (item("1", "b"),))], partition_key="a")

    async def test_a_batch_is_limited(self, items: ContainerProxy) -> None:
        with pytest.raises(CosmosHttpResponseError):
            await items.execute_item_batch([("create", (item(str(n)),)) for n in range(101)], partition_key="a")


class TestQueries:
    """The subset, within one partition and across."""

    @pytest.fixture
    async def filled(self, items: ContainerProxy) -> ContainerProxy:
        for n in range(6):
            await items.create_item(item(str(n), "ab"[n % 2], n=n, name=f"x{n % 3}", deep={"n": n}))
        await items.create_item(item("odd", "a", n="text"))
        return items

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ("c.n >= @low AND c.n < 5", ["2", "3", "4"]),
            ("c.n = 2 OR c.n = 3 OR c.n = 'text'", ["2", "3", "odd"]),
            ("NOT (c.n > 0)", ["0"]),
            ("c.name IN ('x0', 'x1') AND c.n > 1", ["3", "4"]),
            ("IS_DEFINED(c.name) AND c.deep.n <= 1", ["0", "1"]),
            ("STARTSWITH(c.id, 'o')", ["odd"]),
            ("c['n'] != 0 AND c.missing != 1", []),
            ("c.n > 'a'", ["odd"]),
        ],
    )
    async def test_conditions(self, filled: ContainerProxy, where: str, found: list[str]) -> None:
        asked = filled.query_items(f"SELECT * FROM c WHERE {where}", parameters=[{"name": "@low", "value": 2}])
        assert sorted(one["id"] for one in await listed(asked)) == found

    async def test_a_partition_is_asked_alone(self, peer: CosmosPeer, filled: ContainerProxy) -> None:
        asked = filled.query_items("SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.n DESC", partition_key="b")
        assert await listed(asked) == [5, 3, 1]
        assert (peer.counts["query"], peer.counts["query-cross"]) == (1, 0)

    async def test_pages_continue(self, peer: CosmosPeer, filled: ContainerProxy) -> None:
        """Also when documents come and go between two pages: none twice, none lost."""
        asked = filled.query_items(
            "SELECT c.id, c.n FROM c WHERE c.n >= 0 ORDER BY c.n", max_item_count=2, partition_key="a"
        ).by_page()
        first = [one["id"] async for one in await anext(asked)]
        await filled.delete_item("0", "a")
        rest = [one["id"] for page in [p async for p in asked] for one in [o async for o in page]]
        assert (first, rest) == (["0", "2"], ["4"])

    async def test_pages_across_partitions(self, peer: CosmosPeer, filled: ContainerProxy) -> None:
        asked = filled.query_items("SELECT c.id FROM c ORDER BY c.id DESC", max_item_count=3)
        assert [one["id"] for one in await listed(asked)] == ["odd", "5", "4", "3", "2", "1", "0"]
        assert peer.counts["query-cross"] == 3

    async def test_windows_and_counts(self, filled: ContainerProxy) -> None:
        numbers = "FROM c WHERE c.n < 100 ORDER BY c.n"
        assert await listed(filled.query_items(f"SELECT TOP 2 VALUE c.n {numbers}", partition_key="a")) == [0, 2]
        asked = filled.query_items(f"SELECT VALUE c.n {numbers} OFFSET 1 LIMIT 1", partition_key="a")
        assert await listed(asked) == [2]
        assert await listed(filled.query_items("SELECT VALUE COUNT(1) FROM c", partition_key="b")) == [3]

    async def test_an_order_needs_an_index(self, client: CosmosClient) -> None:
        """What is excluded can be filtered by, not ordered by."""
        policy = {"includedPaths": [{"path": "/n/?"}], "excludedPaths": [{"path": "/*"}]}
        database = await client.create_database("bridge")
        items = await database.create_container("items", PartitionKey("/part"), indexing_policy=policy)
        await items.create_item(item("1", n=1, m=1))
        assert await listed(items.query_items("SELECT VALUE c.n FROM c WHERE c.m = 1 ORDER BY c.n")) == [1]
        with pytest.raises(CosmosHttpResponseError, match="excluded"):
            await listed(items.query_items("SELECT VALUE c.n FROM c ORDER BY c.m"))

    async def test_two_orders_need_a_composite_index(self, client: CosmosClient, filled: ContainerProxy) -> None:
        text = "SELECT c.id FROM c ORDER BY c.part, c.n DESC"
        with pytest.raises(CosmosHttpResponseError, match="composite index"):
            await listed(filled.query_items(text))
        paths = [{"path": "/part", "order": "ascending"}, {"path": "/n", "order": "descending"}]
        policy = {"indexingMode": "consistent", "includedPaths": [{"path": "/*"}], "compositeIndexes": [paths]}
        database = client.get_database_client("bridge")
        await database.replace_container(filled, PartitionKey("/part"), indexing_policy=policy, default_ttl=-1)
        assert [one["id"] for one in await listed(filled.query_items(text))][:2] == ["odd", "4"]

    @pytest.mark.parametrize("text", ["SELECT", "DELETE FROM c", "SELECT * FROM c WHERE c.a ==", "SELECT x FROM c"])
    async def test_what_is_not_of_the_subset_is_refused(self, filled: ContainerProxy, text: str) -> None:
        with pytest.raises(CosmosHttpResponseError, match="Syntax error"):
            await listed(filled.query_items(text, partition_key="a"))


class TestContainers:
    """Databases and containers."""

    async def test_they_are_made_once(self, client: CosmosClient) -> None:
        database = await client.create_database("one")
        with pytest.raises(CosmosResourceExistsError):
            await client.create_database("one")
        again = await client.create_database_if_not_exists("one")
        await again.create_container_if_not_exists("c", PartitionKey("/p"))
        await database.create_container_if_not_exists("c", PartitionKey("/p"))
        with pytest.raises(CosmosResourceExistsError):
            await database.create_container("c", PartitionKey("/p"))
        assert (await database.get_container_client("c").read())["partitionKey"]["paths"] == ["/p"]
        assert [one["id"] for one in await listed(client.list_databases())] == ["one"]

    async def test_what_is_missing_is_404(self, client: CosmosClient) -> None:
        database = client.get_database_client("none")
        with pytest.raises(CosmosResourceNotFoundError):
            await database.read()
        with pytest.raises(CosmosResourceNotFoundError):
            await database.get_container_client("none").read_item("1", "a")

    async def test_they_are_deleted_with_what_is_in_them(self, client: CosmosClient, items: ContainerProxy) -> None:
        await items.create_item(item("1"))
        database = client.get_database_client("bridge")
        await database.delete_container("items")
        anew = await database.create_container("items", PartitionKey("/part"))
        assert await listed(anew.read_all_items()) == []


class TestCharges:
    """Request units and session tokens, per operation."""

    async def test_reads_and_writes_are_charged_by_size(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        await items.create_item(item("1"))
        await items.create_item(item("2", big="x" * 100 * 1024))
        assert (peer.counts["create"], round(peer.charges["create"])) == (2, 55)
        await items.read_item("1", "a")
        assert (peer.counts["read"], peer.charges["read"]) == (1, 1.0)

    async def test_the_client_is_told(self, items: ContainerProxy) -> None:
        seen: list[dict[str, str]] = []

        def hook(headers: Any, _body: Any) -> None:
            seen.append(dict(headers))

        await items.create_item(item("1"), response_hook=hook)
        await items.create_item(item("2"), response_hook=hook)
        assert [one["x-ms-request-charge"] for one in seen] == ["5.00", "5.00"]
        assert seen[0]["x-ms-session-token"] != seen[1]["x-ms-session-token"]

    async def test_over_the_throughput_it_throttles(self) -> None:
        """With the service's hint; the SDK's own retries get through a second later."""
        async with CosmosPeer(throughput=20) as peer, CosmosClient(peer.url, peer.key) as client:
            database = await client.create_database("b")
            items = await database.create_container("c", PartitionKey("/part"))
            await asyncio.gather(*(items.create_item(item(str(n))) for n in range(8)))
            assert peer.counts["create"] > 8

    async def test_throttling_shows_when_retries_are_used_up(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        """The SDK tries nine more times, waiting as it is told."""
        peer.counts.clear()
        peer.faults.append(Fault("create", 429, 3200, headers={"x-ms-retry-after-ms": "7"}, count=99))
        with pytest.raises(CosmosHttpResponseError) as caught:
            await items.create_item(item("1"))
        assert (caught.value.status_code, caught.value.sub_status, peer.counts["create"]) == (429, 3200, 10)
        assert caught.value.headers["x-ms-retry-after-ms"] == "7"


class TestWhoAsks:
    """Keys and tokens are checked."""

    async def test_a_wrong_key_is_401(self, peer: CosmosPeer) -> None:
        wrong = base64.b64encode(os.urandom(64)).decode()
        with pytest.raises(CosmosHttpResponseError) as caught:
            async with opened(CosmosClient(peer.url, wrong)) as client:
                await client.create_database("x")
        assert caught.value.status_code == 401

    async def test_the_clock_may_not_be_far_off(self, peer: CosmosPeer) -> None:
        """A correct signature over an old date is refused, as with a machine whose clock is wrong."""
        statuses = []
        for age in (0, 16 * 60):
            date = email.utils.formatdate(time.time() - age, usegmt=True)
            text = f"get\ndbs\n\n{date.lower()}\n\n".encode()
            signature = base64.b64encode(hmac.digest(base64.b64decode(peer.key), text, hashlib.sha256)).decode()
            sent = quote(f"type=master&ver=1.0&sig={signature}", safe="")
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": sent, "x-ms-date": date, "x-ms-version": "2020-07-15"}
                async with session.get(f"{peer.url}/dbs", headers=headers) as answer:
                    statuses.append(answer.status)
        assert statuses == [200, 403]

    async def test_a_token_opens_documents_only(self, certificate: Certificate, issuer: Issuer) -> None:
        """It must be meant for this account; and containers are not made with it (Terraform makes them)."""
        async with CosmosPeer(tls=certificate, tokens=issuer.check, principals={"me"}) as peer:
            async with CosmosClient(peer.url, peer.key, connection_verify=str(certificate.chain)) as client:
                made = await client.create_database("b")
                await made.create_container("c", PartitionKey("/part"))
            async with _entra(peer, issuer, certificate, oid="me") as client:
                items = client.get_database_client("b").get_container_client("c")
                await items.create_item(item("1"))
                with pytest.raises(CosmosHttpResponseError) as caught:
                    await client.create_database("x")
                assert (caught.value.status_code, caught.value.sub_status) == (403, 5300)
            for changed, status in (({"oid": "else"}, 403), ({"audience": "https://vault.azure.net"}, 401)):
                with pytest.raises(CosmosHttpResponseError) as caught:
                    async with opened(_entra(peer, issuer, certificate, **{"oid": "me", **changed})) as client:
                        await client.get_database_client("b").get_container_client("c").read_item("1", "a")
                assert caught.value.status_code == status


class _Token:
    """A credential that asks the issuer directly."""

    def __init__(self, issuer: Issuer, oid: str, audience: str | None) -> None:
        self._issuer, self._oid, self._audience = issuer, oid, audience

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        audience = self._audience or scopes[0].removesuffix("/.default")
        return AccessToken(self._issuer.token(audience, oid=self._oid), int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> _Token:
        return self

    async def __aexit__(self, *_: object) -> None: ...


def _entra(
    peer: CosmosPeer, issuer: Issuer, certificate: Certificate, *, oid: str, audience: str | None = None
) -> CosmosClient:
    credential: Any = _Token(issuer, oid, audience)
    return CosmosClient(peer.url, credential, connection_verify=str(certificate.chain))


class TestFaults:
    """What can be ordered."""

    async def test_an_answer_can_get_lost_after_the_work(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        """The document is there although the call failed, which is what a journal is for."""
        peer.faults.append(Fault("create", drop="after", count=3))
        async with CosmosClient(peer.url, peer.key, **NO_RETRIES) as client:
            with pytest.raises(Exception, match=r"."):
                container = client.get_database_client("bridge").get_container_client("items")
                await container.create_item(item("1"))
        await items.read_item("1", "a")

    async def test_a_process_of_its_own_is_told_over_http(self, peer: CosmosPeer, items: ContainerProxy) -> None:
        async with aiohttp.ClientSession() as session:
            fault = {"operation": "read", "status": 404, "substatus": 1002, "count": 1}
            await (await session.post(f"{peer.url}/_peer/faults", json=fault)).read()
            await (await session.post(f"{peer.url}/_peer/clock", json={"advance": 100})).read()
            async with session.get(f"{peer.url}/_peer/counts") as answer:
                assert (await answer.json())["create-container"] == 1
        assert (len(peer.faults), round(peer.now() - time.time())) == (1, 100)


async def test_it_runs_as_a_process() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.peers.cosmos", "--throughput", "1000"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    async with CosmosClient(told["ready"], told["key"]) as alone:
        await alone.create_database("x")
    process.terminate()
    assert await process.wait() == 0
