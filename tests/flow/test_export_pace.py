"""The export keeps to its share of an account's limits, and says how far it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from archive_stack import accounts, folder_of, read

LIMIT, SECONDS = 100, 4.0


async def test_others_keep_their_share(tmp_path: Path) -> None:
    """Never a 429, and no more than 60 % of the limit a window, but for the calls under way while it was learnt."""
    options = ("--conversations", "60", "--tickets", "5", "--rate", str(LIMIT), "--set", f"window_seconds={SECONDS}")
    async with accounts(tmp_path, *options) as desk:
        _, err = await desk.exported("run", "--only", "freshchat", "--no-reports", "--no-attachments", "--out", "out")
        requests = await desk.requests("freshchat")
        truth = await desk.truth("", "users")
    assert read(folder_of(tmp_path / "out"), "verification_report.json")["totals"]["messages"] == truth["messages"]
    assert 429 not in {request["status"] for request in requests}
    times = sorted(datetime.fromisoformat(request["at"].replace("Z", "+00:00")).timestamp() for request in requests)
    elapsed = times[-1] - times[0]
    assert elapsed > 2 * SECONDS
    assert len(times) <= 0.6 * LIMIT * (elapsed // SECONDS + 1) + 48
    assert "Writing" in err


async def test_a_given_rate(tmp_path: Path) -> None:
    """--max-rate bounds the calls per second."""
    async with accounts(tmp_path, "--conversations", "15", "--tickets", "5") as desk:
        await desk.exported(
            *("run", "--only", "freshchat", "--no-reports", "--no-attachments", "--out", "out", "--max-rate", "20")
        )
        requests = await desk.requests("freshchat")
    times = sorted(datetime.fromisoformat(request["at"].replace("Z", "+00:00")).timestamp() for request in requests)
    assert len(times) > 20
    assert len(times) <= 20 * (times[-1] - times[0]) + 5
