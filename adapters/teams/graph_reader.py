"""Reading channel threads and group chats back through Microsoft Graph, as whoever the token speaks for.

For replies as the service account the token is the signed-in one. For replies as the bot it is the app's own: with the
resource-specific permissions of the app package (`ChannelMessage.Read.Group`, `ChatMessage.Read.Chat`) Graph lets the
app read there, though never post (reference, section 4.1).
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from adapters.buckets import Buckets
from adapters.http import Answer, endpoint, retry_after
from adapters.pace import Once
from adapters.teams import limits
from adapters.teams.tokens import Tokens
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ids import split_conversation

if TYPE_CHECKING:
    from adapters.teams.graph_client import GraphClient, Thread

COMPONENT = "graph"
OVERLAP = 60.0
MAX_PAGES = 10


class GraphReader:
    """One Graph, one kind of token; the SDK is loaded when it is first needed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        tokens: Tokens,
        *,
        clock: Callable[[], float],
        buckets: Buckets | None = None,
    ) -> None:
        """`base_url` ends in `/v1.0` (other clouds, sandbox); all of one app share `buckets`."""
        self._session = session
        self._base = endpoint(base_url)
        self._tokens = tokens
        self._clock = clock
        self._buckets = buckets or Buckets(COMPONENT, learn=True)
        self._client: GraphClient | None = None
        self._loading: Once[GraphClient] = Once()

    async def client(self) -> GraphClient:
        """Give the SDK's client; the first call loads it, in a thread: that takes about a second."""
        if self._client is None:
            self._client = await self._loading.get("client", lambda: asyncio.to_thread(self._load))
        return self._client

    def _load(self) -> GraphClient:
        from adapters.teams.graph_client import GraphClient  # noqa: PLC0415 - 50 MB that not every process needs

        return GraphClient(self._session, self._base, self._tokens.token)

    async def signed(self, send: Callable[[], Awaitable[Answer]], method: str, thread: Thread) -> Answer:
        """Make a call for a thread when it is its turn; a refused token is renewed once. Raises for all but 2xx."""
        token = await self._tokens.token()
        answer = await self._paced(send, method, thread)
        if answer.status == 401:
            self._tokens.invalidate(token)
            answer = await self._paced(send, method, thread)
        if not answer.ok:
            raise error_of(answer, method, self._clock())
        return answer

    async def _paced(self, send: Callable[[], Awaitable[Answer]], method: str, thread: Thread) -> Answer:
        """Keep the limits. Reading is never all that is to be done: another page or a post follows."""
        places, reading = limits.graph(thread, method), method == "GET"
        return await limits.within(self._buckets, thread[-1], places, send, self._clock, more=reading)

    async def find(
        self, place: Place, markup: str, sender: str, since: float, card: str | None = None, label: str = ""
    ) -> Sequence[str] | None:
        """Give ids of the sender's messages in the thread that say this since then, oldest first.

        `sender` is the Entra object id of a user, or the app id of a bot; `card` is an id that occurs in the card that
        was posted instead, `label` what is said beside the file that was. None if the token may not read there:
        reading needs a consent of its own.
        """
        start = since - OVERLAP
        shows = _told(markup, card, label)
        found: dict[str, float] = {}
        try:
            async for message in self._messages(thread_of(place), start):
                if _created(message) < start or not _is_from(message, sender):
                    continue
                if shows(message):
                    found[str(message.get("id"))] = _created(message)
        except Forbidden as refused:
            if refused.code == "graph_forbidden":
                return None
            raise
        return sorted(found, key=lambda message_id: (found[message_id], message_id))

    async def _messages(self, thread: Thread, start: float) -> AsyncIterator[dict[str, Any]]:
        """Read page after page, up to the past if the list comes newest first, else to its end."""
        client, link = await self.client(), None
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
        return (await self.signed(lambda: client.page(thread, link), "GET", thread)).object()

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


def thread_of(place: Place) -> Thread:
    """Give what names the thread for Graph."""
    if place.scope == "groupChat":
        return (split_conversation(place.conversation_id)[0],)
    channel = split_conversation(place.channel_id or place.conversation_id)[0]
    if place.scope != "channel" or not place.team_group_id or not place.root_id:
        raise Rejected("Graph cannot post to this place", code="bad_place", component=COMPONENT)
    return (place.team_group_id, channel, place.root_id)


# --- comparing ------------------------------------------------------------------------------------------------------

# A tag ends before the next `<`: a pattern that looks further takes minutes for a text full of tags that never end.
_TAG = re.compile(r'<(?:[^<>"]++|"[^"<]*+")*+>|<[^<>]*+>')
_BLOCK = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|blockquote|pre|table|tr|td|hr)\b", re.IGNORECASE)
_PICTURE = re.compile(r"<(?:emoji|img)\b", re.IGNORECASE)
_ALT = re.compile(r'\balt="([^"]*)"', re.IGNORECASE)


def said(markup: str) -> str:
    """Give what a person reads of some HTML: Teams stores it with other tags and spaces than it was sent with."""
    text = _TAG.sub(_shown, markup)
    return " ".join(html.unescape(text).replace("\u200b", "").split())


def _shown(tag: re.Match[str]) -> str:
    """Tell what a tag itself shows: a block a gap, a picture its text, anything else nothing."""
    if _BLOCK.match(tag[0]):
        return " "
    alt = _ALT.search(tag[0]) if _PICTURE.match(tag[0]) else None
    return alt[1] if alt else ""


def _content(message: dict[str, Any]) -> str:
    return _text(message, "body", "content")


def _told(markup: str, card: str | None, label: str) -> Callable[[dict[str, Any]], bool]:
    """Tell how a message is recognised: by its card, by what its file is called, else by all that it says."""
    if card:
        return lambda message: _has_card(message, card)
    wanted = " ".join(label.split()) or said(markup)
    if label:
        return lambda message: wanted in said(_content(message)) or wanted in _names(message)
    return lambda message: said(_content(message)) == wanted


def _names(message: dict[str, Any]) -> list[str]:
    """List what the attachments are called."""
    attachments = message.get("attachments")
    return [" ".join(_text(one, "name").split()) for one in (attachments if isinstance(attachments, list) else [])]


def _has_card(message: dict[str, Any], card: str) -> bool:
    """Tell whether a card with this id is attached; Graph gives cards as JSON texts."""
    attachments = message.get("attachments")
    return any(card in _text(one, "content") for one in (attachments if isinstance(attachments, list) else []))


def _is_from(message: dict[str, Any], sender: str) -> bool:
    senders = (_text(message, "from", "user", "id"), _text(message, "from", "application", "id"))
    return sender.lower() in (one.lower() for one in senders if one)


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
