"""One container of Cosmos DB: point reads and writes, and what its refusals mean to us.

It answers in three ways that are no errors: there is none (404), there is one already (409), it is not that version any
more (412). They are None here. 429 is waited for as long as the service says, up to PATIENCE in all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import PipelineResponse
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from bridge.errors import BridgeError, Forbidden, Rejected, StoreFull, Throttled, Unavailable

COMPONENT = "cosmos"
CALL_SECONDS = 10.0
"""Of one call with its waiting and its second try."""
LIST_SECONDS = 30.0
PATIENCE = 3.0
TERRAFORM = "In production Terraform makes it (infra/terraform/azure)."
SKEW_SECONDS = 600.0
"""The account refuses signatures whose date is 15 minutes off."""
_NO_SESSION, _NO_OWNER = 1002, 1003
"""404 for other reasons than a missing item: a replica that is behind; no such database or container."""
_MOVING = (3, 1008)
"""403 while an account changes its write region."""
_FULL = 1014
"""403: a logical partition has its 20 GB."""

Item = Mapping[str, Any]
T = TypeVar("T")


class Missing(Forbidden):
    """The database or the container is not there (any more): hold everything and wake somebody."""


class Container:
    """Items by id and partition key value (None: the id itself)."""

    def __init__(self, proxy: ContainerProxy) -> None:
        self._proxy = proxy

    async def read(self, item_id: str, partition: str | None = None) -> Item | None:
        """Read an item, as new as what this process has read or written; None if there is none."""
        return await answer(lambda: self._proxy.read_item(item_id, partition or item_id))

    async def create(self, item: dict[str, Any]) -> Item | None:
        """Create an item; None if there is one with its id."""
        return await answer(lambda: self._proxy.create_item(item))

    async def put(self, item: dict[str, Any]) -> None:
        """Create or replace an item."""
        await answer(lambda: self._proxy.upsert_item(item, no_response=True))

    async def replace(self, item: dict[str, Any], etag: str) -> Item | None:
        """Replace exactly that version; None if there is another one, or none."""
        match = MatchConditions.IfNotModified
        return await answer(lambda: self._proxy.replace_item(item["id"], item, etag=etag, match_condition=match))

    async def patch(
        self,
        item_id: str,
        changes: Sequence[dict[str, Any]],
        partition: str | None = None,
        *,
        etag: str | None = None,
    ) -> Item | None:
        """Change an item (exactly that version, if it is named) and give all of it; None if there is none.

        It is answered from where writes go, so nobody's earlier write is missing in it.
        """
        conditions: dict[str, Any] = {}
        if etag is not None:
            conditions = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        return await answer(lambda: self._proxy.patch_item(item_id, partition or item_id, list(changes), **conditions))

    async def delete(self, item_id: str, etag: str, partition: str | None = None) -> bool:
        """Delete exactly that version; False if there is another one, or none."""
        options: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}

        async def call() -> bool:
            await self._proxy.delete_item(item_id, partition or item_id, **options)
            return True

        return await answer(call) or False

    async def list(self, query: str, parameters: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
        """Ask all partitions; give at most `limit` items. For lists that people and slow timers ask for."""
        values = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]

        async def call() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            async for item in self._proxy.query_items(query, parameters=values, max_item_count=limit):
                found.append(item)
                if len(found) == limit:
                    break
            return found

        return await answer(call, LIST_SECONDS) or []


async def answer(call: Callable[[], Awaitable[T]], seconds: float | None = None) -> T | None:
    """Call within its time; None for 404, 409 and 412, and our own error for what is none of them."""
    waited, seconds = 0.0, seconds or CALL_SECONDS
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await call()
                except Throttled as error:
                    wait = error.after if error.after is not None else 1.0
                    if waited + wait > PATIENCE:
                        raise
                    waited += wait
                    await asyncio.sleep(wait)
    except CosmosHttpResponseError as error:
        if _is_answer(error):
            return None
        raise _meaning(error) from None
    except ClientAuthenticationError:
        text = "Cosmos DB: the managed identity gets no token"
        raise Forbidden(text, code="cosmos_identity", component=COMPONENT) from None
    except AzureError as error:
        text = f"Cosmos DB cannot be reached ({type(error).__name__})"
        raise Unavailable(text, code="cosmos_unreachable", component=COMPONENT) from None
    except TimeoutError:
        text = f"Cosmos DB gave no answer within {seconds:.0f} s"
        raise Unavailable(text, code="cosmos_timeout", component=COMPONENT) from None


def look_for_throttling(response: PipelineResponse[Any, Any]) -> None:
    """Raise Throttled for a 429, before the SDK waits for it without a bound."""
    answer = response.http_response
    if answer.status_code != 429:
        return
    told = answer.headers.get("x-ms-retry-after-ms", "")
    after = int(told) / 1000 if told.isdigit() else None
    raise Throttled(
        "Cosmos DB has fewer request units than are asked for", code="cosmos_429", component=COMPONENT, after=after
    )


def _is_answer(error: CosmosHttpResponseError) -> bool:
    if isinstance(error, CosmosResourceNotFoundError):
        return error.sub_status not in (_NO_SESSION, _NO_OWNER)
    return isinstance(error, CosmosResourceExistsError | CosmosAccessConditionFailedError)


def _meaning(error: CosmosHttpResponseError) -> BridgeError | StoreFull:
    status, sub = error.status_code, error.sub_status or 0
    code, answered = f"cosmos_{status}", f"Cosmos DB answered {status}/{sub}"
    if status == 404 and sub == _NO_OWNER:
        text = f"Cosmos DB: the database or a container is missing. {TERRAFORM}"
        return Missing(text, code=code, component=COMPONENT)
    if status == 401:
        text = (
            "it refuses AZURE_COSMOS_KEY, or keys are switched off for this account, or this machine's clock is wrong"
        )
        return Forbidden(f"{answered}: {_clock(error) or text}", code=code, component=COMPONENT)
    if status == 403 and sub == _FULL:
        return StoreFull(f"{answered}: a partition is full")
    if status == 403 and sub not in _MOVING:
        text = (
            "the identity needs the role Cosmos DB Built-in Data Contributor, "
            "and the account's firewall must admit this machine"
        )
        return Forbidden(f"{answered}: {_clock(error) or text}", code=code, component=COMPONENT)
    if status in (400, 413):
        return Rejected(f"{answered}: it refuses the item", code=code, component=COMPONENT)
    return Unavailable(answered, code=code, component=COMPONENT)


def _clock(error: CosmosHttpResponseError) -> str:
    """Tell how far our clock is off, where that is why the account refuses us."""
    try:
        ahead = time.time() - parsedate_to_datetime(error.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return ""
    if abs(ahead) <= SKEW_SECONDS:
        return ""
    return f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the account's"
