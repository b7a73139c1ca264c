"""Files of agents in Teams: pictures in the message, others as links, in order, once; and what is kept out is told."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from stack import Stack, running
from test_conversation import word
from test_formatting import EVERYWHERE, asked, graph, somewhere  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

Somewhere = tuple[Stack, dict[str, str], str]
PERSONAL = {"scope": "personal"}
POSTS = {"bot": ("connector", "POST .*/activities$"), "graph": ("graph", "POST .*/replies$")}
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
    label = shown["text"] if via == "graph" else shown["attachments"][0]["name"]
    assert label.startswith("screen.png ("), "a picture's part has no name, its store tells it"


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


async def test_an_answer_that_begins_with_a_file_says_who_sent_it(somewhere: Somewhere) -> None:  # noqa: F811
    """A bot's picture has no words beside it."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    drawn, mark = png(), word()
    await stack.answer(conversation, "", files=[file("a.png", drawn, "image/png")])
    await stack.answer(conversation, mark)
    await shown_after(stack, mark, 1)
    head, shown, _ = (await messages_of(stack, mark))[-3:]
    assert head["text"].split() == ["Grace", "Park", "Sent:"]
    assert await picture_in(stack, shown, via) == ("image/png", hashlib.sha256(drawn).hexdigest())


async def messages_of(stack: Stack, mark: str) -> list[dict[str, Any]]:
    """List the messages of the thread with the mark."""
    return next(t["messages"] for t in await stack.threads() if any(mark in m["text"] for m in t["messages"]))


async def test_a_picture_that_the_transport_does_not_show_is_a_link(somewhere: Somewhere) -> None:  # noqa: F811
    """A bot's may have 1024 pixels; Graph takes it as it is. What lies about being a picture is what it is."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    mark, wide = word(), png(1025, 10)
    lying = file("b.png", b"just text", "image/png")
    await stack.answer(conversation, mark, files=[file("wide.png", wide, "image/png"), lying])
    _, first, second = await shown_after(stack, mark, 3)
    if via == "graph":
        assert await picture_in(stack, first, via) == ("image/png", hashlib.sha256(wide).hexdigest())
    else:
        data, _, disposition = await fetched(stack, link_in(first)[0])
        assert data == wide and disposition.startswith("inline")
    assert (await fetched(stack, link_in(second)[0]))[1] == "text/plain"


async def test_a_picture_that_is_refused_is_a_link(somewhere: Somewhere) -> None:  # noqa: F811
    """Whatever Teams has against it."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    await stack.settled()
    mark, (on, match) = word(), POSTS[via]
    await stack.fault(on, "status", match=match, status=400, skip=1, times=1)
    await stack.answer(conversation, mark, files=[file("a.png", png(), "image/png")])
    _, shown = await shown_after(stack, mark, 2)
    await stack.clear_faults()
    assert link_in(shown)[1].startswith("a.png ")


async def test_an_answer_whose_webhook_is_lost_brings_its_files(stack: Stack) -> None:
    """What is read back has them, under links that work."""
    _, conversation = await asked(stack, PERSONAL)
    await stack.settled()
    mark, drawn = word(), png()
    await stack.fault("webhook", "lose", times=1)
    await stack.answer(conversation, mark, ago=400, files=[file("a.png", drawn, "image/png", link_seconds=0)])
    await stack.settled()
    await stack.clear_faults()
    code, out, err = await stack.bridgectl("reconcile", "--conversation", conversation)
    assert code == 0, out + err
    said = await shown_after(stack, mark, 2)
    assert (await picture_in(stack, said[1], "bot"))[1] == hashlib.sha256(drawn).hexdigest()


async def test_files_stand_above_the_buttons_of_their_message(stack: Stack) -> None:
    """Words, file, card."""
    _, conversation = await asked(stack, {"scope": "groupChat"})
    mark = word()
    buttons = [{"collection": {"sub_parts": [{"quick_reply_button": {"label": "Yes"}}]}}]
    parts = [text(mark), {"file": file("a.pdf", PDF)}, text("So?")]
    await stack.answer(conversation, "", parts=parts, reply_parts=buttons)
    said = await shown_after(stack, mark, 4)
    assert link_in(said[1])[1].startswith("a.pdf ")
    assert said[2]["text"] == "So?" and said[3]["card"]


async def test_where_the_bot_may_post_no_card_files_stay_where_they_were(stack: Stack) -> None:
    """What is offered follows as text."""
    _, conversation = await asked(stack, {"scope": "groupChat"})
    await stack.settled()
    mark = word()
    await stack.fault("connector", "status", match=POSTS["bot"][1], status=400, skip=2, times=1)
    parts = [text(mark), {"file": file("a.pdf", PDF)}, {"callback": {"label": "Call me", "payload": "x"}}]
    await stack.answer(conversation, "", parts=parts)
    said = await shown_after(stack, mark, 3)
    await stack.clear_faults()
    assert link_in(said[1])[1].startswith("a.pdf ") and said[2]["text"] == "[Call me]"


@pytest.mark.parametrize("hidden", [1, 2])
async def test_a_file_without_an_address_is_looked_up(stack: Stack, hidden: int) -> None:
    """Its webhook came before the store had it; the words are there already, and other threads go on."""
    _, conversation = await asked(stack, PERSONAL)
    _, other = await asked(stack, {"scope": "groupChat"})
    mark, beside, drawn = word(), word(), png()
    late = {"image": file("a.png", drawn, "image/png", hidden_reads=hidden)}
    await stack.answer(conversation, "", parts=[text(mark), late, text("then this")])
    await stack.answer(other, beside)
    await shown_after(stack, beside, 1)
    said = await shown_after(stack, mark, 3)
    assert (await picture_in(stack, said[1], "bot"))[1] == hashlib.sha256(drawn).hexdigest()


async def test_an_address_that_has_run_out_is_renewed(stack: Stack) -> None:
    """By reading the message once more."""
    _, conversation = await asked(stack, PERSONAL)
    mark, drawn = word(), png()
    await stack.answer(conversation, mark, files=[file("a.png", drawn, "image/png", link_seconds=0)])
    said = await shown_after(stack, mark, 2)
    assert (await picture_in(stack, said[1], "bot"))[1] == hashlib.sha256(drawn).hexdigest()


@pytest.mark.parametrize("somewhere", EVERYWHERE[:3], indirect=True, ids=["channel-bot", "channel-graph", "group"])
@pytest.mark.parametrize("data", [png(), PDF], ids=["picture", "link"])
async def test_a_file_whose_receipt_is_lost_is_found_again(somewhere: Somewhere, data: bytes) -> None:  # noqa: F811
    """Without fetching it: its link is dead by then. In a personal chat nobody can look (docs/guarantees.md)."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    await stack.settled()
    await stack.post("settings", file_link_seconds=0)
    mark, (on, match) = word(), POSTS[via]
    await stack.fault(on, "status_after", match=match, status=504, delay_ms=2500, skip=1, times=1)
    await stack.answer(conversation, mark, files=[file("a.x", data, "image/png", link_seconds=2)])
    said = await shown_after(stack, mark, 2)
    await stack.clear_faults()
    await stack.post("settings", file_link_seconds=3600)
    assert "a." in said[1]["text"] or said[1]["attachments"]
    assert "not passed on" not in said[1]["text"]


async def test_what_is_posted_is_not_fetched_again_after_a_crash(tmp_path: Path) -> None:
    """The bridge is killed between a file and the words below it; the link is dead when it comes back."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2") as stack:
        _, conversation = await asked(stack, PERSONAL)
        await stack.settled()
        mark, after = word(), word()
        await stack.fault("connector", "status", match=POSTS["bot"][1], status=503, skip=2, times=None)
        late = {"file": file("a.pdf", PDF, link_seconds=3)}
        await stack.answer(conversation, "", parts=[text(mark), late, text(after)])

        async def posted() -> Any:
            return any("a.pdf" in m["html"] for t in await stack.threads() for m in t["messages"])

        await stack.until(posted)
        await stack.kill_bridge()
        await stack.post("settings", file_link_seconds=0)
        (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
        url = found["messages"][-1]["parts"][1]["file"]["url"]

        async def dead() -> bool:
            async with stack.session.get(url) as answer:
                return answer.status == 403

        await stack.until(dead)
        await stack.clear_faults()
        await stack.start_bridge()
        said = await shown_after(stack, mark, 3)
        assert link_in(said[1])[1].startswith("a.pdf ") and said[2]["text"] == after
