"""What the commands of an exit have in common."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from bridgectl.exit import evidence
from bridgectl.exit.steps import Deployment
from bridgectl.output import fail

File = Annotated[Path, typer.Option("--file", help="The evidence file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Where = Annotated[Deployment, typer.Option("--deployment", help="Where the bridge runs.")]
Bot = Annotated[str, typer.Option(help="Name of the Azure Bot.")]
Group = Annotated[str, typer.Option("--resource-group", help="Its resource group.")]
FlyApp = Annotated[str, typer.Option(help="Name of the app at fly.io.")]
By = Annotated[str | None, typer.Option(help="Who does this, for the evidence (default: the user of this machine).")]


def records_of(file: Path) -> list[evidence.Record]:
    """Read the evidence; ends the command if it is not as it was written."""
    try:
        return evidence.read(file)
    except OSError as error:
        fail(f"{type(error).__name__}: {error}")


def person(by: str | None) -> str:
    """Give who acts, as the evidence names them."""
    try:
        return (by or "").strip() or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
