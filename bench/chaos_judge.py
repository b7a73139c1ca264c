"""The end of a chaos run: what was said is compared with what arrived, and both are kept beside the logs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import chaos_verdict as verdict
from bench.chaos_traffic import Talk, Traffic
from bench.chaos_verdict import Kill, Result
from bridge.ids import parse_freshchat_key
from tests.flow.stack import Stack

SETTLE_SECONDS = 300.0
BUGS = ('"action": "bug"', '"action": "worker_error"')


@dataclass(frozen=True)
class Ending:
    """What was found at the end of a run.

    `logs` are the bridge's, `dead` counts its dead letters, `healed` names the tokens that came by reconciliation,
    `window` counts per token the extra copies that the guarantees allow.
    """

    logs: Sequence[Path]
    dead: int
    healed: frozenset[str]
    window: Counter[str]


async def judge(
    stack: Stack, traffic: Traffic, kills: list[Kill], ending: Ending, facts: Mapping[str, Any], missed: dict[str, int]
) -> Result:
    """Look at both platforms and at the logs."""
    threads, conversations = await stack.threads(), await traffic.look()
    evidence = {"teams": threads, "freshchat": conversations, "kills": [asdict(kill) for kill in kills]}
    for name, what in evidence.items():
        (stack.folder / f"{name}.json").write_text(json.dumps(what, ensure_ascii=False), encoding="utf-8")
    healed = ending.healed
    columns = {
        "to Freshchat": verdict.freshchat([*traffic.talks, *traffic.chats], conversations),
        "to Teams, Graph": verdict.teams(traffic.talks, threads, Counter(), healed),
        "… bot, group chats": verdict.teams(_chats(traffic, "groupChat"), threads, Counter(), healed),
        "… bot, personal": verdict.teams(_chats(traffic, "personal"), threads, ending.window, healed),
    }
    counted = {
        "kills": sum(kill.when != "frozen" for kill in kills),
        "messages": dict(traffic.messages),
        "dead letters": ending.dead,
        "bugs": sum(log.read_text(encoding="utf-8").count(bug) for log in ending.logs for bug in BUGS),
        "webhooks that the sandbox gave up": (await stack.get("webhooks"))["failed"],
    }
    return Result(kills, columns, counted | dict(facts), missed)


def _chats(traffic: Traffic, scope: str) -> list[Talk]:
    return [talk for talk in traffic.chats if talk.place["scope"] == scope]


async def heal(stack: Stack, traffic: Traffic, untaken: Iterable[str], logs: Iterable[Path]) -> frozenset[str]:
    """Fetch the answers whose webhooks were given up while no door was open; give the tokens that came, or come, so."""
    missing = list(untaken)
    for conversation in {parse_freshchat_key(key).conversation for key in missing}:
        code, _, err = await stack.bridgectl("reconcile", "--since", "1d", "--conversation", conversation)
        assert code == 0, err
    await stack.settled(SETTLE_SECONDS)
    late = set(missing).union(*map(_healed_keys, logs))
    return frozenset(token for key in late for token in traffic.keys.get(key, ()))


def _healed_keys(log: Path) -> set[str]:
    """Give the keys of answers that a living process fetched by itself, because their webhooks had been given up."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {json.loads(line)["key"] for line in lines if '"action": "healed"' in line and line.endswith("}")}
