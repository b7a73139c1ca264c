"""Replies as the signed-in service account, through Microsoft Graph: the usual way into channel threads."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from adapters.http import Answer, endpoint, retry_after
from adapters.pace import Once
from adapters.teams.sign_in import GraphSignIn
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ids import split_conversation
from bridge.ports import Reply

if TYPE_CHECKING:
    from adapters.teams.graph_client import GraphClient, Thread

COMPONENT = "graph"
OVERLAP = 60.0
MAX_PAGES = 10


class GraphReplies:
    """Implements `bridge.ports.TeamsReplies` for channel threads and group chats."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        sign_in: GraphSignIn,
        render: Callable[[Reply], str],
        *,
        clock: Callable[[], float],
    ) -> None:
        """`base_url` ends in `/v1.0` (other clouds, sandbox); `render` writes a reply as Teams' HTML subset."""
        self._session = session
        self._base = endpoint(base_url)
        self._sign_in = sign_in
        self._render = render
        self._clock = clock
        self._client: GraphClient | None = None
        self._loading: Once[GraphClient] = Once()

    async def warm_up(self) -> None:
        """Load the SDK, in a thread: it takes about a second, which the first reply should not."""
        await self._loaded()

    async def _loaded(self) -> GraphClient:
        if self._client is None:
            self._client = await self._loading.get("client", lambda: asyncio.to_thread(self._load))
        return self._client

    def _load(self) -> GraphClient:
        from adapters.teams.graph_client import GraphClient  # noqa: PLC0415 - 50 MB that not every process needs

        return GraphClient(self._session, self._base, self._sign_in.token)

    async def post(self, place: Place, reply: Reply) -> str:
        """Post into the thread, as one message; return its id."""
        client, thread, text = await self._loaded(), _thread(place), self._render(reply)
        answer = await self._signed(lambda: client.post(thread, text), "POST")
        message_id = answer.object().get("id")
        if not isinstance(message_id, str) or not message_id:
            raise Unavailable("2xx without an id", code="graph_no_id", component=COMPONENT, maybe_done=True)
        return message_id

    async def find(self, place: Place, reply: Reply, since: float) -> Sequence[str] | None:
        """Read back: ids of our messages in the thread that say this since then, oldest first.

        None if the account may post but not read: reading needs a consent of its own.
        """
        wanted, account = said(self._render(reply)), await self._sign_in.account()
        start = since - OVERLAP
        found: dict[str, float] = {}
        try:
            async for message in self._messages(_thread(place), start):
                if (
                    _created(message) >= start
                    and _sender(message).lower() == account.oid.lower()
                    and said(_content(message)) == wanted
                ):
                    found[str(message.get("id"))] = _created(message)
        except Forbidden as refused:
            if refused.code == "graph_forbidden":
                return None
            raise
        return sorted(found, key=lambda message_id: (found[message_id], message_id))

    async def _messages(self, thread: Thread, start: float) -> AsyncIterator[dict[str, Any]]:
        """Read page after page, up to the past if the list comes newest first, else to its end."""
        client, link = await self._loaded(), None
        for _ in range(MAX_PAGES):
            page = await self._page(client, thread, link)
            messages = [one for one in page.get("value") or [] if isinstance(one, dict)]
            for message in messages:
                yield message
            link = self._next(page)
            times = [_created(message) for message in messages]
            if link is None or (times and times[0] >= times[-1] and times[-1] < start):
                return
        raise Unavailable("a thread is too long to be read back", code="graph_long_thread", component=COMPONENT)

    async def _page(self, client: GraphClient, thread: Thread, link: str | None) -> dict[str, Any]:
        return (await self._signed(lambda: client.page(thread, link), "GET")).object()

    def _next(self, page: dict[str, Any]) -> str | None:
        """Give the next link, if it stays on the configured host: the token follows it."""
        link = page.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            return None
        try:
            if URL(link).origin() == self._base.origin():
                return link
        except ValueError:
            pass
        raise Unavailable("a link leaves the host", code="graph_bad_link", component=COMPONENT)

    async def _signed(self, send: Callable[[], Awaitable[Answer]], method: str) -> Answer:
        """Call as the service account; a refused token is renewed once."""
        token = await self._sign_in.token()
        answer = await send()
        if answer.status == 401:
            self._sign_in.invalidate(token)
            answer = await send()
        if not answer.ok:
            raise error_of(answer, method, self._clock())
        return answer

    async def ping(self) -> None:
        """Raise if the service account is not signed in (any more)."""
        await self._sign_in.token()


def error_of(answer: Answer, method: str, now: float) -> BridgeError:
    """Map a status that is not 2xx. The one table of this vendor."""
    status, word = answer.status, _word(answer)
    text = f"{status} {word}".strip()
    code = f"graph_{status}"
    if status == 403:  # consent lost, or the account may not post here (not a member, moderated channel)
        return Forbidden(text, code="graph_forbidden", component=COMPONENT)
    if status == 401 or 300 <= status < 400:
        return Forbidden(text, code=code, component=COMPONENT)
    if status == 429:
        return Throttled(text, code=code, component=COMPONENT, after=retry_after(answer.headers, now))
    if status >= 500 or status == 408:
        return Unavailable(text, code=code, component=COMPONENT, maybe_done=method == "POST")
    return Rejected(text, code=code, component=COMPONENT)


def _word(answer: Answer) -> str:
    """Tell Graph's error code, such as `NotFound`, and its request id, which support asks for."""
    error = answer.object().get("error")
    word = error.get("code") if isinstance(error, dict) else None
    request = answer.headers.get("request-id", "")
    parts = (
        word if isinstance(word, str) and re.fullmatch(r"[A-Za-z_]{1,60}", word) else "",
        f"request {request}" if re.fullmatch(r"[0-9a-f-]{8,40}", request) else "",
    )
    return " ".join(part for part in parts if part)


def _thread(place: Place) -> Thread:
    """Give what names the thread for Graph."""
    if place.scope == "groupChat":
        return (split_conversation(place.conversation_id)[0],)
    channel = split_conversation(place.channel_id or place.conversation_id)[0]
    if place.scope != "channel" or not place.team_group_id or not place.root_id:
        raise Rejected("Graph cannot post to this place", code="bad_place", component=COMPONENT)
    return (place.team_group_id, channel, place.root_id)


# --- comparing ------------------------------------------------------------------------------------------------------

_BLOCK = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|blockquote|pre|table|tr|td|hr)\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"<(?:emoji|img)\b[^>]*?\balt=\"([^\"]*)\"[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def said(markup: str) -> str:
    """Give what a person reads of some HTML: Teams stores it with other tags and spaces than it was sent with."""
    text = _TAG.sub("", _BLOCK.sub(" ", _ALT.sub(r"\1", markup)))
    return " ".join(html.unescape(text).replace("\u200b", "").split())


def _content(message: dict[str, Any]) -> str:
    return _text(message, "body", "content")


def _sender(message: dict[str, Any]) -> str:
    return _text(message, "from", "user", "id")


def _text(value: Any, *path: str) -> str:
    """Give the text at a path; Graph sends null for what does not apply."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _created(message: dict[str, Any]) -> float:
    """Tell when; a message without a readable time counts as old."""
    try:
        return datetime.fromisoformat(str(message.get("createdDateTime"))).timestamp()
    except ValueError:
        return 0.0
