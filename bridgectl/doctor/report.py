"""What a check found, in the words of an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `todo` says what to do, and is empty where nothing is to be done."""

    check: str
    subject: str
    status: Status
    seen: str
    todo: str = ""


class Report:
    """Collects the findings of one check; what was found before a failure stays."""

    def __init__(self, check: str) -> None:
        self.check = check
        self.findings: list[Finding] = []

    def ok(self, subject: str, seen: str) -> None:
        """Note that it is as it must be."""
        self._add(subject, "ok", seen, "")

    def warning(self, subject: str, seen: str, todo: str) -> None:
        """Note what works but should not stay so."""
        self._add(subject, "warning", seen, todo)

    def problem(self, subject: str, seen: str, todo: str) -> None:
        """Note what keeps messages from arriving, or archives from being made."""
        self._add(subject, "problem", seen, todo)

    def skipped(self, subject: str, why: str) -> None:
        """Note what was not looked at."""
        self._add(subject, "skipped", why, "")

    @property
    def broken(self) -> bool:
        """Whether a problem was found."""
        return any(finding.status == "problem" for finding in self.findings)

    def _add(self, subject: str, status: Status, seen: str, todo: str) -> None:
        self.findings.append(Finding(check=self.check, subject=subject, status=status, seen=seen, todo=todo))


def worst(findings: list[Finding]) -> Status:
    """Sum up: `problem`, else `warning`, else `ok`."""
    found = {finding.status for finding in findings}
    order: tuple[Status, ...] = ("problem", "warning")
    return next((status for status in order if status in found), "ok")
