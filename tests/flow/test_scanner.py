"""The bridge and `bridgectl doctor` say whether files can be scanned, and go on where they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from stack import Stack, free_port, running

from tests.peers.clamd import Clamd, program


async def found_by_doctor(stack: Stack) -> list[tuple[str, str]]:
    """Give subject and status of what doctor says about scanning."""
    _, out, err = await stack.bridgectl("doctor", "--json")
    checks = json.loads(out)["checks"] if out else pytest.fail(err)
    return [(one["subject"], one["status"]) for one in checks if one["check"] == "scanner"]


async def readiness(stack: Stack) -> tuple[int, str, list[str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{stack.bridge_url}/readyz") as answer:
        body = await answer.json()
        return answer.status, body["status"], list(body.get("degraded", {}))


async def test_without_a_scanner_it_is_said(tmp_path: Path) -> None:
    """At the start, by doctor, and nowhere else: there is nothing to be away."""
    async with running(tmp_path) as stack:
        assert [record for record in stack.log() if record["action"] == "no_scanner"]
        assert await found_by_doctor(stack) == [("CLAMD_ADDRESS", "skipped")]
        assert (await readiness(stack))[2] == []


async def test_a_scanner_that_is_away_stops_nothing(tmp_path: Path) -> None:
    """Questions go on; `/readyz` stays 200 and names it."""
    async with running(tmp_path, CLAMD_ADDRESS=f"tcp:127.0.0.1:{free_port()}") as stack:
        assert await found_by_doctor(stack) == [("CLAMD_ADDRESS", "warning")]
        await stack.say("Is anybody there?")
        await stack.until(stack.conversations)

        async def named() -> bool:
            status, word, degraded = await readiness(stack)
            return (status, word, degraded) == (200, "degraded", ["scanner"])

        await stack.until(named)


@pytest.mark.skipif(program() is None, reason="clamd is not installed")
async def test_a_scanner_that_answers(tmp_path: Path) -> None:
    """The real clamd: doctor has a file scanned, and nothing is warned of."""
    with Clamd() as daemon:
        async with running(tmp_path, CLAMD_ADDRESS=daemon.unix) as stack:
            assert await found_by_doctor(stack) == [("CLAMD_ADDRESS", "ok")]
            assert not [record for record in stack.log() if record["action"] == "no_scanner"]
            assert (await readiness(stack))[2] == []
