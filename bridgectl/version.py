"""The version of this program. Its one place is `pyproject.toml`, which is beside it also in the image."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def version() -> str:
    """Read it; an empty text where the file is missing or has none."""
    try:
        return str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, KeyError, ValueError):
        return ""


def _show(wanted: bool) -> None:
    if wanted:
        typer.echo(version() or "unknown")
        raise typer.Exit


def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show, is_eager=True, help="Print the version, and nothing else.")
    ] = False,
) -> None:
    """Take what stands before the command."""
