"""`python -m sandbox.archive_server`: Freshchat and Freshdesk with a large data set, for exports alone.

One JSON line on standard output says that it listens, and with which variables it is reached.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web

from sandbox.archive import Archive, environment, files_origin
from sandbox.archive_settings import ArchiveSettings
from sandbox.control.archive import ArchiveControl
from sandbox.dataset import Dataset, Shape
from sandbox.dataset.__main__ import add_shape, shape_of
from sandbox.dataset.truth import Truth
from sandbox.faults import FaultBook
from sandbox.freshchat.api import ApiKey
from sandbox.freshchat.archive_api import ArchiveApi
from sandbox.freshchat.directory import DirectoryApi
from sandbox.gate import Gate, Handler
from sandbox.ids import Ids
from sandbox.request_log import RequestLog
from sandbox.s3 import S3Links
from sandbox.settings import Settings


@dataclass(frozen=True)
class ServerOptions:
    """How the server is started."""

    shape: Shape = field(default_factory=Shape)
    host: str = "127.0.0.1"
    port: int = 0
    latency_ms: int = 0
    switches: ArchiveSettings = field(default_factory=ArchiveSettings)


class ArchiveServer:
    """One data set, served; `async with ArchiveServer(...) as server` starts and stops it."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._port = options.port
        self._runner: web.AppRunner | None = None
        self.settings = Settings(latency_ms=options.latency_ms)
        links = S3Links(lambda: files_origin(self.url), options.switches)
        self.data = Dataset(options.shape, links, lambda: self.url)
        self.truth = Truth(self.data)
        self._archive = Archive(
            options.switches,
            links,
            self.data.chats,
            self.data.desk,
            self.data.files.content,
            ApiKey(self.data.world.api_key),
        )
        self.app = self._build_app()

    @property
    def url(self) -> str:
        """Where it can be reached."""
        return f"http://{self._options.host}:{self._port}"

    @property
    def env(self) -> dict[str, str]:
        """The variables that point an export here."""
        world = self.data.world
        return {
            "FRESHCHAT_API_URL": f"{self.url}/v2",
            "FRESHCHAT_API_KEY": world.api_key,
            "FRESHCHAT_CHANNEL_ID": world.inboxes[0].id,
            "FRESHCHAT_HOST_ALLOWLIST": self._options.host,
            **environment(self.url),
        }

    async def start(self) -> Self:
        """Listen; port 0 picks a free one."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._options.host, self._options.port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _build_app(self) -> web.Application:
        faults, log = FaultBook(Ids(self._options.shape.seed)), RequestLog()
        gate = Gate(faults, log, self.settings)

        @web.middleware
        async def gated(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await gate.handle(request, handler)

        app = web.Application(middlewares=[gated])
        apis = (ArchiveApi(self.data.chats, self._archive.settings), DirectoryApi(self.data.world, self.settings))
        app.add_routes([self._archive.guard(route) for api in apis for route in api.routes()])
        app.add_routes(self._archive.routes())
        app.add_routes(ArchiveControl(self.settings, faults, log, self.truth).routes())
        return app


def main() -> int:
    """Run it until interrupted; the exit code is 2 when it cannot listen."""
    options = _options()
    try:
        asyncio.run(_run(options))
    except OSError as error:
        print(f"archive server: cannot listen on port {options.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _options() -> ServerOptions:
    parser = argparse.ArgumentParser(prog="python -m sandbox.archive_server", description=__doc__)
    add_shape(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port, 0 picks a free one (%(default)s)")
    parser.add_argument("--latency-ms", type=int, default=0, help="every answer takes at least so long (%(default)s)")
    parser.add_argument(
        "--rate", type=int, default=0, help="requests per minute of each API, 0 for no limit (%(default)s)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a switch of /_sandbox/archive/settings"
    )
    given = parser.parse_args()
    switches = ArchiveSettings(freshdesk_rate=given.rate, freshchat_rate=given.rate)
    complaint = switches.change({name: _value(text) for name, _, text in (s.partition("=") for s in given.set)})
    if complaint:
        parser.error(complaint)
    return ServerOptions(shape_of(given), given.host, given.port, given.latency_ms, switches)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _run(options: ServerOptions) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, stopped.set)
    async with ArchiveServer(options) as server:
        print(json.dumps({"ready": server.url, "env": server.env}), flush=True)  # noqa: T201
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
