"""Leaving, with real processes: doors closed for good, everything delivered, taken back while that is possible."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running
from test_conversation import conversation_with, word

from tests.archive_builder import archive, seal
from tests.peers.cosmos import CosmosPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = ("/api/messages", "/bot/callback", "/freshchat/webhook", "/freshchat/webhook/t/x")
SETTINGS = {
    "TEAMS_REPLY_VIA": "bot",
    "BRIDGE_RETRY_WAIT": "0.2",
    "BRIDGE_RETIREMENT_SECONDS": "0.2",
    "BRIDGE_RECONCILE_SECONDS": "0",
}
WITHOUT = ("--without-export", "a test")


@pytest_asyncio.fixture(loop_scope="module")
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running(tmp_path, **SETTINGS) as stack:
        stack.extra["BRIDGE_PUBLIC_URL"] = stack.bridge_url
        yield stack


async def stop(stack: Stack, *options: str, code: int = 0) -> str:
    """Run `exit stop`, which must end with this code; give all it said."""
    got, out, err = await stack.bridgectl("exit", "stop", *options)
    assert got == code, (options, out, err)
    assert "Traceback" not in out + err
    return out + err


async def check(stack: Stack, *options: str) -> dict[str, str]:
    """Give the results of all steps that have one."""
    got, out, err = await stack.bridgectl("exit", "check", "--json", *options)
    assert got in (0, 1), err
    return {row["step"]: row["result"] for row in json.loads(out)["steps"] if row["result"] != "missing"}


async def doors(stack: Stack) -> set[int]:
    return {(await stack.raw(path, b"{}", {"Content-Type": "application/json"}))[0] for path in PATHS}


async def closed(stack: Stack) -> bool:
    return await doors(stack) == {410}


async def opened(stack: Stack) -> bool:
    return 410 not in await doors(stack)


async def readiness(stack: Stack) -> Any:
    status, _, text = await stack.raw("/readyz", None, {}, "GET")
    return status, json.loads(text)["status"]


def records(stack: Stack) -> list[dict[str, Any]]:
    return list(json.loads((stack.folder / "exit_evidence.json").read_bytes()))


async def test_what_is_queued_is_delivered_behind_closed_doors(stack: Stack) -> None:
    """While Freshchat is away the command says what is left; then it goes on, and the retirement outlives a restart."""
    assert "no evidence" in await stop(stack, "--yes", code=2)
    said = await stop(stack, *WITHOUT)
    assert "--yes does it" in said
    assert await opened(stack)

    await stack.fault("freshchat", "status", status=503, times=None)
    question = word()
    await stack.say(question)
    assert "1 messages to-freshchat" in await stop(stack, *WITHOUT)
    assert "1 messages to-freshchat" in await stop(stack, *WITHOUT, "--yes", "--wait", "1", code=1)
    await stack.until(lambda: closed(stack))
    assert await readiness(stack) == (200, "retired")
    assert (await stack.raw("/metrics", None, {}, "GET"))[0] == 200

    await stack.stop_bridge()
    await stack.clear_faults()
    await stack.start_bridge()
    assert await closed(stack), "from the first request on"
    assert "Left: nothing" in await stop(stack, *WITHOUT, "--yes", "--by", "grace")
    assert await conversation_with(stack, question)
    assert [(r["step"], r["result"]) for r in records(stack)] == [("stop", "failed"), ("stop", "passed")]
    assert records(stack)[-1]["by"] == "grace"

    assert await check(stack) == {"stop": "passed", "doors": "passed", "webhook": "open", "registration": "failed"}


async def test_it_can_be_taken_back_while_nothing_is_gone(stack: Stack) -> None:
    """And not once a step is done that cannot be."""
    assert "not retired" in await stop(stack, "--undo", "--yes")
    await stop(stack, *WITHOUT, "--yes")
    await stack.until(lambda: closed(stack))
    assert "--yes" in " ".join([await stop(stack, "--undo")])
    assert await closed(stack)
    await stop(stack, "--undo", "--yes")
    await stack.until(lambda: opened(stack))
    question = word()
    await stack.say(question)
    assert await conversation_with(stack, question)
    assert records(stack)[-1]["result"] == "undone"
    assert (await check(stack, "--step", "stop"))["stop"] == "failed"

    await check(stack, "--confirm", "channel", "--evidence", "az bot msteams show finds nothing")
    await stop(stack, *WITHOUT, "--yes")
    await stack.until(lambda: closed(stack))
    assert "channel" in await stop(stack, "--undo", "--yes", code=2)
    assert await closed(stack)


async def test_dead_letters_are_taken_care_of_by_name(stack: Stack) -> None:
    """Named first; then written whole to a file that only its owner reads."""
    await stack.fault("freshchat", "status", status=400, times=None)
    question = word()
    await stack.say(question)

    async def dead() -> bool:
        return await stack.metric("bridge_queue_dead") >= 1

    await stack.until(dead)
    await stack.clear_faults()
    await stack.settled()
    letters = json.loads((await stack.bridgectl("dlq", "list", "--json"))[1])
    said = await stop(stack, *WITHOUT, "--yes", code=2)
    assert all(letter["id"] in said for letter in letters)
    assert await opened(stack)

    file = stack.folder / "letters.jsonl"
    await stop(stack, *WITHOUT, "--yes", "--letters", str(file))
    written = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {letter["id"] for letter in written} == {letter["id"] for letter in letters}
    assert question in written[0]["body"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert records(stack)[-1]["facts"]["letters"] == str(len(letters))
    assert (await check(stack, "--step", "stop"))["stop"] == "passed"
    assert question not in (stack.folder / "exit_evidence.json").read_text(encoding="utf-8")
    assert "exists already" in await stop(stack, *WITHOUT, "--yes", "--letters", str(file), code=2)


async def test_a_verified_final_export_is_what_it_rests_on(stack: Stack) -> None:
    """One that changes afterwards allows nothing; neither does evidence that was changed."""
    root = archive(stack.folder)
    report = root / "verification_report.json"
    report.write_text(json.dumps(json.loads(report.read_bytes()) | {"kind": "final", "complete": True}))
    fingerprint = seal(root)
    assert await check(stack, "--archive", str(root)) == {"export": "passed", "verify": "passed", "sample": "failed"}
    assert fingerprint in await stop(stack)

    (root / "checksums.sha256").write_bytes((root / "checksums.sha256").read_bytes() + b"\n")
    assert "has changed" in await stop(stack, "--yes", code=2)
    seal(root)
    evidence = stack.folder / "exit_evidence.json"
    kept = evidence.read_bytes()
    evidence.write_bytes(kept.replace(b'"failed"', b'"passed"'))
    assert "Tampered" in await stop(stack, "--yes", code=2)
    assert (await stack.bridgectl("exit", "check"))[0] == 2
    assert await opened(stack)

    evidence.write_bytes(kept)
    await stop(stack, "--yes")
    await stack.until(lambda: closed(stack))
    assert records(stack)[-1]["facts"]["grounds"] == f"final export {fingerprint}"


async def test_a_registration_is_gone_when_entra_does_not_know_it(stack: Stack) -> None:
    """A wrong secret proves nothing."""
    await stop(stack, *WITHOUT, "--yes")
    assert (await check(stack, "--step", "registration"))["registration"] == "failed"
    stack.extra["MicrosoftAppPassword"] = "wrong"
    assert (await check(stack, "--step", "registration"))["registration"] == "failed"
    stack.extra["MicrosoftAppId"] = "00000000-1111-4222-8333-444444444444"
    assert (await check(stack, "--step", "registration"))["registration"] == "passed"
    assert "registration" in await stop(stack, "--undo", "--yes", code=2)


async def test_the_mark_is_in_cosmos_where_the_map_is(tmp_path: Path) -> None:
    """The process reads there what the command wrote there."""
    async with CosmosPeer() as peer:
        cosmos = {"BRIDGE_THREADS": "azure.cosmos", "AZURE_COSMOS_ENDPOINT": peer.url, "AZURE_COSMOS_KEY": peer.key}
        async with running(tmp_path, **SETTINGS, **cosmos) as stack:
            assert await opened(stack)
            await stop(stack, *WITHOUT, "--yes")
            await stack.until(lambda: closed(stack))
            await stop(stack, "--undo", "--yes")
            await stack.until(lambda: opened(stack))
