"""Run the peer as its own process: `python -m tests.peers.service_bus --queue plain --queue fifo:sessions`.

The first line on stdout is JSON: `connection_string`, `port`, `websocket_port`, `control`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from pathlib import Path

from aiohttp import web

from .control import control_app
from .messages import set_clock
from .peer import ServiceBusPeer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.service_bus", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="AMQP; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="HTTP; 0 takes a free one")
    parser.add_argument("--websocket-port", type=int, default=None, help="AMQP over WebSocket; without it, none")
    parser.add_argument("--queue", action="append", default=[], metavar="NAME[:sessions]")
    parser.add_argument(
        "--jwt-key", action="append", default=[], type=Path, help="PEM of a public key that issues tokens"
    )
    parser.add_argument(
        "--clock-ahead", type=float, default=0.0, help="seconds that its clock is ahead of the machine's"
    )
    parser.add_argument(
        "--max-connections", type=int, default=2_000, help="further ones are refused, as the service does"
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    set_clock(arguments.clock_ahead)
    keys = tuple(path.read_text(encoding="ascii") for path in arguments.jwt_key)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    peer = ServiceBusPeer(arguments.host, arguments.port, websocket_port=arguments.websocket_port, jwt_keys=keys)
    peer.namespace.max_connections = arguments.max_connections
    async with peer:
        for each in arguments.queue:
            name, _, kind = each.partition(":")
            peer.create_queue(name, requires_session=kind == "sessions")
        runner = web.AppRunner(control_app(peer), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, arguments.host, arguments.control_port)
        await site.start()
        ready = {
            "connection_string": peer.connection_string(),
            "port": peer.port,
            "websocket_port": peer.websocket_port,
            "control": f"http://{arguments.host}:{runner.addresses[0][1]}",
        }
        print(json.dumps(ready), flush=True)
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))
