"""Compares the ids in an archive with those that the accounts list now: what was missed, what came or went since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from archive import layout
from archive.freshchat import Freshchat
from archive.freshdesk import Freshdesk
from archive.ledger import Ledger
from archive.page import Page
from archive.reading import Archive, NotAnArchive
from archive.reread import LISTS, THREADS, field, given_up, reread
from archive.run import Upstreams
from archive.state import State
from archive.verify_contents import NAMED, id_of
from bridge.errors import Misconfigured
from bridge.moments import epoch

_ITEMS: Final = {
    "user": ("freshchat.users", layout.USERS),
    "chat agent": ("freshchat.agents", layout.FRESHCHAT_AGENTS),
    "ticket": ("freshdesk.tickets", layout.TICKETS),
    "contact": ("freshdesk.contacts", layout.CONTACTS),
    "company": ("freshdesk.companies", layout.COMPANIES),
    "desk agent": ("freshdesk.agents", layout.FRESHDESK_AGENTS),
}
"""What is listed: its kind in the state, and its file."""


@dataclass(slots=True)
class Count:
    """One kind of thing. `newer` came after the export began; `missing` was there and is not in the archive."""

    archive: int = 0
    source: int = 0
    onlyInArchive: int = 0  # noqa: N815 - as it is printed
    newer: int = 0
    missing: int = 0


async def against_source(
    archive: Archive, ledger: Ledger, upstreams: Upstreams, state: State, now: float
) -> dict[str, dict[str, int]]:
    """Ask the accounts for all ids, and compare them with those that `verify` has put into the ledger.

    What was missed is a finding, unless the archive lists it as a gap. Gives counts by kind; raises like `reread`.
    """

    _add_bases(archive, ledger)

    def begin(page: Page) -> None:
        if upstreams.freshchat is not None:
            Freshchat.begin(page, now)
        if upstreams.freshdesk is not None:
            Freshdesk.begin(page)

    await reread(state, upstreams, LISTS, begin)
    comparison = _Comparison(archive, ledger, state)
    counts = {}
    if upstreams.freshchat is not None:
        await _read_unknown(ledger, upstreams, state)
        counts["conversation"] = comparison.conversations()
    for kind, (items, path) in _ITEMS.items():
        if (upstreams.freshchat if items.startswith("freshchat") else upstreams.freshdesk) is not None:
            counts[kind] = comparison.items(kind, items, path)
    for what, key, reason in state.rows("SELECT what, id, reason FROM gap WHERE missing = 1 ORDER BY what, id"):
        if not ledger.has("gap", str(key)):
            ledger.find("source", "", f"{what} {key} could not be asked for: {reason}")
    return {kind: asdict(count) for kind, count in counts.items()}


def _add_bases(archive: Archive, ledger: Ledger) -> None:
    """Put what the archives have that this one adds to into the ledger; Misconfigured if one is not beside it."""
    while base := archive.base:
        beside = archive.root.resolve().parent / str(base.get("folder"))
        try:
            archive = Archive(beside)
        except NotAnArchive:
            raise Misconfigured(f"this archive adds to {beside.name}, which is not beside it") from None
        if archive.fingerprint != base.get("checksumsSha256"):
            raise Misconfigured(f"this archive adds to {beside.name}, which has another fingerprint now")
        for path, kind in NAMED.items():
            for row in archive.elements(path):
                ledger.add(f"base {kind}", id_of(kind, row.value))


async def _read_unknown(ledger: Ledger, upstreams: Upstreams, state: State) -> None:
    """Read the conversations that the archive has not: lists give their ids alone, not when they began."""
    for (key,) in state.rows("SELECT DISTINCT conversation FROM seen"):
        ledger.add("source conversation", str(key))
    missing = ledger.only_in("source conversation", "conversation")
    unknown = [key for key in missing if not ledger.has("base conversation", key)]

    def begin(page: Page) -> None:
        page.add("DELETE FROM task WHERE stream = 'freshchat.conversations'")
        for key in unknown:
            page.task("freshchat.conversations", key)

    await reread(state, upstreams, THREADS[:1], begin)


class _Comparison:
    def __init__(self, archive: Archive, ledger: Ledger, state: State) -> None:
        self._ledger, self._state = ledger, state
        self._began = epoch(archive.metadata.get("started")) or 0.0

    def conversations(self) -> Count:
        return self._compare("conversation", layout.CONVERSATIONS, "freshchat.conversations")

    def items(self, kind: str, items: str, path: str) -> Count:
        for key, body in self._state.rows("SELECT id, body FROM item WHERE kind = ?", items):
            self._ledger.add(f"source {kind}", str(key), field(body, "created_time", "created_at"))
        return self._compare(kind, path, items)

    def _compare(self, kind: str, path: str, items: str) -> Count:
        source = f"source {kind}"
        count = Count(self._ledger.count(kind), self._ledger.count(source))
        count.onlyInArchive = sum(1 for _ in self._ledger.only_in(kind, source))
        for key in self._ledger.only_in(source, kind):
            if self._is_newer(items, key):
                count.newer += 1
            elif not (self._ledger.has(f"base {kind}", key) or self._ledger.has("gap", key)):
                count.missing += 1
                reason = given_up(self._state, items, key)
                told = f"{kind} {key} is in the account and not in the archive"
                self._ledger.find("source", path, f"{told} ({reason})" if reason else told)
        return count

    def _is_newer(self, items: str, key: str) -> bool:
        body = self._state.value("SELECT body FROM item WHERE kind = ? AND id = ?", items, key)
        began = epoch(field(body, "created_time", "created_at")) if body else None
        return began is not None and began >= self._began


def products(archive: Archive) -> Iterator[str]:
    """Tell what the archive was made of."""
    options = archive.metadata.get("options")
    only = options.get("only") if isinstance(options, dict) else None
    for name in ("freshchat", "freshdesk"):
        if not isinstance(only, list | tuple) or name in only:
            yield name
