"""What commands print: tables for people, JSON for machines, and one way to fail."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from bridge.errors import BridgeError, Misconfigured, StoreFull

FOUND, COULD_NOT = 1, 2
"""Exit codes beside 0: a check found something; the command could not do its work."""

PIPED = 1000
"""Columns where no terminal says how many there are: a row stays one line, and nothing in it is cut."""

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work; what a person can mend ends in one clear line and exit code 2."""
    with clear_end():
        return asyncio.run(work)


@contextmanager
def clear_end() -> Iterator[None]:
    """End a command as `run` does.

    Work that waits for nobody is done here and not in `run`, whose loop holds an interrupt back until the work is done.
    """
    try:
        yield
    except Misconfigured as error:
        fail(f"Configuration: {error}")
    except (BridgeError, StoreFull, OSError) as error:
        fail(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        fail("Interrupted.")


def fail(message: str) -> NoReturn:
    """Print to standard error and exit with 2."""
    print(message, file=sys.stderr)  # noqa: T201
    raise typer.Exit(COULD_NOT)


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print rows: all their fields as JSON, or the chosen columns as a table."""
    if as_json:
        show_json(rows)
    elif not rows:
        typer.echo(empty)
    else:
        table = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        Console(width=None if sys.stdout.isatty() else PIPED).print(table)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def show_json(value: Any) -> None:
    """Print JSON, readable and without escapes for Korean."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
