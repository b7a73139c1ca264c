"""The two doors as hops: what both have in common is told here, whatever the platform."""

from __future__ import annotations

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler, Middleware

from bridge.ports import Direction
from bridge.retirement import Retirement
from bridge.telemetry import Telemetry

DOORS: dict[str, Direction] = {
    "/api/messages": "to-freshchat",
    "/bot/callback": "to-freshchat",
    "/freshchat/webhook": "to-teams",
    "/freshchat/webhook/{tenant}/{token}": "to-teams",
}


def at_doors(telemetry: Telemetry, retirement: Retirement) -> list[Middleware]:
    """Make what stands before the doors, the outermost first."""
    return [_timed(telemetry), _closed_for_good(retirement, telemetry)]


def _timed(telemetry: Telemetry) -> Middleware:
    """Make the middleware that times the doors; it knows them by the template of their path, which names nobody."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else ""
        direction = DOORS.get(route)
        if direction is None:
            return await handler(request)
        with telemetry.door(direction, route, request.headers.get("traceparent", "")) as door:
            response = await handler(request)
            door.status = response.status
            return response

    return middleware


def _closed_for_good(retirement: Retirement, telemetry: Telemetry) -> Middleware:
    """Make the middleware that answers 410 at the doors of a retired bridge, before anything is read or verified."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        direction = DOORS.get(resource.canonical) if retirement.retired and resource is not None else None
        if direction is None:
            return await handler(request)
        telemetry.refused(direction, 410, "retired")
        return web.json_response({"error": "retired"}, status=410, headers={"Cache-Control": "no-store"})

    return middleware


def refuse_odd_expectations(runner: web.AppRunner) -> None:
    """Answer 417 to an `Expect` that is not `100-continue`, whatever its path; for a runner that is set up.

    aiohttp's own answer quotes the header, which ends in a 500 and an error in the log for bytes that are not UTF-8.
    """
    server = runner.server
    assert server is not None
    handle = server.request_handler

    async def checked(request: web.BaseRequest) -> web.StreamResponse:
        expected = request.headers.get("Expect")
        if expected and expected.lower() != "100-continue" and request.version >= HttpVersion11:
            return web.Response(status=417)
        return await handle(request)

    server.request_handler = checked
