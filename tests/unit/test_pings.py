"""Upstreams are asked seldom, briefly, and never at the cost of whoever asks how we are."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters import pings
from adapters.pings import RecentPings, problem
from bridge.errors import Forbidden, StoreFull


class Upstream:
    """Something to ping, which counts; `until` makes it wait."""

    def __init__(self):
        self.asked, self.error, self.until = 0, None, None

    async def __call__(self):
        self.asked += 1
        if self.until:
            await self.until.wait()
        if self.error:
            raise self.error


@pytest.fixture
def upstream():
    return Upstream()


async def test_answers_are_kept_for_a_while(upstream):
    """Ten probes ask once; after the time is up, the next one asks again."""
    now = [0.0]
    recent = RecentPings({"freshchat": upstream}, fresh=30, clock=lambda: now[0])
    upstream.error = Forbidden("401", code="freshchat_401", component="freshchat")
    for _ in range(10):
        assert await recent.problems() == {"freshchat": "Forbidden: 401"}
    assert upstream.asked == 1
    now[0], upstream.error = 31.0, None
    assert await recent.problems() == {}
    assert upstream.asked == 2


async def test_an_upstream_that_hangs_holds_nobody_up(upstream, monkeypatch):
    """The probe answers soon; what it took too long to find out is told by the next one."""
    monkeypatch.setattr(pings, "PING_SECONDS", 0.3)
    monkeypatch.setattr(pings, "PATIENCE", 0.05)
    upstream.until = asyncio.Event()
    recent = RecentPings({"graph": upstream})
    assert await recent.problems() == {}
    async with asyncio.timeout(10):
        while not (found := await recent.problems()):
            await asyncio.sleep(0.01)
    assert (list(found), upstream.asked) == (["graph"], 1)
    assert "no answer" in found["graph"]


async def test_closing_stops_what_is_under_way(upstream, monkeypatch):
    """No task outlives the server."""
    monkeypatch.setattr(pings, "PATIENCE", 0.01)
    upstream.until = asyncio.Event()
    recent = RecentPings({"graph": upstream})
    await recent.problems()
    began = time.monotonic()
    await recent.close()
    assert time.monotonic() - began < pings.PING_SECONDS
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ping")]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, None),
        (StoreFull("the disk is full"), "StoreFull: the disk is full"),
        (ValueError("with a secret in it"), "ValueError"),
    ],
)
async def test_reasons(upstream, error, text):
    """Our own errors hold nothing personal and are told; of others only the kind."""
    upstream.error = error
    assert await problem(upstream) == text
