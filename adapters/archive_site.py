"""Serves the pages of an archive to one person on this machine: loopback only, behind a word drawn for this run.

Who may read the pages knows the address. A page of another site knows it not, and cannot ask under a name of its own
either, since only loopback names are answered. Nothing can be changed here: there is only GET.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from aiohttp import web

HOST = "127.0.0.1"
LANGUAGES = ("en", "ko")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; "
    "sandbox allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox"
)
"""`sandbox` without `allow-scripts`: whatever came in with the archive, the browser runs none of it."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Found(Protocol):
    """What is at a name: the bytes of a page, or a file, which is saved and not shown if `save_as` names it."""

    @property
    def content_type(self) -> str: ...

    @property
    def body(self) -> bytes | Path: ...

    @property
    def save_as(self) -> str: ...


Find = Callable[[str, str, Mapping[str, str]], Found | None]
"""Gives what is at a name, in a language, for a query; None if there is nothing."""


@dataclass(frozen=True, slots=True)
class _Door:
    find: Find
    token: str

    async def answer(self, request: web.Request) -> web.StreamResponse:
        token, lang, name = (request.match_info[part] for part in ("token", "lang", "name"))
        if (request.url.host not in (HOST, "localhost")) or not hmac.compare_digest(
            token.encode(), self.token.encode()
        ):
            raise web.HTTPNotFound(headers=HEADERS)
        if lang not in LANGUAGES or (found := self.find(lang, name, request.query)) is None:
            raise web.HTTPNotFound(headers=HEADERS)
        headers = {**HEADERS, "Content-Type": found.content_type}
        if found.save_as:
            headers["Content-Disposition"] = (
                f"attachment; filename*=UTF-8''{quote(found.save_as, safe='', errors='replace')}"
            )
        if isinstance(found.body, Path):
            return web.FileResponse(found.body, headers=headers)
        headers["Content-Type"] += "; charset=utf-8"
        return web.Response(body=found.body, headers=headers)


@asynccontextmanager
async def serving(find: Find, port: int) -> AsyncIterator[str]:
    """Serve until left; give the address without language and page. OSError if the port is taken."""
    door = _Door(find, secrets.token_urlsafe(24))
    app = web.Application()
    app.router.add_get("/{token}/{lang}/{name:.*}", door.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        yield f"http://{HOST}:{runner.addresses[0][1]}/{door.token}"
    finally:
        await runner.cleanup()
