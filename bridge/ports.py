"""What the core needs from the outside, in our words: one small Protocol per need.

Every adapter of a port passes the port's suite in `tests/contract/`. All methods are async; all times are epoch
seconds (UTC); `BridgeError`s are in `bridge/errors.py`. An adapter never imports another adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bridge.events import Place

Direction = Literal["to-freshchat", "to-teams"]
DIRECTIONS: tuple[Direction, ...] = ("to-freshchat", "to-teams")


# --- Queue ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One accepted request: the raw body, and the three keys that a door takes from it.

    `message_id` is the dedupe key, `session` the ordering key (both made in `bridge/ids.py`), `kind` a short word
    for lists, `trace` a W3C trace id, `span` the id of the span that accepted it (empty if there was none).
    """

    direction: Direction
    tenant: str
    message_id: str
    session: str
    kind: str
    trace: str
    body: bytes
    received_at: float
    span: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a delivery did not go through: nothing personal, no body.

    `transient`: the same message may go through later without anybody changing anything.
    """

    code: str
    message: str
    component: str
    transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An envelope taken from the queue. `attempts` counts earlier failures, `first_failed_at` dates the first.

    `replays` counts how often it came back from the dead letters without a person.
    """

    envelope: Envelope
    attempts: int
    first_failed_at: float | None
    lease: str
    replays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up, whole, so that it can be replayed. `id` is what `dlq` commands take."""

    id: str
    envelope: Envelope
    failure: Failure
    first_failed_at: float
    last_failed_at: float
    attempts: int
    replays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that is in the queue, for people who ask; `failure` is why it was given back last, if it was."""

    envelope: Envelope
    attempts: int
    first_failed_at: float | None
    failure: Failure | None


RECENT = 900.0
"""Seconds that `Depth.dead_recently` looks back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How full one direction is; `oldest_age` is the age in seconds of the oldest waiting message (0 if none).

    `dead_recently` counts the letters that came in within the last `RECENT` seconds and are still there.
    """

    waiting: int
    dead: int
    oldest_age: float
    dead_recently: int = 0


class Session(Protocol):
    """All waiting messages of one ordering key, leased to one worker, in order of arrival.

    Every method but `release` raises LeaseLost when the lease has run out or is somebody else's, and StoreFull or
    Unavailable when the store cannot do it now (the caller then just drops the session: the lease runs out).
    The adapter renews the lease while the session is held.
    """

    key: str
    tenant: str

    async def next(self) -> Delivery | None:
        """Take the oldest message; None when the session is empty (it is then released). Idempotent until settled."""

    async def complete(self, delivery: Delivery) -> None:
        """Settle as done: the message is gone, its dedupe key stays."""

    async def retry(self, delivery: Delivery, after: float, failure: Failure, *, count: bool = True) -> None:
        """Give back the whole session until `after` seconds from now; order is kept and the lease ends.

        `count=False` does not add to `attempts` and leaves `first_failed_at` (used while an upstream is held).
        """

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """Settle as given up, with its reason; the session goes on with the next message."""

    async def release(self) -> None:
        """Give the session back at once, unsettled messages first in order again. Never raises."""


class Queue(Protocol):
    """Two directions of durable messages: in order per session, in parallel across sessions."""

    async def put(self, envelope: Envelope) -> bool:
        """Store durably, then return True; False if this `message_id` was accepted before (within 7 days).

        A store that drops duplicates without telling says True for them too: what is counted may then be off, what is
        delivered is not. Raises StoreFull when it cannot be stored.
        """

    async def accept(
        self, direction: Direction, wait: float, room: Callable[[str], int] | None = None
    ) -> Session | None:
        """Lease the session that has waited longest among those ready; None after `wait` seconds without one.

        Tenants with ready sessions take turns. `room(tenant)` tells how many more of a tenant's sessions may be
        taken now; it is asked whenever the queue looks, possibly from another thread. When it grows, call `ring`.
        """

    def ring(self, direction: Direction) -> None:
        """Tell those who wait in `accept` to look again."""

    async def dead_letters(
        self, direction: Direction | None = None, *, limit: int = 100, after: str | None = None
    ) -> Sequence[DeadLetter]:
        """List letters, oldest first, at most `limit`, those behind letter id `after`."""

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Give one letter, or None."""

    async def replay(self, letter_id: str, *, automatic: bool = False) -> bool:
        """Put a letter back at the end of its session under its old message id; False if there is no such letter.

        For a person it starts afresh, as if it had never failed. `automatic` adds to its `replays` and keeps its
        `attempts` and `first_failed_at`, so that it does not hold its thread for another whole window.
        """

    async def drop(self, letter_id: str) -> bool:
        """Delete a letter for good; False if there is no such letter."""

    async def find(self, trace: str, *, limit: int = 20) -> Sequence[Waiting]:
        """Give waiting messages whose trace id begins with `trace` (lower case hex). May read the whole queue."""

    async def depth(self, direction: Direction) -> Depth:
        """Tell how full it is."""

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull if the queue cannot be used now."""

    async def close(self) -> None:
        """Finish what is under way and let go of the store."""


# --- Thread map, journal, facts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One Freshchat conversation and the only Teams thread its answers may go to.

    `active_at` is when a message last went through it, to the hour; `trace` is the trace id of its first message.
    """

    conversation_id: str
    tenant_id: str
    thread_key: str
    place: Place
    freshchat_user_id: str
    inbox_id: str
    status: Literal["open", "resolved"] = "open"
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
    """A journal row. `first` is True for the call that wrote it; `sent_id` is None until `done` was recorded."""

    first: bool
    started_at: float
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


FactKind = Literal["person", "team", "key", "mark"]
"""A person's Freshchat user; a team's group id; when a webhook key was last used; how far a periodic task came."""


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

    async def done(self, tenant: str, key: str, sent_id: str) -> None:
        """Journal what the call made, durably, so that `start(key)` and `origin(sent_id)` tell it."""

    async def abandon(self, tenant: str, key: str) -> None:
        """Take a start back whose call certainly had no effect; a row that is `done` stays as it is."""

    async def attempted(self, tenant: str, key: str) -> bool:
        """Tell whether the journal has a row under this key: a call that was made or is about to be."""

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

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull if the store cannot be used now."""

    async def close(self) -> None:
        """Let go of the store."""


# --- Secrets ------------------------------------------------------------------------------------------------------


class SecretSource(Protocol):
    """Named secrets, each with its live versions (newest first), readable by every replica."""

    async def get(self, name: str) -> Sequence[str]:
        """Give the live versions; empty if there is no such secret. Raises Unavailable, or Forbidden."""

    async def put(self, name: str, value: str, *, keep: int = 1) -> None:
        """Store a new version and keep the `keep` newest. Raises Unavailable, or StoreFull if it is read-only."""

    async def change(self, name: str, edit: Callable[[str | None], str]) -> None:
        """Replace all versions by what `edit` makes of the newest (None: there is none), as one step.

        No other put or change comes in between. `edit` is quick, may run in another thread and more than once; what it
        raises passes on, and nothing is stored. Raises like `put`.
        """

    async def ping(self) -> None:
        """Raise Unavailable or Forbidden if secrets cannot be read now."""

    async def close(self) -> None:
        """Let go of the store."""


# --- Objects ------------------------------------------------------------------------------------------------------


Disposition = Literal["attachment", "inline"]
"""What a browser does with an object: save it, or show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """An object that is stored. `id` is made by the store and says nothing about the content; `size` is in bytes."""

    id: str
    size: int


class ObjectStore(Protocol):
    """Files on their way, kept for a while, readable from outside by signed addresses that run out."""

    async def put(
        self, name: str, stream: AsyncIterator[bytes], content_type: str, disposition: Disposition = "attachment"
    ) -> ObjectRef:
        """Store a stream, in bounded memory; `name` is what a person sees, of any characters.

        Only images are shown, whatever `disposition` says: see `bridge/objects.py`. Nothing is kept of a stream that
        fails, and what it raises passes on. Raises Unavailable, Forbidden, or StoreFull.
        """

    async def signed_url(self, ref: ObjectRef, seconds: float) -> str:
        """Make an address that reads the object without any login, and for so long only. Raises like `put`."""

    def open(self, ref: ObjectRef) -> AsyncIterator[bytes]:
        """Read an object in pieces. Raises Unavailable, Forbidden, or Rejected: there is no such object any more."""

    async def delete(self, ref: ObjectRef) -> None:
        """Forget an object; harmless if it is gone. Raises like `put`."""

    async def ping(self) -> None:
        """Raise Unavailable, Forbidden or StoreFull if the store cannot be used now."""

    async def close(self) -> None:
        """Let go of the store."""


# --- Freshchat ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks, for the agent's eyes. `reference_id` is stable; the rest may be unknown (None)."""

    reference_id: str
    name: str
    mail: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that exists on the other platform."""

    id: str
    conversation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """What a conversation is opened with."""

    inbox_id: str
    user_id: str
    text: str
    properties: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message as its webhook would have brought it: `body` has the webhook's form; `at` is when it was written."""

    body: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """A conversation as the helpdesk has it now. `said` is oldest first.

    `status` is None if the helpdesk does not tell it; `changed_at` is when it last changed, if that is known.
    """

    said: Sequence[Said]
    status: Literal["open", "resolved"] | None
    changed_at: float | None = None


class Helpdesk(Protocol):
    """One tenant's Freshchat account.

    Calls raise Throttled, Unavailable (with `maybe_done` when the call may have had its effect), Forbidden (401),
    Rejected (the request is refused for good).
    """

    async def ensure_user(self, person: Person) -> str:
        """Find the user by `reference_id` or create it; return its id. Safe to repeat."""

    async def open_conversation(self, new: NewConversation) -> Sent:
        """Create a conversation with its first message, as the user."""

    async def post_message(self, conversation_id: str, user_id: str, text: str) -> Sent:
        """Append a message as the user. Raises ConversationClosed when a new conversation is needed."""

    async def post_note(self, conversation_id: str, text: str) -> Sent:
        """Append a private note that only agents see."""

    async def find_message(self, conversation_id: str, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: the user's messages with exactly this text since then, oldest first."""

    async def find_note(self, conversation_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: private notes with exactly this text since then, oldest first."""

    async def find_conversation(self, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: conversations of the user opened since then whose first message has this text."""

    async def read_back(self, conversation_id: str, since: float) -> ReadBack:
        """Read what was said in a conversation since then, by whomever, and whether it is resolved.

        Raises Rejected if there is no such conversation (any more).
        """

    async def is_from_teams(self, conversation_id: str) -> bool:
        """Tell whether a conversation's user is one that `ensure_user` made; True where that cannot be told."""

    async def agent_name(self, agent_id: str) -> str | None:
        """Tell an agent's display name (cached); None if it cannot be had. Never raises."""

    async def ping(self) -> None:
        """Raise if the account cannot be used now."""


class ConversationClosed(Exception):
    """Freshchat refuses more messages here ("not the latest conversation"): open a new one."""


# --- Teams --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent says, for one Teams thread. `text` is plain text.

    `late` is a line that says when it was written, if that is a while ago.
    """

    text: str
    author: str | None = None
    late: str | None = None


class TeamsReplies(Protocol):
    """Posts into Teams threads.

    Raises Throttled, Unavailable (with `maybe_done`), Forbidden (our credentials are refused), Rejected (this
    thread cannot be posted to).
    """

    async def post(self, place: Place, reply: Reply) -> str:
        """Post into the thread, as one message; return its id. The core has split long texts already."""

    async def find(self, place: Place, reply: Reply, since: float) -> Sequence[str] | None:
        """Read back: ids of our messages in the thread that say this since then, oldest first.

        None when this transport cannot look (the connector has no way to read).
        """

    async def ping(self) -> None:
        """Raise if it cannot be used now."""


class Directory(Protocol):
    """Looks people and teams up in Teams. Never raises: None when it cannot be found out now."""

    async def person(self, place: Place, teams_user_id: str) -> Mapping[str, str] | None:
        """Tell `name`, `mail`, `title`, `department` of a member, as far as known."""

    async def team_group_id(self, place: Place) -> str | None:
        """Tell the Entra group id of the place's team, which Graph needs."""
