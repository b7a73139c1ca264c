"""The disk under the stores is full for a while: refused honestly, nothing accepted is lost, and it recovers by itself.

The bridge's process gets a limit on the size of its files (RLIMIT_FSIZE) while it runs, which needs no rights and
fails a write just as a full disk does: in the middle, and again and again.
"""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="function")


def store_size(stack: Stack) -> int:
    """Measure the biggest file of the store."""
    return max(file.stat().st_size for file in (stack.folder / "data").glob("bridge.db*"))


def limit(stack: Stack, size: int) -> None:
    """Let no file of the bridge grow beyond this; -1 means as before."""
    hard = resource.prlimit(stack.bridge_pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(stack.bridge_pid, resource.RLIMIT_FSIZE, (size, hard))


async def test_full_disk_refuses_keeps_and_recovers(tmp_path: Path) -> None:
    """Both doors say 503 with a time to come back; what was accepted arrives once room is there, without a restart."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="8") as stack:
        await stack.post("settings", webhook_retry_seconds=0.2)
        first = word()
        said = await stack.say(first)
        conversation = (await conversation_with(stack, first))["conversation_id"]
        await stack.settled()
        # upstreams are away, so that what is accepted now has to wait in the store (a long time, so that nobody works
        # on it when the disk is full: what is under way then waits until its lease of 30 s has run out)
        await stack.fault("freshchat", "status", status=503, times=None)
        await stack.fault("connector", "status", status=503, times=None)
        limit(stack, store_size(stack) + 600_000)
        accepted, refused = [first], []
        for _ in range(400):
            text = f"{word()} {'x' * 4000}"
            answer = await stack.post("teams/messages", user="ada", channel="general", text=text, thread=said["thread"])
            (accepted if answer["status"] == 200 else refused).append(text)
            assert answer["status"] in (200, 503), answer
            if len(refused) == 3:
                break
        assert len(accepted) > 5, "some were taken before it was full"
        assert len(refused) == 3, "then it was full"
        limit(stack, 4096)  # no room for anything now, not even for the log
        status, headers, _ = await stack.raw("/api/messages", json.dumps(activity(stack)), await bearer(stack))
        assert (status, headers["Retry-After"].isdigit()) == (503, True)
        reply = word()
        await stack.answer(conversation, reply)  # Freshchat goes on knocking: 503, again and again

        async def refused_webhook() -> bool:
            return any(entry["status"] == 503 for entry in (await stack.get("webhooks"))["log"])

        await stack.until(refused_webhook)
        status, _, text = await stack.raw("/readyz", None, {}, "GET")
        assert (status, [*json.loads(text)["problems"]]) == (503, ["queue", "threads"])
        assert (await stack.raw("/healthz", None, {}, "GET"))[0] == 200, "a restart would not help"

        limit(stack, -1)
        await stack.clear_faults()
        await thread_with(stack, reply)

        async def all_there() -> Any:
            found = next(c for c in await stack.conversations() if c["conversation_id"] == conversation)
            return len(texts(found, "user")) >= len(accepted) and found

        found = await stack.until(all_there, 60)
        await stack.settled()
        found = next(c for c in await stack.conversations() if c["conversation_id"] == conversation)
        assert texts(found, "user") == accepted, "what was accepted is there once and in order; what was refused is not"
        assert (await stack.raw("/readyz", None, {}, "GET"))[0] == 200
        assert await stack.metric("bridge_queue_dead") == 0
        again = word()
        await stack.say(again, thread=said["thread"])
        await conversation_with(stack, again)
        assert "Traceback" not in (tmp_path / "bridge.log").read_text(encoding="utf-8")


async def bearer(stack: Stack) -> dict[str, str]:
    """Headers of a genuine activity."""
    token = (await stack.post("teams/token"))["token"]
    return {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}


def activity(stack: Stack) -> dict[str, Any]:
    """A big message in a personal chat."""
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    return {
        "type": "message",
        "id": "1700000000000",
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": {"conversationType": "personal", "tenantId": tenant, "id": ada["personal_chat"]},
        "channelData": {"tenant": {"id": tenant}},
        "text": "x" * 5000,
    }
