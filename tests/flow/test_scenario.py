"""`python -m sandbox.scenario` sees the whole story in a running bridge, and says so when it does not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import ROOT, Stack, free_port, running

from tests.peers.clamd import Clamd, program

SHOWN = {"BRIDGE_REACTIONS": "on", "BRIDGE_CSAT": "on", "BRIDGE_RETRY_WAIT": "0.2"}
"""What the demo switches on, and shorter waits."""


async def play(url: str, *options: str) -> tuple[int, str]:
    """Play the story; give exit code and output."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.scenario", "--url", url, *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(child.communicate(), 300)
    return child.returncode or 0, out.decode()


@pytest.fixture
def scanner() -> Iterator[tuple[dict[str, str], list[str]]]:
    """What to tell the bridge and the story about scanning: the real clamd where there is one."""
    if program() is None:
        yield {}, []
        return
    with Clamd() as daemon:
        yield {"CLAMD_ADDRESS": daemon.unix}, ["--infected"]


async def with_graph(stack: Stack) -> None:
    """Sign the service account in, then start the bridge."""
    assert (await stack.bridgectl("graph", "login"))[0] == 0
    await stack.start_bridge()


async def test_all_steps_go_as_expected_twice(tmp_path: Path, scanner: tuple[dict[str, str], list[str]]) -> None:
    """With answers through Graph; in both languages, in the same world one after the other."""
    settings, options = scanner
    async with running(tmp_path, bridge=False, **SHOWN, **settings) as stack:
        await with_graph(stack)
        code, out = await play(stack.url, *options)
        assert (code, "✗" in out) == (0, False), out
        code, out = await play(stack.url, "--lang", "ko", *options)
        assert (code, "✗" in out) == (0, False), out
        assert "평가 카드" in out


async def test_all_steps_go_as_expected_through_the_bot(tmp_path: Path) -> None:
    """Without a signed-in account, and without a scanner: a program is kept out by the rules."""
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", **SHOWN) as stack:
        code, out = await play(stack.url)
        assert (code, "✗" in out) == (0, False), out


async def test_a_story_begun_before_the_bridge_is_up_waits_for_it(tmp_path: Path) -> None:
    """The demo's page is there a moment earlier than the bridge."""
    async with running(tmp_path, bridge=False, TEAMS_REPLY_VIA="bot", **SHOWN) as stack:
        playing = asyncio.create_task(play(stack.url))
        await asyncio.sleep(1.0)  # the story looks for the bridge, and does not find it
        await stack.start_bridge()
        code, out = await playing
        assert (code, "✗" in out) == (0, False), out


async def test_what_does_not_arrive_is_told(tmp_path: Path) -> None:
    """A bridge that is stopped takes nothing: every step that needs it fails, and so does the story."""
    async with running(tmp_path, bridge=False) as stack:
        code, out = await play(stack.url, "--patience", "0.1")
        assert code == 1
        assert out.count("✗") >= out.count("✓")
        assert "NOT SEEN: a bridge that takes the message" in out
        assert out.endswith("steps went as expected.\n")


async def test_without_a_demo_it_says_how_to_start_one() -> None:
    """With its own exit code."""
    code, out = await play(f"http://127.0.0.1:{free_port()}")
    assert (code, "make demo" in out) == (2, True)
