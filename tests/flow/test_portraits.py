"""Pictures of people in the whole product: they reach the agent, change, and hold nobody up."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, word

from sandbox.portraits import portrait

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTO, UPLOAD = "/photo", "/v2/images/upload"
JPEG = b"\xff\xd8\xff\xe0" + bytes(50)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("pictures")
    async with running(folder, sandbox=["--crowd"], BRIDGE_PICTURES="on") as stack:
        yield stack


async def asks(stack: Stack, user: str) -> dict[str, Any]:
    """Open a conversation as somebody; give their user in Freshchat."""
    question = word()
    await stack.say(question, user=user)
    return dict((await conversation_with(stack, question))["user"])


async def shown(stack: Stack, user_id: str) -> bytes | None:
    """Read the picture that Freshchat shows for a user."""
    users = {one["id"]: one for one in (await stack.get("freshchat/state"))["users"]}
    if (url := users[user_id]["avatar"].get("url")) is None:
        return None
    async with stack.session.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


async def is_shown(stack: Stack, user_id: str, picture: bytes) -> None:
    async def seen() -> bool:
        return await shown(stack, user_id) == picture

    await stack.until(seen)


async def has(stack: Stack, user: str, picture: bytes, content_type: str) -> None:
    """Give somebody another picture in Teams."""
    await stack.post("teams/photo", user=user, base64=base64.b64encode(picture).decode(), content_type=content_type)


async def calls(stack: Stack, end: str) -> int:
    return sum(row["path"].endswith(end) for row in await stack.get("requests"))


FACT = "FROM facts WHERE kind = 'portrait' AND fact_id = ?"
EARLIER = (
    """UPDATE facts SET value = json_set(value, '$.seen_at', '1000000000') WHERE kind = 'portrait' AND fact_id = ?"""
)


async def days_later(stack: Stack, user_id: str) -> None:
    """Start the bridge again, with a user's picture last looked at long ago."""
    with closing(sqlite3.connect(stack.folder / "data" / "bridge.db", isolation_level=None)) as store:

        async def remembered() -> bool:
            row = store.execute(f"SELECT json_extract(value, '$.seen_at') {FACT}", (user_id,)).fetchone()
            return row is not None and int(row[0]) > 1_000_000_000

        await stack.until(remembered)
        assert await stack.stop_bridge() == 0
        assert store.execute(EARLIER, (user_id,)).rowcount == 1
    await stack.start_bridge()


async def test_the_agent_sees_who_asks_and_the_picture_follows_the_person(stack: Stack) -> None:
    """It is uploaded once, and again when the person has another one."""
    user = await asks(stack, "ada")
    await is_shown(stack, user["id"], portrait("ada"))
    await days_later(stack, user["id"])
    await asks(stack, "ada")
    await days_later(stack, user["id"])
    assert [await calls(stack, end) for end in (PHOTO, UPLOAD)] == [2, 1]
    await has(stack, "ada", JPEG, "image/jpeg")
    await asks(stack, "ada")
    await is_shown(stack, user["id"], JPEG)
    assert [await calls(stack, end) for end in (PHOTO, UPLOAD)] == [3, 2]


@pytest.mark.parametrize(
    ("user", "content", "content_type"),
    [
        ("minjun", portrait("minjun") + bytes(200 * 1024), "image/png"),
        ("lena", b"<html><script>alert(1)</script></html>", "image/png"),
    ],
    ids=["too large", "lying"],
)
async def test_what_is_not_fit_to_be_shown_is_kept_out(
    stack: Stack, user: str, content: bytes, content_type: str
) -> None:
    uploaded, unfit = await calls(stack, UPLOAD), await stack.metric("bridge_events_total", what="portrait_unfit")
    await has(stack, user, content, content_type)
    asking = await asks(stack, user)

    async def kept_out() -> bool:
        return await stack.metric("bridge_events_total", what="portrait_unfit") == unfit + 1

    await stack.until(kept_out)
    assert (await shown(stack, asking["id"]), await calls(stack, UPLOAD)) == (None, uploaded)


async def test_a_picture_holds_no_question_up(stack: Stack) -> None:
    """Graph says nothing for as long as it likes; the question is there before that is given up."""
    fault = await stack.fault("graph", "timeout", match="GET .*/photo", times=None)
    await asks(stack, "seoyeon")
    assert not [one for one in stack.log() if one.get("action") == "portrait_not_updated"], "it is still waited for"
    await asks(stack, "seoyeon")
    (hanging,) = [one for one in await stack.get("faults") if one["id"] == fault]
    await stack.clear_faults()
    assert hanging["hits"] == 1


async def test_without_the_permission_there_is_one_line_in_the_log(stack: Stack) -> None:
    await stack.fault("graph", "status", status=403, match="GET .*/photo", times=None)
    user = await asks(stack, "samir")

    async def refused() -> list[dict[str, Any]]:
        return [record for record in stack.log() if record.get("action") == "portraits_refused"]

    (record,) = await stack.until(refused)
    await stack.clear_faults()
    assert record["permission"] == "ProfilePhoto.Read.All"
    assert await shown(stack, user["id"]) is None
    assert not [one for one in stack.log() if one.get("action") == "bug"]


async def test_switched_off_nobody_is_asked_for_pictures(tmp_path: Path) -> None:
    async with running(tmp_path, BRIDGE_PICTURES="off") as other:
        user = await asks(other, "ada")
        await other.settled()
        assert (await calls(other, PHOTO), await calls(other, UPLOAD), user["avatar"]) == (0, 0, {})
