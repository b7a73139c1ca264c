"""`python -m bench.scaling`: how many replicas a deployment needs, what it costs, and what is full first.

python -m bench.scaling                                   plans for 10, 1,000 and 100,000 tenants
python -m bench.scaling --tenants 300 --set questions=20  a plan for your own figures
python -m bench.scaling --inputs                          every figure that goes in, its unit and its source
python -m bench.scaling --simulate                        the same plans, checked by a simulation (exit code 1: they
                                                          disagree); --quick takes some seconds
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace

from bench.scaling import compare, tables
from bench.scaling.inputs import Inputs
from bench.scaling.model import make_plan
from bench.scaling.simulate import Length

TENANTS = (10, 1_000, 100_000)
QUICK = Length(ramp=20.0, measured=120.0)
NAMES = frozenset(one.name for one in fields(Inputs))


def report(tenants: Sequence[float], given: Inputs) -> str:
    """Write the plans, and how full each part of a stamp is."""
    plans = [make_plan(replace(given, tenants=count)) for count in tenants]
    stamps = {plan.given.tenants: plan for plan in plans}
    loads = [f"A stamp of {count:,.0f} tenants:\n\n{tables.loads(plan)}" for count, plan in stamps.items()]
    return "\n\n".join([tables.plans(plans), *loads])


def lines(tenants: Sequence[float], given: Inputs, length: Length) -> Iterator[compare.Line]:
    """Compare the plans with the simulation; equal stamps are simulated once."""
    seen: set[float] = set()
    for count in tenants:
        plan = make_plan(replace(given, tenants=count))
        if plan.given.tenants not in seen:
            seen.add(plan.given.tenants)
            yield from compare.compare(plan, length)


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no input {name}; --inputs lists them")
    return name, _number(value, least=1e-6 if name in ("tenants", "questions") else 0.0)


def _tenants(text: str) -> float:
    return _number(text, least=1.0)


def _number(text: str, least: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number < 1e12:
        raise argparse.ArgumentTypeError(f"a number from {least:g} on is needed, not {text!r}")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenants", type=_tenants, action="append", help="instead of 10, 1,000 and 100,000")
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="an input")
    parser.add_argument("--inputs", action="store_true", help="list the inputs")
    parser.add_argument("--simulate", action="store_true", help="check the plans by simulation")
    parser.add_argument("--quick", action="store_true", help="simulate two minutes instead of ten")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args()


def main() -> int:
    """Run from the command line; 1 if arithmetic and simulation disagree, 2 if nothing holds the load."""
    arguments = _arguments()
    given, tenants = replace(Inputs(), **dict(arguments.set)), arguments.tenants or TENANTS
    try:
        return _run(arguments, given, tenants)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace, given: Inputs, tenants: Sequence[float]) -> int:
    if arguments.inputs:
        print(tables.given())
        return 0
    if arguments.simulate:
        found = list(lines(tenants, given, QUICK if arguments.quick else Length()))
        print(json.dumps([asdict(line) for line in found], indent=2) if arguments.json else compare.table(found))
        return int(not all(line.ok for line in found))
    if arguments.json:
        plans = [make_plan(replace(given, tenants=count)) for count in tenants]
        print(json.dumps([tables.as_json(plan) for plan in plans], indent=2))
    else:
        print(report(tenants, given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
