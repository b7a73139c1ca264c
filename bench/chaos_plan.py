"""What the chaos runs on both engines have in common: their size, which point is next, how the messages are spread."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.chaos_stack import Aim
from bench.chaos_traffic import Batch

WHENS = ("before", "during", "after")
RANDOM = "(any moment)"
STARTING = "(while starting)"
SETTINGS = {"BRIDGE_RETRY_WAIT": "0.1", "BRIDGE_LOG_LEVEL": "INFO", "TEAMS_REPLY_VIA": "auto"}
SANDBOX = ("--crowd", "--no-page")
OPENING = (Batch(chats=7), Batch(long=2, chats=7, chat_answers=7, statuses=4), Batch(long=1, statuses=4))
"""What is said before anything goes wrong: everything happens once, which names the points."""


@dataclass(frozen=True)
class Size:
    """How much chaos: at least `kills`, and every point `rounds` times in each variant (None: a sample of them)."""

    messages: int
    kills: int
    rounds: int | None = None


def share(size: Size, said: int, done: int, rng: random.Random, statuses: int = 1) -> Batch:
    """Spread the messages over the strikes that are left; now and then some are long."""
    left = max(size.messages - said, 0)
    unit = max(18, left // max(size.kills - done, 1)) / 22
    return Batch(
        threads=round(2 * unit),
        questions=round(5 * unit),
        answers=round(6 * unit),
        chats=round(3 * unit),
        chat_answers=round(3 * unit),
        long=2 if rng.random() < 0.1 else 0,
        statuses=statuses,
    )


def is_recovery(point: str) -> bool:
    """Whether only a recovery passes this point."""
    return any(word in point for word in ("look_back", "_look_back", "_adopt", "_found", "retry"))


def sample(aims: list[Aim], count: int) -> list[Aim]:
    """Choose so many, each point once before any comes twice."""
    first = list({aim.point: aim for aim in aims}.values())
    return [*first, *(aim for aim in aims if aim not in first)][:count]
