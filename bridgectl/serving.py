"""`bridgectl serve` and `bridgectl worker`: the same as `python app.py --role …`."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.settings import load
from bridgectl.output import run

Port = Annotated[int | None, typer.Option(help="Port to listen on, instead of PORT.")]


def serve(
    port: Port = None,
    role: Annotated[str, typer.Option(help="`all`, or only the doors (`web`).")] = "all",
) -> None:
    """Serve: the doors for Teams and Freshchat, and with role `all` the deliveries too."""
    run(_serve(port, role))


def worker(port: Port = None) -> None:
    """Deliver what is queued, without doors; /healthz, /readyz and /metrics are served all the same."""
    run(_serve(port, "worker"))


async def _serve(port: int | None, role: str) -> None:
    import app  # noqa: PLC0415 - 0.4 s that the other commands need not wait

    await app.serve(load(**({} if port is None else {"port": port})), app.read_role(role))
