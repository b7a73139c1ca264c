"""A retired bridge answers 410 at its doors and nowhere else, without reading a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.doors import DOORS, at_doors
from adapters.local.sqlite import Database
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.retirement import Retired, Retirement, reinstate, retire
from bridge.telemetry import Telemetry


@asynccontextmanager
async def serving(threads: SqliteThreadMap) -> AsyncIterator[tuple[TestServer, Telemetry]]:
    """Serve doors that read what they are given, and a page that is none."""

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    telemetry = Telemetry("CRITICAL")
    retirement = Retirement(threads, telemetry, 0.02)
    app = web.Application(middlewares=at_doors(telemetry, retirement))
    app.cleanup_ctx.append(retirement.context)
    app.add_routes([*(web.post(path, read) for path in DOORS), web.get("/healthz", read)])
    server = TestServer(app)
    await server.start_server()
    try:
        yield server, telemetry
    finally:
        await server.close()


async def _until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await what():
            await asyncio.sleep(0.01)


async def test_the_doors_close_and_open_again_while_they_serve(tmp_path: Path) -> None:
    """At all four routes; a request whose body never comes is answered too; other routes go on."""
    db = Database(tmp_path / "bridge.db")
    threads = SqliteThreadMap(db)
    paths = [path.replace("{tenant}", "t").replace("{token}", "x") for path in DOORS]
    async with serving(threads) as (server, telemetry), aiohttp.ClientSession() as session:

        async def statuses() -> set[int]:
            return {(await session.post(server.make_url(path), data=b"{}")).status for path in paths}

        async def are(status: int) -> bool:
            return await statuses() == {status}

        assert await are(200)
        await retire(threads, Retired(1.0, "grace", "left"))
        await _until(lambda: are(410))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert b" 410 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        assert (await session.get(server.make_url("/healthz"))).status == 200
        assert 'status="410"' in telemetry.exposition().decode()
        await reinstate(threads)
        await _until(lambda: are(200))
    await db.close()


async def test_a_process_that_starts_after_it_never_opens_its_doors(tmp_path: Path) -> None:
    """The first request already is answered 410; and a store that goes away changes nothing."""
    db = Database(tmp_path / "bridge.db")
    threads = SqliteThreadMap(db)
    await retire(threads, Retired(1.0, "grace", "left"))
    async with serving(threads) as (server, telemetry), aiohttp.ClientSession() as session:
        assert (await session.post(server.make_url("/api/messages"))).status == 410
        await db.close()

        async def unknown() -> bool:
            return "retirement_unknown" in telemetry.exposition().decode()

        await _until(unknown)
        assert (await session.post(server.make_url("/api/messages"))).status == 410
