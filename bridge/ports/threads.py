"""What is known of threads and conversations: links, the journal of outside calls, and facts learnt from platforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bridge.events import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One Freshchat conversation and the only Teams thread its answers may go to.

    `status` is `left` when people have asked for a new conversation while it was open: only the thread has left it.
    `active_at` is when a message last went through it, to the hour; `trace` is the trace id of its first message.
    """

    conversation_id: str
    tenant_id: str
    thread_key: str
    place: Place
    freshchat_user_id: str
    inbox_id: str
    status: Literal["open", "resolved", "left"] = "open"
    locale: str | None = None
    created_at: float = 0.0
    active_at: float = 0.0
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What is open in one Teams thread: the claim, and the conversation once there is one.

    `etag` changes with every write. `claimed_by` is the idempotency key of the message that opens the
    conversation, until `claimed_until`; both are None when nobody is opening one.
    """

    thread_key: str
    conversation_id: str | None
    claimed_by: str | None
    claimed_until: float | None
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A journal row. `first` is True for the call that wrote it; `sent_id` is None until `done` was recorded.

    `started_at` dates the first try, `tried_at` the last one (see `again`).
    """

    first: bool
    started_at: float
    tried_at: float
    note: Mapping[str, str] = field(default_factory=dict)
    sent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A journal row for people who ask: one outside call, and what came of it (None: not known, or not yet)."""

    tenant: str
    key: str
    trace: str
    started_at: float
    done_at: float | None
    sent_id: str | None
    note: Mapping[str, str] = field(default_factory=dict)


FactKind = Literal[
    "person",
    "team",
    "key",
    "mark",
    "card",
    "edit",
    "message",
    "state",
    "install",
    "away",
    "file",
    "portrait",
    "retirement",
    "seen",
]
"""A person's Freshchat user; a team's group id; when a webhook key was last used; how far a periodic task came; what a
card offers, and to which thread; the newest version of a message; what was told of a message's versions; what last
happened to a conversation; where the app is installed; who knows of our business hours; what became of the files of a
message; which picture a user has; whether the bridge has retired; a conversation that a webhook named and that is
not ours."""


class ThreadMap(Protocol):
    """Links between threads and conversations, the journal of outside calls, and facts learnt from platforms.

    Everything is per tenant. Methods raise Unavailable or StoreFull when the store cannot be used now.
    """

    async def thread(self, tenant: str, thread_key: str) -> Thread | None:
        """Read what is open in a thread."""

    async def claim(
        self, tenant: str, thread_key: str, claimant: str, seconds: float, etag: str | None
    ) -> Thread | None:
        """Claim the right to open a conversation: create the record (`etag` None) or replace exactly that version.

        None if somebody else was faster. A claim keeps the thread's present conversation until `link`.
        """

    async def link(self, link: Link, claimant: str) -> bool:
        """Write the link and make it the thread's open conversation, ending the claim of `claimant`.

        False if the claim is no longer `claimant`'s (the link itself is still written: its answers must find
        their thread). Writing the same link again is harmless.
        """

    async def by_conversation(self, tenant: str, conversation_id: str) -> Link | None:
        """Read the link of a conversation (one point read)."""

    async def update(self, link: Link) -> None:
        """Replace a link that exists (status, place, locale)."""

    async def links(
        self, tenant: str, active_since: float, *, after: Link | None = None, limit: int = 100
    ) -> Sequence[Link]:
        """List links with `active_at` at or after that, the longest quiet first, at most `limit`.

        `after` is the last link of the page before. A link that gets active meanwhile may come again; none is missed.
        """

    async def start(
        self, tenant: str, key: str, now: float, note: Mapping[str, str] | None = None, trace: str = ""
    ) -> Attempt:
        """Journal that an outside call is about to be made, durably; a second start returns the first row."""

    async def again(self, tenant: str, key: str, attempt: Attempt, now: float) -> bool:
        """Journal that the call of an attempt is about to be made once more, durably.

        False if the row is not as `attempt` has it any more: somebody else has made the call, or is about to.
        """

    async def done(self, tenant: str, key: str, sent_id: str) -> None:
        """Journal what the call made, durably, so that `start(key)` and `origin(sent_id)` tell it."""

    async def adopt(self, tenant: str, key: str, sent_id: str) -> bool:
        """Journal as `done` does, unless another key made the message `sent_id`; of several keys one adopts it.

        False if it is another one's.
        """

    async def abandon(self, tenant: str, key: str) -> None:
        """Take a first start back whose call certainly had no effect.

        A row that is `done` stays, and so does one whose call was made `again`.
        """

    async def attempted(self, tenant: str, key: str) -> bool:
        """Tell whether the journal has a row under this key: a call that was made or is about to be."""

    async def recall(self, tenant: str, key: str) -> Attempt | None:
        """Read the row under this key as a second `start` gives it; None if there is none."""

    async def origin(self, tenant: str, sent_id: str) -> str | None:
        """Tell which journal key made the message `sent_id` on the other platform, or None: not ours."""

    async def steps(self, trace: str, *, limit: int = 100) -> Sequence[Step]:
        """List journal rows of all tenants whose trace id begins with `trace` (8 to 32 hex digits), newest first.

        An empty `trace` lists the newest rows.
        """

    async def fact(self, tenant: str, kind: FactKind, fact_id: str) -> Mapping[str, str] | None:
        """Recall what `learn` kept."""

    async def learn(
        self, tenant: str, kind: FactKind, fact_id: str, value: Mapping[str, str], ttl: float | None
    ) -> None:
        """Keep a small record found out from a platform for `ttl` seconds (None: for good); replaces."""

    async def seen(self, tenant: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """List the ids of lasting `seen` facts in their order, at most `limit`, those behind the id `after`."""

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull if the store cannot be used now."""

    async def close(self) -> None:
        """Let go of the store."""
