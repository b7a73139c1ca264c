"""The demo's own conversations are archived, also those that only the bridge's map leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archive_stack import folder_of, read
from stack import Stack, running


async def test_conversations_that_the_bridge_knows(tmp_path: Path) -> None:
    """While the bridge runs: what was asked in Teams is in the archive, and the map is one of its sources."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        for number in range(3):
            await stack.say(f"question {number}")
        await stack.settled()
        known = {conversation["conversation_id"] for conversation in await stack.conversations()}
        out = tmp_path / "out"
        code, _, err = await stack.bridgectl("export", "run", "--out", str(out), "--no-reports")
        assert code == 0, err
    root = folder_of(out)
    assert known <= {row["conversation_id"] for row in read(root, "freshchat/conversations.json")}
    sources = read(root, "verification_report.json")["sources"]
    assert sources["conversations"]["bridge"] == 3
    assert read(root, "export_metadata.json")["bridge"] == "asked"


async def test_conversations_that_webhooks_named(tmp_path: Path) -> None:
    """What was asked elsewhere is known by its id alone, and is a source of its own."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        elsewhere = await _asked_elsewhere(stack)
        await stack.answer(elsewhere, "said in another inbox")
        await stack.settled()
        out = tmp_path / "out"
        code, _, err = await stack.bridgectl("export", "run", "--out", str(out), "--no-reports")
        assert code == 0, err
    root = folder_of(out)
    sources = read(root, "verification_report.json")["sources"]["conversations"]
    assert (sources["webhooks"], sources["bridge"]) == (1, 0)
    assert elsewhere in {row["conversation_id"] for row in read(root, "freshchat/conversations.json")}


async def _asked_elsewhere(stack: Stack) -> str:
    """Open a conversation as a widget on a web site would, in an inbox that the bridge has no part in."""
    inbox = next(one for one in stack.config["inboxes"] if one["id"] != stack.environment()["FRESHCHAT_CHANNEL_ID"])
    user = (await _freshchat(stack, "users", {"reference_id": "visitor", "first_name": "Visitor"}))["id"]
    message = {"actor_type": "user", "actor_id": user, "message_parts": [{"text": {"content": "hello"}}]}
    body = {"channel_id": inbox["id"], "users": [{"id": user}], "messages": [message]}
    return str((await _freshchat(stack, "conversations", body))["conversation_id"])


async def _freshchat(stack: Stack, path: str, body: dict[str, Any]) -> dict[str, Any]:
    env = stack.environment()
    headers = {"Authorization": f"Bearer {env['FRESHCHAT_API_KEY']}"}
    async with stack.session.post(f"{env['FRESHCHAT_API_URL']}/{path}", json=body, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        return dict(await answer.json())
