"""What is drawn, and what counts as a difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from account import HOSTS, Account

from adapters.archive_files import ArchiveFiles
from adapters.freshchat.source import FreshchatSource
from adapters.http import session
from adapters.share import Share
from archive.ledger import Ledger
from archive.reading import Archive
from archive.reread import LISTS, reread, scratch
from archive.run import Upstreams
from archive.samples import Drawn, Whole, beside, compare, draw, read_again
from bridge.errors import Unavailable
from tests.archive_builder import RENAMED, archive


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(archive(tmp_path_factory.mktemp("whole"), conversations=12, tickets=5))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger")) as opened:
        yield opened


def test_each_has_the_same_chance(whole: Archive, ledger: Ledger) -> None:
    """The last of a list as much as the first; tickets and unlinked chats are drawn from their own lists."""
    drawn = Counter(one for seed in range(600) for one in draw(whole, ledger, 2, seed))
    chats = {one.id: count for one, count in drawn.items() if one.group == "conversations"}
    assert len(chats) == 15
    assert min(chats.values()) > 40, "80 on average"
    assert max(chats.values()) < 130
    linked = {f"c-{number:07}" for number in range(1, 6)}
    assert linked.isdisjoint(one.id for one in drawn if one.group == "unlinked")
    assert RENAMED in {one.id for one in drawn if one.group == "unlinked"}
    assert {one.id for one in drawn if one.group == "tickets"} == {"101", "102", "103", "104", "105", "9000"}


def test_more_than_there_is_draws_all_of_it_once(whole: Archive, ledger: Ledger) -> None:
    """A chat without a ticket is not drawn again as one of all."""
    drawn = draw(whole, ledger, 100, 1)
    assert Counter(one.kind for one in drawn) == {"conversation": 15, "ticket": 6}


def chat(**changes: Any) -> Whole:
    value = {
        "conversation_id": "c",
        "status": "new",
        "updated_time": "2026-01-01T00:00:00Z",
        "properties": {"a": [1, 2]},
    }
    message = {"id": "m", "message_parts": [{"image": {"url": "https://files/x.png?X-Amz-Expires=1&sig=a"}}]}
    return Whole({**value, **changes}, [message])


DRAWN = Drawn("conversations", "conversation", "c")
LATER = "2026-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("now", "result", "differences"),
    [
        (chat(), "same", []),
        (chat(status="resolved"), "different", [".status"]),
        (chat(status="resolved", updated_time=LATER), "changed", [".status", ".updated_time"]),
        (chat(properties={"a": [1, 3], "b": None}), "different", [".properties.a[1]", ".properties.b"]),
        (chat(properties={"a": [1]}), "different", [".properties.a"]),
        (chat(properties={}), "different", [".properties.a"]),
        (chat(status=None), "different", [".status"]),
        (Whole(chat(updated_time=LATER).value, []), "different", [".updated_time", "m: only in the archive"]),
        (Whole(chat(updated_time=LATER).value, [*chat().parts, {"id": "n"}]), "changed",
         [".updated_time", "n: only in the source"]),
    ],
)  # fmt: skip
def test_what_differs_is_named(now: Whole, result: str, differences: list[str]) -> None:
    """By its place; a later change is none as long as nothing that was archived is gone."""
    found = compare(DRAWN, chat(), now)
    assert (found.result, found.differences) == (result, differences)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("https://files/x.png?sig=a", "https://files/x.png?sig=b", True),
        ('<img src="https://files/x.png?sig=a"> and text?', '<img src="https://files/x.png?sig=b"> and text?', True),
        ("https://files/x.png?sig=a", "https://files/y.png?sig=a", False),
        ("why?yes", "why?no", False),
        ("", None, False),
        (1, 1.0, False),
        (True, 1, False),
    ],
)
def test_only_what_signs_an_address_is_left_out(before: Any, after: Any, same: bool) -> None:
    """Alone or within a text."""
    assert (compare(DRAWN, chat(x=before), chat(x=after)).result == "same") is same


async def test_messages_without_their_conversation_are_compared(account: Account, tmp_path: Path) -> None:
    """Some kinds of conversations are like that; they were when they were archived."""
    account.answers["/v2/conversations/c/messages"] = {"messages": [{"id": "m", "created_time": LATER}]}
    kept = Whole({"conversation_id": "c"}, [{"id": "m", "created_time": LATER}])
    async with upstreams_of(account.url) as upstreams:
        with scratch(tmp_path) as state:
            await read_again([DRAWN, Drawn("unlinked", "conversation", "d")], upstreams, state)
            assert beside(DRAWN, kept, state).result == "same"
            assert beside(DRAWN, Whole(kept.value, [{"id": "other"}]), state).result == "different"
            assert beside(Drawn("unlinked", "conversation", "d"), chat(), state).result == "gone"


@asynccontextmanager
async def upstreams_of(url: str) -> AsyncIterator[Upstreams]:
    """Reads a Freshchat account that is quickly given up."""

    async def key() -> str:
        return "key"

    files = ArchiveFiles(loopback=True)
    try:
        async with session() as calls:
            source = FreshchatSource(calls, url, key, HOSTS, Share(1.0), clock=time.time)
            yield Upstreams(freshchat=source, freshdesk=None, files=files, known=None, first_wait=0.001)
    finally:
        await files.close()


async def test_an_account_that_is_away_is_said_to_be(tmp_path: Path, unused_tcp_port: int) -> None:
    """Once it was tried often enough."""
    async with upstreams_of(f"http://127.0.0.1:{unused_tcp_port}") as upstreams:
        with scratch(tmp_path) as state, pytest.raises(Unavailable, match="freshchat gives no answer"):
            await reread(state, upstreams, LISTS, lambda page: page.task("freshchat.directory", "agents"))
