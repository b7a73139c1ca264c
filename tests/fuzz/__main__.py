"""`make fuzz`: many inputs to every target; prints a line per target, and keeps what broke one."""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz import door_checks, file_readers, translators
from tests.fuzz.doors import serving
from tests.fuzz.runner import Outcome, fuzz
from tests.fuzz.target import Target


def main(arguments: list[str]) -> int:
    """Run; 1 if something broke."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Hostile inputs to doors, translators and files.")
    parser.add_argument("--inputs", type=int, default=100_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the same seed, the same inputs")
    parser.add_argument("--only", help="only targets whose name begins so (a regular expression)")
    chosen = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    os.chdir(folder)  # settings are read from the `.env` of the working directory
    print(f"seed {chosen.seed}", flush=True)
    started = time.perf_counter()
    with serving(folder) as doors:
        everything = (*translators.TARGETS, *file_readers.TARGETS, *door_checks.targets(doors))
        outcomes = [
            _tell(fuzz(target, _inputs(target, chosen.inputs, everything), chosen.seed))
            for target in everything
            if re.match(chosen.only or "", target.name)
        ]
    total, seconds = sum(outcome.inputs for outcome in outcomes), time.perf_counter() - started
    broken = [outcome for outcome in outcomes if outcome.error]
    print(f"{total:>7,} inputs, {seconds:.0f} s, {total / seconds:,.0f}/s, {len(broken)} targets broken")
    return 1 if broken else 0


def _inputs(target: Target, inputs: int, everything: tuple[Target, ...]) -> int:
    return -(-inputs * target.share // sum(one.share for one in everything))


def _tell(outcome: Outcome) -> Outcome:
    rate = outcome.inputs / max(outcome.seconds, 1e-9)
    print(
        f"{outcome.inputs:>7,} {outcome.name:<28} {outcome.seconds:7.1f} s {rate:7,.0f}/s"
        f"  slowest {outcome.slowest * 1000:4.0f} ms  peak {outcome.peak / 2**20:5.1f} MB",
        flush=True,
    )
    if outcome.error is not None:
        where = traceback.extract_tb(outcome.error.__traceback__)[-1]
        print(f"        {type(outcome.error).__name__} at {where.name}, {Path(where.filename).name}:{where.lineno}")
        print(f"        {str(outcome.error)[:300]}\n        kept in {outcome.kept}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
