"""`python -m bench.chaos [--engine azure] [--messages N] [--kills N] [--quick] [--seed N] [--json]`: kill, and count.

The real processes work for the sandbox in both directions and are killed with SIGKILL: at every await between taking a
message from the queue and settling it (see `bench/chaos_app.py`), and at random moments, their start included. What
Freshchat gave up to tell while no door was open is then fetched by `bridgectl reconcile` (`healed`: it comes late, and
so behind later words). At last all that was said is compared with all that arrived: lost, duplicated, out of order,
misrouted must be 0.

`embedded` is one process with its stores in it. `azure` is two web and three worker processes on a Service Bus and a
Cosmos DB of the tests (`tests/peers/`), with message locks of a few seconds. There one worker after the other is killed
or frozen at a point while the others go on, web processes and workers are killed at random, and the services fail too:
the broker restarts, connections are cut, locks are lost, the database throttles, is away, or loses its answers.

Channel threads are answered through Graph, chats through the bot. In personal chats, where nothing can be read back,
the extra copies that docs/guarantees.md allows (window 1) are counted apart, and only where a delivery died in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.chaos_azure import run_azure
from bench.chaos_embedded import run_embedded
from bench.chaos_plan import Size

ENGINES = {"embedded": run_embedded, "azure": run_azure}
SIZES = {"embedded": Size(messages=5000, kills=200, rounds=2), "azure": Size(messages=1500, kills=60)}
QUICK = {"embedded": Size(messages=300, kills=20), "azure": Size(messages=150, kills=7)}


def main() -> int:
    """Run from the command line; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="embedded")
    parser.add_argument("--messages", type=int, help="5000; azure: 1500")
    parser.add_argument("--kills", type=int, help="200; azure: 60")
    parser.add_argument("--rounds", type=int, default=2, help="embedded: visits of each point in each variant")
    parser.add_argument("--quick", action="store_true", help="few kills: shows that it works")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder that stays, with logs and database")
    arguments = parser.parse_args()
    usual = (QUICK if arguments.quick else SIZES)[arguments.engine]
    size = Size(arguments.messages or usual.messages, arguments.kills or usual.kills, usual.rounds and arguments.rounds)
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    tell: Any = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    tell(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        place = arguments.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(ENGINES[arguments.engine](place, size, seed, tell))
    print(json.dumps(result.as_dict(), ensure_ascii=False, indent=2) if arguments.json else result.table())
    return int(not result.clean)


if __name__ == "__main__":
    sys.exit(main())
