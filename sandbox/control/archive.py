"""Control of the server of data sets: faults, latency, counts, and the truth."""

from collections.abc import Iterable

from aiohttp import web

from sandbox.control.bodies import body_of, refuse
from sandbox.dataset.truth import Truth
from sandbox.faults import FaultBook
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.wire import answer


class ArchiveControl:
    """The calls below /_sandbox that matter to an export."""

    def __init__(self, settings: Settings, faults: FaultBook, log: RequestLog, truth: Truth) -> None:
        self._settings = settings
        self._faults = faults
        self._log = log
        self._truth = truth

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/faults", self.list_faults),
            web.post("/_sandbox/faults", self.add_fault),
            web.delete("/_sandbox/faults", self.clear_faults),
            web.post("/_sandbox/settings", self.change_settings),
            web.get("/_sandbox/requests", self.requests),
            web.get("/_sandbox/requests/counts", self.counts),
            web.get("/_sandbox/archive/truth", self.truth),
            web.get("/_sandbox/archive/truth/{what}", self.ids),
        ]

    async def list_faults(self, _: web.Request) -> web.Response:
        return answer(self._faults.list())

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            return answer({"id": self._faults.add(await body_of(request)).id})
        except ValueError as error:
            refuse(str(error))

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return answer([])

    async def change_settings(self, request: web.Request) -> web.Response:
        complaint = self._settings.change(await body_of(request))
        if complaint:
            refuse(complaint)
        return answer(self._settings.as_dict())

    async def requests(self, request: web.Request) -> web.Response:
        """The last requests of one service, or of all in order of time."""
        on = request.query.get("on")
        if on is not None and on not in self._log.services():
            refuse(f"on must be one of {', '.join(self._log.services())}")
        return answer(self._log.list(on, bodies=False))

    async def counts(self, _: web.Request) -> web.Response:
        return answer(self._log.counts())

    async def truth(self, request: web.Request) -> web.Response:
        """The expected counts, for an export that uses the sources named by `sources`."""
        return answer(self._truth.counts(_sources(request)))

    async def ids(self, request: web.Request) -> web.Response:
        """Expected ids, as a list."""
        ids: Iterable[object] | None = self._truth.ids(request.match_info["what"], _sources(request))
        if ids is None:
            refuse("there are no such ids", 404)
        return answer(list(ids))


def _sources(request: web.Request) -> frozenset[str]:
    named = request.query.get("sources")
    return frozenset(named.split(",")) if named else Truth.SOURCES
