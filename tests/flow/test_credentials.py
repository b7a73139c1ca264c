"""An upstream gets a new token or secret: what is said meanwhile waits, and arrives once and in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN, SECRET = "freshchat-token", "bot-secret"
PROBE = 15.0
"""Seconds between two tries of a held tenant."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge whose credentials are named in the settings and stored by commands; its tokens live for 4 s."""
    names = {"FRESHCHAT_API_KEY": f"secret:{TOKEN}", "MicrosoftAppPassword": f"secret:{SECRET}"}
    folder = tmp_path_factory.mktemp("credentials")
    async with running(folder, bridge=False, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WINDOW="1", **names) as stack:
        await store(stack, TOKEN, stack.config["env"]["FRESHCHAT_API_KEY"])
        await store(stack, SECRET, stack.config["env"]["MicrosoftAppPassword"])
        await stack.post("settings", access_token_seconds=4)
        await stack.start_bridge()
        yield stack


async def store(stack: Stack, name: str, value: str) -> None:
    """Store a secret as an operator does; its value is printed nowhere."""
    code, out, err = await stack.bridgectl("secrets", "set", name, given=f"{value}\n")
    assert code == 0, err
    code, listed, err = await stack.bridgectl("secrets", "list")
    assert (code, name in listed) == (0, True), err
    assert value not in out + err + listed


async def held(stack: Stack) -> dict[str, Any]:
    """Ask which deliveries are held."""
    async with stack.session.get(f"{stack.bridge_url}/readyz") as answer:
        return dict((await answer.json())["held"])


async def is_held(stack: Stack, direction: str) -> bool:
    """Tell whether the only tenant is held."""
    return await held(stack) == {direction: [stack.config["tenant"]]}


async def nothing_is_dead(stack: Stack) -> bool:
    """Tell that everything waits; a message that fails for the retry window of 1 s would be a dead letter."""
    return await stack.metric("bridge_queue_dead") == 0 and await stack.waiting() > 0


async def test_a_new_freshchat_token(stack: Stack) -> None:
    """The old token is refused: questions wait until the new one is stored."""
    first, *later = [word() for _ in range(5)]
    said = await stack.say(first)
    await conversation_with(stack, first)
    rotated = await stack.post("rotate", what="api_key")
    for text in later:
        await stack.say(text, thread=said["thread"])
    elsewhere = word()
    await stack.say(elsewhere)
    await stack.until(lambda: is_held(stack, "to-freshchat"))
    assert await nothing_is_dead(stack)
    await store(stack, TOKEN, rotated["api_key"])

    async def arrived() -> bool:
        return await held(stack) == {} and await stack.waiting() == 0

    await stack.until(arrived, 2 * PROBE + 5)
    conversation = await conversation_with(stack, first)
    assert texts(conversation, "user") == [first, *later]
    assert texts(await conversation_with(stack, elsewhere), "user") == [elsewhere]
    assert await stack.metric("bridge_queue_dead") == 0


@pytest.mark.parametrize("refusal", ["the token service", "the connector"])
async def test_a_new_bot_secret(stack: Stack, refusal: str) -> None:
    """No token is to be had with the old secret, whether ours ran out or the connector refused it: answers wait."""
    await stack.post("settings", access_token_seconds=4 if refusal == "the token service" else 3599)
    question, first = word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.answer(conversation, first)
    await thread_with(stack, first)
    rotated = await stack.post("rotate", what="bot_secret")
    if refusal == "the connector":
        await stack.fault("connector", "status", match="POST .*/activities", status=401, times=1)
    said = [first]

    async def held_at_last() -> bool:
        said.append(word())
        await stack.answer(conversation, said[-1])
        return await is_held(stack, "to-teams")

    await stack.until(held_at_last)
    assert await nothing_is_dead(stack)
    assert any(r["action"] == "hold" and r["code"] == "entra_invalid_client" for r in stack.log())
    await store(stack, SECRET, rotated["bot_secret"])

    async def arrived() -> bool:
        return await held(stack) == {} and await stack.waiting() == 0

    await stack.until(arrived, 2 * PROBE + 5)
    thread = await thread_with(stack, said[-1])
    bot = [m["text"] for m in thread["messages"] if m["from"]["kind"] == "bot"]
    assert [next(text for text in said if text in shown) for shown in bot] == said
    assert await stack.metric("bridge_queue_dead") == 0


async def test_a_secret_that_is_not_there_is_a_hold_and_not_a_dead_letter(stack: Stack) -> None:
    """A name that was mistyped, or a secret that was deleted by mistake."""
    (stack.folder / "data" / "secrets" / f"{TOKEN}.secret").unlink()
    text = word()
    await stack.say(text)
    await stack.until(lambda: is_held(stack, "to-freshchat"))
    assert await nothing_is_dead(stack)
    await store(stack, TOKEN, (await stack.get("config"))["env"]["FRESHCHAT_API_KEY"])
    await stack.until(lambda: _has(stack, text), 2 * PROBE + 5)


async def _has(stack: Stack, text: str) -> bool:
    return any(text in texts(c, "user") for c in await stack.conversations())


async def test_wrong_uses_are_named(stack: Stack) -> None:
    """Nothing given, a name that cannot be one, a name that others keep: nothing is stored, exit code 2."""
    for name, given, reason in (
        ("empty", " \n", "empty"),
        ("../escape", "x", "name"),
        (f"webhook-keys-{stack.config['tenant']}", "x", "bridgectl keys"),
    ):
        code, out, err = await stack.bridgectl("secrets", "set", name, given=given)
        assert (code, reason in err) == (2, True), (out, err)
    assert not list((stack.folder / "data" / "secrets").glob("empty*"))


async def test_the_bridge_does_not_start_without_its_secrets(tmp_path: Path) -> None:
    """What was retired must not come back because the record of it cannot be read: it says why, and ends with 2."""
    async with running(tmp_path, bridge=False) as stack:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "secrets").write_text("not a folder")
        with pytest.raises(AssertionError, match="did not start"):
            await stack.start_bridge()
        assert await stack.stop_bridge() == 2
        said = (tmp_path / "bridge.log").read_text(encoding="utf-8")
    assert "secrets folder" in said
    assert "Traceback" not in said
