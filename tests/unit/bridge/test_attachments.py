"""One file on its way: what is done with each kind of trouble, and for how long it is waited for."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.attachments import AT_ONCE, Attachments, KeptOut
from bridge.errors import Forbidden, Infected, Rejected, StoreFull, Throttled, Unavailable, Unscannable
from bridge.events import Event, Sender, SharedFile
from bridge.file_policy import FilePolicy
from bridge.file_records import Record, Records, file_id
from bridge.file_types import MAGIC, ending_of, fitting_name
from bridge.objects import safe_name
from bridge.ports import ObjectRef
from bridge.revisions import message_of

EVENT = Event(
    idempotency_key="teams:-/x/-/1:create",
    tenant_id="t1",
    direction="inbound",
    kind="create",
    timestamp="2026-01-02T00:00:00Z",
    sender=Sender(kind="user", id="29:ada"),
)
FILE = SharedFile(way="link", url="https://fenn.sharepoint.com/x?tempauth=t", name="a/shot.bin")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
POLICY = FilePolicy(1000, frozenset(("program",)))


class World:
    """Where files come from, who scans them, and where they are stored; each may fail."""

    def __init__(self):
        self.content, self.troubles, self.stored, self.open = PNG, {}, {}, 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, event, file, max_bytes):
        self.open += 1
        try:
            self._fail("read")
            await self.gate.wait()
            yield self.content
        finally:
            self.open -= 1

    async def scan(self, stream, size):
        self._fail("scan")
        self.scanned = b"".join([piece async for piece in stream]), size

    async def put(self, name, stream, content_type, disposition="attachment"):
        self._fail("put")
        self.stored[name] = (b"".join([piece async for piece in stream]), content_type, disposition)
        return ObjectRef(id=name, size=len(self.content))

    async def signed_url(self, ref, seconds):
        return f"https://bridge/files/{ref.id}"

    async def delete(self, ref):
        self._fail("delete")
        del self.stored[ref.id]

    def _fail(self, step):
        if step in self.troubles:
            raise self.troubles[step]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def attachments(world, tmp_path, clock):
    return Attachments(world, world, world, tmp_path, clock=clock, link_seconds=60, patience=300)


async def test_a_file_that_may_pass(attachments, world, clock):
    """It is stored under a name that fits, scanned whole, and there to be read again."""
    async with attachments.take(EVENT, FILE, POLICY, clock()) as carried:
        assert (carried.name, carried.found.mime, carried.attachment.type) == ("a_shot.png", "image/png", "image")
        assert world.scanned == (PNG, len(PNG))
        assert world.stored == {"a_shot.png": (PNG, "image/png", "inline")}
        carried.spooled.file.seek(0)
        assert carried.spooled.file.read() == PNG
        assert world.open == 0
        await attachments.forget(carried.ref)
    assert world.stored == {}


def away(component="download"):
    return Unavailable("503", code="download_503", component=component)


FINAL = [
    ("read", Rejected("x", code="file_too_large", component="download"), "too_large"),
    ("read", Rejected("x", code="file_gone", component="download"), "gone"),
    ("read", Rejected("x", code="file_bad_address", component="download"), "bad_address"),
    ("read", Rejected("x", code="file_refused", component="download"), "refused"),
    ("read", Rejected("x", code="files_not_permitted", component="graph"), "files_not_permitted"),
    ("scan", Infected("x", code="infected", component="clamav"), "infected"),
    ("scan", Unscannable("x", code="too_long", component="clamav"), "not_scanned"),
]
FOR_NOW = [
    ("read", away(), "download_503", "unavailable"),
    ("read", Throttled("429", code="download_429", component="download", after=7), "download_429", "unavailable"),
    ("scan", away("clamav"), "download_503", "not_scanned"),
    ("put", Forbidden("403", code="blob_403", component="blob"), "blob_403", "unavailable"),
    ("put", StoreFull("full"), "objects_full", "unavailable"),
]


@pytest.mark.parametrize(("step", "trouble", "reason"), FINAL)
async def test_what_keeps_a_file_out_at_once(step, trouble, reason, attachments, world, clock):
    """Nothing of it stays, and nothing stays open."""
    world.troubles[step] = trouble
    with pytest.raises(KeptOut) as kept:
        async with attachments.take(EVENT, FILE, POLICY, clock()):
            pytest.fail("it was let through")
    assert (kept.value.reason, kept.value.name, world.stored, world.open) == (reason, "a_shot.bin", {}, 0)


@pytest.mark.parametrize(("step", "trouble", "code", "reason"), FOR_NOW)
async def test_what_is_waited_for(step, trouble, code, reason, attachments, world, clock):
    """Until the patience is at its end; never with an error that would hold other messages."""
    world.troubles[step], since = trouble, clock()
    clock.advance(300)
    with pytest.raises(Unavailable) as held:
        async with attachments.take(EVENT, FILE, POLICY, since):
            pytest.fail("it was let through")
    assert held.value.code == code
    clock.advance(1)
    with pytest.raises(KeptOut) as kept:
        async with attachments.take(EVENT, FILE, POLICY, since):
            pytest.fail("it was let through")
    assert kept.value.reason == reason


async def test_a_file_that_takes_too_long(attachments, world, clock, monkeypatch):
    """The limit for one file is not the end of the delivery."""
    monkeypatch.setattr("bridge.attachments.TAKE_SECONDS", 0.2)
    world.gate.clear()
    with pytest.raises(Unavailable) as held:
        async with attachments.take(EVENT, FILE, POLICY, clock()):
            pytest.fail("it was let through")
    assert held.value.code == "file_slow"


async def test_many_files_hold_up_no_words(attachments, world, clock, monkeypatch):
    """Whose turn does not come soon is given back, without a failure; the turn is free again in the end."""
    monkeypatch.setattr("bridge.attachments.TURN_SECONDS", 0.05)
    world.gate.clear()

    async def take():
        async with attachments.take(EVENT, FILE, POLICY, clock()):
            pass

    taken = [asyncio.create_task(take()) for _ in range(AT_ONCE)]
    while world.open < AT_ONCE:
        await asyncio.sleep(0)
    with pytest.raises(Throttled) as busy:
        await take()
    assert (busy.value.code, busy.value.ours) == ("files_busy", True)
    taken.pop().cancel()
    world.gate.set()
    await asyncio.gather(*taken)
    await take()


async def test_the_policy_decides_before_the_scanner(attachments, world, clock):
    """What is kept out by its kind is not scanned."""
    world.content = b"MZ\x90\0"
    with pytest.raises(KeptOut) as kept:
        async with attachments.take(EVENT, FILE, POLICY, clock()):
            pytest.fail("it was let through")
    assert kept.value.reason == "program"
    assert not hasattr(world, "scanned")


async def test_what_is_done_with_a_file_fails_as_it_does(attachments, clock):
    """Neither is it taken for a failure of the file, nor is it lost."""
    error = Rejected("413", code="freshchat_413", component="freshchat")
    with pytest.raises(Rejected) as refused:
        async with attachments.take(EVENT, FILE, POLICY, clock()):
            raise error
    assert refused.value is error


async def test_a_store_that_does_not_forget_is_no_failure(attachments, world, clock):
    """It removes what is old by itself."""
    world.troubles["delete"] = StoreFull("full")
    async with attachments.take(EVENT, FILE, POLICY, clock()) as carried:
        await attachments.forget(carried.ref)


# --- what is noted of a file


@given(st.text(max_size=60), st.sampled_from([found for *_, found in MAGIC]))
def test_a_name_need_not_be_noted(name, found):
    """It follows from the one that the file came with and the ending that it was given."""
    given_name = fitting_name(safe_name(name), found)
    record = Record(way="file", where="h", mime=found.mime, ending=ending_of(given_name), size=1)
    assert record.name(SharedFile(way="link", url="x", name=name)) == given_name


async def test_records_survive_and_hold_no_name(threads):
    """A later try reads what was decided, and since when it is waited; a second wait does not begin anew."""
    records = await Records.of(threads, EVENT)
    assert (records.since, records.get(FILE)) == (None, None)
    record = Record(way="kept", reason="infected")
    await records.wait_since(7.0)
    await records.wait_since(9.0)
    await records.note(FILE, record)
    again = await Records.of(threads, EVENT)
    assert (again.since, again.get(FILE)) == (7.0, record)
    known = await threads.fact("t1", "file", message_of(EVENT))
    assert "shot" not in str(known)
    assert "tempauth" not in str(known)
    assert file_id(FILE) in known
