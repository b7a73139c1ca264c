"""Replies as the signed-in service account, through Microsoft Graph: the usual way into channel threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import aiohttp

from adapters.buckets import Buckets
from adapters.teams import pictures
from adapters.teams.graph_reader import COMPONENT, GraphReader, thread_of
from adapters.teams.sign_in import GraphSignIn
from bridge.errors import Unavailable
from bridge.events import Place
from bridge.mentions import named
from bridge.ports import Reply
from cards import file_reply


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
        buckets: Buckets | None = None,
    ) -> None:
        """`base_url` ends in `/v1.0` (other clouds, sandbox); `render` writes a reply as Teams' HTML subset."""
        self._graph = GraphReader(session, base_url, sign_in, clock=clock, buckets=buckets)
        self._sign_in = sign_in
        self._render = render

    async def warm_up(self) -> None:
        """Load the SDK, in a thread: it takes about a second, which the first reply should not."""
        await self._graph.client()

    async def post(self, place: Place, reply: Reply) -> str:
        """Post into the thread, as one message; return its id."""
        client, thread, picture = await self._graph.client(), thread_of(place), pictures.for_graph(reply)
        text = file_reply.hosted(reply.label) if picture else self._render(reply)
        people = [(member.aad_id, member.name) for member in named(reply)[1]]
        content = (picture.mime, picture.content) if picture else None
        answer = await self._graph.signed(lambda: client.post(thread, text, people, content), "POST", thread)
        message_id = answer.object().get("id")
        if not isinstance(message_id, str) or not message_id:
            raise Unavailable("2xx without an id", code="graph_no_id", component=COMPONENT, maybe_done=True)
        return message_id

    async def find(self, place: Place, reply: Reply, since: float) -> Sequence[str] | None:
        """Read back: ids of our messages in the thread that say this since then, oldest first.

        None if the account may post but not read.
        """
        account = await self._sign_in.account()
        return await self._graph.find(place, self._render(reply), account.oid, since, label=reply.label)

    async def ping(self) -> None:
        """Raise if the service account is not signed in (any more)."""
        await self._sign_in.token()
