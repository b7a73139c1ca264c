"""Versions of one message: which of them the agent reads, and how a follow-up names what it changes.

Three rules. What was changed before its delivery is delivered as it is now, once, and the change then says nothing.
What was delivered is followed by each later version, in order, with its number; an older one that comes late is
dropped. A message that was deleted before its delivery is not delivered.

What was told of a message is a fact of the thread map, written only by the deliveries of its thread, one at a time. It
is written *before* the call that it is about, so that every try says the same and a later try knows what an earlier one
may have said. It holds text only while a call is open.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bridge import ids
from bridge.errors import BridgeError, Rejected
from bridge.events import Event, Ignored, Revision
from bridge.newest import Newest
from bridge.ports import Attempt, Delivery, Helpdesk, Link, ThreadMap
from bridge.redaction import Redaction
from bridge.text import FRESHCHAT, split

FRESH = 0.5
"""Seconds after its arrival that a message is delivered without a look at its versions: nobody edits so fast."""
KEPT = 30 * 86_400.0
"""Seconds, as the journal."""
VERSIONS = 8
"""Versions that tries of one message may have said; then it stays with the last one."""
QUOTED = 60
"""Characters of the original in a follow-up."""
QUOTE_AGE = 86_400.0
"""Seconds; of an older message only the time is told, because its text would be read from far back."""

Translate = Callable[[dict[str, Any]], Event | Ignored]
Say = Callable[..., str]


class Withdrawn(Rejected):
    """The message was deleted meanwhile, and no earlier try has sent it: it is not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the agent was told of one message.

    `key`, `changed_at` and `edits` are of the newest follow-up, `quote` is how it names the original; `told_key` is of
    the last one that arrived. `said_key`, `said_at` and `said_since` (when it came in, epoch seconds) are of the
    version that the original itself said, if not its first; `tried` lists [key, time, text] of those that its tries
    may have said. `unsaid`: deleted before it was said.
    """

    key: str = ""
    changed_at: str = ""
    edits: int = 0
    quote: str = ""
    told_key: str = ""
    deleted: bool = False
    unsaid: bool = False
    opened_by: str = ""
    said_key: str = ""
    said_at: str = ""
    said_since: float = 0.0
    tried: tuple[tuple[str, str, str], ...] = ()


class Revisions:
    """Decides for each delivery of a message, an edit or a deletion what is to be said."""

    def __init__(
        self,
        threads: ThreadMap,
        newest: Newest,
        translate: Translate,
        say: Say,
        clock: Callable[[], float],
        redaction: Redaction | None,
    ) -> None:
        self._threads, self._newest, self._translate = threads, newest, translate
        self._say, self._clock, self._redaction = say, clock, redaction

    async def current(self, event: Event, delivery: Delivery) -> Event | Ignored:
        """Give the event as it is to be carried now, or why it says nothing any more. The same at every try."""
        if event.kind == "create":
            return await self._original(event, delivery)
        if event.kind == "delete" and self._redacts(event):
            await self._redact(event)
        changes = event.kind in ("edit", "delete")
        return await self._change(event, delivery.envelope.received_at) if changes else event

    async def begin(self, event: Event, helpdesk: Helpdesk, link: Link | None) -> Event:
        """Number a follow-up and name its original, before its first call."""
        if event.kind not in ("edit", "delete") and not event.restored:
            return event
        told = await self._told(event)
        if told.key != event.idempotency_key:
            opens = event.kind == "create"
            told = replace(
                told,
                key=event.idempotency_key,
                changed_at=event.changed_at or told.changed_at,
                edits=told.edits + (event.kind == "edit" and not event.restored),
                quote=await self._quote(event, helpdesk, link),
                deleted=event.kind == "delete",
                unsaid=False,
                opened_by=event.idempotency_key if opens else told.opened_by,
            )
            await self._learn(event, told)
        return replace(event, revision=Revision(number=told.edits, original=self._name(event, told.quote)))

    async def settle(self, event: Event) -> None:
        """Forget the texts of what has arrived."""
        if event.revision is None:
            return
        told = replace(await self._told(event), quote="", tried=())
        changes = event.kind != "create" or event.restored
        await self._learn(event, replace(told, told_key=told.key) if changes else told)
        if changes:
            await self._newest.forget(event.tenant_id, message_of(event))

    async def drop(self, event: Event) -> None:
        """Forget the texts of what is for the bridge itself."""
        if event.kind in ("edit", "delete"):
            await self._newest.forget(event.tenant_id, message_of(event))
        else:
            await self.settle(event)

    async def found(self, event: Event, text: str) -> None:
        """Note that an earlier try had sent the message as `text`, which is not what this one says."""
        told = await self._told(event)
        key, changed_at = next(((key, at) for key, at, tried in told.tried if tried == text), ("", ""))
        await self._learn(event, replace(told, said_key=key, said_at=changed_at, said_since=0.0))

    async def withdraw(self, event: Event) -> Ignored:
        """Note that a message was deleted before it was said."""
        told = await self._told(event)
        await self._learn(event, replace(told, deleted=True, unsaid=True, tried=(), quote=""))
        return Ignored("deleted_before_delivery")

    async def is_deleted(self, event: Event) -> bool:
        """Tell whether a message was deleted meanwhile: what of it was not sent yet is not sent."""
        newest = await self._version(event)
        return (newest is not None and newest[0].kind == "delete") or (await self._told(event)).deleted

    # --- the message itself

    async def _original(self, event: Event, delivery: Delivery) -> Event | Ignored:
        first = delivery.attempts == 0 and delivery.replays == 0
        if first and self._clock() - delivery.envelope.received_at < FRESH:
            return event
        newest = await self._version(event)
        if first and newest is None:
            return event
        attempt = await self._threads.recall(event.tenant_id, message_step(event.idempotency_key, 0))
        told = await self._told(event)
        if attempt is not None and attempt.sent_id is not None:
            return _as_sent(event, told)
        if told.deleted or (newest is not None and newest[0].kind == "delete"):
            return await self._deleted(event, told, attempt)
        if told.told_key:
            return Ignored("edit_was_told")
        return event if newest is None and not told.tried else await self._edited(event, told, newest, attempt)

    async def _deleted(self, event: Event, told: _Told, attempt: Attempt | None) -> Event | Ignored:
        if attempt is None:
            return await self.withdraw(event)
        earlier = (event.text, *(text for _, _, text in told.tried))
        return replace(event, text=earlier[-1], revision=Revision(earlier=earlier[:-1], withdrawn=True))

    async def _edited(
        self, event: Event, told: _Told, found: tuple[Event, float] | None, attempt: Attempt | None
    ) -> Event:
        """Say the newest version. What earlier tries may have said is looked for before anything is sent."""
        tried = told.tried
        versions = [event.text, *(text for _, _, text in tried)]
        said, last = [] if attempt is None else versions, versions[-1]
        if found is None or not _exchangeable([*said, found[0].text]):
            return replace(event, text=last, revision=Revision(earlier=tuple(said[:-1])))
        newest, since = found
        key, changed_at = newest.idempotency_key, newest.changed_at
        if told.said_key != key or not tried:
            tried = (*tried, (key, changed_at, newest.text))
            told = replace(told, said_key=key, said_at=changed_at, said_since=since, tried=tried)
            await self._learn(event, told)
        return replace(
            event,
            text=newest.text,
            mentions=newest.mentions,
            names_bot=newest.names_bot,
            revision=Revision(earlier=tuple(text for text in said if text != newest.text)),
        )

    async def _version(self, event: Event) -> tuple[Event, float] | None:
        """Give the newest version, and when it came in."""
        found = await self._newest.read(event.tenant_id, message_of(event))
        try:
            newest = self._translate(found[0]) if found is not None else None
        except Rejected:  # the edit itself becomes a dead letter
            return None
        return (newest, found[1]) if found is not None and isinstance(newest, Event) else None

    # --- what changes it

    async def _change(self, event: Event, received_at: float) -> Event | Ignored:
        told = await self._told(event)
        if told.told_key == event.idempotency_key:
            return Ignored("already_said")
        if told.opened_by == event.idempotency_key:
            return replace(event, kind="create")
        if told.key == event.idempotency_key:
            return event
        reason = _says_nothing(event, told, received_at)
        if reason is not None:
            await self._newest.forget(event.tenant_id, message_of(event))
            return Ignored(reason)
        return replace(event, kind="create") if told.unsaid else event

    async def _redact(self, event: Event) -> None:
        assert self._redaction is not None
        await self._redaction.redact(event)
        await self._newest.forget(event.tenant_id, message_of(event))
        told = await self._told(event)
        if not told.deleted or told.tried or told.quote:
            await self._learn(event, replace(told, deleted=True, tried=(), quote=""))

    def _redacts(self, event: Event) -> bool:
        return self._redaction is not None and self._redaction.wanted(event.tenant_id)

    # --- how a follow-up names the original

    async def _quote(self, event: Event, helpdesk: Helpdesk, link: Link | None) -> str:
        """Quote the original as the agent has it; empty if that cannot be had now. The bridge itself keeps no text."""
        written = _written(event)
        if link is None or written is None or (event.kind == "delete" and self._redacts(event)):
            return ""
        if abs(self._clock() - written) > QUOTE_AGE:
            return ""
        try:
            return _short(await self._text(event, helpdesk, link, written) or "")
        except BridgeError:
            return ""

    async def _text(self, event: Event, helpdesk: Helpdesk, link: Link, since: float) -> str | None:
        key = ids.parse_teams_key(event.idempotency_key)._replace(action="create", version=None)
        for team in dict.fromkeys((key.team, link.place.team_id)):
            step = message_step(ids.teams_key(key._replace(team=team)), 0)
            attempt = await self._threads.recall(event.tenant_id, step)
            if attempt is not None and attempt.sent_id is not None:
                return await helpdesk.text_of(*ids.parse_sent_key(attempt.sent_id), since)
        return None

    def _name(self, event: Event, quote: str) -> str:
        if quote:
            return self._say("original_quoted", None, text=quote)
        written = _written(event)
        if written is None:
            return self._say("original_unknown", None)
        time = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return self._say("original_dated", None, time=time)

    # --- the fact

    async def _told(self, event: Event) -> _Told:
        fact = await self._threads.fact(event.tenant_id, "message", message_of(event))
        if not fact:
            return _Told()
        known = json.loads(fact["told"])
        return _Told(**known | {"tried": tuple(tuple(version) for version in known["tried"])})

    async def _learn(self, event: Event, told: _Told) -> None:
        value = {"told": json.dumps(asdict(told))}
        await self._threads.learn(event.tenant_id, "message", message_of(event), value, KEPT)


def message_of(event: Event) -> str:
    """Name the message that an event is, or is about, whatever its version."""
    container = ids.split_conversation(event.place.conversation_id)[0] if event.place else ""
    return ids.sent_key(container, event.message_id)


def message_step(idempotency_key: str, number: int) -> str:
    """Name the journal row of one piece of a message."""
    return ids.step_key(idempotency_key, f"message.{number}")


def words(say: Say, event: Event) -> str:
    """Give the text as the agent reads it: what is no new message says so. The same at every try of a delivery."""
    revision = event.revision or Revision()
    if event.kind == "reaction":
        return say("reacted", None, name=event.sender.name or say("someone", None), emoji=event.text)
    if event.restored:
        return say("restored", None, original=revision.original, text=event.text)
    if event.kind == "delete":
        return say("deleted", None, original=revision.original)
    if event.kind == "edit":
        return say("edited", None, number=str(revision.number), original=revision.original, text=event.text)
    return event.text


def _says_nothing(event: Event, told: _Told, received_at: float) -> str | None:
    """Say why a change has nothing to tell, if so."""
    if event.kind == "delete" and told.unsaid:
        return "delete_of_unsent"
    if event.kind == "edit" and told.deleted and not event.restored:
        return "edit_of_deleted"
    before = _is_older(event, told.said_at) if event.changed_at else received_at < told.said_since
    if event.idempotency_key == told.said_key or before:
        return f"{event.kind}_in_original"
    return f"stale_{event.kind}" if _is_older(event, told.changed_at) else None


def _is_older(event: Event, changed_at: str) -> bool:
    return bool(event.changed_at) and event.changed_at < changed_at


def _as_sent(event: Event, told: _Told) -> Event | Ignored:
    """Go on with a message whose first piece was sent: its other pieces are of the same version."""
    if not told.said_key:
        return event
    said = next((text for key, _, text in told.tried if key == told.said_key), None)
    return Ignored("already_said") if said is None else replace(event, text=said, revision=Revision())


def _exchangeable(texts: list[str]) -> bool:
    """Tell whether a try may say one for another: each is one message, and there are few."""
    return len(texts) <= VERSIONS and (len(texts) == 1 or all(len(split(text, FRESHCHAT)) == 1 for text in texts))


def _written(event: Event) -> float | None:
    """Tell when a message was written (epoch seconds): its id in Teams is that time in milliseconds."""
    number = event.message_id
    return int(number) / 1000 if number.isascii() and number.isdigit() and 12 <= len(number) <= 13 else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[:QUOTED].rstrip()}…"
