"""Compares what an archive holds with what its own report says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive import layout
from archive.ledger import Ledger
from archive.reading import Archive


def check_counts(archive: Archive, ledger: Ledger, counted: Mapping[str, int]) -> None:
    """Compare counts and the list of unlinked chats; differences go to the ledger."""
    report = archive.report
    if not report:
        return
    for name, told in _told(report):
        if told != counted.get(name, 0):
            ledger.find("count", layout.REPORT, f"{name}: the report says {told}, there are {counted.get(name, 0)}")
    _check_unlinked(archive, ledger)


def _told(report: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    totals = report.get("totals")
    for name, told in (totals if isinstance(totals, dict) else {}).items():
        if isinstance(told, dict):
            yield from ((f"{name}.{part}", number) for part, number in told.items())
        else:
            yield name, told
    gaps = report.get("gaps")
    if isinstance(gaps, dict):
        yield "gaps", gaps.get("count")


def _check_unlinked(archive: Archive, ledger: Ledger) -> None:
    """Every conversation is linked or listed as unlinked; nothing is listed that is not there."""
    listed = 0
    for key in archive.unlinked_ids():
        ledger.add("unlinked", key)
        listed += 1
    report = archive.report
    told = report.get("unlinkedConversations")
    if told != listed:
        ledger.find("count", layout.REPORT, f"unlinkedConversations: the report says {told} and lists {listed}")
    linked = report.get("linkedConversations")
    there = ledger.count("conversation")
    if isinstance(linked, int) and linked + listed != there:
        ledger.find("count", layout.REPORT, f"linked {linked} and unlinked {listed}: there are {there} conversations")
    for key in ledger.only_in("unlinked", "conversation"):
        ledger.find("reference", layout.REPORT, f"unlinked conversation {key} is not in {layout.CONVERSATIONS}")
