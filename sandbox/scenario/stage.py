"""Hands on both sides of a running sandbox, and the patience to see what a bridge makes of what they do."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import aiohttp

from sandbox.wire import JsonObject

Seen = TypeVar("Seen")
LOOK_SECONDS = 0.1


class NotSeen(Exception):
    """What was expected did not happen in time; the text says what."""


class Refused(Exception):
    """The control interface did not take a call."""


class Stage:
    """The control interface of one sandbox."""

    def __init__(self, session: aiohttp.ClientSession, url: str, patience: float) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._patience = patience

    async def get(self, path: str) -> Any:
        """Ask the control interface."""
        return await self._call("GET", path, None)

    async def post(self, path: str, **body: Any) -> Any:
        """Tell the control interface."""
        return await self._call("POST", path, body)

    async def wait_for(self, bridge: str) -> None:
        """Wait until a bridge takes calls, as long as for anything else."""

        async def look() -> bool:
            try:
                async with self._session.get(f"{bridge.rstrip('/')}/healthz") as reply:
                    return reply.status < 500
            except (aiohttp.ClientError, TimeoutError):
                return False

        with suppress(NotSeen):
            await self.until("a bridge", look)

    async def bytes_of(self, url: str) -> bytes:
        """What a link leads to."""
        async with self._session.get(url) as reply:
            return await reply.read() if reply.status == 200 else b""

    async def until(self, what: str, look: Callable[[], Awaitable[Seen | None]]) -> Seen:
        """Look again and again until there is something; NotSeen when there is not."""
        end = time.monotonic() + self._patience
        while True:
            seen = await look()
            if seen:
                return seen
            if time.monotonic() > end:
                raise NotSeen(what)
            await asyncio.sleep(LOOK_SECONDS)

    async def conversation(self, words: str) -> JsonObject | None:
        """The newest Freshchat conversation in which somebody said this."""
        found = (await self.get("freshchat/state"))["conversations"]
        return next((one for one in reversed(found) if any(words in said["text"] for said in one["messages"])), None)

    async def in_conversation(self, conversation_id: str) -> JsonObject:
        """A Freshchat conversation as it is now; NotSeen when an earlier step has opened none."""
        found = (await self.get("freshchat/state"))["conversations"]
        wanted = next((one for one in found if one["conversation_id"] == conversation_id), None)
        if wanted is None:
            raise NotSeen("the conversation of this question")
        return dict(wanted)

    async def in_thread(self, conversation_id: str) -> list[JsonObject]:
        """The messages of a Teams thread or chat as they are now."""
        threads = (await self.get("teams/state"))["threads"]
        return next((list(one["messages"]) for one in threads if one["conversation_id"] == conversation_id), [])

    async def _call(self, method: str, path: str, body: Any) -> Any:
        async with self._session.request(method, f"{self._url}/_sandbox/{path}", json=body) as reply:
            text = await reply.text()
            if reply.status >= 300:
                raise Refused(f"{method} /_sandbox/{path}: {reply.status} {text[:300]}")
            return json.loads(text)


def by_users(conversation: JsonObject) -> list[JsonObject]:
    """What the employees said, as the agent sees it."""
    return [said for said in conversation["messages"] if said["actor_type"] == "user"]


def by_bridge(messages: list[JsonObject]) -> list[JsonObject]:
    """What did not come from the employees themselves."""
    return [said for said in messages if said["from"]["kind"] in ("bot", "service")]


def files_in(said: JsonObject) -> list[tuple[str, JsonObject]]:
    """The pictures and files of a Freshchat message."""
    parts = [pair for part in said["parts"] for pair in part.items()]
    return [(kind, value) for kind, value in parts if kind in ("image", "file", "video")]
