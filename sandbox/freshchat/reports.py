"""Freshchat's report extraction: order a report, look until it is done, fetch it by its signed link."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshchat.archive_data import Extracts
from sandbox.freshchat.bodies import object_body
from sandbox.freshchat.errors import invalid, refuse
from sandbox.freshchat.report_files import EVENTS, packed, window_of
from sandbox.quota import Quota
from sandbox.s3 import S3Links
from sandbox.wire import JsonObject, Refusal, answer, iso

JOBS_KEPT = 1000
_DAY_MS = 24 * 3600 * 1000
#: The widest windows that users have seen accepted; the documentation names none.
_WIDEST_MS = {"Chat-Transcript": _DAY_MS}
_WIDEST_OTHER_MS = 28 * _DAY_MS
#: A finished report comes in parts of at most so long.
_PART_MS = 14 * _DAY_MS


@dataclass
class Job:
    """An ordered report; how often it was looked at decides when it is done."""

    id: str
    event: str
    start_ms: int
    end_ms: int
    fails: bool = False
    looks: int = 0

    def parts(self, whole: bool) -> list[tuple[int, int]]:
        """The windows of its files."""
        if whole:
            return [(self.start_ms, self.end_ms)]
        starts = range(self.start_ms, self.end_ms + 1, _PART_MS)
        return [(start, min(start + _PART_MS - 1, self.end_ms)) for start in starts]


class ReportApi:
    """The calls below /v2/reports/raw, and the files behind their links."""

    def __init__(self, data: Extracts, settings: ArchiveSettings, links: S3Links) -> None:
        self._data = data
        self._settings = settings
        self._links = links
        self._orders = Quota()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._ids = count(1)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v2/reports/raw", self.order), web.get("/v2/reports/raw/{report}", self.look)]

    def file_route(self) -> web.RouteDef:
        """The files, which need no key and take none."""
        return web.get("/s3/report/{report}/{start}/{end}/original/{name}", self.file)

    async def order(self, request: web.Request) -> web.Response:
        """202 (or 200) with the address of the new job."""
        event, start_ms, end_ms = _wanted(await object_body(request))
        self._check_rate()
        number, fail_every = next(self._ids), self._settings.report_fail_every
        fails = fail_every > 0 and number % fail_every == 0
        job = Job(f"rep-{number}", event, start_ms, end_ms, fails)
        self._jobs[job.id] = job
        if len(self._jobs) > JOBS_KEPT:
            self._jobs.popitem(last=False)
        href = f"/reports/raw/{job.id}"
        return answer({"id": job.id, "link": {"rel": "extracts", "href": href}}, self._settings.report_status)

    async def look(self, request: web.Request) -> web.Response:
        """PENDING for some looks, then COMPLETED with fresh links, or FAILED."""
        job = self._job(request)
        job.looks += 1
        if job.looks <= self._settings.report_polls:
            return answer({"id": job.id, "status": "PENDING", "interval": 1})
        if job.fails:
            return answer({"id": job.id, "status": "FAILED", "interval": 1})
        done: JsonObject = {"id": job.id, "status": "COMPLETED", "interval": 1}
        if self._settings.report_one_link:
            return answer(done | {"link": self._link(job, job.start_ms, job.end_ms)})
        links = [
            {"from": iso(low / 1000), "to": iso(high / 1000), "status": "COMPLETED", "link": self._link(job, low, high)}
            for low, high in job.parts(whole=False)
        ]
        return answer(done | {"links": links})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """The ZIP archive, streamed."""
        refusal = self._links.refusal(request)
        if refusal is not None:
            return refusal
        job = self._job(request)
        window = int(request.match_info["start"]), int(request.match_info["end"])
        response = web.StreamResponse(headers={"Content-Type": "application/zip"})
        await response.prepare(request)
        pieces = packed(self._data, job.event, *window, self._settings.report_titles)
        while piece := await asyncio.to_thread(_next_piece, pieces):
            await response.write(piece)
        await response.write_eof()
        return response

    def _link(self, job: Job, start_ms: int, end_ms: int) -> JsonObject:
        return {
            "rel": job.event,
            "href": self._links.at(f"/s3/report/{job.id}/{start_ms}/{end_ms}/original/report.zip"),
        }

    def _job(self, request: web.Request) -> Job:
        job = self._jobs.get(request.match_info["report"])
        return refuse(404, "NOT_FOUND", "report not found") if job is None else job

    def _check_rate(self) -> None:
        rate = self._settings.report_rate
        verdict = self._orders.take(1, rate, self._settings.window_seconds) if rate else None
        if verdict is not None and verdict.retry_after is not None:
            body = {"code": 429, "status": "TOO_MANY_REQUESTS", "message": "Too many report requests"}
            raise Refusal(429, body, {"Retry-After": str(verdict.retry_after)})


def _wanted(body: JsonObject) -> tuple[str, int, int]:
    """Event and window of an order, or the refusal."""
    event = str(body.get("event"))
    if event not in EVENTS:
        invalid("No matching event name")
    if body.get("format", "csv") != "csv":
        invalid("format is not valid")
    window = window_of(str(body.get("start")), str(body.get("end")))
    if window is None:
        invalid("start and end must be times in order")
    if window[1] - window[0] > _WIDEST_MS.get(event, _WIDEST_OTHER_MS):
        invalid("The time range is too large for this event")
    return event, *window


def _next_piece(pieces: Iterator[bytes]) -> bytes:
    """The next piece that has bytes; an empty one ends the file."""
    return next((piece for piece in pieces if piece), b"")
