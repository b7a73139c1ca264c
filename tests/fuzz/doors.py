"""Both doors of the real application on a loopback port, in a thread of their own, under raw requests."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import logging
import select
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.algorithms import RSAAlgorithm

from adapters.doors import refuse_odd_expectations
from adapters.stores import Ports, open_ports
from app import build_app
from bridge.settings import load
from bridge.telemetry import Telemetry
from tests.fuzz.samples import MARKER
from tests.fuzz.target import APP, TENANT

PATIENCE, IMPATIENCE = 20.0, 0.2
STORED = '"outcome": "stored"'
TOKEN = "pathtoken"
SERVICE_URL = f"https://smba.trafficmanager.net/emea/{TENANT}/"
T = TypeVar("T")


class Doors:
    """The application, its store and its log; `fire` sends one request as it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = io.StringIO()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="doors")
        self._stack = AsyncExitStack()
        self.stored = 0
        self.port = 0

    def open(self) -> None:
        """Start serving."""
        sys.setswitchinterval(0.0005)  # as `app.serve` does
        self._thread.start()
        self._in_loop(self._open())

    def close(self) -> None:
        """Stop; what was accepted must be in the store exactly once, and nothing else."""
        waiting = self._in_loop(self._waiting())
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.log()
        assert waiting == self.stored, f"{self.stored} accepted, {waiting} stored"

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self) -> None:
        metadata = web.Application()
        metadata.add_routes([web.get("/openid", self._openid), web.get("/keys", self._keys)])
        keys_port = await self._serve(metadata)
        settings = load(
            app_id=APP,
            app_password="x",
            app_tenant_id=TENANT,
            bot_openid_metadata_url=f"http://127.0.0.1:{keys_port}/openid",
            data_dir=self._folder / "data",
            freshchat_api_url="https://desk.freshchat.com",
            freshchat_api_key="x",
            freshchat_channel_id="inbox",
            freshchat_webhook_keys=self._public_key(),
            freshchat_webhook_token=TOKEN,
            ops="token",
            ops_token="t" * 20,
        )
        telemetry = Telemetry("DEBUG", self._log)
        telemetry.adopt_library_logs()
        self._handlers = logging.getLogger().handlers[-1:]
        self._ports: Ports = await self._stack.enter_async_context(open_ports(settings))
        self.port = await self._serve(await build_app(settings, self._ports, role="web", telemetry=telemetry))
        self._stack.callback(lambda: logging.getLogger().removeHandler(self._handlers[0]))

    async def _end(self) -> None:
        await self._stack.aclose()
        lingering = asyncio.all_tasks() - {asyncio.current_task()}  # waiting for the rest of a body that broke off
        for task in lingering:
            task.cancel()
        await asyncio.gather(*lingering, return_exceptions=True)

    async def _serve(self, app: web.Application) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        refuse_odd_expectations(runner)
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    async def _waiting(self) -> int:
        return sum([(await self._ports.queue.depth(way)).waiting for way in ("to-freshchat", "to-teams")])

    async def _openid(self, request: web.Request) -> web.Response:
        return web.json_response({"jwks_uri": f"http://{request.host}/keys"})

    async def _keys(self, _request: web.Request) -> web.Response:
        key = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [key | {"kid": "kid", "endorsements": ["msteams"]}]})

    def _public_key(self) -> str:
        public = self._key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return pem.decode().replace("\n", "\\n")

    # --- requests

    def token(self) -> str:
        """A token as the Bot Framework makes it."""
        claims = {
            "iss": "https://api.botframework.com",
            "aud": APP,
            "serviceurl": SERVICE_URL,
            "exp": time.time() + 86400,
        }
        return jwt.encode(claims, self._key, "RS256", {"kid": "kid"})

    def signature(self, body: bytes) -> str:
        """A signature as Freshchat makes it."""
        return base64.b64encode(self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()

    def log(self) -> str:
        """Take the log so far; it holds nothing of what people wrote, and no error of ours."""
        text = self._log.getvalue()
        self._log.seek(0)
        self._log.truncate()
        self.stored += text.count(STORED)
        assert MARKER not in text, text[-2000:]
        assert '"level": "error"' not in text, text[-2000:]
        return text

    def fire(self, request: bytes, whole: bool) -> tuple[int, bytes] | None:
        """Send a request as it is; give status and body, None if there was no answer.

        A request that may not be `whole` is ended by closing our side, if the server still waits for more.
        """
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.sendall(request)
                if not whole and not select.select([connection], [], [], IMPATIENCE)[0]:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it had heard enough; its answer is still there
            return _answer(connection)


def _answer(connection: socket.socket) -> tuple[int, bytes] | None:
    response = http.client.HTTPResponse(connection, method="POST")
    try:
        response.begin()
        return response.status, response.read()
    except TimeoutError:
        raise AssertionError(f"no answer within {PATIENCE} s") from None
    except (http.client.HTTPException, OSError):
        return None
    finally:
        response.close()


@contextmanager
def serving(folder: Path) -> Iterator[Doors]:
    """Open the doors, and settle the accounts at the end."""
    doors = Doors(folder)
    doors.open()
    try:
        yield doors
    finally:
        doors.close()
