"""A balancer for tests: forwards each TCP connection to the next of several ports of 127.0.0.1 that takes it.

`python -m tests.peers.front --to PORT --to PORT [--port N]`; the first line on stdout is JSON: `ready`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import Sequence

_PIECE = 64 * 1024


class Front:
    """Connections in turn; a port that refuses is passed over, and where all refuse, the connection is closed."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        for port in self._in_turn():
            try:
                back = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await asyncio.gather(_pump(reader, back[1]), _pump(back[0], writer))
            return
        writer.close()

    def _in_turn(self) -> list[int]:
        self._ports.append(self._ports.pop(0))
        return list(self._ports)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one way; the end of one side ends the other."""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _serve(port: int, to: Sequence[int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(Front(to).forward, "127.0.0.1", port, backlog=500)
    print(json.dumps({"ready": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A balancer for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--to", type=int, action="append", required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.to))


if __name__ == "__main__":
    main()
