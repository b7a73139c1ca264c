"""How far an export is: lines for a log, events for machines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.rounds import Order
from archive.run import begin
from archive.state import State
from bridgectl import export_progress
from bridgectl.export_progress import progress


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """An export with a stream that is half done, and one that is done."""
    found = begin(tmp_path, Order(), 0.0)
    found.count("freshchat.users").known = found.count("freshchat.users").done = 3
    found.count("freshdesk.ticket").known = 10
    yield found
    found.close()


async def told(capsys: pytest.CaptureFixture[str], state: State, *, as_json: bool) -> tuple[str, str]:
    """Let a task be done while the progress is shown; give what was printed."""
    out = err = ""
    async with progress(state, as_json=as_json):
        state.count("freshdesk.ticket").done = 5
        while not out + err:
            await asyncio.sleep(0.01)
            out, err = capsys.readouterr()
    return out, err


async def test_lines(capsys: pytest.CaptureFixture[str], state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is not done, with rate and time left, on error output."""
    monkeypatch.setattr(export_progress, "LINE_SECONDS", 0.05)
    out, err = await told(capsys, state, as_json=False)
    assert not out
    assert err.startswith("freshdesk.ticket: 5 of 10 (")
    assert "/s, 0:00:0" in err
    assert "freshchat.users" not in err


async def test_events(capsys: pytest.CaptureFixture[str], state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """All streams, a line of JSON, on output."""
    monkeypatch.setattr(export_progress, "EVENT_SECONDS", 0.05)
    out, err = await told(capsys, state, as_json=True)
    assert not err
    event = json.loads(out.splitlines()[0])
    assert event["event"] == "progress"
    assert (event["streams"]["freshdesk.ticket"]["done"], event["streams"]["freshchat.users"]["known"]) == (5, 3)
    assert event["streams"]["freshdesk.ticket"]["rate"] > 0
