"""The benches of the export measure what they say: real processes, small sizes, no judgement of speed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from stack import ROOT

from bench.archive import used_and_allowed
from bench.archive_memory import Curve


async def bench(*arguments: str) -> str:
    """Run a bench to its end; give what it prints. Targets are not judged: too small."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), 150)
    except TimeoutError:
        child.kill()
        raise
    assert child.returncode == 0, (out.decode()[-2000:], err.decode()[-2000:])
    return out.decode()


async def test_the_walker_and_the_limits() -> None:
    """The walker writes what the export writes (else its row would be missing), and windows are counted."""
    told = json.loads(await bench("bench", "--only", "archive", "--quick", "--json"))
    rows: list[dict[str, Any]] = told["rows"]
    assert [row["what"] for row in rows if row["missing"]] == []
    speed, *limits = rows
    assert speed["numbers"]["conversations"] > 0
    assert speed["numbers"]["seconds"] > 0 < speed["numbers"]["walker_seconds"]
    assert [row["what"] for row in limits] == [f"16 Limit of freshchat, share {share}" for share in ("1", "0.6")]
    assert all(0 < row["numbers"]["used"] <= 30 * 3 for row in limits)


async def test_memory(tmp_path: Path) -> None:
    """Export, verification and pages are each watched; a small archive stays below what a large one may take.

    The export waits ten seconds for reports, so it is told to do without.
    """
    size = ("--conversations", "20", "--tickets", "5")
    told = await bench("bench.archive_memory", *size, "--folder", str(tmp_path / "out"), "--", "--no-reports")
    assert [line.split("|")[-1].strip() for line in told.splitlines()[2:5]] == ["yes"] * 3
    assert (tmp_path / "out/pages/index.html").exists()


def test_time_between_windows_counts() -> None:
    """Two windows of 10 s and a second between them: what could have been used in 21 s."""
    windows = [{"began": 100.0, "used": 50.0}, {"began": 110.0, "used": 48.0}, {"began": 121.0, "used": 1.0}]
    assert used_and_allowed(windows, 50, 10.0) == (98.0, pytest.approx(105.0))


def test_the_curve_notes_what_was_reached(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(json.dumps({"streams": {"freshchat.conversations": {"done": 60_000}}}) + "\n", encoding="utf-8")
    curve = Curve(log)
    curve.look(101.0)
    assert curve.text() == "101 at 20,000, 101 at 50,000"
