"""Files of agents in Teams: pictures in the message, others as links, in order, once; and what is kept out is told."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import zlib
from typing import Any

import pytest
from stack import Stack
from test_conversation import word
from test_formatting import asked, graph, somewhere  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

Somewhere = tuple[Stack, dict[str, str], str]
PERSONAL = {"scope": "personal"}
PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF\n"


def png(width: int = 40, height: int = 30) -> bytes:
    """Draw a grey picture."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    made = [struct.pack(">I", len(data)) + kind + data for kind, data in chunks]
    sums = [struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(a + b for a, b in zip(made, sums, strict=True))


def file(name: str, data: bytes, content_type: str = "application/octet-stream", **more: Any) -> dict[str, Any]:
    """Give a file as the sandbox takes it."""
    return {"name": name, "content_type": content_type, "base64": base64.b64encode(data).decode()} | more


def text(words: str) -> dict[str, Any]:
    return {"text": {"content": words}}


async def shown_after(stack: Stack, mark: str, number: int) -> list[dict[str, Any]]:
    """Wait for so many messages from the one with the mark on, in its thread; there must not be more."""

    async def found() -> Any:
        for thread in await stack.threads():
            at = next((n for n, message in enumerate(thread["messages"]) if mark in message["text"]), None)
            if at is not None and len(thread["messages"]) >= at + number:
                return thread["messages"][at:]
        return None

    await stack.until(found)
    await stack.settled()
    messages: list[dict[str, Any]] = await found()
    assert len(messages) == number, [message["text"] for message in messages]
    return messages


async def fetched(stack: Stack, url: str) -> tuple[bytes, str, str]:
    """Read an address as Teams or a person does; give bytes, type and disposition."""
    assert url.startswith(f"{stack.bridge_url}/files/"), url
    async with stack.session.get(url) as answer:
        assert answer.status == 200
        return await answer.read(), answer.headers["Content-Type"], answer.headers["Content-Disposition"]


async def picture_in(stack: Stack, message: dict[str, Any], via: str) -> tuple[str, str]:
    """Give type and SHA-256 of the picture that a message shows."""
    if via == "graph":
        (hosted,) = message["hosted"].values()
        assert re.search(r'<img src="\.\./hostedContents/1/\$value" alt="[^"]+">', message["html"])
        return hosted["contentType"], hosted["sha256"]
    (attachment,) = message["attachments"]
    data, kind, disposition = await fetched(stack, attachment["contentUrl"])
    assert kind == attachment["contentType"] and disposition.startswith("inline")
    return kind, hashlib.sha256(data).hexdigest()


def link_in(message: dict[str, Any]) -> tuple[str, str]:
    """Give address and label of the link that a message shows."""
    (found,) = re.findall(r'<a href="([^"]+)">([^<]+)</a>', message["html"])
    return found


async def test_a_picture_is_shown(somewhere: Somewhere) -> None:  # noqa: F811
    """In the message itself, after the words, in the thread of the question."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    mark, drawn = word(), png()
    await stack.answer(conversation, mark, files=[file("screen.png", drawn, "image/png")])
    _, shown = await shown_after(stack, mark, 2)
    assert await picture_in(stack, shown, via) == ("image/png", hashlib.sha256(drawn).hexdigest())
    assert shown["via"] == ("graph" if via == "graph" else "connector")


async def test_another_file_is_a_link(somewhere: Somewhere) -> None:  # noqa: F811
    """With its name and size; it leads to the very bytes, which are saved, not shown."""
    stack, place, _ = somewhere
    _, conversation = await asked(stack, place)
    mark = word()
    await stack.answer(conversation, mark, files=[file("설명서 <1>.pdf", PDF, "application/pdf")])
    _, shown = await shown_after(stack, mark, 2)
    url, label = link_in(shown)
    assert label == f"설명서 _1_.pdf ({len(PDF)} B)"
    data, kind, disposition = await fetched(stack, url)
    assert (data, kind) == (PDF, "application/pdf") and disposition.startswith("attachment")
    assert re.search(r"The link works until \d{4}-\d\d-\d\d\.", shown["text"])


async def test_words_and_files_keep_their_order(somewhere: Somewhere) -> None:  # noqa: F811
    """Each is a message; the first names the agent."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    mark, after, drawn = word(), word(), png()
    parts = [
        text(mark),
        {"image": file("a.png", drawn, "image/png")},
        text("in between"),
        {"file": file("b.pdf", PDF)},
        {"video": file("c.mp4", b"\0\0\0\x18ftypisom" + bytes(16), "video/mp4")},
        text(after),
    ]
    await stack.answer(conversation, "", parts=parts)
    said = await shown_after(stack, mark, 6)
    assert "Grace Park" in said[0]["text"] and not any("Grace Park" in one["text"] for one in said[1:])
    assert (await picture_in(stack, said[1], via))[1] == hashlib.sha256(drawn).hexdigest()
    assert [said[2]["text"], said[5]["text"]] == ["in between", after]
    assert [link_in(said[n])[1].partition(" ")[0] for n in (3, 4)] == ["b.pdf", "c.mp4"]
