"""Baseline of the Freshchat door: the least that a safe webhook handler must do, written by hand.

RSA-2048 check, one durable row per webhook (WAL, synchronous=FULL, commits shared by whoever waits), 200. No parsing,
no tenant, no duplicate check, no order, no counters.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sqlite3
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench.baselines.serving import serve

Job = tuple[bytes, "asyncio.Future[None]"]


class Store:
    """One table, one writer thread, one commit for all that waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        Thread(target=self._write, daemon=True).start()

    def put(self, body: bytes) -> asyncio.Future[None]:
        """Store a body; the future is done once it is on disk."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put((body, future))
        return future

    def _write(self) -> None:
        conn = sqlite3.connect(self._path, isolation_level=None)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        while True:
            jobs = self._batch()
            conn.execute("BEGIN IMMEDIATE")
            conn.executemany("INSERT INTO messages (body) VALUES (?)", [(body,) for body, _ in jobs])
            conn.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, jobs)

    def _batch(self) -> list[Job]:
        jobs = [self._jobs.get()]
        try:
            while len(jobs) < 1000:
                jobs.append(self._jobs.get_nowait())
        except Empty:
            return jobs
        return jobs


def _settle(jobs: list[Job]) -> None:
    for _, future in jobs:
        future.set_result(None)


async def _application(key: rsa.RSAPublicKey, path: Path) -> web.Application:
    store = Store(path)

    async def webhook(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            signature = base64.b64decode(request.headers["X-Freshchat-Signature"])
            key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
        except (KeyError, ValueError, InvalidSignature):
            return web.Response(status=401)
        await store.put(body)
        return web.Response()

    app = web.Application()
    app.router.add_post("/freshchat/webhook", webhook)
    return app


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", type=Path, required=True, help="PEM file of the public key")
    parser.add_argument("--database", type=Path, required=True)
    arguments = parser.parse_args()
    key = serialization.load_pem_public_key(arguments.key.read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    asyncio.run(serve(_application(key, arguments.database)))


if __name__ == "__main__":
    main()
