"""The end of a chaos run: what was said is compared with what arrived, and both are kept beside the logs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import chaos_verdict as verdict
from bench.chaos_stack import ChaosStack
from bench.chaos_traffic import Talk, Traffic
from bench.chaos_verdict import Kill, Result
from bridge.ids import dedupe_id


async def judge(
    stack: ChaosStack,
    traffic: Traffic,
    kills: list[Kill],
    facts: Mapping[str, Any],
    missed: dict[str, int],
    healed: frozenset[str],
) -> Result:
    """Look at both platforms and at the log."""
    threads, conversations = await stack.threads(), await traffic.look()
    evidence = {"teams": threads, "freshchat": conversations, "kills": [asdict(kill) for kill in kills]}
    for name, what in evidence.items():
        (stack.folder / f"{name}.json").write_text(json.dumps(what, ensure_ascii=False), encoding="utf-8")
    excused = verdict.excused(kills, traffic.sent)
    columns = {
        "to Freshchat": verdict.freshchat([*traffic.talks, *traffic.chats], conversations),
        "to Teams, Graph": verdict.teams(traffic.talks, threads, Counter(), healed),
        "… bot, group chats": verdict.teams(_chats(traffic, "groupChat"), threads, Counter(), healed),
        "… bot, personal": verdict.teams(_chats(traffic, "personal"), threads, excused, healed),
    }
    counted = {
        "kills": len(kills),
        "messages": dict(traffic.messages),
        "dead letters": int(await stack.metric("bridge_queue_dead")),
        "bugs": (stack.folder / "bridge.log").read_text(encoding="utf-8").count('"action": "bug"'),
        "webhooks that the sandbox gave up": (await stack.get("webhooks"))["failed"],
    }
    return Result(kills, columns, counted | dict(facts), missed)


def _chats(traffic: Traffic, scope: str) -> list[Talk]:
    return [talk for talk in traffic.chats if talk.place["scope"] == scope]


def untaken(database: Path, tenant: str, keys: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Give the answers (key: tokens) that the queue does not remember to have taken: Freshchat gave them up."""
    with closing(sqlite3.connect(database)) as db:
        known = {row[0] for row in db.execute("SELECT key FROM dedupe")}
    digests = {key: hashlib.blake2b(dedupe_id(tenant, key).encode(), digest_size=16).digest() for key in keys}
    return {key: tokens for key, tokens in keys.items() if digests[key] not in known}


def healed_keys(log: Path) -> set[str]:
    """Give the keys of answers that a living process fetched by itself, because their webhooks had been given up."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {json.loads(line)["key"] for line in lines if '"action": "healed"' in line and line.endswith("}")}
