"""Several processes on one file: none takes the ground from under another."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import textwrap
from pathlib import Path

from adapters.local.sqlite import Database

VISITOR = """
import asyncio, sys
from adapters.local.sqlite import Database

async def visit():
    async with Database(sys.argv[1]) as db:
        await db.write(lambda conn: conn.execute("UPDATE pulse SET at = at + 1").rowcount)
        await db.read(lambda conn: conn.execute("SELECT at FROM pulse").fetchone())

asyncio.run(visit())
"""


async def visit(path: Path) -> None:
    """Let another process open the file, write, read, and leave."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(VISITOR), str(path), cwd=Path(__file__).parents[2]
    )
    assert await child.wait() == 0


async def test_a_process_that_leaves_does_not_take_the_log_of_the_others_away(tmp_path: Path) -> None:
    """Locks of both connections survive, so the leaving process is not "the last one", and its writes are seen."""
    path = tmp_path / "bridge.db"
    async with Database(path) as db:
        await db.write(lambda conn: conn.execute("UPDATE pulse SET at = 10").rowcount)
        await db.read(lambda conn: conn.execute("SELECT at FROM pulse").fetchone())
        for visits in (1, 2):
            await visit(path)
            assert (tmp_path / "bridge.db-wal").exists()
            assert await db.read(lambda conn: conn.execute("SELECT at FROM pulse").fetchone()) == (10 + visits,)
        await db.write(lambda conn: conn.execute("UPDATE pulse SET at = 20").rowcount)
        outside = sqlite3.connect(path)
        assert outside.execute("SELECT at FROM pulse").fetchone() == (20,)
        outside.close()
