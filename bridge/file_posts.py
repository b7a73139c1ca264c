"""Files of an agent's answer in Teams: each at its place among the words, once, or a line that says why it is not.

A file is fetched only if no earlier try has posted it: its link may have run out since. What is kept out is told twice:
to the employee in its place, and to the agent, whose private note is queued first, so that neither can be missing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from bridge import ids
from bridge.attachments import LINK_SECONDS, Attachments, Carried, KeptOut
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Event, SharedFile
from bridge.file_notices import files_notice
from bridge.file_policy import FilePolicy
from bridge.notices import Addressee
from bridge.objects import safe_name
from bridge.pictures import dimensions
from bridge.ports import Link, Picture, Queue, Reply
from bridge.ports.files import FileSource
from bridge.telemetry import Telemetry
from bridge.text import when

READY_SECONDS, READ_AGAIN = 10.0, 3.0
"""Seconds for which a file without an address is waited for, and between two looks (reference, section 5.2)."""
ONE_TRY = 15.0
"""Seconds of a delivery after which it begins with no other file: what is cut off within a post may show it twice."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif"})
"""What Teams shows in a message."""
PICTURE_BYTES = 2 * 1024 * 1024
"""A picture of more bytes is never held in memory, so no transport can show it."""

Posted = Callable[[str], Awaitable[str | None]]
"""Tells what an earlier try of a step has posted."""
Send = Callable[[Reply, str], Awaitable[str]]
"""Posts a reply as a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePosts:
    """What all answers with files need. `linked(label, address, hint)` writes a link as Teams' HTML."""

    attachments: Attachments
    source: FileSource
    policies: Mapping[str, FilePolicy]
    queue: Queue
    linked: Callable[[str, str, str], str]
    say: Callable[..., str]
    clock: Callable[[], float]
    telemetry: Telemetry

    def of(self, event: Event, link: Link, since: float | None) -> AnswerFiles:
        """Begin with the files of one answer; `since` is when its delivery failed first, if it did."""
        return AnswerFiles(self, event, link, self.clock() if since is None else since)


class AnswerFiles:
    """The files of one answer, one after the other."""

    def __init__(self, posts: FilePosts, event: Event, link: Link, since: float) -> None:
        self._posts, self._event, self._link, self._since = posts, event, link, since
        self._began = posts.clock()

    def pieces(self, text: str) -> list[str | SharedFile]:
        """Cut a text at the files that it names. Words come first, because they say who writes."""
        found = cut(text, self._event.files)
        return found if isinstance(found[0], str) else [self._say("files_sent"), *found]

    async def post(self, file: SharedFile, step: str, posted: Posted, send: Send) -> str:
        """Post one file, or the line in its place, unless that was done; return the sent id. Raises BridgeError."""
        kept_out = f"{step}.out"
        for earlier in (step, kept_out):
            if (sent := await posted(earlier)) is not None:
                return sent
        if self._posts.clock() - self._began > ONE_TRY:
            raise Throttled("the next file", code="next_file", component="files", after=0.0, ours=True)
        try:
            async with self._taken(file) as reply:
                return await self._show(reply, step, send)
        except KeptOut as out:
            await self._tell_agent(out, file)
            reason = self._say(f"file_reason_{out.reason}")
            line = self._say("file_kept", name=out.name, reason=reason)
            return await send(Reply(text=line, label=line), kept_out)

    async def _show(self, reply: Reply, step: str, send: Send) -> str:
        """Post the reply; a picture that Teams does not take after all as a link."""
        try:
            return await send(reply, step)
        except Rejected as error:
            if reply.picture is None:
                raise
            self._posts.telemetry.warning("picture_refused", code=error.code, tenant=self._event.tenant_id)
            return await send(replace(reply, picture=None), step)

    @asynccontextmanager
    async def _taken(self, file: SharedFile) -> AsyncIterator[Reply]:
        """Give the reply that shows a file. Raises KeptOut, or as long as the answer may wait, BridgeError."""
        policy = self._posts.policies[self._event.tenant_id]
        addressed = await self._addressed(file)
        async with self._posts.attachments.take(self._event, addressed, policy, self._since) as carried:
            try:
                yield await self._reply(carried)
                self._posts.telemetry.count(f"file_{carried.attachment.type}")
            except Throttled as error:
                if error.ours:  # nothing was posted, and the next try brings it anew
                    await self._posts.attachments.forget(carried.ref)
                raise

    async def _addressed(self, file: SharedFile) -> SharedFile:
        """Look a missing address up: a webhook can be faster than the store of files. Other threads go on meanwhile."""
        if file.url:
            return file
        fresh = next((one for one in await self._found(file) if one.number == file.number and one.url), None)
        if fresh is not None:
            return fresh
        if self._posts.clock() - self._since < READY_SECONDS:
            raise Throttled("a file has no address yet", code="file_not_ready", component="freshchat", after=READ_AGAIN)
        raise KeptOut("gone", safe_name(file.name))

    async def _found(self, file: SharedFile) -> Sequence[SharedFile]:
        """Read the message again. Freshchat's refusal is no reason to hold what is for Teams."""
        try:
            return await self._posts.source.find(self._event)
        except Rejected:  # the conversation is gone
            return ()
        except (Unavailable, Forbidden) as error:
            if not self._posts.attachments.is_patient(self._since):
                raise KeptOut("unavailable", safe_name(file.name)) from None
            if isinstance(error, Forbidden):
                raise Unavailable(str(error), code=error.code, component=error.component) from None
            raise

    async def _reply(self, carried: Carried) -> Reply:
        label = f"{carried.name} ({size(carried.ref.size)})"
        until = when(self._posts.clock() + LINK_SECONDS)[:10]
        url = carried.attachment.signed_url
        text = self._posts.linked(label, url, self._say("file_until", date=until))
        return Reply(text=text, is_html=True, label=label, picture=await _picture(carried, url))

    async def _tell_agent(self, out: KeptOut, file: SharedFile) -> None:
        """Queue a private note, one for each file; the same at every try."""
        event, link, now = self._event, self._link, self._posts.clock()
        about = replace(event, idempotency_key=ids.step_key(event.idempotency_key, f"file.{file.number}"))
        agent = Addressee(session=link.thread_key, locale=link.locale, conversation_id=link.conversation_id)
        if await self._posts.queue.put(files_notice("to-teams", about, agent, ((out.name, out.reason),), now)):
            self._posts.telemetry.count(f"file_{out.reason}")
            host = {"host": _host(file.url)} if out.reason == "bad_address" else {}
            self._posts.telemetry.info(
                "file_kept_out", reason=out.reason, tenant=event.tenant_id, trace=event.trace, **host
            )

    def _say(self, key: str, **values: str) -> str:
        return self._posts.say(key, self._link.locale, **values)


def _host(url: str) -> str:
    """Give the host alone, for the administrator's allowlist: the rest of an address is a secret."""
    found = re.match(r"https?://([A-Za-z0-9.-]{1,200})(?:[:/?#]|$)", url)
    return found[1] if found else ""


async def _picture(carried: Carried, url: str) -> Picture | None:
    """Read a picture that a transport may show; None if it is none, or too large."""
    if carried.found.mime not in PICTURES or carried.ref.size > PICTURE_BYTES:
        return None
    content = b"".join([piece async for piece in carried.spooled.pieces()])
    measured = dimensions(content)
    if measured is None:
        return None
    return Picture(mime=carried.found.mime, content=content, url=url, width=measured[0], height=measured[1])


def cut(text: str, files: Sequence[SharedFile]) -> list[str | SharedFile]:
    """Cut a text at the lines that name files, which these replace."""
    found, at = list[str | SharedFile](), 0
    for file in files:
        start, end = file.span
        found += [text[at:start], file]
        at = end
    found.append(text[at:])
    trimmed = (one.strip("\n") if isinstance(one, str) else one for one in found)
    return [one for one in trimmed if not isinstance(one, str) or one.strip()]


def size(number: int) -> str:
    """Write a number of bytes for people: `512 B`, `84 KB`, `1.2 MB`."""
    if number < 1024:
        return f"{number} B"
    if number < 1024 * 1024:
        return f"{round(number / 1024)} KB"
    return f"{number / 1024 / 1024:.1f} MB"
