"""Reads some of the accounts again, with the same streams as the export, into a scratch state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from archive.freshchat import Freshchat
from archive.freshdesk import Freshdesk
from archive.page import Page
from archive.run import CHAT, DESK, WORKERS, Upstreams, alive
from archive.state import State
from archive.streams import Away, Lane, Runner
from bridge.errors import Unavailable

THREADS = ("freshchat.conversations", "freshdesk.ticket")
"""Streams that read single conversations and tickets, each with all its parts."""
LISTS = (
    *("freshchat.users", "freshchat.user_conversations", "freshchat.list", "freshchat.directory"),
    *("freshdesk.tickets", "freshdesk.lists"),
)
"""Streams that find out what there is. What they leave to be read is not read."""


@contextmanager
def scratch(folder: Path) -> Iterator[State]:
    """Open a state that nobody keeps."""
    with closing(State(folder / "state.sqlite")) as state:
        yield state


async def reread(state: State, upstreams: Upstreams, streams: Iterable[str], begin: Callable[[Page], None]) -> None:
    """Work on these streams until nothing is left. `begin` leaves the first tasks.

    What one resource refuses is a gap in the state; a key that is refused raises Forbidden, an
    account that gives no answer at all Unavailable.
    """
    page = Page()
    begin(page)
    with state.transaction():
        state.apply(page)
    wanted = frozenset(streams)
    lanes = []
    if upstreams.freshchat is not None:
        found = [stream for stream in Freshchat(upstreams.freshchat).streams() if stream.name in wanted]
        lanes.append(Lane("freshchat", found, WORKERS, alive(upstreams.freshchat, CHAT)))
    if upstreams.freshdesk is not None:
        found = [stream for stream in Freshdesk(upstreams.freshdesk, state).streams() if stream.name in wanted]
        lanes.append(Lane("freshdesk", found, WORKERS, alive(upstreams.freshdesk, DESK)))
    try:
        await Runner(state, lanes, first_wait=upstreams.first_wait).run()
    except Away as error:
        raise Unavailable(f"{error} gives no answer", code="away", component=str(error)) from None


def given_up(state: State, what: str, key: str) -> str:
    """Give the reason why something could not be read; empty if it could."""
    return str(state.value("SELECT reason FROM gap WHERE what = ? AND id = ?", what, key) or "")


def field(body: str, *names: str) -> str:
    """Give the first of these fields that a received object has."""
    value: Any = json.loads(body)
    return next((str(value[name]) for name in names if value.get(name)), "") if isinstance(value, dict) else ""
