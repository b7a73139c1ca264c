"""A server of a data set and hands on its APIs, as an export would use them."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest_asyncio

from sandbox.archive_server import ArchiveServer, ServerOptions
from sandbox.archive_settings import ArchiveSettings
from sandbox.dataset import Shape


@dataclass
class Answer:
    """Status, headers, and the body: JSON where it is JSON."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def next_page(self) -> str | None:
        found = re.search(r'<([^>]+)>; rel="next"', self.headers.get("Link", ""))
        return found[1] if found else None


class Hands:
    """Calls to one server."""

    def __init__(self, server: ArchiveServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.truth = server.truth

    async def call(self, method: str, url: str, **rest: Any) -> Answer:
        url = url if url.startswith("http") else self.server.url + url
        async with self.session.request(method, url, allow_redirects=False, **rest) as response:
            return Answer(response.status, response.headers, await response.read())

    async def chat(self, path: str, method: str = "GET", **rest: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.server.env['FRESHCHAT_API_KEY']}"}
        return await self.call(method, f"/v2{path}", headers=headers, **rest)

    async def desk(
        self, path: str, method: str = "GET", key: str | None = None, url: str | None = None, **rest: Any
    ) -> Answer:
        text = f"{key or self.server.env['FRESHDESK_API_KEY']}:X"
        headers = {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}", **rest.pop("headers", {})}
        return await self.call(method, url or f"/api/v2{path}", headers=headers, **rest)

    async def desk_list(self, path: str, size: int = 100) -> list[Any]:
        """All pages of a Freshdesk list, by its Link headers."""
        rows, page = [], 1
        while True:
            joint = "&" if "?" in path else "?"
            answer = await self.desk(f"{path}{joint}per_page={size}&page={page}")
            assert answer.status == 200, answer.raw
            rows += answer.body
            if answer.next_page is None:
                return rows
            page += 1
            assert page < 1000, "there is always a next page"

    async def chat_list(self, path: str, name: str) -> list[Any]:
        """All pages of a Freshchat list, by its counts."""
        rows, page, pages = [], 1, 1
        while page <= pages:
            joint = "&" if "?" in path else "?"
            body = (await self.chat(f"{path}{joint}items_per_page=50&page={page}")).body
            rows += body[name]
            page, pages = page + 1, body["pagination"]["total_pages"]
        return rows

    async def let_in(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """The first answer that is not a 429."""
        for _ in range(250):
            answer = await call()
            if answer.status != 429:
                return answer
            await asyncio.sleep(0.02)
        raise AssertionError("the window did not end")

    async def messages(self, conversation_id: str) -> list[Any] | None:
        """All messages by their links, or None where there is no such conversation."""
        rows, path = [], f"/conversations/{quote(conversation_id, safe='')}/messages?items_per_page=50"
        while path:
            answer = await self.chat(path)
            if answer.status == 404:
                return None
            rows += answer.body["messages"]
            path = answer.body.get("link", {}).get("href", "").removeprefix("/v2")
        return rows

    async def switch(self, **settings: Any) -> None:
        answer = await self.call("POST", "/_sandbox/archive/settings", json=settings)
        assert answer.status == 200, answer.raw


Serve = Callable[..., Awaitable[Hands]]


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Start servers: the shape's fields and the switches by name."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(latency_ms: int = 0, **wanted: Any) -> Hands:
            shape = {name: wanted.pop(name) for name in tuple(wanted) if name in Shape.__dataclass_fields__}
            options = ServerOptions(Shape(**shape), latency_ms=latency_ms, switches=ArchiveSettings(**wanted))
            return Hands(await stack.enter_async_context(ArchiveServer(options)), session)

        yield start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server() -> AsyncIterator[ArchiveServer]:
    async with ArchiveServer(ServerOptions(Shape(conversations=420, tickets=260, huge=130))) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def hands(shared_server: ArchiveServer) -> AsyncIterator[Hands]:
    """A shared server with ordinary switches."""
    async with aiohttp.ClientSession() as session:
        hands = Hands(shared_server, session)
        await hands.switch(**ArchiveSettings().as_dict())
        yield hands
