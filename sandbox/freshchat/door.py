"""The limits of a Freshchat account, in the headers that its documentation names."""

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.gate import Handler
from sandbox.quota import Quota
from sandbox.wire import Refusal, answer, refusal_answer


class ChatDoor:
    """Counts every request; without a rate it lets all pass and shows nothing."""

    def __init__(self, settings: ArchiveSettings) -> None:
        self._settings = settings
        self.quota = Quota()

    def guard(self, route: web.RouteDef) -> web.RouteDef:
        """The same route behind the door."""
        handler: Handler = route.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._settings.freshchat_rate:
                return await handler(request)
            return await self._limited(request, handler)

        return web.route(route.method, route.path, guarded)

    async def _limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        rate = self._settings.freshchat_rate
        verdict = self.quota.take(1, rate, self._settings.window_seconds)
        headers = {
            "X-RateLimit-Limit": str(rate),
            "X-RateLimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": f"{verdict.reset_at:.0f}",
        }
        if verdict.retry_after is not None:
            body = {"code": 429, "status": "TOO_MANY_REQUESTS", "message": "Too many requests"}
            return answer(body, 429, {**headers, "Retry-After": str(verdict.retry_after)})
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = refusal_answer(refusal)
        response.headers.update(headers)
        return response
