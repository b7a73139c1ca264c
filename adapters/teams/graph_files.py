"""Files of channel and group-chat messages, through Graph as the app (reference, section 2.2).

Reading the message and the pictures in it is part of the app package's resource-specific permissions. Files are
SharePoint items, and those need `Files.Read.All`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp
from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from adapters.buckets import Buckets, Limit
from adapters.downloads import Downloads, Refused
from adapters.http import Answer, HostRule, call, endpoint
from adapters.teams import limits
from adapters.teams.graph_reader import COMPONENT, error_of, thread_of
from adapters.teams.tokens import Tokens
from bridge.errors import BridgeError, Forbidden, Rejected
from bridge.events import Event, SharedFile
from bridge.ids import split_conversation

TIMEOUT = 20.0
MAX_MARKUP, MAX_TAGS = 200_000, 10_000
"""Characters and tags of a message that is searched for pictures; Teams takes about 28 KB."""
PERMISSION = "Files.Read.All"


class GraphFiles:
    """Finds and reads files with the app's own token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        tokens: Tokens,
        downloads: aiohttp.ClientSession,
        links: Downloads,
        *,
        buckets: Buckets | None = None,
        seconds: float,
    ) -> None:
        """`base_url` ends in `/v1.0`. `downloads` reads pictures on Graph, `links` what needs no token."""
        self._session, self._base, self._tokens, self._links = session, endpoint(base_url), tokens, links
        self._buckets = buckets or Buckets(COMPONENT, learn=True)
        host = HostRule([self._base.raw_host or ""], allow_loopback_http=True)
        self._pictures = Downloads(downloads, host, seconds=seconds)

    async def find(self, event: Event) -> Sequence[SharedFile]:
        """List the pictures in a message, then its files. Raises Rejected (`files_not_permitted`, or it is gone)."""
        path, within = _message(event)
        message = await self._get(path, within, event.tenant_id)
        return tuple(dict.fromkeys((*self._pasted(message), *_references(message))))

    async def read(self, file: SharedFile, max_bytes: int) -> AsyncIterator[bytes]:
        """Read a picture or a file. Raises as `Downloads.read` does, and Rejected (`files_not_permitted`)."""
        if self._is_picture(file.url):
            source = self._picture(file.url, max_bytes)
        else:
            source = self._links.read(await self._download_url(file.url, max_bytes), max_bytes)
        async for piece in source:
            yield piece

    async def _picture(self, url: str, max_bytes: int) -> AsyncIterator[bytes]:
        for last in (False, True):
            token = await self._token()
            try:
                async for piece in self._pictures.read(url, max_bytes, {"Authorization": f"Bearer {token}"}):
                    yield piece
                return
            except Refused as refused:
                if refused.status == 401:
                    self._tokens.invalidate(token)
                if refused.status == 403 or (refused.status == 401 and last):
                    raise _not_permitted(refused) from None
                if refused.status != 401:
                    raise

    async def _download_url(self, url: str, max_bytes: int) -> str:
        share = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
        item = await self._get(f"shares/u!{share}/driveItem", (Limit("GET/share", limits.READ),), "files")
        if isinstance(item.get("size"), int) and item["size"] > max_bytes:
            raise Rejected("it is too large", code="file_too_large", component=COMPONENT)
        target = item.get("@microsoft.graph.downloadUrl")
        if not isinstance(target, str) or not target:
            raise Rejected("it is no file", code="file_refused", component=COMPONENT)
        return target

    async def _get(self, path: str, within: Sequence[Limit], owner: str) -> dict[str, Any]:
        """Read one object; a refused token is renewed once."""
        url = self._base.with_path(f"{self._base.raw_path.rstrip('/')}/{path}", encoded=True)
        for last in (False, True):
            token = await self._token()
            headers = {"Authorization": f"Bearer {token}"}
            send = partial(call, self._session, "GET", url, component=COMPONENT, headers=headers, timeout=TIMEOUT)
            answer = await limits.within(self._buckets, owner, within, send, time.time)
            if answer.ok:
                return answer.object()
            if answer.status == 401:
                self._tokens.invalidate(token)
            if answer.status != 401 or last:
                break
        raise _meant(answer)

    async def _token(self) -> str:
        try:
            return await self._tokens.token()
        except Forbidden as refused:  # words go on; it is Graph that does not know the app
            raise _not_permitted(refused) from None

    def _pasted(self, message: dict[str, Any]) -> list[SharedFile]:
        """List the pictures that Graph itself hosts; others are only named by a link, which nobody vouches for."""
        body = message.get("body")
        markup = body.get("content") if isinstance(body, dict) else None
        if not isinstance(markup, str) or len(markup) > MAX_MARKUP or markup.count("<") > MAX_TAGS:
            return []
        tree = LexborHTMLParser(markup.encode("utf-8", "replace"))
        found = (node.attributes.get("src") or "" for node in tree.css("img"))
        return [SharedFile(way="graph", url=url) for url in found if self._is_picture(url)]

    def _is_picture(self, url: str) -> bool:
        try:
            parsed = URL(url, encoded=True)
        except ValueError:
            return False
        inside = parsed.raw_path.startswith(f"{self._base.raw_path.rstrip('/')}/")
        hosted = "/hostedContents/" in parsed.raw_path and parsed.raw_path.endswith("/$value")
        return inside and hosted and parsed.absolute and parsed.origin() == self._base.origin()


def _references(message: dict[str, Any]) -> list[SharedFile]:
    attachments = message.get("attachments")
    found = []
    for one in attachments if isinstance(attachments, list) else []:
        if not isinstance(one, dict) or one.get("contentType") != "reference":
            continue
        url, name = _whole(one.get("contentUrl")), _whole(one.get("name"))
        if url.startswith("https://") and url.replace(" ", "").isprintable():
            found.append(SharedFile(way="graph", url=url, name=name, page=url.replace(" ", "%20")))
    return found


def _whole(text: Any) -> str:
    """Give a text without halves of characters, which JSON can spell and nothing else can hold."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _message(event: Event) -> tuple[str, Sequence[Limit]]:
    """Give the path of a message, and the limits of reading it."""
    place = event.place
    if place is None or place.scope == "personal":
        raise Rejected("Graph knows no such chat", code="bad_place", component=COMPONENT)
    if place.scope == "groupChat":
        thread: tuple[str, ...] = (split_conversation(place.conversation_id)[0],)
        path = f"chats/{quote(thread[0], safe='')}/messages/{quote(event.message_id, safe='')}"
        return path, limits.graph(thread, "GET")
    thread = thread_of(place)
    group, channel, root = (quote(part, safe="") for part in thread)
    path = f"teams/{group}/channels/{channel}/messages/{root}"
    reply = f"/replies/{quote(event.message_id, safe='')}" if event.message_id != place.root_id else ""
    return path + reply, limits.graph(thread, "GET")


def _meant(answer: Answer) -> BridgeError:
    error = error_of(answer, "GET", time.time())
    if isinstance(error, Forbidden):
        return _not_permitted(error)
    if isinstance(error, Rejected):
        gone = answer.status in (404, 410)
        return Rejected(str(error), code="file_gone" if gone else "file_refused", component=COMPONENT)
    return error


def _not_permitted(error: BridgeError) -> Rejected:
    return Rejected(str(error), code="files_not_permitted", component=COMPONENT)
