"""Delivery to Teams: an agent's answer is posted into the very thread where the question was asked, exactly once.

Reads top to bottom: translate, drop what must not pass, find the thread, choose the transport, post, record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from bridge import ids
from bridge.delivery import Done, Outcome
from bridge.errors import NotLinked, Rejected
from bridge.events import Event, Ignored, Place, SharedFile
from bridge.file_posts import AnswerFiles, FilePosts
from bridge.groups import Groups
from bridge.journal import Cause, Journal
from bridge.links import refresh
from bridge.mentions import Mentions
from bridge.notices import NOTICE, Addressee, Notice, awaited
from bridge.own_words import OwnWords
from bridge.panel_posts import CARD, PanelPosts
from bridge.ports import Delivery, Directory, Envelope, Helpdesk, Link, Reply, ThreadMap
from bridge.reply_posts import ReplyPosts, Transports, Via
from bridge.sayings import SAYING
from bridge.seen import Seen
from bridge.states import StatusLines
from bridge.switches import Switches
from bridge.telemetry import Telemetry
from bridge.text import TEAMS, read_stored, split

LINK_PATIENCE = 5.0
"""Seconds to wait for the link of a conversation in one of our inboxes before Freshchat is asked whose it is."""

LATE = 120.0
"""Seconds after which an answer tells when it was written: newer ones may stand above it already."""

Translate = Callable[[dict[str, Any], str], Event | Ignored]
Say = Callable[..., str]
Compose = Callable[[str], Sequence[Reply]]


class ToTeams:
    """The handler of the direction `to-teams`."""

    def __init__(
        self,
        *,
        translate: Translate,
        helpdesks: Mapping[str, Helpdesk],
        inboxes: Mapping[str, frozenset[str]],
        threads: ThreadMap,
        transports: Transports,
        directory: Directory,
        say: Say,
        clock: Callable[[], float],
        telemetry: Telemetry,
        compose: Compose | None = None,
        panels: PanelPosts | None = None,
        files: FilePosts | None = None,
        switches: Mapping[str, Switches] | None = None,
    ) -> None:
        """`compose` writes an answer's text as replies, each of a size that Teams takes; without it text is plain.

        `panels` shows what can be pressed as cards, `files` what was attached; without them that is text. `switches`
        say what each tenant wants to be told of its own accord; without them it is nothing.
        """
        self._panels, self._files = panels, files
        self._compose = compose or _plain
        self._mentions = Mentions(directory, clock)
        self._translate, self._helpdesks, self._inboxes = translate, helpdesks, inboxes
        self._threads, self.transports = threads, transports
        self._say, self._clock, self._telemetry = say, clock, telemetry
        self._posts = ReplyPosts(Journal(threads, clock), transports, telemetry)
        self._groups, self._seen = Groups(threads, directory), Seen(threads)
        own = OwnWords(self._post_own, self._groups, panels, say)
        self._lines = StatusLines(threads, helpdesks, switches or {}, own, say, telemetry)
        self._by_kind: dict[str, Callable[[Envelope], Awaitable[Outcome]]] = {NOTICE: self._notify, SAYING: own.speak}
        if panels is not None:
            self._by_kind[CARD] = panels.show

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Deliver one webhook, or what the bridge itself says; raises BridgeError."""
        deliver = self._by_kind.get(delivery.envelope.kind)
        if deliver is not None:
            return await deliver(delivery.envelope)
        event = await self._event(delivery)
        if isinstance(event, Ignored):
            return event
        link = await self._link(event, delivery)
        if isinstance(link, Ignored):
            return link
        link = await refresh(self._threads, link, link, self._clock())
        if event.kind == "status":
            return await self._status(event, link)
        files = self._files.of(event, link, delivery.first_failed_at) if self._files and event.files else None
        return await self._answer(event, link, files)

    async def addressee(self, delivery: Delivery) -> Addressee | None:
        """Tell where the agent learns that an answer did not arrive; None if it would not have been carried.

        An agent answers in the language of the question, and so reads it.
        """
        if delivery.envelope.kind in self._by_kind:
            return None
        event = await self._event(delivery)
        if isinstance(event, Ignored) or not awaited(event):
            return None
        conversation = event.conversation_id or ""
        try:
            link = await self._link(event, delivery)
        except NotLinked:  # the question itself did not get through
            session = ids.conversation_key(event.tenant_id, conversation)
            return Addressee(session=session, locale=None, conversation_id=conversation)
        if isinstance(link, Ignored):
            return None
        return Addressee(session=link.thread_key, locale=link.locale, conversation_id=conversation)

    async def _event(self, delivery: Delivery) -> Event | Ignored:
        """Read what is to be carried, and drop what is ours."""
        event = self._translate(read_stored(delivery.envelope.body), delivery.envelope.tenant)
        if isinstance(event, Ignored):
            return event
        event = replace(event, trace=delivery.envelope.trace)
        if event.tenant_id not in self._helpdesks:
            raise Rejected("no such tenant", code="unknown_tenant", component="to-teams")
        sent = ids.sent_key(event.conversation_id or "", event.message_id)
        ours = await self._threads.origin(event.tenant_id, sent) is not None
        return Ignored("own_message") if ours else event

    async def _link(self, event: Event, delivery: Delivery) -> Link | Ignored:
        link = await self._threads.by_conversation(event.tenant_id, event.conversation_id or "")
        return await self._unlinked(event, delivery) if link is None else link

    async def _unlinked(self, event: Event, delivery: Delivery) -> Ignored:
        """Webhooks of all conversations of the account arrive. For a moment the link may be on its way.

        After that, what was asked in Teams waits on (its question may have to be delivered again first); everything
        else was asked elsewhere, and only the archive wants to know of it.
        """
        conversation = event.conversation_id or ""
        if event.inbox_id is not None and event.inbox_id not in self._inboxes[event.tenant_id]:
            await self._seen.note(event.tenant_id, conversation)
            return Ignored("other_inbox")
        since, helpdesk = delivery.first_failed_at, self._helpdesks[event.tenant_id]
        waited = since is not None and self._clock() - since > LINK_PATIENCE
        if waited and not await helpdesk.is_from_teams(conversation):
            await self._seen.note(event.tenant_id, conversation)
            return Ignored("not_linked")
        raise NotLinked("no Teams thread belongs to this conversation (yet)", code="not_linked", component="to-teams")

    async def _status(self, event: Event, link: Link) -> Outcome:
        """Follow the conversation's state: after `resolved`, the next question opens a new conversation."""
        status: Literal["open", "resolved"] = "resolved" if event.status == "resolved" else "open"
        if event.status != "assigned" and link.status not in (status, "left"):
            await self._threads.update(replace(link, status=status))
        await self._lines.follow(event, link)
        return Done({"conversation": link.conversation_id, "status": event.status})

    async def _answer(self, event: Event, link: Link, files: AnswerFiles | None) -> Outcome:
        if not event.text.strip():
            return Ignored("empty")
        event = await self._explained(event, link)
        head = {"author": await self._author(event, link), "late": self._late(event, link)}
        place = await self._groups.fill_in(link.tenant_id, link.place)
        card = await self._card(event, link, place, head)
        if card is None:
            sent = await self._tell(event, place, _as_text(event), head, files=files)
        else:
            sent = await self._show(event, place, card, head, files)
        message = ids.parse_sent_key(sent)[1]
        return Done({"conversation": link.conversation_id, "message": message, "question": link.trace})

    async def _explained(self, event: Event, link: Link) -> Event:
        """Say what a placeholder means, and where agents see all of it."""
        if event.whole:
            return event
        line, panel = self._say("unshown", link.locale), event.panel
        url = await self._helpdesks[event.tenant_id].address_of(link.conversation_id)
        line = self._say("unshown_link", link.locale, line=line, url=url) if url else line
        told = panel and replace(panel, words=f"{panel.words}\n{line}".strip())
        return replace(event, text=f"{event.text}\n{line}", panel=told)

    async def _tell(
        self,
        event: Event,
        place: Place,
        text: str,
        head: Mapping[str, Any],
        via: tuple[Via, ...] = (),
        steps: str = "",
        files: AnswerFiles | None = None,
    ) -> str:
        """Say a text, in as many replies as it takes; `steps` tells them apart from others of the event.

        The `files` that it names are posted in between.
        """
        cause = Cause.of(event)

        async def posted(step: str) -> str | None:
            return await self._posts.posted(cause, place, step)

        async def send(reply: Reply, step: str) -> str:
            return await self._posts.post(cause, place, reply, step, via)

        for number, piece in enumerate(self._pieces(text, head, files)):
            step = f"{steps}{number}"
            if isinstance(piece, Reply):
                sent = await send(await self._mentions.fill_in(event.tenant_id, place, piece), step)
            elif files is not None:
                sent = await files.post(piece, step, posted, send)
        return sent

    def _pieces(self, text: str, head: Mapping[str, Any], files: AnswerFiles | None) -> Iterator[Reply | SharedFile]:
        """Give replies and files in order; the first is a reply, with the head."""
        for piece in files.pieces(text) if files else [text]:
            if isinstance(piece, str):
                for reply in self._compose(piece):
                    yield replace(reply, **head)
                    head = {}
            else:
                yield piece

    async def _card(self, event: Event, link: Link, place: Place, head: Mapping[str, Any]) -> Reply | None:
        """Give the reply with the card of an answer that offers something; None if it is all said as text.

        Only the bot's cards call back, so what asks for a choice never goes through Graph; links alone go as ever.
        """
        if event.panel is None or self._panels is None:
            return None
        if not event.panel.choices and (await self.transports.choose(place))[0] != "bot":
            return None
        return await self._panels.reply(event, link, {} if event.panel.words else head)

    async def _show(
        self, event: Event, place: Place, card: Reply, head: Mapping[str, Any], files: AnswerFiles | None
    ) -> str:
        """Say the words and show the card below; where the bot may not, all of it is said as text."""
        assert event.panel is not None
        text = event.text
        try:
            if event.panel.words:
                await self._tell(event, place, event.panel.words, head, ("bot",), "words.", files)
                text, head = event.panel.lines, {}
            return await self._posts.post(Cause.of(event), place, card, 0, ("bot",))
        except Rejected as error:
            self._telemetry.warning("card_refused", code=error.code, tenant=event.tenant_id)
            return await self._tell(event, place, text, head, steps="text.")

    async def _author(self, event: Event, link: Link) -> str:
        helpdesk = self._helpdesks[event.tenant_id]
        name = await helpdesk.agent_name(event.sender.id) if event.sender.kind == "agent" else None
        return name or self._say("agent", link.locale)

    def _late(self, event: Event, link: Link) -> str | None:
        """Say when an answer was written, if that is a while ago: a webhook was lost, or Teams was away."""
        written = datetime.fromisoformat(event.timestamp)
        now = datetime.fromtimestamp(self._clock(), UTC)
        if (now - written).total_seconds() <= LATE:
            return None
        shape = "%H:%M UTC" if written.date() == now.date() else "%Y-%m-%d %H:%M UTC"
        return self._say("late", link.locale, time=written.strftime(shape))

    async def _notify(self, envelope: Envelope) -> Outcome:
        notice = Notice.from_bytes(envelope.body)
        if notice.place is None:
            raise Rejected("a notice without a place", code="bad_notice", component="to-teams")
        reply = Reply(text=notice.text(self._say, "question", envelope.trace))
        tenant, key = ids.parse_dedupe_id(envelope.message_id)
        place = await self._groups.fill_in(tenant, notice.place)
        sent = await self._posts.post(Cause(tenant, key, envelope.trace), place, reply, 0)
        return Done({"message": ids.parse_sent_key(sent)[1]})

    async def _post_own(self, cause: Cause, place: Place, reply: Reply, step: str, *, panel: bool) -> str:
        return await self._posts.post(cause, place, reply, step, ("bot",) if panel else ())


def _as_text(event: Event) -> str:
    """Give all of an event as text; where it offers something, files are where its words name them."""
    panel = event.panel
    return f"{panel.words}\n{panel.lines}".strip() if panel and event.files else event.text


def _plain(text: str) -> list[Reply]:
    return [Reply(text=piece) for piece in split(text, TEAMS)]
