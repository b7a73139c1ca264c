"""In front of every Freshdesk call: the key, and the account's credits per minute."""

import base64
from binascii import Error as Base64Error
from collections.abc import Callable

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshdesk.errors import refuse
from sandbox.gate import Handler
from sandbox.quota import Quota, Verdict
from sandbox.wire import Refusal, refusal_answer

Cost = Callable[[web.Request], int]


class DeskDoor:
    """Wraps the routes; every answer shows the limit, and refused requests count as well."""

    def __init__(self, key: str, settings: ArchiveSettings) -> None:
        self.key = key
        self._settings = settings
        self._quotas = {name: Quota() for name in ("all", "tickets", "contacts")}

    @property
    def quota(self) -> Quota:
        """The account's credits."""
        return self._quotas["all"]

    def guard(self, route: web.RouteDef, cost: Cost | None = None, of_list: str | None = None) -> web.RouteDef:
        """The same route behind the door; a list may have a limit of its own."""
        handler: Handler = route.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            credits = cost(request) if cost else 1
            return await self._answered(request, handler, credits, of_list)

        return web.route(route.method, route.path, guarded)

    async def _answered(
        self, request: web.Request, handler: Handler, credits: int, of_list: str | None
    ) -> web.StreamResponse:
        verdict, late = self._taken(credits, of_list)
        headers = self._headers(verdict, credits)
        if late is not None:  # what a refusal says in its body is not documented
            return web.Response(text="Retry later", status=429, headers={**headers, "Retry-After": str(late)})
        try:
            self._check(request)
            response = await handler(request)
        except Refusal as refusal:
            response = _empty(refusal.status) if refusal.body is None else refusal_answer(refusal)
        response.headers.update(headers)
        return response

    def _taken(self, credits: int, of_list: str | None) -> tuple[Verdict | None, int | None]:
        """The account's verdict, and after how many seconds to come again if either limit refuses."""
        settings, seconds = self._settings, self._settings.window_seconds
        rates = {"tickets": settings.tickets_list_rate, "contacts": settings.contacts_list_rate}
        rate = rates.get(of_list or "", 0)
        listed = self._quotas[of_list].take(1, rate, seconds) if of_list and rate else None
        every = self._quotas["all"].take(credits, settings.freshdesk_rate, seconds) if settings.freshdesk_rate else None
        waits = [verdict.retry_after for verdict in (listed, every) if verdict and verdict.retry_after]
        return every, max(waits, default=None)

    def _headers(self, verdict: Verdict | None, credits: int) -> dict[str, str]:
        headers = {"X-Freshdesk-Api-Version": "latest=v2; requested=v2"}
        if verdict is None:
            return headers
        return headers | {
            "X-Ratelimit-Total": str(self._settings.freshdesk_rate),
            "X-Ratelimit-Remaining": str(verdict.remaining),
            "X-Ratelimit-Used-CurrentRequest": str(credits),
        }

    def _check(self, request: web.Request) -> None:
        if not self.knows(request):
            refuse(401, "invalid_credentials", "You have to be logged in to perform this action.")
        accepted = request.headers.get("Accept", "*/*")
        if not any(kind in accepted for kind in ("*/*", "application/json")):
            raise Refusal(406, None)

    def knows(self, request: web.Request) -> bool:
        """Whether the request carries the key as the user of Basic authentication."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            user = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (Base64Error, UnicodeDecodeError, ValueError):
            return False
        return scheme == "Basic" and user == self.key


def _empty(status: int) -> web.Response:
    return web.Response(status=status)
