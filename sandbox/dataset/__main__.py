"""`python -m sandbox.dataset`: what a data set contains, as JSON, for tests to compare an export with."""

import argparse
import json
import sys
from dataclasses import fields

import sandbox.dataset
from sandbox.archive_settings import ArchiveSettings
from sandbox.dataset import Dataset, Shape
from sandbox.dataset.truth import Truth
from sandbox.s3 import S3Links

_HELP = {
    "conversations": "how many conversations there are",
    "tickets": "how many tickets there are, of every kind",
    "seed": "what everything follows from",
    "huge": "messages of a huge thread; one in about 50,000 conversations is",
    "same_second": "tickets changed in the same second",
    "spacing": "seconds between two conversations; 0 spreads them over two years",
}


def add_shape(parser: argparse.ArgumentParser) -> None:
    """The options that describe a data set."""
    default = Shape()
    for field in fields(Shape):
        value = getattr(default, field.name)
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(value), default=value, help=f"{_HELP[field.name]} (%(default)s)")


def shape_of(options: argparse.Namespace) -> Shape:
    """The data set that the options describe."""
    return Shape(**{field.name: getattr(options, field.name) for field in fields(Shape)})


def main() -> int:
    """Print the expected counts, or with --ids the expected ids, one JSON value a line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.dataset", description=sandbox.dataset.__doc__)
    add_shape(parser)
    parser.add_argument("--sources", default=",".join(sorted(Truth.SOURCES)), help="what the export uses (%(default)s)")
    parser.add_argument("--ids", metavar="WHAT", help="ids of one kind instead of the counts; `help` names the kinds")
    options = parser.parse_args()
    truth = Truth(Dataset(shape_of(options), S3Links(lambda: "", ArchiveSettings()), lambda: ""))
    sources = frozenset(options.sources.split(","))
    lines = [truth.counts(sources)] if options.ids is None else truth.ids(options.ids, sources)
    if lines is None:
        print(f"--ids must be one of {', '.join(truth.kinds())}", file=sys.stderr)  # noqa: T201
        return 2
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
