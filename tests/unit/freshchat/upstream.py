"""A real HTTP server that answers as scripted and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestServer

DROP = object()
"""Close the connection without an answer."""
HANG = object()
"""Take the request and never answer."""


@dataclass
class Asked:
    """One request as it arrived; `path` is raw (still percent-encoded), without its query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self):
        from urllib.parse import parse_qsl

        return dict(parse_qsl(self.body.decode()))


class Upstream:
    """Rules are looked through newest first. An answer is a JSON value, (status, value[, headers]), DROP, HANG,
    raw bytes (an HTML page), or a function of the request that gives one of them."""

    def __init__(self):
        self.rules, self.asked, self.released = [], [], asyncio.Event()
        app = web.Application(client_max_size=10 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self.server = TestServer(app)

    async def __aenter__(self):
        await self.server.start_server()
        return self

    async def __aexit__(self, *_):
        self.released.set()
        await self.server.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.port}"

    def on(self, match, answer, times=None):
        """Answer requests whose `METHOD /raw/path` matches the pattern from its start to its end."""
        self.rules.insert(0, [re.compile(match), answer, times])

    def asked_for(self, match):
        return [one for one in self.asked if re.fullmatch(match, f"{one.method} {one.path}")]

    async def _handle(self, request):
        path = request.raw_path.partition("?")[0]
        asked = Asked(request.method, path, dict(request.query), dict(request.headers), await request.read())
        self.asked.append(asked)
        answer = self._answer(f"{asked.method} {asked.path}")
        answer = answer(asked) if callable(answer) else answer
        if answer is DROP:
            request.transport.close()
            return web.Response()
        if answer is HANG:
            await self.released.wait()
            return web.Response()
        status, value, headers = (*answer, {})[:3] if isinstance(answer, tuple) else (200, answer, {})
        if isinstance(value, bytes):
            return web.Response(status=status, body=value, headers=headers, content_type="text/html")
        return web.json_response(value, status=status, headers=headers)

    def _answer(self, line):
        for rule in self.rules:
            pattern, answer, times = rule
            if times != 0 and pattern.fullmatch(line):
                rule[2] = None if times is None else times - 1
                return answer
        return 404, {"code": 404, "status": "NOT_FOUND", "message": "no rule"}
