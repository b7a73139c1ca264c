"""JSON over HTTP, as every played service needs it: read a body, answer one, refuse one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.exact import spelled

JsonObject = dict[str, Any]

#: Where a handler leaves the raw body, so that the request log can keep it without reading twice.
RAW_BODY = web.RequestKey("raw_body", bytes)


class Refusal(Exception):
    """A request is refused with this status and this body; the gate turns it into the answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body
        self.headers = headers


def dumps(value: Any) -> bytes:
    """JSON as raw UTF-8: the real services do not escape Korean, and signatures depend on the bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return spelled(text).encode("utf-8", "replace")


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=dumps(value), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def refusal_answer(refusal: Refusal) -> web.Response:
    """The answer that a refusal stands for."""
    return answer(refusal.body, refusal.status, refusal.headers)


async def read_raw(request: web.Request) -> bytes:
    """The body's bytes, noted for the request log."""
    raw = await request.read()
    request[RAW_BODY] = raw
    return raw


async def read_object(request: web.Request) -> JsonObject | None:
    """The body as a JSON object, or None when it is anything else."""
    raw = await read_raw(request)
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def as_object(value: Any) -> JsonObject:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def iso(moment: float) -> str:
    """An epoch time in the form Freshchat and Graph write: UTC with milliseconds and Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_iso(moment: float) -> str:
    """An epoch time in the form Freshdesk writes: UTC with whole seconds and Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> float | None:
    """The epoch time that an ISO 8601 text names, or None when it names none."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace(" ", "+"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def positive(text: str | None, default: int, limit: int) -> int:
    """A page number or size from a query: between 1 and the limit, the default when absent or not a number."""
    try:
        value = int(text) if text else default
    except ValueError:
        return default
    return max(1, min(value, limit))


def origin_of(request: web.Request) -> str:
    """This server as the caller sees it, so that links work behind any host name."""
    return f"{request.scheme}://{request.host}"
