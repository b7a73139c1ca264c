"""What is asked for in which order: everything once, then what only the first reading tells, then what has changed.

Each round adds tasks that are not there yet, so a round that is begun again after a crash adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archive.freshchat import Freshchat
from archive.freshdesk import BEGIN, PROBES, Freshdesk
from archive.page import Page
from archive.reports import DAY, Reports
from archive.state import State
from bridge.moments import epoch, iso

PARTS = ("freshchat", "freshdesk", "reports", "attachments")
OVERLAP = 300.0
"""Seconds before the start from which tickets are read once more."""
ROUNDS = 6
MOST_PROBES = 100_000
"""Ids that are looked for at least; above, at most `PER_TICKET` per ticket that is known."""
PER_TICKET = 20
RANGES = 500
"""Ranges into which few ids are divided: a range is one worker's, and all workers should have some."""
_AUTHORS = """SELECT DISTINCT CAST(json_extract(body, '$.user_id') AS TEXT) AS author FROM part
  WHERE kind = 'freshdesk.conversations' AND author IS NOT NULL"""
_OLDEST = """SELECT MIN(json_extract(body, '$.created_time')) FROM item
  WHERE kind IN ('freshchat.users', 'freshchat.agents', 'freshchat.conversations')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted; kept with the state, so that `resume` does the same.

    `since`: only what has changed since then (seconds since 1970; 0: everything), in addition to the archive `base`.
    """

    kind: str = "event"
    only: tuple[str, ...] = PARTS
    transcript_days: float = 7.0
    probe: bool = True
    since: float = 0.0
    base: Mapping[str, str] | None = None


class Rounds:
    """The rounds of one export."""

    last = ROUNDS

    def __init__(self, state: State, order: Order, started: float) -> None:
        self._state, self._only, self._started = state, order.only, started
        self._transcript_days, self._probe, self._since = order.transcript_days, order.probe, order.since
        self._known_ticket = int((order.base or {}).get("highestTicket", 0))

    def seed(self, number: int, page: Page) -> None:
        """Leave the tasks of a round."""
        if "freshchat" in self._only and number == 0:
            Freshchat.begin(page, self._started)
        if {"freshchat", "reports"} <= set(self._only) and number == 1:
            Reports.begin(page, self._oldest(), self._started, self._transcript_days)
        if "freshdesk" in self._only:
            self._freshdesk(number, page)
        self._state.put(f"tickets before {number}", str(self._tickets()))

    def after(self, number: int) -> int:
        """Give the round behind one that is done: the next, or the end when it has brought no ticket."""
        before = int(self._state.get(f"tickets before {number}", "0"))
        quiet = number > 1 and self._tickets() == before
        return ROUNDS + 1 if quiet or (number > 0 and "freshdesk" not in self._only) else number + 1

    def _tickets(self) -> int:
        return self._state.count("freshdesk.ticket").known

    def _oldest(self) -> float:
        """Give when the account began, as far as anything in it tells; a day earlier, for what is lost since."""
        if self._since:
            return self._since
        return (epoch(self._state.value(_OLDEST)) or self._started) - DAY

    def _freshdesk(self, number: int, page: Page) -> None:
        if number == 0:
            Freshdesk.begin(page, second(self._since) if self._since else BEGIN)
            return
        for name in ("live", "deleted", "spam"):
            since = second(self._started - OVERLAP)
            page.task("freshdesk.tickets", f"{name}#{number}", f'{{"since":"{since}"}}')
        self._authors(page)
        if number == 1 and self._probe and (self._known_ticket or not self._since):
            self._probes(page)

    def _authors(self, page: Page) -> None:
        """Look for people who wrote and are in no list."""
        known = "SELECT 1 FROM item WHERE kind IN ('freshdesk.agents', 'freshdesk.contacts') AND id = ?"
        for (author,) in list(self._state.rows(_AUTHORS)):
            if author.isdecimal() and self._state.value(known, author) is None:
                page.task("freshdesk.author", author)

    def _probes(self, page: Page) -> None:
        """Look for ids that no list has named, from the highest one of the base archive up to the highest one."""
        sql = """SELECT COUNT(*), MAX(number) FROM item
          WHERE kind = 'freshdesk.tickets' AND number < (1 << 62) AND number > ?"""
        below = self._known_ticket
        known, highest = next(self._state.rows(sql, below))
        if highest is None:
            return
        if highest - below - known > max(MOST_PROBES, PER_TICKET * known):
            page.gap("freshdesk.archived", f"{below + 1}-{highest}", "too_many_ids", "tickets/archived")
            return
        each = min(PROBES, (highest - below) // RANGES + 1)
        for first in range(below + 1, highest + 1, each):
            page.task("freshdesk.probe", f"{first}-{min(first + each - 1, highest)}")


def second(moment: float) -> str:
    """Write a time as Freshdesk does, in whole seconds."""
    return iso(moment // 1).replace(".000Z", "Z")
