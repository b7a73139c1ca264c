"""The whole v2 API behind its key."""

from aiohttp import web

from sandbox.freshchat.errors import refuse
from sandbox.gate import Handler


class ApiKey:
    """The account's one API key; it can be exchanged."""

    def __init__(self, value: str) -> None:
        self.value = value

    def guard(self, route: web.RouteDef) -> web.RouteDef:
        """The same route for callers with the key; everybody else gets 401."""
        handler: Handler = route.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != f"Bearer {self.value}":
                refuse(401, "UNAUTHENTICATED", "Missing or invalid authentication token")
            return await handler(request)

        return web.route(route.method, route.path, guarded)
