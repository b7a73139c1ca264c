"""Freshchat's raw reports: conversations that no user leads to, and a second count of messages.

Jobs are asked for one at a time, window by window, since an account takes about one a minute. The files are kept as
they came.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archive import layout
from archive.names import numbered, safe_name
from archive.page import Page, id_of
from archive.ports import Files, Source
from archive.state import State, Task
from archive.streams import Stream
from bridge.errors import Rejected, Throttled, Unavailable
from bridge.moments import epoch, iso

DAY = 86_400.0
WINDOWS = {"Conversation-Created": 28 * DAY, "Message-Sent": 28 * DAY, "CSAT-Score": 28 * DAY, "Chat-Transcript": DAY}
"""Events that are asked for, and the longest window each takes."""
NEEDED = ("Conversation-Created", "CSAT-Score")
"""Reports with something that nothing else tells."""
FIRST_LOOK, LOOK_AGAIN = 0.05, 10.0
"""Seconds until the next look at a job: the first, doubled each time, and the longest."""
LOOKS = 720
"""Looks at one job, about two hours; one that is not done by then is asked for anew."""
BATCH = 5000
FIELD = 1 << 26
"""Characters of one cell; the parts of a long message are one, and Python alone takes 131,072."""
IDS = {"conversationid": "conversation_id", "messageid": "message_id"}
"""Columns that are looked at, however an account spells them."""
BROKEN = (csv.Error, zipfile.BadZipFile, zlib.error, EOFError)
"""What reading a table in a file raises that is a ZIP file, and broken within."""


class Reports:
    """The stream of reports."""

    def __init__(self, state: State, source: Source, files: Files, root: Path) -> None:
        self._state, self._source, self._files, self._root = state, source, files, root
        self._looks = 0

    def streams(self) -> list[Stream]:
        """Give the stream."""
        return [Stream("freshchat.reports", self.report, lambda task: f"reports/raw {task.key.replace('|', ' ')}")]

    @staticmethod
    def begin(page: Page, since: float, until: float, transcript_days: float) -> None:
        """Leave a task for each window between two moments.

        None begins earlier: of what is older, an archive of what has changed since then holds no messages.
        """
        for event, length in WINDOWS.items():
            first = max(since, until - transcript_days * DAY) if event == "Chat-Transcript" else since
            start = first // length * length  # always the same windows, whenever an export begins
            while start < until and first < until:
                end = min(start + length, until)
                page.task("freshchat.reports", f"{event}|{iso(max(start, since))}|{iso(end - 0.001)}")
                start = end

    async def report(self, task: Task, page: Page) -> str | None:
        """Ask for a report, then look at its job until it is done, then take its files in."""
        event, since, until = task.key.split("|")
        attempt, _, job_id = task.cursor.partition(" ")
        try:
            if not job_id:
                self._looks = 0
                asked = {"start": since, "end": until, "event": event, "format": "csv"}
                return f"{attempt or 1} {_job(await self._source.post('reports/raw', asked))}"
            addresses = self._done((await self._source.get(f"reports/raw/{job_id}")).value)
            await self._take(event, since, until, addresses)
            page.streams.add("freshchat.conversations")
        except Rejected as error:
            if job_id and attempt == "1":
                return "2 "
            page.refusal("freshchat.reports", task.key, error, f"reports/raw {event}", missing=event in NEEDED)
        return None

    def _done(self, job: Any) -> list[str]:
        """Give the addresses of a job that is done; Throttled while it is not, Rejected if it has failed."""
        status = str(job.get("status", "")).upper() if isinstance(job, dict) else ""
        if status == "FAILED":
            raise Rejected("the job failed", code="report_failed", component="freshchat")
        if status != "COMPLETED":
            self._looks += 1
            if self._looks > LOOKS:
                raise Rejected("the job does not end", code="report_endless", component="freshchat")
            after = min(FIRST_LOOK * 2 ** (self._looks - 1), LOOK_AGAIN)
            raise Throttled("not ready", code="report_pending", component="freshchat", after=after, ours=True)
        return _addresses(job)

    async def _take(self, event: str, since: str, until: str, addresses: list[str]) -> None:
        rows, number = 0, 0
        for address in addresses:
            packed = self._root / layout.WORK / "report.zip"
            await self._fetch(address, packed)
            try:
                for lines in _tables(packed):
                    number += 1
                    name = f"{event}_{since[:10]}_{until[:10]}.csv"
                    rows += self._keep(event, numbered(safe_name(name), number), lines)
            except BROKEN:
                raise Rejected("a broken table", code="report_broken", component="freshchat") from None
            packed.unlink()
        self._state.run("INSERT OR REPLACE INTO report VALUES(?, ?, ?, ?)", event, since, until, rows)
        if event in ("Message-Sent", "Chat-Transcript"):
            self._state.run("INSERT OR REPLACE INTO covered VALUES(?, ?)", epoch(since), epoch(until))

    async def _fetch(self, address: str, target: Path) -> None:
        async with self._files.open(address) as file:
            with target.open("wb") as to:
                async for chunk in file.chunks:
                    to.write(chunk)

    def _keep(self, event: str, name: str, lines: Iterator[bytes]) -> int:
        """Write a table as it came, and take its rows in on the way."""
        path = f"freshchat/reports/{name}"
        target, digest = self._root / path, hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as to:
            rows = self._rows(event, path, _copied(lines, to, digest))
        size = target.stat().st_size
        self._state.run("INSERT OR REPLACE INTO report_file VALUES(?, ?, ?)", path, digest.hexdigest(), size)
        return rows

    def _rows(self, event: str, path: str, text: Iterator[str]) -> int:
        csv.field_size_limit(FIELD)
        reader = csv.reader(text)
        columns = [_column(name) for name in next(reader, [])]
        page, count = Page(), 0
        for count, row in enumerate(reader, 1):
            _take_row(event, f"{path} {count:09}", dict(zip(columns, row, strict=False)), page)
            if len(page.writes) >= BATCH:
                self._write(page)
        if count and "conversation_id" not in columns:
            page.gap("freshchat.reports", path, "no_conversation_id", path, missing=event == "Conversation-Created")
        self._write(page)
        return count

    def _write(self, page: Page) -> None:
        with self._state.transaction():
            self._state.apply(page)
        page.clear()


def _take_row(event: str, row_id: str, row: dict[str, str], page: Page) -> None:
    conversation = row.get("conversation_id", "").strip()
    if conversation:
        page.seen(conversation, "report")
    if event == "CSAT-Score":
        page.item("freshchat.csat", row_id, row)
    message = row.get("message_id", "").strip()
    if conversation and message and event in ("Message-Sent", "Chat-Transcript"):
        page.add("INSERT OR IGNORE INTO told VALUES(?, ?)", conversation, message)


def _job(reply: Any) -> str:
    """Read the id of the job; one that cannot be part of an address is no id."""
    found = id_of(reply.value)
    if not re.fullmatch(r"[\w.-]{1,100}", found):
        raise Unavailable("a job without an id", code="report_no_id", component="freshchat")
    return found


def _addresses(job: dict[str, Any]) -> list[str]:
    """Give the addresses of the files: several links, or one in older answers; Rejected if one of them has failed."""
    links = job.get("links")
    rows = [row for row in (links if isinstance(links, list) else [job]) if isinstance(row, dict)]
    if any(str(row.get("status") or "COMPLETED").upper() != "COMPLETED" for row in rows):
        raise Rejected("a part of the job failed", code="report_failed", component="freshchat")
    found = (row.get("link") for row in rows)
    return [link["href"] for link in found if isinstance(link, dict) and isinstance(link.get("href"), str)]


def _tables(packed: Path) -> Iterator[Iterator[bytes]]:
    """Give the lines of each file in the order of their names."""
    try:
        with zipfile.ZipFile(packed) as archive:
            for name in sorted(archive.namelist()):
                if not name.endswith("/"):
                    with archive.open(name) as file:
                        yield iter(file)
    except zipfile.BadZipFile:
        raise Unavailable("not a ZIP file", code="report_not_zip", component="freshchat") from None


def _copied(lines: Iterator[bytes], to: io.BufferedWriter, digest: Any) -> Iterator[str]:
    """Give the text of lines while their bytes are written and hashed."""
    for number, line in enumerate(lines):
        to.write(line)
        digest.update(line)
        yield line.decode("utf-8-sig" if number == 0 else "utf-8", "replace")


def _column(name: str) -> str:
    """Give the name of a column as all accounts would spell it."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return IDS.get(plain.replace("_", ""), plain)
