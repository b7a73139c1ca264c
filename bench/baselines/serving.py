"""How a baseline's server runs: on a free port, told in one line of JSON, until it is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

from aiohttp import web


async def serve(making: Awaitable[web.Application]) -> None:
    """Serve an application; as the bridge does it, without an access log."""
    runner = web.AppRunner(await making, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(json.dumps({"action": "ready", "port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()
