"""Where the files of Teams messages are, and how they are read (reference, section 2).

| in the event | read with |
|---|---|
| `link` | nothing: the address is signed; its host must be one on which Teams keeps files |
| `connector` | the bot's token, if it is on the very connector that the activity came from; elsewhere as a `link` |
| `graph` | the app's token for Graph (`adapters/teams/graph_files.py`) |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from yarl import URL

from adapters.downloads import Downloads, Refused
from adapters.teams.graph_files import GraphFiles
from adapters.teams.tokens import Tokens
from bridge.errors import Forbidden, Unavailable
from bridge.events import Event, SharedFile

COMPONENT = "connector"


class TeamsFiles:
    """Implements `bridge.ports.FileSource`."""

    def __init__(self, links: Downloads, connector: Downloads, tokens: Tokens, graph: GraphFiles) -> None:
        """`links` and `connector` read from the hosts of their kind; `tokens` are the bot's own."""
        self._links, self._connector, self._tokens, self._graph = links, connector, tokens, graph

    async def find(self, event: Event) -> Sequence[SharedFile]:
        """List the message's files; what only Graph shows is looked up."""
        if any(file.way == "graph" and not file.url for file in event.files):
            return await self._graph.find(event)
        return event.files

    def named(self, _file: SharedFile) -> str:
        """Tell nothing: what has no name in Teams, such as a pasted picture, has none on its server either."""
        return ""

    async def read(self, event: Event, file: SharedFile, max_bytes: int) -> AsyncIterator[bytes]:
        """Read one in pieces, by its way."""
        if file.way == "graph":
            source = self._graph.read(file, max_bytes)
        elif file.way == "connector" and event.place and _same_origin(file.url, event.place.service_url):
            source = self._hosted(file.url, max_bytes)
        else:
            source = self._links.read(file.url, max_bytes)
        async for piece in source:
            yield piece

    async def _hosted(self, url: str, max_bytes: int) -> AsyncIterator[bytes]:
        """Read what the connector keeps; a refused token is renewed once."""
        for _ in range(2):
            token = await self._token()
            try:
                async for piece in self._connector.read(url, max_bytes, {"Authorization": f"Bearer {token}"}):
                    yield piece
                return
            except Refused as refused:
                if refused.status != 401:
                    raise
                self._tokens.invalidate(token)
        raise Unavailable("the connector refuses the bot's token", code="connector_401", component=COMPONENT)

    async def _token(self) -> str:
        try:
            return await self._tokens.token()
        except Forbidden as refused:  # words go on: a file is no reason to hold them
            raise Unavailable(str(refused), code=refused.code, component=COMPONENT) from None


def _same_origin(url: str, other: str) -> bool:
    try:
        return URL(url).origin() == URL(other).origin()
    except ValueError:
        return False
