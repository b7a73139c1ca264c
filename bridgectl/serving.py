"""`bridgectl serve` and `bridgectl worker`: the same as `python app.py --role …`."""

from __future__ import annotations

from typing import Annotated

import typer

import app
from bridge.settings import load
from bridgectl.output import run

Port = Annotated[int | None, typer.Option(help="Port to listen on, instead of PORT.")]


def serve(
    port: Port = None,
    role: Annotated[str, typer.Option(help="`all`, or only the doors (`web`).")] = "all",
) -> None:
    """Serve: the doors for Teams and Freshchat, and with role `all` the deliveries too."""
    run(app.serve(load(**({"port": port} if port is not None else {})), app.read_role(role)))


def worker(port: Port = None) -> None:
    """Deliver what is queued, without doors; /healthz, /readyz and /metrics are served all the same."""
    run(app.serve(load(**({"port": port} if port is not None else {})), "worker"))
