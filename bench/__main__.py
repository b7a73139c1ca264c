"""`python -m bench [--quick] [--only door,e2e,…] [--json]`: measure and print the table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import archive, azure, doors, fairness, files, pipeline, report, startup, stores
from bench.report import Row

GROUPS = ("door", "teams", "e2e", "latency", "memory", "start", "store", "fairness", "files", "azure", "archive")
PIPELINE = frozenset({"e2e", "latency", "memory"})

DOORS: dict[str, tuple[str, str, Callable[[Path, bool], Row]]] = {
    "door": ("1 Freshchat door", "≥ 0.6 × baseline", doors.freshchat_door),
    "teams": ("2 Teams door", "≥ 20 × baseline", doors.teams_door),
    "start": ("5 Start", "≤ 2 s", startup.startup),
}


def measure(only: frozenset[str], quick: bool, tell: Callable[[str], None]) -> list[Row]:
    """Measure the chosen groups, each in a folder of its own; what cannot be measured becomes a row that says so."""
    rows: list[Row] = []
    for group in ("door", "teams"):
        if group in only:
            rows += _in_folder(group, tell, lambda folder, group=group: [DOORS[group][2](folder, quick)])
    if only & PIPELINE:
        rows += _in_folder("pipeline", tell, lambda folder: pipeline.rows(folder, quick, only))
    if "start" in only:
        rows += _in_folder("start", tell, lambda folder: [DOORS["start"][2](folder, quick)])
    if "store" in only:
        rows += _in_folder("store", tell, lambda folder: stores.rows(folder, quick))
    if "fairness" in only:
        rows += _in_folder("fairness", tell, lambda folder: fairness.rows(folder, quick))
    if "files" in only:
        rows += _in_folder("files", tell, lambda folder: files.rows(folder, quick))
    if "azure" in only:
        rows += _in_folder("azure", tell, lambda folder: azure.rows(folder, quick))
    if "archive" in only:
        rows += _in_folder("archive", tell, lambda folder: archive.rows(folder, quick))
    return rows


def _in_folder(group: str, tell: Callable[[str], None], work: Callable[[Path], list[Row]]) -> list[Row]:
    tell(f"measuring: {group}")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        try:
            return work(Path(folder))
        except (RuntimeError, OSError, ValueError) as error:
            what, target, _ = DOORS.get(group, (group, "", None))
            return [report.failed(what, error, target)]


def _groups(text: str) -> frozenset[str]:
    chosen = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = chosen - set(GROUPS)
    if unknown or not chosen:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(GROUPS)}")
    return chosen


def main() -> int:
    """Run from the command line; 1 if a target is missed (with --quick: only if something could not be measured)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: shows that it works, not how fast it is")
    parser.add_argument("--only", type=_groups, default=frozenset(GROUPS), help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="machine and rows as JSON")
    arguments = parser.parse_args()
    machine = report.machine()
    rows = measure(arguments.only, arguments.quick, lambda text: print(text, file=sys.stderr, flush=True))
    if arguments.json:
        print(report.as_json(machine, rows))
    else:
        print("\n".join(f"{name}: {value}" for name, value in machine.items()), end="\n\n")
        print(report.table(rows))
        if arguments.quick:
            print("\n--quick: too few messages to judge a target by; run without it for that.")
    return int(any(row.met is False and (row.missing or not arguments.quick) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
