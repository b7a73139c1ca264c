"""Dead letters as people may see them: which ones are meant, and all about them but what was said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bridge import ids
from bridge.letters import next_replay
from bridge.ports import DeadLetter, Direction, Queue
from bridge.text import when


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which letters are meant; None does not filter. `since` and `until` are about the last failure.

    `comes_back`: whether the bridge will put it back by itself.
    """

    direction: Direction | None = None
    code: str | None = None
    component: str | None = None
    tenant: str | None = None
    since: float | None = None
    until: float | None = None
    comes_back: bool | None = None

    def leave(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant."""
        wanted = (self.code, self.component, self.tenant, self.comes_back)
        failure = letter.failure
        found = (failure.code, failure.component, letter.envelope.tenant, next_replay(letter) is not None)
        return (
            all(want in (None, have) for want, have in zip(wanted, found, strict=True))
            and (self.since is None or letter.last_failed_at >= self.since)
            and (self.until is None or letter.last_failed_at < self.until)
        )


async def matching(queue: Queue, filters: Filters) -> AsyncIterator[DeadLetter]:
    """Walk the letters that the filters leave, oldest first."""
    after = None
    while page := await queue.dead_letters(filters.direction, limit=100, after=after):
        for letter in page:
            if filters.leave(letter):
                yield letter
        after = page[-1].id


async def first(letters: AsyncIterator[DeadLetter], limit: int | None) -> AsyncIterator[DeadLetter]:
    """Give the first `limit` of them; None gives all."""
    count = 0
    async for letter in letters:
        if limit is not None and count >= limit:
            return
        count += 1
        yield letter


def describe(letter: DeadLetter) -> dict[str, Any]:
    """Give everything about a letter but its body."""
    envelope = letter.envelope
    again = next_replay(letter)
    return {
        "id": letter.id,
        "reference": ids.reference(envelope.trace),
        "direction": envelope.direction,
        "tenant": envelope.tenant,
        "kind": envelope.kind,
        "key": envelope.message_id,
        "session": ids.for_log(envelope.session),
        "trace": envelope.trace,
        "code": letter.failure.code,
        "message": letter.failure.message,
        "component": letter.failure.component,
        "transient": letter.failure.transient,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "next_replay": None if again is None else when(again),
        "given_up": letter.failure.transient and again is None,
        "received_at": when(envelope.received_at),
        "first_failed_at": when(letter.first_failed_at),
        "last_failed_at": when(letter.last_failed_at),
        "bytes": len(envelope.body),
        "sha256": hashlib.sha256(envelope.body).hexdigest(),
    }


def redacted(letter: DeadLetter) -> Any:
    """Give the body's shape: names of fields stay, every value is replaced by its type and length."""
    try:
        return _shape(json.loads(letter.envelope.body))
    except (ValueError, RecursionError):
        return f"<{len(letter.envelope.body)} bytes that are not JSON>"


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, str):
        return f"<text {len(value)}>"
    return value if value is None or isinstance(value, bool) else "<number>"


def raw(letter: DeadLetter) -> str:
    """Give the body as it was stored."""
    return letter.envelope.body.decode("utf-8", "replace")
