"""The middleware before every played service: log, fault, latency, and errors in that service's own words."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, FaultBook
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.wire import RAW_BODY, Refusal, answer, refusal_answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SERVICES = {
    "api": "freshdesk",
    "s3": "files",
    "inline": "files",
    "botframework": "keys",
    "entra": "token",
    "connector": "connector",
    "v1.0": "graph",
    "v2": "freshchat",
    "files": "files",
}

#: The code word of each service for a status that a router or a fault produced.
_WORDS: dict[int, tuple[str, str, str]] = {
    # status: Freshchat, Graph, connector
    400: ("INVALID_VALUE", "BadRequest", "BadArgument"),
    401: ("UNAUTHENTICATED", "InvalidAuthenticationToken", "Unauthorized"),
    403: ("UNAUTHORIZED", "Forbidden", "NotEnoughPermissions"),
    404: ("NOT_FOUND", "NotFound", "ConversationNotFound"),
    405: ("METHOD_NOT_ALLOWED", "MethodNotAllowed", "MethodNotAllowed"),
    409: ("CONFLICT", "Conflict", "Conflict"),
    412: ("PRECONDITION_FAILED", "PreconditionFailed", "PreconditionFailed"),
    413: ("PAYLOAD_TOO_LARGE", "RequestEntityTooLarge", "MessageSizeTooBig"),
    429: ("TOO_MANY_REQUESTS", "TooManyRequests", "Throttled"),
    503: ("SERVICE_UNAVAILABLE", "ServiceUnavailable", "ServiceUnavailable"),
    504: ("GATEWAY_TIMEOUT", "GatewayTimeout", "GatewayTimeout"),
}
_OTHER = ("INTERNAL_SERVER_ERROR", "InternalServerError", "ServiceError")


def service_of(path: str) -> str | None:
    """The played service that owns a path; None for the page and the control API."""
    return _SERVICES.get(path[1:].partition("/")[0])


def error_body(service: str, status: int, message: str) -> dict[str, Any]:
    """An error object in the form that a service really uses."""
    freshchat, graph, connector = _WORDS.get(status, _OTHER)
    if service == "freshchat":
        return {"code": status, "status": freshchat, "message": message}
    if service == "freshdesk":
        return {"code": graph, "message": message}
    if service == "token":
        return {"error": "temporarily_unavailable", "error_description": message}
    return {"error": {"code": graph if service == "graph" else connector, "message": message}}


class Gate:
    """Wraps the handlers of the played services."""

    def __init__(self, faults: FaultBook, log: RequestLog, settings: Settings) -> None:
        self._faults = faults
        self._log = log
        self._settings = settings

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request; everything that is not a played service passes untouched."""
        service = service_of(request.path)
        if service is None:
            return await _answered("control", request, handler)
        started = time.perf_counter()
        fault = self._faults.take(service, f"{request.method} {request.path}")
        if self._settings.latency_ms:
            await asyncio.sleep(self._settings.latency_ms / 1000)
        response = await self._run(service, request, handler, fault)
        self._log.add(
            service,
            (request.method, request.path_qs),
            0 if response is None else response.status,
            started,
            request.get(RAW_BODY),
            fault.id if fault else None,
        )
        return _hang_up(request) if response is None else response

    async def _run(
        self, service: str, request: web.Request, handler: Handler, fault: Fault | None
    ) -> web.StreamResponse | None:
        """The answer, or None when the connection is to be closed without one."""
        if fault is None:
            return await _answered(service, request, handler)
        if fault.kind == "timeout":
            await asyncio.sleep(fault.hold_seconds)
            return None
        await asyncio.sleep(fault.delay_seconds)
        if fault.kind == "drip":
            return await _dripped(request, await _answered(service, request, handler), fault)
        if fault.kind == "delay":
            return await _answered(service, request, handler)
        if fault.kind.endswith("_after"):
            await _answered(service, request, handler)
        return _fault_answer(service, fault) if fault.kind.startswith("status") else None


async def _answered(service: str, request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal_answer(refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answer(error_body(service, error.status, error.reason), error.status)


async def _dripped(request: web.Request, whole: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    """The same answer, one byte after the other, each as late as the fault says."""
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.content_type})
    response.content_length = len(body)
    with suppress(ConnectionError):  # whoever reads has had enough
        await response.prepare(request)
        for byte in body:
            await response.write(bytes((byte,)))
            await asyncio.sleep(fault.delay_seconds)
    return response


def _fault_answer(service: str, fault: Fault) -> web.Response:
    if isinstance(fault.body, str):
        return web.Response(text=fault.body, status=fault.status, headers=fault.headers, content_type="text/html")
    body = fault.body if fault.body is not None else error_body(service, fault.status, "This failure was ordered.")
    return answer(body, fault.status, fault.headers)


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; the returned response is never written."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
