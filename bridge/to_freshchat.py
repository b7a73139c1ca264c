"""Delivery to Freshchat: a Teams message becomes a message of the right conversation, exactly once.

Reads top to bottom: translate, drop what is ours, find or open the thread's conversation, post, record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bridge import ids
from bridge.delivery import Done, Outcome
from bridge.errors import Rejected, Unavailable
from bridge.events import Event, Ignored, Revision
from bridge.groups import Groups
from bridge.journal import Journal
from bridge.labels import Labels
from bridge.links import refresh
from bridge.moods import Moods
from bridge.newest import Newest
from bridge.notes import AgentNotes
from bridge.notices import NOTICE, Addressee, awaited
from bridge.people import People
from bridge.portraits import Portraits
from bridge.ports import (
    Attempt,
    ConversationClosed,
    Delivery,
    Directory,
    Helpdesk,
    Link,
    NewConversation,
    Sent,
    Thread,
    ThreadMap,
)
from bridge.question_files import FilesDesk, QuestionFiles
from bridge.ratings import RATING
from bridge.reception import Reception
from bridge.redaction import Redaction
from bridge.revisions import Revisions, Withdrawn, message_step, words
from bridge.targets import Target
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, choose_route
from bridge.text import FRESHCHAT, read_stored, split

CLAIM_SECONDS = 60.0
AFTER_WORDS = 1000
"""Numbers of the pieces that open a conversation for a file begin here; no text has so many."""

Translate = Callable[[dict[str, Any]], Event | Ignored]
Say = Callable[..., str]
"""`cards.texts.say`, passed in because the core knows no cards."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One tenant's account, and what decides where its questions go."""

    tenant: Tenant
    helpdesk: Helpdesk
    channel_messages: str
    files: FilesDesk | None = None


class ToFreshchat:
    """The handler of the direction `to-freshchat`."""

    def __init__(
        self,
        *,
        translate: Translate,
        desks: Mapping[str, Desk],
        threads: ThreadMap,
        directory: Directory,
        own_account: Callable[[str], Awaitable[bool]],
        say: Say,
        clock: Callable[[], float],
        telemetry: Telemetry,
        moods: Moods | None = None,
        link_property: str | None = None,
        redaction: Redaction | None = None,
        files: QuestionFiles | None = None,
        reception: Reception | None = None,
        portraits: Portraits | None = None,
    ) -> None:
        """`own_account` tells whether an Entra object id is the account that answers through Graph.

        `link_property` names the conversations' property with the link back to the thread.
        `reception` takes what is asked of the bridge itself; without one it goes to the agents.
        """
        self._translate, self._desks, self._threads = translate, desks, threads
        self._own_account, self._say = own_account, say
        self._clock, self._telemetry = clock, telemetry
        self._journal = Journal(threads, clock)
        newest = Newest(threads, telemetry, clock)
        self._revisions = Revisions(threads, newest, translate, say, clock, redaction)
        self._people = People(threads, directory, say, clock, telemetry, portraits)
        moods, groups = moods or Moods(None, telemetry, seconds=0), Groups(threads, directory)
        self._labels = Labels(telemetry, moods, groups, link_property)
        self._notes = AgentNotes(self._journal, say)
        self._files, self._groups = files, groups
        self._reception = reception

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Deliver one activity, a notice for an agent, or a rating; raises BridgeError."""
        envelope = delivery.envelope
        if envelope.kind == NOTICE:
            return await self._notes.post(self._desk(envelope.tenant).helpdesk, envelope)
        if envelope.kind == RATING and self._reception:
            return await self._reception.rate(self._desk(envelope.tenant).helpdesk, envelope)
        question = await self._question(delivery)
        if isinstance(question, Ignored):
            return question
        event, desk, link = question
        if self._reception and (taken := await self._reception.take(event, desk.helpdesk, link)):
            await self._revisions.drop(event)
            return taken
        event = await self._revisions.begin(event, desk.helpdesk, link)
        try:
            link, sent = await self._send(event, desk, link, split(words(self._say, event), FRESHCHAT))
        except Withdrawn:
            return await self._revisions.withdraw(event)
        if self._reception and event.place:
            group = choose_route(desk.tenant, event.place).group
            await self._reception.hint(event, desk.helpdesk, sent.conversation_id, group)
        await self._send_files(event, desk, link)
        await self._revisions.settle(event)
        return Done({"conversation": sent.conversation_id, "message": sent.id})

    async def close(self) -> None:
        """Stop what goes on beside the deliveries."""
        await self._people.close()

    async def addressee(self, delivery: Delivery) -> Addressee | None:
        """Tell where the person who asked learns that it did not arrive; None if it would not have been carried."""
        if delivery.envelope.kind == RATING:
            return None
        question = await self._question(delivery)
        if isinstance(question, Ignored) or not awaited(question[0]):
            return None
        event, _, link = question
        locale, session = event.sender.locale, event.thread_key or ""
        if link is not None:  # behind the answers of this conversation
            locale, session = locale or link.locale, ids.conversation_key(event.tenant_id, link.conversation_id)
        return Addressee(session=session, locale=locale, place=event.place)

    async def _question(self, delivery: Delivery) -> tuple[Event, Desk, Link | None] | Ignored:
        """Read what is to be carried, and find the conversation that is open in its thread."""
        event = self._translate(read_stored(delivery.envelope.body))
        if isinstance(event, Ignored):
            return event
        event = replace(event, trace=delivery.envelope.trace)
        desk = self._desk(event.tenant_id)
        if await self._is_ours(event) != (event.kind == "reaction"):
            return Ignored("reaction_to_another" if event.kind == "reaction" else "own_message")
        current = await self._revisions.current(event, delivery)
        if isinstance(current, Ignored):
            return current
        event, link = current, await self._open_link(event)
        reason = _starts_nothing(event, desk, link)
        return Ignored(reason) if reason else (event, desk, link)

    def _desk(self, tenant: str) -> Desk:
        desk = self._desks.get(tenant)
        if desk is None:
            raise Rejected("no such tenant", code="unknown_tenant", component="to-freshchat")
        return desk

    async def _is_ours(self, event: Event) -> bool:
        """Drop what the bridge itself posted to Teams: by sender, and by id (the webhook can beat the answer)."""
        sender, place = event.sender, event.place
        if sender.aad_object_id and await self._own_account(sender.aad_object_id):
            return True
        container = ids.split_conversation(place.conversation_id)[0] if place else ""
        return await self._threads.origin(event.tenant_id, ids.sent_key(container, event.message_id)) is not None

    async def _open_link(self, event: Event) -> Link | None:
        thread = await self._threads.thread(event.tenant_id, event.thread_key or "")
        if thread is None or thread.conversation_id is None:
            return None
        link = await self._threads.by_conversation(event.tenant_id, thread.conversation_id)
        if link is None or event.place is None:
            return link
        now, service_url = link, event.place.service_url
        if link.place.service_url != service_url:
            now = replace(link, place=replace(link.place, service_url=service_url))
        return await refresh(self._threads, link, now, self._clock())

    async def _send_files(self, event: Event, desk: Desk, link: Link) -> None:
        """Send what came with a new message; of an edit only the words count."""
        if self._files is None or desk.files is None or event.kind != "create" or not event.files or not event.place:
            return

        async def reopen(text: str, number: int) -> Link:
            return (await self._open(event, desk, text, AFTER_WORDS + number))[0]

        event = replace(event, place=await self._groups.fill_in(event.tenant_id, event.place))
        await self._files.send(event, desk.files, link, reopen, self._revisions.is_deleted)

    async def _send(self, event: Event, desk: Desk, link: Link | None, pieces: Sequence[str]) -> tuple[Link, Sent]:
        """Append to the open conversation, or open a new one; every piece has its own journal row."""
        done = 0
        if link is None or link.status != "open":
            link, sent = await self._open(event, desk, pieces[0], 0)
            done = 1
        for number in range(done, len(pieces)):
            try:
                sent = await self._append(event, desk, link, pieces[number], number)
            except ConversationClosed:
                link, sent = await self._open(event, desk, pieces[number], number)
            if await self._is_unlinked(event, link, sent):  # an earlier try had opened it, and ended before the link
                link, sent = await self._open(event, desk, pieces[number], number)
        return link, sent

    async def _is_unlinked(self, event: Event, link: Link, sent: Sent) -> bool:
        if sent.conversation_id == link.conversation_id:
            return False
        return await self._threads.by_conversation(event.tenant_id, sent.conversation_id) is None

    async def _append(self, event: Event, desk: Desk, link: Link, piece: str, number: int) -> Sent:
        helpdesk, conversation, user = desk.helpdesk, link.conversation_id, link.freshchat_user_id
        target = Target(user, conversation, number == 0 and await self._is_named(event, link))
        text = self._shown(event, target, piece)

        async def call() -> str:
            return _key(await helpdesk.post_message(conversation, user, text))

        return await self._once(event, desk, target, piece, number, call)

    async def _once(
        self, event: Event, desk: Desk, target: Target, piece: str, number: int, call: Callable[[], Awaitable[str]]
    ) -> Sent:
        """Send a piece to its target, unless it was sent before: there, or where the first try took it."""

        async def look_back(attempt: Attempt) -> Sequence[str]:
            found: list[Sent] = []
            for said in (piece, *(revision.earlier if number == 0 else ())):
                for place in dict.fromkeys((Target.from_note(attempt.note) or target, target)):
                    there = await place.find(desk.helpdesk, self._shown(event, place, said), attempt.started_at)
                    if there and said != piece:
                        await self._revisions.found(event, said)
                    found += there
            return [_key(sent) for sent in found]

        async def make() -> str:
            if revision.withdrawn:
                raise Withdrawn("deleted in Teams", code="withdrawn", component="to-freshchat")
            return await call()

        revision, step = event.revision or Revision(), message_step(event.idempotency_key, number)
        return _sent(await self._journal.once(event.tenant_id, step, make, look_back, target.note(), event.trace))

    async def _open(self, event: Event, desk: Desk, text: str, number: int) -> tuple[Link, Sent]:
        """Open the thread's conversation with piece `number`. Only the claim's holder goes on: there is exactly one.

        Opening and appending a piece share one journal row, so a redelivery that finds the thread linked does not
        append what had opened it.
        """
        thread = await self._claim(event)
        try:
            link, sent = await self._create_link(event, desk, thread, text, number)
        except Rejected:
            # given up: the next message of the thread must not wait until the claim runs out
            await self._threads.claim(event.tenant_id, thread.thread_key, event.idempotency_key, 0.0, thread.etag)
            raise
        if not await self._threads.link(link, event.idempotency_key):
            shown = ids.for_log(thread.thread_key)
            self._telemetry.error("claim_lost", conversation=sent.conversation_id, thread=shown)
        return await self._threads.by_conversation(event.tenant_id, sent.conversation_id) or link, sent

    async def _create_link(self, event: Event, desk: Desk, thread: Thread, text: str, number: int) -> tuple[Link, Sent]:
        place = event.place
        assert place is not None
        route = choose_route(desk.tenant, place)
        new = NewConversation(
            inbox_id=route.inbox or "",
            user_id=await self._people.user(event, desk.helpdesk),
            text=text,
            group_id=route.group,
            properties=await self._labels.of(event, route),
        )
        try:
            sent = await self._create(event, desk, new, number)
        except Rejected:
            user = await self._people.user(event, desk.helpdesk, again=True)
            if user == new.user_id:
                raise
            new = replace(new, user_id=user)  # agents can delete a user that we remember
            sent = await self._create(event, desk, new, number)
        link = Link(
            conversation_id=sent.conversation_id,
            tenant_id=event.tenant_id,
            thread_key=thread.thread_key,
            place=place,
            freshchat_user_id=new.user_id,
            inbox_id=new.inbox_id,
            locale=event.sender.locale,
            created_at=self._clock(),
            active_at=self._clock(),
            trace=event.trace,
        )
        return link, sent

    async def _claim(self, event: Event) -> Thread:
        tenant, key, now = event.tenant_id, event.thread_key or "", self._clock()
        thread = await self._threads.thread(tenant, key)
        if thread and thread.claimed_by not in (None, event.idempotency_key) and (thread.claimed_until or 0) > now:
            raise _busy()
        etag = thread.etag if thread else None
        claimed = await self._threads.claim(tenant, key, event.idempotency_key, CLAIM_SECONDS, etag)
        if claimed is None:
            raise _busy()
        return claimed

    async def _create(self, event: Event, desk: Desk, new: NewConversation, number: int) -> Sent:
        async def call() -> str:
            return _key(await self._labels.open(desk.helpdesk, new))

        return await self._once(event, desk, Target(new.user_id), new.text, number, call)

    async def _is_named(self, event: Event, link: Link) -> bool:
        """Tell whether the speaker must be named, because the conversation is not known to be the speaker's own."""
        if event.place is None or event.place.scope == "personal" or event.kind == "reaction":
            return False
        return await self._people.known(event) != link.freshchat_user_id

    def _shown(self, event: Event, target: Target, piece: str) -> str:
        """Name the speaker in front. Comes after splitting: the cuts must be the same at every try."""
        if not target.named:
            return piece
        return self._say("speaker", None, name=event.sender.name or self._say("someone", None), text=piece)


def _starts_nothing(event: Event, desk: Desk, link: Link | None) -> str | None:
    """Say why an event for which no conversation is open opens none, if it does not."""
    if link is not None:
        over = link.status != "open" and event.kind in ("delete", "reaction")
        return f"{event.kind}_after_resolve" if over else None
    if event.kind == "install":
        return None
    if event.kind != "create":
        return f"{event.kind}_of_unlinked_thread"
    personal = event.place is not None and event.place.scope == "personal"
    if desk.channel_messages == "mention" and not event.names_bot and not personal:
        return "bot_not_mentioned"
    return None


def _key(sent: Sent) -> str:
    return ids.sent_key(sent.conversation_id, sent.id)


def _sent(key: str) -> Sent:
    conversation, message = ids.parse_sent_key(key)
    return Sent(id=message, conversation_id=conversation)


def _busy() -> Unavailable:
    return Unavailable("another message is opening this conversation", code="claimed", component="to-freshchat")
