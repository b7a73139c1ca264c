"""The sending limits that Microsoft publishes for Teams (reference, sections 4.7 and 5.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.buckets import Buckets, Limit, Window
from adapters.http import Answer, retry_after

SECOND = 1.0

# Bot connector, per bot and conversation. They call the figures estimates.
SEND: tuple[Window, ...] = ((7, SECOND), (8, 2.0), (60, 30.0), (1800, 3600.0))
ROSTER: tuple[Window, ...] = ((14, SECOND), (16, 2.0), (120, 30.0), (3600, 3600.0))
BOT: tuple[Window, ...] = ((50, SECOND),)  # per app and tenant

# Graph, per app and tenant.
PLACE: tuple[Window, ...] = ((1, SECOND),)  # all calls for one channel or chat together
TEAM: tuple[Window, ...] = ((4, SECOND),)
POST_CHANNEL: tuple[Window, ...] = ((50, SECOND),)
POST_CHAT: tuple[Window, ...] = ((20, SECOND),)
READ: tuple[Window, ...] = ((20, SECOND),)


async def within(
    buckets: Buckets,
    owner: str,
    limits: Sequence[Limit],
    send: Callable[[], Awaitable[Answer]],
    clock: Callable[[], float],
    *,
    more: bool = False,
) -> Answer:
    """Make a call when it is the owner's turn; raises Throttled, with nothing sent, when that is not soon."""
    call = await buckets.turn(owner, *limits, more=more)
    answer = await send()
    if answer.status == 429:
        buckets.refused(call, retry_after(answer.headers, clock()))
    else:
        buckets.went(call)
    return answer


def sending(service_url: str, conversation: str) -> tuple[Limit, ...]:
    """Limits of a send through the connector. A channel counts as one conversation, whatever the thread.

    A serviceUrl stands for the tenant: newer ones name it, older ones stand for a region.
    """
    place = conversation.partition(";")[0]
    return Limit(f"send/{place}", SEND), Limit(f"bot/{service_url}", BOT)


def roster(service_url: str, place: str) -> tuple[Limit, ...]:
    """Limits of a look into a conversation's or team's list of members."""
    return Limit(f"roster/{place}", ROSTER), Limit(f"bot/{service_url}", BOT)


def graph(thread: tuple[str, ...], method: str) -> tuple[Limit, ...]:
    """Limits of a Graph call for a thread: (group, channel, root) or (chat,)."""
    chat = len(thread) == 1
    every = {"GET": READ, "POST": POST_CHAT if chat else POST_CHANNEL}[method]
    place, wide = Limit(f"place/{thread[0 if chat else 1]}", PLACE), Limit(f"{method}/{'chat' if chat else ''}", every)
    return (place, wide) if chat else (place, Limit(f"team/{thread[0]}", TEAM), wide)
