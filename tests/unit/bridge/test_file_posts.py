"""Cutting an answer at its files, and what people read of a size."""

from __future__ import annotations

import pytest

from bridge.errors import Throttled
from bridge.events import Event, Place, Sender, SharedFile
from bridge.file_posts import ONE_TRY, FilePosts, cut, size
from bridge.ports import Link

FILE = SharedFile(way="link", url="https://x.example/a.pdf")
PLACE = Place(scope="groupChat", conversation_id="19:c", service_url="https://x")
EVENT = Event(
    idempotency_key="freshchat:c/m:create",
    tenant_id="t1",
    direction="outbound",
    kind="create",
    timestamp="2026-01-05T08:00:00.123Z",
    sender=Sender("agent", "a"),
    files=(FILE,),
)


def posts(clock):
    """Make what posts files; of its parts a delivery that took long needs the clock alone."""
    return FilePosts(
        attachments=None,
        source=None,
        policies={},
        queue=None,
        linked=None,
        say=None,
        clock=clock,
        telemetry=None,
    )


def files(text, *names):
    """Give files that a text names."""
    spans = ((text.index(name), text.index(name) + len(name)) for name in names)
    return [SharedFile(way="link", url="", number=number, span=span) for number, span in enumerate(spans)]


CUTS = [
    ("one\n[a]\ntwo", ["[a]"], ["one", 0, "two"]),
    ("[a]", ["[a]"], [0]),
    ("[a]\n[b]\n\n  two\n", ["[a]", "[b]"], [0, 1, "  two"]),
    ("one\n\n[a]\n \n[b]", ["[a]", "[b]"], ["one", 0, 1]),
    ("one [a] is text", [], ["one [a] is text"]),
]


@pytest.mark.parametrize(("text", "names", "pieces"), CUTS)
def test_files_stand_between_the_words(text, names, pieces):
    found = cut(text, files(text, *names))
    assert [one if isinstance(one, str) else one.number for one in found] == pieces


SIZES = [
    (0, "0 B"),
    (1023, "1023 B"),
    (1024, "1 KB"),
    (86_500, "84 KB"),
    (1_258_291, "1.2 MB"),
    (26_214_400, "25.0 MB"),
]


@pytest.mark.parametrize(("number", "words"), SIZES)
def test_a_size_reads_well(number, words):
    assert size(number) == words


async def test_a_delivery_that_took_long_leaves_the_next_file_to_the_next_one(clock):
    """It would be cut off otherwise, perhaps within a post. What was posted is found, however late it is."""
    link = Link(conversation_id="c", tenant_id="t1", thread_key="k", place=PLACE, freshchat_user_id="u", inbox_id="i")
    answer = posts(clock).of(EVENT, link, None)
    clock.advance(ONE_TRY + 1)

    async def posted(step):
        return {"0": "sent"}.get(step)

    async def send(reply, step):
        raise AssertionError("nothing is sent")

    assert await answer.post(FILE, "0", posted, send) == "sent"
    with pytest.raises(Throttled) as caught:
        await answer.post(FILE, "1", posted, send)
    assert caught.value.ours and caught.value.after == 0
