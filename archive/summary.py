"""The report for people: Korean, then English."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words. `rows` names a count of the report by its path."""

    title: str
    date: str
    kind: Mapping[str, str]
    complete: tuple[str, str]
    rows: Mapping[str, str]
    attachments: Callable[[int, int, int], str]
    linked: Callable[[int, int], str]
    gaps: Callable[[int], str]
    differences: Callable[[int], str]
    how: str


KOREAN = Words(
    title="상담·티켓 보관 검증 요약",
    date="보관 시각(UTC)",
    kind={"monthly": "월간", "event": "수시", "final": "최종"},
    complete=("누락 없이 모두 보관되었습니다.", "일부를 보관하지 못했습니다. 아래 내용과 gaps.json을 확인하십시오."),
    rows={
        "conversations": "Freshchat 대화",
        "messages": "Freshchat 메시지",
        "users": "Freshchat 사용자",
        "tickets": "Freshdesk 티켓",
        "ticketConversations": "티켓 대화(답변·메모)",
        "contacts": "연락처",
        "companies": "회사",
    },
    attachments=lambda expected, fetched, failed: f"첨부 파일: 대상 {expected}건, 보관 {fetched}건, 실패 {failed}건",
    linked=lambda linked, unlinked: f"티켓과 연결된 대화 {linked}건, 연결되지 않은 대화 {unlinked}건",
    gaps=lambda count: f"보관하지 못했거나 확인이 필요한 항목: {count}건 (gaps.json)",
    differences=lambda count: f"보고서와 메시지 수가 다른 대화: {count}건 (verification_report.json)",
    how="확인 방법: 이 폴더에서 sha256sum -c checksums.sha256 을 실행하십시오.",
)
ENGLISH = Words(
    title="Archive of chats and tickets: verification summary",
    date="Exported at (UTC)",
    kind={"monthly": "monthly", "event": "event", "final": "final"},
    complete=("Everything is here.", "Something is missing: see below, and gaps.json."),
    rows={
        "conversations": "Freshchat conversations",
        "messages": "Freshchat messages",
        "users": "Freshchat users",
        "tickets": "Freshdesk tickets",
        "ticketConversations": "replies and notes of tickets",
        "contacts": "contacts",
        "companies": "companies",
    },
    attachments=lambda expected, fetched, failed: f"Attachments: {expected} expected, {fetched} kept, {failed} failed",
    linked=lambda linked, unlinked: f"Conversations with a ticket: {linked}; without one: {unlinked}",
    gaps=lambda count: f"Could not be had, or to be looked at: {count} (gaps.json)",
    differences=lambda count: f"Conversations with messages that only a report names: {count} (see the report)",
    how="To check: run `sha256sum -c checksums.sha256` in this folder.",
)


def summary(report: Report) -> str:
    """Write the summary."""
    return "\n".join([*_lines(report, KOREAN), "", "-" * 60, "", *_lines(report, ENGLISH)]) + "\n"


def _lines(report: Report, words: Words) -> Iterator[str]:
    totals = report["totals"]
    yield words.title
    yield f"{words.date}: {report['exportDate']} ({words.kind.get(report['kind'], report['kind'])})"
    yield words.complete[0 if report["complete"] else 1]
    yield ""
    for name, text in words.rows.items():
        yield f"- {text}: {totals[name]}"
    found = totals["attachments"]
    yield f"- {words.attachments(found['expected'], found['fetched'], found['failed'])}"
    yield f"- {words.linked(report['linkedConversations'], report['unlinkedConversations'])}"
    if report["gaps"]["count"]:
        yield f"- {words.gaps(report['gaps']['count'])}"
    if differences := len(report["sources"]["messages"]["differences"]):
        yield f"- {words.differences(differences)}"
    yield ""
    yield words.how
