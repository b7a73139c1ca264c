"""The files of a message in Teams as its client would show them: the page has no token of its own."""

from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from aiohttp import web

from sandbox.control.bodies import refuse
from sandbox.settings import Settings
from sandbox.teams.shared_files import SharedFiles
from sandbox.teams.state import Message, TeamsState

#: Teams fetches the pictures that bots name; larger ones than this are none.
PICTURE_LIMIT = 10 * 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=10)
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    content_type: str
    data: bytes


class ShownFiles:
    """GET /_sandbox/teams/shown?conversation=…&message=… with `hosted`, the name of a picture, or `url`, an address."""

    def __init__(self, settings: Settings, teams: TeamsState, shared: SharedFiles) -> None:
        self._settings = settings
        self._teams = teams
        self._shared = shared

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/_sandbox/teams/shown", self.serve)]

    async def serve(self, request: web.Request) -> web.Response:
        """The bytes: pictures to be looked at, anything else only to be saved."""
        query = request.query
        thread = self._teams.thread(query.get("conversation", ""))
        message = thread.find(query.get("message", "")) if thread else None
        if message is None or message.deleted:
            refuse("no such message in this conversation", 404)
        found = _hosted(message, query["hosted"]) if "hosted" in query else await self._behind(message, query["url"])
        if found is None:
            refuse("the message has no such file", 404)
        return _answer(found)

    async def _behind(self, message: Message, url: str) -> _Found | None:
        """The file behind an address that the message names: one that was shared, or one that the bridge offers."""
        if not any(attachment.get("contentUrl") == url for attachment in message.attachments) and url not in str(
            message.cards
        ):
            return None
        stored = self._shared.behind(url)
        if stored is not None:
            return _Found(stored.name, stored.content_type, stored.data)
        return await _fetched(url) if url.startswith(f"{self._settings.bridge}/") else None


def _hosted(message: Message, name: str) -> _Found | None:
    content = message.hosted.get(name)
    return _Found("picture", *content) if content else None


async def _fetched(url: str) -> _Found | None:
    """What the bridge serves there, without following it elsewhere."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            data = bytearray()
            async for chunk in reply.content.iter_chunked(64 * 1024):
                data += chunk
                if reply.status != 200 or len(data) > PICTURE_LIMIT:
                    return None
            return _Found("picture", reply.content_type, bytes(data))
    except (aiohttp.ClientError, TimeoutError):
        return None


def _answer(found: _Found) -> web.Response:
    """A page's script must never come from a file that somebody sent."""
    way = "inline" if found.content_type in _PICTURES else "attachment"
    headers = {
        "Content-Type": found.content_type if way == "inline" else "application/octet-stream",
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(found.name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(body=found.data, headers=headers)
