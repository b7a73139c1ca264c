"""`bridgectl exit`: leaving, step by step, with evidence."""

from __future__ import annotations

import typer

from bridgectl.exit.check import check
from bridgectl.exit.plan import plan
from bridgectl.exit.stop import stop

cli = typer.Typer(no_args_is_help=True, help="Leave: plan the exit, check its steps, retire the bridge.")
cli.command()(plan)
cli.command()(check)
cli.command()(stop)
