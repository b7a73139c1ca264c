"""The process stops, is killed, or finds its upstream away: accepted means never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from stack import running, texts

pytestmark = pytest.mark.asyncio(loop_scope="function")


async def test_killed_with_messages_waiting_delivers_them_after_the_restart(tmp_path: Path) -> None:
    """SIGKILL while Freshchat is away: all accepted questions arrive, once and in order."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        await stack.fault("freshchat", "drop_before")
        said = await stack.say("question 0")
        for number in range(1, 10):
            await stack.say(f"question {number}", thread=said["thread"])
        await stack.kill_bridge()
        await stack.clear_faults()
        await stack.start_bridge()

        async def arrived() -> bool:
            return any("question 9" in "".join(texts(c)) for c in await stack.conversations())

        await stack.until(arrived, 90)
        assert [texts(c, "user") for c in await stack.conversations()] == [[f"question {n}" for n in range(10)]]


async def test_stop_is_graceful(tmp_path: Path) -> None:
    """SIGTERM in the middle of a slow call: it is finished, the exit code is 0, and nothing comes twice."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        await stack.fault("freshchat", "delay", match="POST .*/v2/conversations$", delay_ms=1500, times=1)
        await stack.say("slow question")

        async def called() -> bool:
            return any(
                r["method"] == "POST" and r["path"].endswith("/users")
                for r in (await stack.get("requests?on=freshchat"))
            )

        await stack.until(called)
        assert await stack.stop_bridge() == 0
        assert stack.log()[-1]["action"] == "stopped"
        await stack.start_bridge()
        await stack.settled()
        assert [texts(c, "user") for c in await stack.conversations()] == [["slow question"]]


async def test_start_without_settings_says_what_to_do(tmp_path: Path) -> None:
    """No settings at all: one clear text, exit code 2, no stack trace."""
    async with running(tmp_path, bridge=False) as stack:
        stack.config["env"] = {}
        code, out, err = await stack.bridgectl("serve")
        assert code == 2
        assert "MicrosoftAppId" in err
        assert "Traceback" not in out + err
