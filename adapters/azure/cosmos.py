"""The `ThreadMap` in Azure Cosmos DB (NoSQL API): four containers, and point reads and writes for every message.

| container | partition key | an item is found by | kept |
|---|---|---|---|
| links | /freshchatConversationId | tenant and conversation | for good |
| threads | /threadKey | tenant and thread key | for good |
| journal | /id | tenant and journal key; a second small item by tenant and sent id | 30 days after its last write |
| facts | /id | tenant, kind and id | as long as it was learnt for |

Ids are digests, since keys hold `/` and `#` that Cosmos forbids; what they stand for is in the item.

**Who decides.** With session consistency a process reads what it wrote at once, and what another one wrote a moment
later. So nothing is decided by a read: a claim, a link and an update change one version by its ETag, `start` is
create-if-absent, and what it finds is read by a *write* to that item, which is answered from where all writes went.
Whoever reads too early sees too little (no thread, no link): it loses the conditional write and is tried again, or it
is NotLinked and tried again.

**Two items, no transaction.** `done` first writes the row, then the item by sent id: a process that dies between them
leaves a row that is done and no origin; its redelivery comes to `start`, which sees the sent id and writes the origin.
The other way round the redelivery would find its own message taken, and send again. Only `adopt` begins with the
item by sent id, since of two deliveries that find the same message one may have it; it knows its own item again.

COST, counted by the peer at 1 unit per read, 5 per create and 10 per change of an item of 1 KB (a test compares it with
`tests/fixtures/cosmos_cost.json`): a question that opens a conversation 12 calls and 46 units, one that follows 7 and
24, an answer 5 and 22, a resolved conversation 4 and 13. A call takes 0.8 ms of this process, nearly all in the SDK.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.azure.cosmos_client import MISSING, CosmosAccount, Shape, open_account
from adapters.azure.cosmos_container import COMPONENT, Container
from adapters.azure.cosmos_items import (
    active_key,
    changed,
    item_id,
    read_attempt,
    read_link,
    read_step,
    read_thread,
    seen_key,
    write_claim,
    write_fact,
    write_link,
    write_origin,
    write_row,
    write_update,
)
from bridge.errors import Unavailable
from bridge.ports import Attempt, FactKind, Link, Step, Thread
from bridge.settings import Settings

__all__ = ["MISSING", "SHAPES", "CosmosThreadMap", "examine", "open_threads"]

JOURNAL_DAYS = 30
TRIES = 5
"""How often a conditional write is tried again when others keep changing the item."""
PING_SECONDS = 60
FREE: Mapping[str, None] = {"claimedBy": None, "claimedUntil": None}

SHAPES = (
    Shape(name="links", partition_key="/freshchatConversationId", indexed=("/tenantId", "/activeKey")),
    Shape(name="threads", partition_key="/threadKey"),
    Shape(name="journal", partition_key="/id", ttl=JOURNAL_DAYS * 86_400, indexed=("/trace", "/startedAt")),
    Shape(name="facts", partition_key="/id", ttl=-1, indexed=("/seenKey",)),
)

_ACTIVE = "SELECT * FROM c WHERE c.tenantId = @tenant AND c.activeKey > @after ORDER BY c.activeKey"
_SEEN = "SELECT * FROM c WHERE c.seenKey > @after AND c.seenKey < @end ORDER BY c.seenKey"
_STEPS_OF = "SELECT * FROM c WHERE STARTSWITH(c.trace, @trace) ORDER BY c.startedAt DESC"
_NEWEST_STEPS = "SELECT * FROM c WHERE IS_DEFINED(c.startedAt) ORDER BY c.startedAt DESC"


@asynccontextmanager
async def open_threads(settings: Settings, now: Callable[[], float] = time.time) -> AsyncIterator[CosmosThreadMap]:
    """Open the map that the settings name; in development, what is missing is made.

    Misconfigured if it cannot be used as it is; Forbidden or Unavailable as the account answers.
    """
    async with _account(settings) as account:
        yield CosmosThreadMap(await account.containers(SHAPES, create=not settings.production), now=now)


async def examine(settings: Settings) -> dict[str, str]:
    """Say what is wrong with each container, by name (nothing: an empty text); if nothing is, write and forget an item.

    Raises as `open_threads`, and makes nothing.
    """
    async with _account(settings) as account:
        problems = await account.problems(SHAPES)
        if not any(problems.values()):
            await CosmosThreadMap(await account.containers(SHAPES, create=False)).ping()
        return problems


def _account(settings: Settings) -> AbstractAsyncContextManager[CosmosAccount]:
    key = settings.cosmos_key.get_secret_value() if settings.cosmos_key else None
    return open_account(settings.cosmos_endpoint, key, settings.cosmos_database, client_id=settings.azure_client_id)


class CosmosThreadMap:
    """The `ThreadMap` port; its account is closed by whoever opened it."""

    def __init__(self, containers: Mapping[str, Container], *, now: Callable[[], float] = time.time) -> None:
        self._links, self._threads = containers["links"], containers["threads"]
        self._journal, self._facts = containers["journal"], containers["facts"]
        self._now = now

    # --- claims

    async def thread(self, tenant: str, thread_key: str) -> Thread | None:
        """Read what is open in a thread."""
        item = await self._threads.read(item_id(tenant, thread_key), thread_key)
        return None if item is None else read_thread(item)

    async def claim(
        self, tenant: str, thread_key: str, claimant: str, seconds: float, etag: str | None
    ) -> Thread | None:
        """Claim the right to open a conversation: create the record (`etag` None) or replace exactly that version."""
        until = self._now() + seconds
        if etag is None:
            claimed = await self._threads.create(write_claim(tenant, thread_key, claimant, until))
        elif not etag.startswith('"'):
            return None  # not one of ours, so no version
        else:
            changes = changed(claimedBy=claimant, claimedUntil=until)
            claimed = await self._threads.patch(item_id(tenant, thread_key), changes, thread_key, etag=etag)
        return None if claimed is None else read_thread(claimed)

    # --- links

    async def link(self, link: Link, claimant: str) -> bool:
        """Write the link and make it the thread's open conversation, ending the claim of `claimant`.

        A link that exists already keeps its thread, status and place: the first one was right, the second is a repeat.
        """
        await self._links.create(write_link(link))
        found, changes = item_id(link.tenant_id, link.thread_key), changed(conversationId=link.conversation_id, **FREE)
        for _ in range(TRIES):
            there = await self._threads.read(found, link.thread_key)
            if there is None or there["claimedBy"] != claimant:
                return there is not None and there["conversationId"] == link.conversation_id
            if await self._threads.patch(found, changes, link.thread_key, etag=there["_etag"]) is not None:
                return True
        raise _contended()

    async def by_conversation(self, tenant: str, conversation_id: str) -> Link | None:
        """Read the link of a conversation."""
        item = await self._links.read(item_id(tenant, conversation_id), conversation_id)
        return None if item is None else read_link(item)

    async def update(self, link: Link) -> None:
        """Replace a link that exists; its thread and its birthday stay, and nothing is created."""
        found = item_id(link.tenant_id, link.conversation_id)
        for _ in range(TRIES):
            there = await self._links.read(found, link.conversation_id)
            if there is None or await self._links.replace(write_update(link, there), there["_etag"]) is not None:
                return
        raise _contended()

    async def links(
        self, tenant: str, active_since: float, *, after: Link | None = None, limit: int = 100
    ) -> Sequence[Link]:
        """List links that were active since then, the longest quiet first, at most `limit`, those behind `after`."""
        behind = active_key(active_since, "")
        if after is not None:
            behind = max(behind, active_key(after.active_at, after.conversation_id))
        found = await self._links.list(_ACTIVE, {"tenant": tenant, "after": behind}, limit)
        return [read_link(item) for item in found]

    # --- journal

    async def start(
        self, tenant: str, key: str, now: float, note: Mapping[str, str] | None = None, trace: str = ""
    ) -> Attempt:
        """Journal that an outside call is about to be made, durably; a second start returns the first row."""
        row = write_row(tenant, key, now, note or {}, trace)
        for _ in range(TRIES):
            if await self._journal.create(row) is not None:
                return read_attempt(row, row["made"])
            found = await self._journal.patch(row["id"], [{"op": "incr", "path": "/starts", "value": 1}])
            if found is None:
                continue  # taken back by another try meanwhile
            if found["sentId"] is not None:
                await self._keep_origin(tenant, key, found["sentId"])
            return read_attempt(found, row["made"])
        raise _contended()

    async def again(self, tenant: str, key: str, attempt: Attempt, now: float) -> bool:
        """Journal that the call of an attempt is about to be made once more; False if somebody else has, or is done."""
        for _ in range(TRIES):
            row = await self._journal.read(item_id("key", tenant, key))
            if row is None or row["sentId"] is not None or row["triedAt"] != attempt.tried_at:
                return False
            if await self._journal.patch(row["id"], changed(triedAt=now), etag=row["_etag"]) is not None:
                return True
        raise _contended()

    async def done(self, tenant: str, key: str, sent_id: str) -> None:
        """Journal what the call made, durably, so that `start(key)` and `origin(sent_id)` tell it."""
        now = self._now()
        row = write_row(tenant, key, now, {}, "") | {"sentId": sent_id, "doneAt": now}
        for _ in range(TRIES):
            if await self._journal.patch(row["id"], changed(sentId=sent_id, doneAt=now)) is not None:
                break
            if await self._journal.create(row) is not None:
                break
        else:
            raise _contended()
        await self._keep_origin(tenant, key, sent_id)

    async def adopt(self, tenant: str, key: str, sent_id: str) -> bool:
        """Journal as `done` does, unless another key made the message `sent_id`: who writes its item first has it."""
        item = write_origin(tenant, key, sent_id)
        if await self._journal.create(item) is None:
            there = await self._journal.patch(item["id"], [{"op": "incr", "path": "/looks", "value": 1}])
            if there is None or there["origin"] != key:
                return False
        await self.done(tenant, key, sent_id)
        return True

    async def _keep_origin(self, tenant: str, key: str, sent_id: str) -> None:
        """Write the item by sent id; one that is there stays, as the message's first origin."""
        await self._journal.create(write_origin(tenant, key, sent_id))

    async def abandon(self, tenant: str, key: str) -> None:
        """Take a first start back whose call certainly had no effect; what is `done` or was tried `again` stays."""
        for _ in range(TRIES):
            row = await self._journal.read(item_id("key", tenant, key))
            if row is None or row["sentId"] is not None or row["triedAt"] != row["startedAt"]:
                return
            if await self._journal.delete(row["id"], row["_etag"]):
                return
        raise _contended()

    async def attempted(self, tenant: str, key: str) -> bool:
        """Tell whether the journal has a row under this key: a call that was made or is about to be."""
        return await self._journal.read(item_id("key", tenant, key)) is not None

    async def recall(self, tenant: str, key: str) -> Attempt | None:
        """Read the row under this key as a second `start` gives it; None if there is none."""
        item = await self._journal.read(item_id("key", tenant, key))
        return None if item is None else read_attempt(item, "")

    async def origin(self, tenant: str, sent_id: str) -> str | None:
        """Tell which journal key made the message `sent_id` on the other platform, or None: not ours."""
        item = await self._journal.read(item_id("sent", tenant, sent_id))
        return None if item is None else str(item["origin"])

    async def steps(self, trace: str, *, limit: int = 100) -> Sequence[Step]:
        """List journal rows whose trace id begins with `trace` (8 hex digits or more; empty: all), newest first."""
        if trace and not re.fullmatch(r"[0-9a-f]{8,32}", trace):
            return []
        query = _STEPS_OF if trace else _NEWEST_STEPS
        return [read_step(row) for row in await self._journal.list(query, {"trace": trace} if trace else {}, limit)]

    # --- facts

    async def fact(self, tenant: str, kind: FactKind, fact_id: str) -> Mapping[str, str] | None:
        """Recall what `learn` kept."""
        item = await self._facts.read(item_id(tenant, kind, fact_id))
        if item is None or (item["expires"] is not None and item["expires"] <= self._now()):
            return None
        return dict(item["value"])

    async def learn(
        self, tenant: str, kind: FactKind, fact_id: str, value: Mapping[str, str], ttl: float | None
    ) -> None:
        """Keep a small record found out from a platform for `ttl` seconds (None: for good); replaces.

        The service counts whole seconds, so `expires` decides and its `ttl` only clears away.
        """
        item = write_fact(tenant, kind, fact_id, value)
        if ttl is not None:
            item |= {"expires": self._now() + ttl, "ttl": max(math.ceil(ttl), 1)}
        await self._facts.put(item)

    async def seen(self, tenant: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """List the conversations that webhooks named, in the order of their ids, at most `limit`."""
        bounds = {"after": seen_key(tenant, after), "end": seen_key(tenant, "\U0010ffff")}
        return [item["factId"] for item in await self._facts.list(_SEEN, bounds, limit)]

    # --- all of it

    async def ping(self) -> None:
        """Raise Unavailable, Forbidden or StoreFull unless a small write goes through."""
        await self._facts.put({"id": "ping", "ttl": PING_SECONDS})

    async def close(self) -> None:
        """Let go of the store; the account stays open for whoever opened it."""


def _contended() -> Unavailable:
    return Unavailable("others keep changing this item", code="cosmos_contended", component=COMPONENT)
