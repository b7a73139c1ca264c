"""The files of a Teams message, each as a message of its own behind the words, exactly once and in their order.

The words are there already. What becomes of a file is decided once (`bridge/file_records.py`): Freshchat has it, or
the agent reads where it is or why it was kept out, and then its sender is told as well. While a file or the scanner is
away the message waits, and the next one of its thread with it, but no longer than the patience for files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from bridge import ids
from bridge.attachments import Attachments, Carried, KeptOut, with_attachments
from bridge.deep_links import thread_link
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Event, SharedFile, validate
from bridge.file_notices import files_notice
from bridge.file_policy import FilePolicy
from bridge.file_records import Record, Records, file_step
from bridge.file_types import ending_of
from bridge.journal import Journal
from bridge.notices import Addressee
from bridge.objects import safe_name
from bridge.ports import (
    Attempt,
    ConversationClosed,
    Envelope,
    FilePart,
    FileSource,
    Helpdesk,
    HelpdeskFiles,
    Link,
    Sent,
    ThreadMap,
)
from bridge.targets import Target
from bridge.telemetry import Telemetry

BEGIN_SECONDS = 10.0
"""A further file is begun within this time of a delivery; the rest follows in a delivery of its own."""
ALERT_SECONDS = 86_400.0
ALL = SharedFile(way="graph", url="")
"""Stands for the files of a message as long as they cannot be listed."""
NOT_PERMITTED = "files_not_permitted"

Say = Callable[..., str]
Reopen = Callable[[str, int], Awaitable[Link]]
"""Opens the thread's next conversation with a text, because the last one takes no more; the number is the file's."""


@dataclass(frozen=True, slots=True)
class FilesDesk:
    """Where the files of one tenant go, and which may pass."""

    helpdesk: Helpdesk
    files: HelpdeskFiles
    policy: FilePolicy


class QuestionFiles:
    """Carries the files of messages whose words have arrived."""

    def __init__(
        self,
        *,
        source: FileSource,
        attachments: Attachments,
        threads: ThreadMap,
        put: Callable[[Envelope], Awaitable[bool]],
        say: Say,
        clock: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        """`put` queues a notice for the sender."""
        self._source, self._attachments, self._threads, self._put = source, attachments, threads, put
        self._say, self._clock, self._telemetry = say, clock, telemetry
        self._journal = Journal(threads, clock)

    async def send(
        self,
        event: Event,
        desk: FilesDesk,
        link: Link,
        reopen: Reopen,
        is_deleted: Callable[[Event], Awaitable[bool]],
    ) -> None:
        """Send what of the event's files was not sent yet. Raises BridgeError; every try goes on where the last ended.

        Of a message that is deleted meanwhile nothing more is sent.
        """
        began, records = self._clock(), await Records.of(self._threads, event)
        files = await self._list(event, records)
        for number, file in enumerate(files):
            if await self._is_sent(event, file):
                continue
            if await is_deleted(event):
                break
            if number and self._clock() - began > BEGIN_SECONDS:
                raise Throttled("the rest follows", code="more_files", component="files", after=0.0, ours=True)
            record = records.get(file) or await self._decide(event, desk, file, records)
            link = await self._show_any(event, desk, link, _Shown(file, record, number), reopen, records)
        else:
            await self._tell(event, link, files, records)
        await self._clean_up(records)

    async def redact(self, event: Event) -> None:
        """Delete what is stored of the files of the message that `event` deletes. Raises Unavailable, StoreFull."""
        await self._clean_up(await Records.of(self._threads, event), links=True)

    async def _clean_up(self, records: Records, *, links: bool = False) -> None:
        """Keep no object but those that the agent has a link to."""
        kept = [record for record in records.all() if record.way == "link" and not links]
        for record in records.all():
            if record.ref is not None and record not in kept:
                await self._attachments.forget(record.ref)
        if not kept:
            await records.forget()

    async def _list(self, event: Event, records: Records) -> Sequence[SharedFile]:
        """List the files; while that cannot be done, `ALL` stands for them."""
        if records.get(ALL) is not None:
            return [ALL]
        since = records.since or self._clock()
        try:
            return await self._source.find(event)
        except Rejected as refused:
            if refused.code != NOT_PERMITTED:
                return []  # the message is gone
            await self._keep_out(event, ALL, NOT_PERMITTED, records)
        except Unavailable as error:
            if _is_ours(error):
                raise
            if self._attachments.is_patient(since):
                await records.wait_since(since)
                raise
            await self._keep_out(event, ALL, "unavailable", records)
        return [ALL]

    async def _is_sent(self, event: Event, file: SharedFile) -> bool:
        attempt = await self._threads.recall(event.tenant_id, file_step(event, file))
        return attempt is not None and attempt.sent_id is not None

    # --- what becomes of a file

    async def _decide(self, event: Event, desk: FilesDesk, file: SharedFile, records: Records) -> Record:
        since = records.since or self._clock()
        try:
            async with self._attachments.take(event, file, desk.policy, since) as carried:
                record = await self._hand_over(event, desk.files, carried, since)
        except KeptOut as kept:
            return await self._keep_out(event, file, kept.reason, records)
        except Unavailable as error:
            if not _is_ours(error):
                await records.wait_since(since)
            raise
        self._note(event, record.way)
        return await records.note(file, record)

    async def _hand_over(self, event: Event, files: HelpdeskFiles, carried: Carried, since: float) -> Record:
        """Upload it; where Freshchat does not take it, the agent gets a link of ours."""
        validate(with_attachments(event, (carried.attachment,)))
        kind = carried.attachment.type
        record = Record(
            way=kind,
            mime=carried.found.mime,
            ending=ending_of(carried.name),
            size=carried.ref.size,
            object_id=carried.ref.id,
        )
        try:
            where = await files.upload(kind, carried.name, carried.found.mime, carried.spooled.file)
            return replace(record, where=where)
        except Forbidden as error:
            if error.code == "freshchat_401":
                raise
            refused = error.code  # this call only: the words have just arrived
        except Rejected as error:
            refused = error.code
        except Unavailable as error:
            if _is_ours(error) or self._attachments.is_patient(since):
                raise
            refused = error.code
        return await self._linked(event, record, refused)

    async def _linked(self, event: Event, record: Record, refused: str) -> Record:
        """Let the agent have a link of ours, because Freshchat does not take the file."""
        assert record.ref is not None
        self._telemetry.warning("file_refused", tenant=event.tenant_id, trace=event.trace, code=refused)
        return replace(record, way="link", where=await self._attachments.link(record.ref))

    async def _keep_out(self, event: Event, file: SharedFile, reason: str, records: Records) -> Record:
        self._note(event, reason)
        if reason == NOT_PERMITTED:
            await self._alert(event.tenant_id)
        return await records.note(file, Record(way="kept", reason=reason))

    def _note(self, event: Event, outcome: str) -> None:
        self._telemetry.count(f"file_{outcome}")
        self._telemetry.info("file", direction="to-freshchat", trace=event.trace, outcome=outcome)

    async def _alert(self, tenant: str) -> None:
        """Tell the administrator, once a day."""
        if not await self._threads.fact(tenant, "file", NOT_PERMITTED):
            await self._threads.learn(tenant, "file", NOT_PERMITTED, {"at": str(self._clock())}, ALERT_SECONDS)
            self._telemetry.error("files_not_permitted", tenant=tenant)

    # --- what the agent sees

    async def _show(self, event: Event, desk: FilesDesk, link: Link, shown: _Shown, reopen: Reopen) -> Link:
        """Post what shows a file, into the conversation that takes it; give that conversation's link."""
        try:
            await self._post(event, desk, link, shown)
        except ConversationClosed:
            name = shown.record.name(shown.file)
            link = await reopen(self._say("files_named", None, names=name), shown.number)
            await self._post(event, desk, link, shown)
        return link

    async def _show_any(
        self, event: Event, desk: FilesDesk, link: Link, shown: _Shown, reopen: Reopen, records: Records
    ) -> Link:
        """Show a file; where Freshchat took it and does not take its message, by a link."""
        try:
            return await self._show(event, desk, link, shown, reopen)
        except Rejected as error:
            if shown.record.part(shown.file) is None:
                raise
            record = await records.note(shown.file, await self._linked(event, shown.record, error.code))
        return await self._show(event, desk, link, replace(shown, record=record), reopen)

    async def _post(self, event: Event, desk: FilesDesk, link: Link, shown: _Shown) -> None:
        user, conversation = link.freshchat_user_id, link.conversation_id
        target, part = Target(user, conversation), shown.record.part(shown.file)
        line = self._line(event, shown)

        async def call() -> str:
            if part is None:
                return _key(await desk.helpdesk.post_message(conversation, user, line))
            return _key(await desk.files.post_file(conversation, user, part))

        async def look_back(attempt: Attempt) -> Sequence[str]:
            found: list[Sent] = []
            for place in dict.fromkeys((Target.from_note(attempt.note) or target, target)):
                if part is None:
                    found += await place.find(desk.helpdesk, line, attempt.started_at)
                else:
                    noted = replace(part, where=attempt.note.get("where", part.where))
                    found += await _find(desk.files, place, noted, attempt.started_at)
            return [_key(sent) for sent in found]

        note = target.note() | ({"where": part.where} if part else {})
        step = file_step(event, shown.file)
        await self._journal.once(event.tenant_id, step, call, look_back, note, event.trace)

    def _line(self, event: Event, shown: _Shown) -> str:
        """Say where a file is that is no part of a message, or why it was kept out; the same at every try."""
        file, record = shown.file, shown.record
        name = record.name(file) if file.name else self._say("file_some", None)
        if record.way == "link":
            return self._say("file_at", None, name=name, link=record.where)
        reason = self._say(f"file_reason_{record.reason or 'refused'}", None)
        page = file.page or (event.place and thread_link(event.tenant_id, event.place))
        if record.reason == NOT_PERMITTED and page:
            return self._say("file_in_teams", None, name=name, reason=reason, link=page)
        return self._say("file_kept", None, name=name, reason=reason)

    # --- what the sender reads

    async def _tell(self, event: Event, link: Link, files: Sequence[SharedFile], records: Records) -> None:
        """Tell which files were kept out; those that the agent has a link to in Teams are none."""
        locale = event.sender.locale or link.locale
        found = [(file, record) for file in files if (record := records.get(file)) is not None]
        kept = tuple(
            (safe_name(file.name) if file.name else self._say("file_some", locale), record.reason)
            for file, record in found
            if record.way == "kept" and record.reason != NOT_PERMITTED
        )
        if kept:
            session = ids.conversation_key(event.tenant_id, link.conversation_id)
            to = Addressee(session=session, locale=locale, place=event.place)
            await self._put(files_notice("to-freshchat", event, to, kept, self._clock()))


@dataclass(frozen=True, slots=True)
class _Shown:
    """A file, what became of it, and its number in the message."""

    file: SharedFile
    record: Record
    number: int


async def _find(files: HelpdeskFiles, place: Target, part: FilePart, since: float) -> Sequence[Sent]:
    """Read back what was sent there since then; nothing if the conversation is gone."""
    if place.conversation is None:
        return []
    try:
        return await files.find_file(place.conversation, place.user, part, since)
    except Rejected:
        return []


def _is_ours(error: Unavailable) -> bool:
    """Tell whether nobody was asked, because it is not this message's turn: that takes nothing from its patience."""
    return isinstance(error, Throttled) and error.ours


def _key(sent: Sent) -> str:
    return ids.sent_key(sent.conversation_id, sent.id)
