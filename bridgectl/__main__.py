"""`python -m bridgectl`: all commands."""

from __future__ import annotations

import typer

from bridgectl import config, dlq, export, graph, keys, manifest, reconcile, secrets, serving, tenants, trace
from bridgectl.demo import sandbox
from bridgectl.doctor import doctor
from bridgectl.exit import cli as exit_cli
from bridgectl.version import options

cli = typer.Typer(
    name="bridgectl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run, watch and operate the bridge between Microsoft Teams and Freshchat. Settings come from the "
    "environment and from .env (docs/settings.md). Exit codes: 0 fine, 1 a check found something, 2 could not.",
)
cli.callback()(options)
cli.command()(serving.serve)
cli.command()(serving.worker)
cli.command()(sandbox)
cli.command("config")(config.show_config)
cli.command()(doctor)
cli.command()(reconcile.reconcile)
cli.command()(trace.trace)
cli.add_typer(dlq.cli, name="dlq")
cli.add_typer(exit_cli, name="exit")
cli.add_typer(export.cli, name="export")
cli.add_typer(graph.cli, name="graph")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(manifest.cli, name="manifest")
cli.add_typer(secrets.cli, name="secrets")
cli.add_typer(tenants.cli, name="tenants")

if __name__ == "__main__":
    cli(prog_name="bridgectl")
