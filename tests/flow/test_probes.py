"""What a platform and an alert rule see: upstreams away are told and unroute nobody; many dead letters sound once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stack import Stack, running
from test_conversation import conversation_with, thread_with

pytestmark = pytest.mark.asyncio(loop_scope="function")


async def ready(stack: Stack) -> tuple[int, dict[str, Any]]:
    """Probe."""
    status, _, text = await stack.raw("/readyz", None, {}, "GET")
    return status, json.loads(text)


async def pings(stack: Stack) -> int:
    """Count how often Freshchat was asked how it is."""
    return sum("/accounts/configuration" in entry["path"] for entry in await stack.get("requests?on=freshchat"))


async def test_an_upstream_that_is_away_is_told_and_unroutes_nobody(tmp_path: Path) -> None:
    """200 `degraded` with a reason per part; doors go on storing; a hundred probes cost Freshchat one request."""
    async with running(tmp_path, bridge=False, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2") as stack:
        await stack.fault("freshchat", "status", status=503, times=None)
        await stack.fault("token", "status", status=503, times=None)
        await stack.start_bridge()
        before = await pings(stack)
        answers = [await ready(stack) for _ in range(100)]
        assert {status for status, _ in answers} == {200}
        tenant = stack.config["tenant"]
        assert answers[-1][1] == {
            "status": "degraded",
            "problems": {},
            "held": {},
            "degraded": {
                f"freshchat {tenant}": "Unavailable: 503 SERVICE_UNAVAILABLE",
                "connector": "Unavailable: 503 temporarily_unavailable",
            },
        }
        assert await pings(stack) == before + 1
        await stack.say("stored all the same")
        await stack.clear_faults()
        await conversation_with(stack, "stored all the same")


async def test_an_upstream_that_hangs_does_not_hold_a_probe_up(tmp_path: Path) -> None:
    """The probe is answered at once, and says what hangs as soon as that is known."""
    async with running(tmp_path, bridge=False, TEAMS_REPLY_VIA="bot") as stack:
        await stack.fault("freshchat", "delay", delay_ms=60_000, times=None)
        await stack.start_bridge()
        status, first = await ready(stack)
        assert (status, first["status"]) == (200, "ready")

        async def told() -> str | None:
            reasons: dict[str, str] = (await ready(stack))[1].get("degraded", {})
            return next(iter(reasons.values()), None)

        assert "timeout" in await stack.until(told) or "no answer" in await stack.until(told)
        await stack.clear_faults()


async def test_calls_tokens_and_hops_are_counted(tmp_path: Path) -> None:
    """After one question and one answer: who was called with which status, the token, and the time of each hop."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        await stack.say("hello")
        conversation = (await conversation_with(stack, "hello"))["conversation_id"]
        await stack.answer(conversation, "welcome")
        await thread_with(stack, "welcome")
        await stack.settled()
        assert await stack.metric("bridge_token_fetches_total", account="bot", outcome="ok") == 1
        assert await stack.metric("bridge_token_fetched_timestamp_seconds", account="bot") > 1.7e9
        assert await stack.metric("bridge_upstream_calls_total", component="connector", status="201") == 1
        assert await stack.metric("bridge_upstream_seconds_count", component="freshchat", status="2xx") >= 2
        for direction in ("to-freshchat", "to-teams"):
            for hop in ("door", "queue", "delivery"):
                assert await stack.metric("bridge_hop_seconds_count", direction=direction, hop=hop) >= 1, (
                    direction,
                    hop,
                )
        assert await stack.metric("bridge_webhook_key_total") >= 1


async def test_five_dead_letters_sound_the_alarm_once(tmp_path: Path) -> None:
    """An error in the log that an alert rule finds, the count as a gauge, and each letter by its code."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot") as stack:
        await stack.fault("freshchat", "status", match="POST .*/conversations$", status=400, times=None)
        for number in range(5):
            await stack.say(f"refused {number}")

        async def alarmed() -> list[dict[str, Any]]:
            return [record for record in stack.log() if record["action"] == "dead_letters_alert"]

        [alarm] = await stack.until(alarmed)
        assert (alarm["level"], alarm["recent"]) == ("error", 5)
        assert await stack.metric("bridge_dead_letters_recent") == 5
        assert await stack.metric("bridge_dead_letters_total", code="freshchat_400") == 5
        await stack.stop_bridge()
        assert len(await alarmed()) == 1
