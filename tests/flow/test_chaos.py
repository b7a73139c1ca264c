"""The real process is killed with SIGKILL at its fault points and at random; then the books must be right.

The short version of `python -m bench.chaos`, which kills at least 200 times over 5,000 messages.
"""

from __future__ import annotations

import random

from bench.chaos import QUICK, run


async def test_killed_again_and_again_nothing_is_lost_doubled_disordered_or_misrouted(tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    result = await run(tmp_path, QUICK, seed, print)
    assert result.clean, f"seed {seed}\n{result.table()}"
    assert len(result.kills) >= QUICK.kills
    assert sum(result.facts["messages"].values()) >= QUICK.messages
    assert len({kill.point for kill in result.kills}) >= 10, "the kills should be at many different points"
