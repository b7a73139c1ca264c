"""Replies as the bot, through the Bot connector: app-only, for every scope, and the way back for card buttons.

COST of one posted reply, CPU on one core against a loopback server: the SDK's ConnectorClient 2.1 ms in a thread pool,
plus 10 ms where one is built per activity, plus token requests that block the loop; the same call on our session
0.25 ms. The SDK repeats nothing, so nothing is lost by leaving it out.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from adapters.buckets import Buckets, Limit
from adapters.http import Answer, HostRule, call, retry_after
from adapters.teams import limits, pictures
from adapters.teams.graph_reader import GraphReader
from adapters.teams.tokens import Tokens
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ids import join_conversation, split_conversation
from bridge.mentions import named
from bridge.ports import Card, Member, Reply

COMPONENT = "connector"
CARD = "application/vnd.microsoft.card.adaptive"
TIMEOUT = 20.0
LOOK_SECONDS = 300.0
"""How long an answer that may have been posted already waits for Graph to tell."""


class Connector:
    """Calls the Bot connector of any region that the host rule allows, with the bot's token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tokens: Tokens,
        hosts: HostRule,
        *,
        clock: Callable[[], float],
        buckets: Buckets | None = None,
    ) -> None:
        self._buckets = buckets or Buckets(COMPONENT, learn=True)
        self._session = session
        self._tokens = tokens
        self._hosts = hosts
        self._clock = clock

    async def call(
        self,
        method: str,
        service_url: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        owner: str,
        within: Sequence[Limit],
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Call `path` (quoted) below a serviceUrl; a refused token is renewed once. Raises for all but 2xx.

        Throttled, with nothing sent, if it is not the owner's turn `within` the limits.
        """
        url = self._url(service_url, path)
        for last in (False, True):
            token = await self._tokens.token()
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            send = partial(
                call, self._session, method, url, component=COMPONENT, headers=headers, send=body, timeout=timeout
            )
            answer = await limits.within(self._buckets, owner, within, send, self._clock)
            if answer.ok:
                return answer
            if answer.status == 401:
                self._tokens.invalidate(token)
            if answer.status != 401 or last:
                break
        raise error_of(answer, method, self._clock())

    def _url(self, service_url: str, path: str) -> URL:
        """Join, once the host was checked: a serviceUrl comes from outside, and our token goes where it points."""
        try:
            base = self._hosts.check(service_url)
        except ValueError as reason:
            raise Rejected(
                f"the serviceUrl may not be called: {reason}", code="service_url_refused", component=COMPONENT
            ) from None
        return URL(f"{base.origin()}{base.raw_path.rstrip('/')}/v3/{path}", encoded=True)

    async def ping(self) -> None:
        """Raise if no token can be had: there is nothing to read on the connector itself."""
        await self._tokens.token()


_RETRY = frozenset({408, 412, 500, 502, 503, 504})
"""412 is their word for "try again". Their table says no for 500; we look at it like any other failing server."""


def error_of(answer: Answer, method: str, now: float) -> BridgeError:
    """Map a status that is not 2xx. The one table of this vendor (Teams: "status codes from agent APIs")."""
    status, word = answer.status, _word(answer)
    text = f"{status} {word}".strip()
    code = f"connector_{word}" if word else f"connector_{status}"
    if status == 401 or 300 <= status < 400:
        return Forbidden(text, code=code, component=COMPONENT)
    if status == 429:
        return Throttled(text, code=code, component=COMPONENT, after=retry_after(answer.headers, now))
    if status in _RETRY or status > 500:
        # 412 is refused before the message is taken, so there is nothing to look for.
        return Unavailable(text, code=code, component=COMPONENT, maybe_done=method == "POST" and status != 412)
    return Rejected(text, code=code, component=COMPONENT)


def _word(answer: Answer) -> str:
    """Tell their error code, such as `BotNotInConversationRoster`."""
    error = answer.object().get("error")
    word = error.get("code") if isinstance(error, dict) else None
    return word if isinstance(word, str) and re.fullmatch(r"[A-Za-z]{1,60}", word) else ""


class BotReplies:
    """Implements `bridge.ports.TeamsReplies` and `bridge.ports.TeamsCards`."""

    def __init__(
        self,
        connector: Connector,
        render: Callable[[Reply], str],
        *,
        app_id: str = "",
        reader: GraphReader | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`render` writes a reply as Teams' HTML subset; `reader` reads Graph with the app's own token."""
        self._connector = connector
        self._render = render
        self._app_id, self._reader, self._clock = app_id, reader, clock

    async def post(self, place: Place, reply: Reply) -> str:
        """Post into the thread, as one message; return its id.

        A 2xx without an id is a success all the same (seen where Teams splits a message): the id is then empty, and
        posting again would show the answer twice.
        """
        conversation = split_conversation(place.conversation_id)[0] if reply.starts else _thread(place)
        answer = await self._send("POST", place.service_url, conversation, "", self._activity(reply))
        message_id = answer.object().get("id")
        return message_id if isinstance(message_id, str) else ""

    async def update(self, place: Place, message_id: str, card: Card) -> None:
        """Show another card in a message of ours."""
        activity = {"id": message_id} | self._activity(Reply(text="", card=card))
        await self._send("PUT", place.service_url, _thread(place), f"/{quote(message_id, safe='')}", activity)

    async def _send(self, method: str, url: str, conversation: str, path: str, activity: Mapping[str, Any]) -> Answer:
        within = limits.sending(url, conversation)
        path = f"conversations/{quote(conversation, safe='')}/activities{path}"
        return await self._connector.call(method, url, path, activity, owner=conversation, within=within)

    def _activity(self, reply: Reply) -> dict[str, Any]:
        """Build the activity. A card or picture stands alone: of text beside it Teams makes a message without an id."""
        if reply.card is not None:
            return {"type": "message", "attachments": [{"contentType": CARD, "content": reply.card.content}]}
        if (picture := pictures.for_bot(reply)) is not None:
            attachment = {"contentType": picture.mime, "contentUrl": picture.url, "name": reply.label}
            return {"type": "message", "attachments": [attachment]}
        text = _AT.sub("<at>", self._render(reply))
        return {"type": "message", "textFormat": "xml", "text": text} | _entities(named(reply)[1])

    async def find(self, place: Place, reply: Reply, since: float) -> Sequence[str] | None:
        """Read back through Graph, since the connector cannot: ids of the bot's messages that say this since then.

        None in personal chats (they have no id in Graph), where the app package has no resource-specific permission
        to read, and when Graph cannot be asked for `LOOK_SECONDS`.
        """
        if self._reader is None or place.scope == "personal":
            return None
        try:
            card = reply.card.id if reply.card else None
            return await self._reader.find(place, self._render(reply), self._app_id, since, card, reply.label)
        except (Rejected, Forbidden):
            return None
        except Unavailable as error:
            if isinstance(error, Throttled) or self._clock() - since < LOOK_SECONDS:
                raise
            return None

    async def ping(self) -> None:
        """Raise if no token can be had."""
        await self._connector.ping()


_AT = re.compile(r'<at id="\d+">')


def _entities(members: Sequence[Member]) -> dict[str, Any]:
    """List mentions as the connector asks for them: each by the very text that stands for it."""
    entities = [
        {
            "type": "mention",
            "text": f"<at>{html.escape(member.name, quote=False)}</at>",
            "mentioned": {"id": member.teams_id, "name": member.name},
        }
        for member in members
    ]
    return {"entities": entities} if entities else {}


def _thread(place: Place) -> str:
    if place.scope != "channel":
        return place.conversation_id
    try:
        return join_conversation(place.channel_id or place.conversation_id, place.root_id or "")
    except ValueError:
        raise Rejected("the thread has no root message", code="bad_place", component=COMPONENT) from None
