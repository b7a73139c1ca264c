"""Files in one Freshchat account: handing them over, and showing them in a conversation (reference, section 5)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, BinaryIO, Literal

import aiohttp

from adapters.freshchat import shapes
from adapters.freshchat.rest import COMPONENT, FreshchatRest
from bridge.errors import Unavailable
from bridge.ports import FilePart, Sent

UPLOAD_SECONDS = 30.0
"""For one file; with the 80 s that it takes to fetch and judge it, this fits into the 120 s of a delivery."""

Messages = Callable[[str, float], Awaitable[Sequence[dict[str, Any]]]]
"""Reads a conversation's messages since then, oldest first."""


class FreshchatUploads:
    """Implements `bridge.ports.HelpdeskFiles`."""

    def __init__(self, rest: FreshchatRest, messages: Messages) -> None:
        self._rest, self._messages = rest, messages

    async def upload(self, kind: Literal["image", "file"], name: str, content_type: str, content: BinaryIO) -> str:
        """Hand a file over, read from the disk while it is sent; give its address (image) or its hash (file)."""
        with os.fdopen(os.dup(content.fileno()), "rb", buffering=0) as copy:  # aiohttp closes what it has sent
            copy.seek(0)
            form = aiohttp.FormData()
            form.add_field(kind, copy, filename=name, content_type=content_type)
            answer = await self._rest.upload(f"{kind}s/upload", form, timeout=UPLOAD_SECONDS)
        where = answer.get("url" if kind == "image" else "file_hash")
        if not isinstance(where, str) or not where:
            raise Unavailable("the answer names no file", code="freshchat_no_file", component=COMPONENT)
        return where

    async def post_file(self, conversation_id: str, user_id: str, part: FilePart) -> Sent:
        """Append a message that is the file, as the user. Raises ConversationClosed as `post_message` does."""
        body = shapes.new_message("", "user", user_id) | {"message_parts": [_shown(part)], "user_id": user_id}
        return shapes.sent_of(await self._rest.append(conversation_id, body), conversation_id)

    async def find_file(self, conversation_id: str, user_id: str, part: FilePart, since: float) -> Sequence[Sent]:
        """Read back: the user's messages since then with this file, before those with one that may be it."""
        messages = [one for one in await self._messages(conversation_id, since) if shapes.is_from(one, user_id)]
        surely = [one for one in messages if _holds(one, part, _is_it)]
        maybe = [one for one in messages if one not in surely and _holds(one, part, _may_be_it)]
        return [shapes.sent_of(message, conversation_id) for message in (*surely, *maybe)]


def _shown(part: FilePart) -> dict[str, Any]:
    if part.kind == "image":
        return {"image": {"url": part.where}}
    facts = {"fileHash": part.where, "fileSource": "FRESHCHAT", "name": part.name, "contentType": part.content_type}
    return {"file": facts | {"file_size_in_bytes": part.size}}


def _holds(message: dict[str, Any], part: FilePart, fits: Callable[[dict[str, Any], FilePart], bool]) -> bool:
    shown = (one.get(part.kind) for one in shapes.rows_of(message, "message_parts"))
    return any(isinstance(one, dict) and fits(one, part) for one in shown)


def _is_it(shown: dict[str, Any], part: FilePart) -> bool:
    return shown.get("url" if part.kind == "image" else "fileHash") == part.where


def _may_be_it(shown: dict[str, Any], part: FilePart) -> bool:
    """Freshchat may host a picture anew, under another address, and a file that comes back has no hash."""
    if part.kind == "image":
        return True
    return shown.get("fileHash") is None and shown.get("name") == part.name
