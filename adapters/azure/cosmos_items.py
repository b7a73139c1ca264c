"""The items of the thread map in Cosmos DB: their ids, their attributes, and our own words for them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from adapters.azure.cosmos_container import Item
from bridge.events import Place
from bridge.ports import Attempt, Link, Step, Thread

_LINK = {
    "freshchatConversationId": "conversation_id",
    "tenantId": "tenant_id",
    "threadKey": "thread_key",
    "freshchatUserId": "freshchat_user_id",
    "inboxId": "inbox_id",
    "status": "status",
    "locale": "locale",
    "createdAt": "created_at",
    "activeAt": "active_at",
    "trace": "trace",
}
_PLACE = {
    "scope": "scope",
    "teamsConversationId": "conversation_id",
    "serviceUrl": "service_url",
    "teamsTeamId": "team_id",
    "teamsGroupId": "team_group_id",
    "teamsChannelId": "channel_id",
    "teamsThreadRootMessageId": "root_id",
}
_LASTING = ("id", "freshchatConversationId", "tenantId", "threadKey", "createdAt", "trace")


def item_id(*parts: str) -> str:
    """Make an item's id: 128 bits of a digest, in hex."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def changed(**values: Any) -> list[dict[str, Any]]:
    """Write a patch that sets attributes."""
    return [{"op": "set", "path": f"/{name}", "value": value} for name, value in values.items()]


def active_key(active_at: float, conversation_id: str) -> str:
    """Make what links are listed by: one text that sorts by time, then by conversation."""
    return f"{active_at:017.6f}/{conversation_id}"


def write_claim(tenant: str, thread_key: str, claimant: str, until: float) -> dict[str, Any]:
    """Write the record of a thread that has no conversation yet."""
    return {
        "id": item_id(tenant, thread_key),
        "tenantId": tenant,
        "threadKey": thread_key,
        "conversationId": None,
        "claimedBy": claimant,
        "claimedUntil": until,
    }


def read_thread(item: Item) -> Thread:
    """Read the record of a thread."""
    return Thread(
        thread_key=item["threadKey"],
        conversation_id=item["conversationId"],
        claimed_by=item["claimedBy"],
        claimed_until=item["claimedUntil"],
        etag=item["_etag"],
    )


def write_link(link: Link) -> dict[str, Any]:
    """Write a link."""
    item: dict[str, Any] = {"id": item_id(link.tenant_id, link.conversation_id)}
    item |= {name: getattr(link, field) for name, field in _LINK.items()}
    item |= {name: getattr(link.place, field) for name, field in _PLACE.items()}
    return item | {"activeKey": active_key(link.active_at, link.conversation_id)}


def write_update(link: Link, there: Item) -> dict[str, Any]:
    """Write a link over what is there, which keeps its thread and its birthday."""
    return write_link(link) | {name: there[name] for name in _LASTING}


def read_link(item: Item) -> Link:
    """Read a link."""
    place = Place(**{field: item[name] for name, field in _PLACE.items()})
    return Link(place=place, **{field: item[name] for name, field in _LINK.items()})


def write_row(tenant: str, key: str, now: float, note: Mapping[str, str], trace: str) -> dict[str, Any]:
    """Write a journal row. `made` tells the call that wrote it from another one, also if its answer got lost."""
    return {
        "id": item_id("key", tenant, key),
        "tenantId": tenant,
        "key": key,
        "trace": trace,
        "startedAt": now,
        "triedAt": now,
        "doneAt": None,
        "sentId": None,
        "note": dict(note),
        "starts": 1,
        "made": secrets.token_hex(8),
    }


def write_origin(tenant: str, key: str, sent_id: str) -> dict[str, Any]:
    """Write the item that tells by sent id which journal row made a message."""
    return {"id": item_id("sent", tenant, sent_id), "tenantId": tenant, "origin": key}


def write_fact(tenant: str, kind: str, fact_id: str, value: Mapping[str, str]) -> dict[str, Any]:
    """Write a fact that is kept for good. Those that are listed have a key that sorts; no other is in its index."""
    item = {
        "id": item_id(tenant, kind, fact_id),
        "tenantId": tenant,
        "kind": kind,
        "factId": fact_id,
        "value": dict(value),
        "expires": None,
    }
    return item | {"seenKey": seen_key(tenant, fact_id)} if kind == "seen" else item


def seen_key(tenant: str, conversation_id: str) -> str:
    """Give what sorts a tenant's seen conversations together and by their ids."""
    return f"{tenant} {conversation_id}"


def read_attempt(row: Item, made: str) -> Attempt:
    """Read a journal row for the call that would have written it as `made`."""
    return Attempt(
        first=row["made"] == made,
        started_at=row["startedAt"],
        tried_at=row["triedAt"],
        note=dict(row["note"]),
        sent_id=row["sentId"],
    )


def read_step(row: Item) -> Step:
    """Read a journal row for people."""
    return Step(
        tenant=row["tenantId"],
        key=row["key"],
        trace=row["trace"],
        started_at=row["startedAt"],
        done_at=row["doneAt"],
        sent_id=row["sentId"],
        note=dict(row["note"]),
    )
