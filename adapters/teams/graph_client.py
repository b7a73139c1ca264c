"""The few Graph calls that replies need, through msgraph-sdk. Importing this module loads the SDK (0.3 s, 15 MB).

COST of one posted reply, CPU on one core against a loopback server: as the SDK comes, 7.5 ms, of which 4 ms is
building a ChatMessage out of the answer. Three documented extension points bring it to 1.1 ms: the native response
handler (we only read the id), whole URLs (`with_url`), and a transport of our own (the process's one aiohttp session
instead of httpx's pool, and with it the same time limits and the same meaning of a failed call). There is no
middleware: Graph's retries would post a reply again after a 504 that did post it, and sleep for minutes in the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph.generated.chats.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.chat_message import ChatMessage
from msgraph.generated.models.chat_message_hosted_content import ChatMessageHostedContent
from msgraph.generated.models.chat_message_mention import ChatMessageMention
from msgraph.generated.models.chat_message_mentioned_identity_set import ChatMessageMentionedIdentitySet
from msgraph.generated.models.identity import Identity
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError  # noqa: F401 - else loaded by the first call
from msgraph.generated.teams.item.channels.item.messages.item.replies.replies_request_builder import (
    RepliesRequestBuilder,
)
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from yarl import URL

from adapters.http import Answer, call
from bridge.errors import Forbidden

COMPONENT = "graph"
TIMEOUT = 20.0
Thread = tuple[str, str, str] | tuple[str]
"""(group, channel, root message) or (chat,)"""

_NATIVE: RequestConfiguration[Any] = RequestConfiguration(options=[ResponseHandlerOption(NativeResponseHandler())])


class _Tokens(AccessTokenProvider):
    """Gives the signed-in account's token, to the configured Graph host only."""

    def __init__(self, token: Callable[[], Awaitable[str]], host: str) -> None:
        self._token = token
        self._hosts = AllowedHostsValidator([host])

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return self._hosts

    async def get_authorization_token(
        self, uri: str, additional_authentication_context: dict[str, Any] | None = None
    ) -> str:
        if not self._hosts.is_url_host_valid(uri):
            raise Forbidden("not the configured Graph host", code="graph_wrong_host", component=COMPONENT)
        return await self._token()


class _Transport(httpx.AsyncBaseTransport):
    """Sends the SDK's requests through the process's one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name in _PASSED}
        answer = await call(
            self._session,
            request.method,
            URL(str(request.url), encoded=True),
            component=COMPONENT,
            headers=headers,
            body=request.content or None,
            timeout=TIMEOUT,
        )
        return httpx.Response(answer.status, headers=_replayed(answer), content=answer.body, request=request)


_PASSED = frozenset({"authorization", "content-type", "accept", "user-agent"})
"""The rest (Host, Connection, Content-Length, Accept-Encoding) belongs to the connection, which is aiohttp's."""


def _replayed(answer: Answer) -> list[tuple[str, str]]:
    """Give the headers without those that describe the bytes on the wire: the body is already decoded.

    The challenge of a 401 is kept back too: the SDK would ask again with the same token, we renew it.
    """
    wire = ("content-encoding", "transfer-encoding", "content-length", "www-authenticate")
    return [(name, value) for name, value in answer.headers.items() if name.lower() not in wire]


class GraphClient:
    """Builds requests with the SDK's own builders and gives the answers as they are."""

    def __init__(self, session: aiohttp.ClientSession, base: URL, token: Callable[[], Awaitable[str]]) -> None:
        """`base` ends in `/v1.0`. Blocks for a moment while the SDK loads: build it in a thread."""
        self._base = str(base).rstrip("/")
        auth = BaseBearerTokenAuthenticationProvider(_Tokens(token, base.raw_host or ""))
        adapter = GraphRequestAdapter(auth, httpx.AsyncClient(transport=_Transport(session), trust_env=False))
        adapter.base_url = self._base
        client = GraphServiceClient(request_adapter=adapter)
        self._replies = client.teams.by_team_id("").channels.by_channel_id("").messages.by_chat_message_id("").replies
        self._chat = client.chats.by_chat_id("").messages
        self._builder(("0",), "0").to_post_request_information(_html(""))  # loads the serialisers

    async def post(
        self,
        thread: Thread,
        html: str,
        people: Sequence[tuple[str, str]] = (),
        picture: tuple[str, bytes] | None = None,
    ) -> Answer:
        """Post into a channel thread or a chat; `people` are Entra id and name for each `<at id="0">` and on.

        `picture` is type and bytes of what the HTML calls `../hostedContents/1/$value`.
        """
        message = _html(html)
        if picture:
            message.hosted_contents = [_hosted(*picture)]
        if people:
            message.mentions = [_mention(number, *who) for number, who in enumerate(people)]
        return _answer(await self._builder(thread, self._url(thread)).post(message, _NATIVE))

    async def page(self, thread: Thread, link: str | None) -> Answer:
        """List what is in there, 50 a page; `link` is the next link of the page before."""
        return _answer(await self._builder(thread, link or f"{self._url(thread)}?$top=50").get(_NATIVE))

    def _builder(self, thread: Thread, url: str) -> RepliesRequestBuilder | MessagesRequestBuilder:
        """Give the builder at a whole URL: expanding its template would cost 0.2 ms, three times a call."""
        return self._chat.with_url(url) if len(thread) == 1 else self._replies.with_url(url)

    def _url(self, thread: Thread) -> str:
        ids = [quote(part, safe="") for part in thread]
        if len(ids) == 1:
            return f"{self._base}/chats/{ids[0]}/messages"
        return f"{self._base}/teams/{ids[0]}/channels/{ids[1]}/messages/{ids[2]}/replies"


def _html(text: str) -> ChatMessage:
    return ChatMessage(body=ItemBody(content_type=BodyType.Html, content=text))


def _hosted(mime: str, content: bytes) -> ChatMessageHostedContent:
    number = {"@microsoft.graph.temporaryId": "1"}
    return ChatMessageHostedContent(content_type=mime, content_bytes=content, additional_data=number)


def _mention(number: int, user: str, name: str) -> ChatMessageMention:
    identity = Identity(id=user, display_name=name, additional_data={"userIdentityType": "aadUser"})
    return ChatMessageMention(id=number, mention_text=name, mentioned=ChatMessageMentionedIdentitySet(user=identity))


def _answer(native: object) -> Answer:
    """Take what the native response handler gives, whatever type the builder's signature names."""
    response = cast(httpx.Response, native)
    return Answer(response.status_code, response.headers, response.content)
