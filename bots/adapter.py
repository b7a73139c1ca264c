"""The Teams door: `POST /api/messages`. Checks the caller, runs the bot, answers when the queue has the activity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from aiohttp import web
from botbuilder.core import Bot, InvokeResponse, TurnContext
from botbuilder.integration.aiohttp import CloudAdapter
from botbuilder.schema import Activity, ChannelAccount, ConversationAccount
from botframework.connector.auth import ClaimsIdentity

from bots.activity import BadActivity, tenant_of
from bots.authentication import CHANNEL, ChannelAuthentication, NotAuthentic
from bots.handler import RAW
from bots.keys import KeysUnavailable
from bots.raw import Raw
from bridge.errors import StoreFull, Unavailable
from bridge.telemetry import Telemetry
from bridge.text import parse_json

MAX_BODY = 1024 * 1024
"""Teams sends at most about 100 KB; one megabyte leaves room and bounds the memory of a request."""

MAX_DEPTH_ERROR = (ValueError, RecursionError)
"""What parsing raises for text that is not JSON, not UTF-8, or nested beyond reason."""


READ_SECONDS = 10.0
"""A body that trickles in slower than this is given up; Teams itself waits 10 to 15 s for the whole answer."""


class Refusal(Exception):
    """The request is answered with `status` and nothing is stored."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class BridgeAdapter(CloudAdapter):  # type: ignore[misc]
    """The SDK's adapter without its cost and its gaps.

    `process` reads a bounded body, keeps the raw bytes, and maps every failure to a 4xx or 503. `process_activity`
    builds no REST clients: the stock one makes two per activity, about 10 ms of CPU, and nothing is sent in a turn.
    """

    def __init__(
        self,
        authentication: ChannelAuthentication,
        *,
        tenants: frozenset[str],
        service_url_allowed: Callable[[str], bool],
        telemetry: Telemetry,
    ) -> None:
        super().__init__(authentication)
        self._authentication = authentication
        self._tenants = tenants
        # asked after the token vouched for the URL, so there are as many as Teams has regions
        self._service_url_allowed = lru_cache(maxsize=256)(service_url_allowed)
        self._telemetry = telemetry

    async def process(
        self, request: web.Request, bot: Bot, ws_response: web.WebSocketResponse | None = None
    ) -> web.Response:
        """Answer one request: 200 stored, or why not."""
        try:
            return await self._process(request, bot)
        except Refusal as refusal:
            self._telemetry.refused("to-freshchat", refusal.status, refusal.code)
            headers = {"Retry-After": "5"} if refusal.status == 503 else {}
            return web.json_response({"error": refusal.code}, status=refusal.status, headers=headers)

    async def _process(self, request: web.Request, bot: Bot) -> web.Response:
        """Know the caller before reading the body, then the body, then whether the two belong together."""
        identity = await self._authenticate(request.headers.get("Authorization", ""))
        body = await read_body(request, MAX_BODY)
        raw = parse_object(body)
        activity = _activity(raw)
        self._check(identity, activity.service_url, raw)
        context = TurnContext(self, activity)
        context.turn_state[RAW] = (body, raw)
        try:
            await self.run_pipeline(context, bot.on_turn)
        except BadActivity:
            raise Refusal(400, "bad_activity") from None
        except (StoreFull, Unavailable):
            raise Refusal(503, "cannot_store") from None
        answer = self._process_turn_results(context)
        return web.Response() if answer is None else _invoke_response(answer)

    async def _authenticate(self, auth_header: str) -> ClaimsIdentity:
        try:
            return await self._authentication.authenticate(auth_header)
        except NotAuthentic:
            raise Refusal(401, "not_authentic") from None
        except KeysUnavailable:
            raise Refusal(503, "keys_unavailable") from None

    def _check(self, identity: ClaimsIdentity, service_url: str, raw: Raw) -> None:
        try:
            self._authentication.match(identity, service_url)
        except NotAuthentic:
            raise Refusal(401, "not_authentic") from None
        if not self._service_url_allowed(service_url):
            raise Refusal(403, "service_url_not_allowed")
        if tenant_of(raw) not in self._tenants:
            raise Refusal(403, "tenant_not_ours")


async def read_body(request: web.Request, limit: int) -> bytes:
    """Read a JSON request's body, at most `limit` bytes whatever Content-Length says; Refusal 415, 413, 408 or 400."""
    if request.content_type != "application/json":
        raise Refusal(415, "not_json_type")
    if (request.content_length or 0) > limit:
        raise Refusal(413, "too_large")
    try:
        if request.content.is_eof():  # all of it came together with the head, as nearly always
            body = request.content.read_nowait()
        else:
            async with asyncio.timeout(READ_SECONDS):
                body = await _read_on(request, limit)
    except TimeoutError:
        raise Refusal(408, "too_slow") from None
    except (web.RequestPayloadError, ValueError, OSError):  # broken chunks or compression, or the caller has gone
        raise Refusal(400, "bad_body") from None
    if len(body) > limit:
        raise Refusal(413, "too_large")
    return body


async def _read_on(request: web.Request, limit: int) -> bytes:
    """Read while it comes, until it is more than `limit`."""
    body = bytearray()
    while len(body) <= limit and (chunk := await request.content.readany()):
        body += chunk
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object; Refusal 400."""
    try:
        raw = parse_json(body)
    except MAX_DEPTH_ERROR:
        raise Refusal(400, "not_json") from None
    if not isinstance(raw, dict):
        raise Refusal(400, "not_an_object")
    return raw


def _activity(raw: Raw) -> Activity:
    """Build the SDK's model from the few fields that a turn needs (the full one takes 0.25 ms); Refusal 400.

    `serviceUrl` and `channelId` must be there: the SDK skips its checks for an activity without them.
    """
    texts = {name: raw.get(name) for name in ("type", "id", "name", "channelId", "serviceUrl", "locale")}
    if any(value is not None and not isinstance(value, str) for value in texts.values()):
        raise Refusal(400, "bad_activity")
    if not texts["type"] or not texts["serviceUrl"] or texts["channelId"] != CHANNEL:
        raise Refusal(400, "bad_activity")
    return Activity(
        type=texts["type"],
        id=texts["id"],
        name=texts["name"],
        channel_id=CHANNEL,
        service_url=texts["serviceUrl"],
        locale=texts["locale"],
        conversation=ConversationAccount(),
        from_property=ChannelAccount(),
        recipient=ChannelAccount(),
        value=raw.get("value"),
    )


def _invoke_response(answer: InvokeResponse) -> web.Response:
    if answer.body is None:
        return web.Response(status=int(answer.status))
    return web.json_response(answer.body, status=int(answer.status))
