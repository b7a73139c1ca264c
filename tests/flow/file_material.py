"""Files that employees send, and what of them is to be seen on both sides."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from stack import Stack

PDF = b"%PDF-1.7 a plan of the second floor"


def png(width: int = 2) -> bytes:
    """Make a small picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + b"\x80\x40\x20" * width for _ in range(2))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 2, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def file(name: str, content: bytes, content_type: str = "application/octet-stream", **more: Any) -> dict[str, Any]:
    """Write a file as the sandbox's control API takes it."""
    return {"name": name, "content_type": content_type, "base64": base64.b64encode(content).decode()} | more


def packed(entries: Mapping[str, bytes]) -> bytes:
    """Make a ZIP."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return held.getvalue()


def macros() -> bytes:
    """Make what begins like a Word document with macros."""
    return packed({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"", "word/vbaProject.bin": b"x"})


def parts(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    """List what the user said, part by part."""
    return [part for m in conversation["messages"] if m["actor_type"] == "user" for part in m["parts"]]


async def said(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Wait until this many parts are in the only conversation, and nothing else follows; give them."""

    async def there() -> bool:
        conversations = await stack.conversations()
        return bool(conversations) and len(parts(conversations[0])) >= count

    await stack.until(there)
    await stack.settled()
    (conversation,) = await stack.conversations()
    assert len(parts(conversation)) == count, parts(conversation)
    return parts(conversation)


async def content(stack: Stack, url: str) -> bytes:
    async with stack.session.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


async def told(stack: Stack) -> list[str]:
    """Give the lines about files that the bot wrote into the only thread, once."""

    async def notices() -> list[str]:
        (thread,) = await stack.threads()
        return [m["text"] for m in thread["messages"] if m["from"]["kind"] == "bot"]

    (notice,) = await stack.until(notices)
    return [line for line in notice.splitlines() if line.startswith("•")]
