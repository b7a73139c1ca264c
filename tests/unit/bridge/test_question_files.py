"""Files of questions, wherever the process dies and whatever Freshchat says: each is shown once, in its order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from bridge.attachments import Attachments
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Event, Place, Sender, SharedFile
from bridge.file_policy import FilePolicy
from bridge.file_records import Records
from bridge.journal import QUIET
from bridge.ports import ConversationClosed, Link, ObjectRef, Sent
from bridge.question_files import BEGIN_SECONDS, FilesDesk, QuestionFiles
from cards import texts

PLACE = Place(scope="personal", conversation_id="a:1", service_url="https://x")
FILES = tuple(SharedFile(way="link", url=f"https://x/{name}", name=name) for name in ("a.png", "b.exe", "c.pdf"))
CONTENT = {"a.png": b"\x89PNG\r\n\x1a\n" + bytes(20), "b.exe": b"MZ\x90\0", "c.pdf": b"%PDF-1.7"}
EVENT = Event(
    idempotency_key="teams:-/a:1/-/1:create",
    tenant_id="t1",
    direction="inbound",
    kind="create",
    timestamp="2026-01-02T00:00:00Z",
    sender=Sender(kind="user", id="29:ada", locale="ko-KR"),
    message_id="1",
    thread_key="t1/personal/x",
    user_hash="0" * 64,
    place=PLACE,
    files=FILES,
    trace="7f3a09bc" + "0" * 24,
)
LINK = Link(
    conversation_id="c1", tenant_id="t1", thread_key="t1/personal/x", place=PLACE, freshchat_user_id="u1", inbox_id="i"
)
KEPT = "(📎 b.exe was not passed on: programs are not passed on.)"
ALL = [("c1", "image", "img:a.png"), ("c1", "text", KEPT), ("c1", "file", "hash:c.pdf")]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours catches it."""


class World:
    """Everything outside. It dies `dies_at` a call, before or after its effect, and may refuse some."""

    def __init__(self):
        self.calls, self.dies_at, self.after = [], None, False
        self.shown, self.stored, self.closed, self.notices = [], {}, set(), {}
        self.troubles, self.deleted = {}, False

    def _call(self, name, effect=None):
        number, self.calls = len(self.calls), [*self.calls, name]
        if number == self.dies_at and not self.after:
            raise Killed
        if trouble := self.troubles.get(name):
            raise trouble
        result = effect() if effect else None
        if number == self.dies_at:
            raise Killed
        return result

    async def find(self, event):
        self._call("find")
        return event.files

    async def read(self, event, file, max_bytes):
        self._call(f"read {file.name}")
        yield CONTENT[file.name]

    async def scan(self, stream, size):
        self._call("scan")

    async def put(self, name, stream, content_type, disposition="attachment"):
        return self._call("put", lambda: self._keep(name))

    def _keep(self, name):
        self.stored[f"{name}/{len(self.calls)}"] = name
        return ObjectRef(id=f"{name}/{len(self.calls)}", size=1)

    async def signed_url(self, ref, seconds):
        return f"https://bridge/files/{ref.id}"

    async def delete(self, ref):
        self._call("delete", lambda: self.stored.pop(ref.id, None))

    async def upload(self, kind, name, content_type, content):
        return self._call("upload", lambda: f"{'img' if kind == 'image' else 'hash'}:{name}")

    async def post_file(self, conversation_id, user_id, part):
        return self._call("post_file", lambda: self._say(conversation_id, part.kind, part.where))

    async def post_message(self, conversation_id, user_id, text):
        return self._call("post_message", lambda: self._say(conversation_id, "text", text))

    def _say(self, conversation, kind, said):
        if conversation in self.closed:
            raise ConversationClosed
        self.shown.append((conversation, kind, said))
        return Sent(id=f"m{len(self.shown)}", conversation_id=conversation)

    async def find_file(self, conversation_id, user_id, part, since):
        return self._found((conversation_id, part.kind, part.where))

    async def find_message(self, conversation_id, user_id, text, since):
        return self._found((conversation_id, "text", text))

    def _found(self, wanted):
        return [
            Sent(id=f"m{number + 1}", conversation_id=said[0])
            for number, said in enumerate(self.shown)
            if said == wanted
        ]

    async def tell(self, envelope):
        self._call("tell", lambda: self.notices.setdefault(envelope.message_id, envelope))
        return True

    async def is_deleted(self, event):
        return self.deleted


@pytest.fixture
def world():
    return World()


@pytest.fixture
def send(world, threads, clock, telemetry, tmp_path):
    """Let a new process try it."""

    async def reopen(text, number):
        conversation = f"c{2 + number}"
        world.shown.append((conversation, "text", text))
        return replace(LINK, conversation_id=conversation)

    def process():
        attachments = Attachments(world, world, world, tmp_path, clock=clock, link_seconds=60, patience=300)
        return QuestionFiles(
            source=world,
            attachments=attachments,
            threads=threads,
            put=world.tell,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )

    async def send(files=None):
        desk = FilesDesk(world, world, FilePolicy(1000, frozenset(("program",))))
        await (files or process()).send(EVENT, desk, LINK, reopen, world.is_deleted)

    send.process = process
    return send


async def test_each_file_in_its_order(world, send, threads):
    """What Freshchat has is not kept; who sent what was kept out is told, in their language, once."""
    await send()
    assert world.shown == ALL
    assert world.stored == {}
    ((key, notice),) = world.notices.items()
    assert key == "t1|notice.files:teams:-/a:1/-/1:create"
    assert (notice.direction, notice.session) == ("to-teams", "t1/conversation/c1")
    assert b"b.exe" in notice.body
    assert b"ko-KR" in notice.body
    assert (await Records.of(threads, EVENT)).all() == []


COUNT = 16


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(COUNT))
async def test_killed_at_each_call(dies_at, after, world, send, clock):
    """Before its effect or after it: the next process goes on, and nobody reads anything twice."""
    world.dies_at, world.after = dies_at, after
    with pytest.raises(Killed):
        await send()
    files = send.process()
    with suppress(Throttled):  # the dead process's call may have its effect yet
        await send(files)
    clock.advance(QUIET + 1)
    await send(files)
    assert world.shown == ALL
    assert len(world.notices) == 1
    await send()
    assert world.shown == ALL


async def test_these_are_all_calls(world, send):
    """So that none is forgotten above."""
    await send()
    assert len(world.calls) == COUNT


async def test_a_file_that_is_shown_is_not_fetched_again(world, send, clock):
    """Its address may have run out since."""
    world.troubles["read c.pdf"] = Unavailable("503", code="download_503", component="download")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await send()
        clock.advance(30)
    world.troubles = {"read a.png": Rejected("404", code="file_gone", component="download")}
    await send()
    assert world.shown == ALL
    assert [world.calls.count(f"read {name}") for name in ("a.png", "b.exe", "c.pdf")] == [1, 1, 4]


async def test_a_try_behind_the_last_one_does_nothing(world, send):
    """The process died before the queue knew; by now the addresses have run out."""
    await send()
    calls, notices = len(world.calls), dict(world.notices)
    world.troubles = {f"read {name}": Rejected("404", code="file_gone", component="download") for name in CONTENT}
    await send()
    assert world.calls[calls:] == ["find"]
    assert (world.shown, world.notices) == (ALL, notices)


async def test_an_upload_is_not_made_anew_for_its_message(world, send, clock):
    """Freshchat was away between the two."""
    world.troubles["post_file"] = Unavailable("503", code="freshchat_503", component="freshchat")
    with pytest.raises(Unavailable):
        await send()
    clock.advance(30)
    world.troubles = {}
    await send()
    assert world.shown == ALL
    assert world.calls.count("read a.png") == 1


async def test_patience_counts_from_the_first_trouble(world, send, clock):
    """Not from the message, which may have waited for Freshchat for an hour; and once for all its files."""
    world.troubles["scan"] = Unavailable("away", code="clamav_unreachable", component="clamav")
    clock.advance(3600)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await send()
        clock.advance(200)
    await send()
    line = "(📎 {} was not passed on: it could not be checked for malware.)"
    assert world.shown == [("c1", "text", line.format("a.png")), ALL[1], ("c1", "text", line.format("c.pdf"))]
    assert len(world.notices) == 1


async def test_a_list_that_cannot_be_had(world, send, clock):
    """Is waited for as a file is, and then told as one; it is not asked for again behind that."""
    world.troubles["find"] = Unavailable("503", code="graph_503", component="graph")
    with pytest.raises(Unavailable):
        await send()
    clock.advance(301)
    world.troubles["post_message"] = Unavailable("503", code="freshchat_503", component="freshchat")
    with pytest.raises(Unavailable):
        await send()
    world.troubles = {}
    clock.advance(30)
    await send()
    line = "(📎 A file or picture was not passed on: the server that keeps it could not be reached.)"
    assert world.shown == [("c1", "text", line)]


@pytest.mark.parametrize("step", ["find", "read a.png", "upload"])
async def test_our_own_limits_take_no_patience(step, world, send, clock):
    """A backlog behind a rate limit is late, never kept out."""
    world.troubles[step] = Throttled("turn", code="graph_turn", component="graph", after=1.0, ours=True)
    for _ in range(3):
        with pytest.raises(Throttled):
            await send()
        clock.advance(200)
    world.troubles[step] = Unavailable("503", code="graph_503", component="graph")
    with pytest.raises(Unavailable):
        await send()
    world.troubles = {}
    await send()
    assert world.shown == ALL


async def test_a_message_that_is_gone(world, send):
    """Nobody can tell its files any more."""
    world.troubles["find"] = Rejected("404", code="file_gone", component="graph")
    await send()
    assert (world.shown, world.notices) == ([], {})


@pytest.mark.parametrize("step", ["upload", "post_file"])
async def test_what_freshchat_does_not_take_is_a_link(step, world, send, threads):
    """Of the upload or of the message with it. The object stays, until somebody deletes the message."""
    world.troubles[step] = Rejected("400", code="freshchat_400", component="freshchat")
    files = send.process()
    await send(files)
    name = next(iter(world.stored))
    assert world.shown[0] == ("c1", "text", f"📎 a.png: https://bridge/files/{name}")
    assert len(world.stored) == 2
    await files.redact(EVENT)
    assert world.stored == {}
    assert (await Records.of(threads, EVENT)).all() == []


async def test_a_token_that_may_not_upload_holds_nothing(world, send):
    """403 is of this call only; 401 is of the account."""
    world.troubles["upload"] = Forbidden("403", code="freshchat_403", component="freshchat")
    await send()
    assert world.shown[0][1] == "text"
    world.shown.clear()


async def test_a_token_that_is_refused_holds(world, send):
    """As for words."""
    world.troubles["upload"] = Forbidden("401", code="freshchat_401", component="freshchat")
    with pytest.raises(Forbidden):
        await send()
    assert world.shown == []


async def test_a_conversation_that_takes_no_more(world, send):
    """A file opens the next one by its name, and the others follow it there."""
    world.closed.add("c1")
    await send()
    assert world.shown == [("c2", "text", "📎 a.png"), *(("c2", *said[1:]) for said in ALL)]


async def test_a_message_that_is_deleted(world, send, clock):
    """What is shown stays, what is not shown never is, and nothing is kept."""
    world.troubles["post_file"] = Unavailable("503", code="freshchat_503", component="freshchat")
    with pytest.raises(Unavailable):
        await send()
    world.troubles, world.deleted = {}, True
    await send()
    assert (world.shown, world.stored, world.notices) == ([], {}, {})


async def test_many_files_take_several_deliveries(world, send, clock, monkeypatch):
    """A delivery has its limit: what would not fit into it is begun in the next one, which is no failure."""
    scan = world.scan

    async def slow(stream, size):
        clock.advance(BEGIN_SECONDS + 1)
        await scan(stream, size)

    monkeypatch.setattr(world, "scan", slow)
    with pytest.raises(Throttled) as pause:
        await send()
    assert (pause.value.ours, pause.value.code) == (True, "more_files")
    assert world.shown == ALL[:1]
    await send()
    assert world.shown == ALL
