"""The operators' page over a real socket, on the embedded stores, with the sandbox's Entra beside it."""

from __future__ import annotations

import io
import json
import socket
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from adapters import http
from adapters.local.files_objects import LocalObjects
from adapters.local.files_secrets import LocalSecrets
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from adapters.operators import operators_page
from adapters.stores import Ports
from bridge import ids
from bridge.ports import Envelope, Failure
from bridge.settings import load
from bridge.telemetry import Telemetry
from bridge.tenants import load_tenants
from sandbox import Options, Sandbox

TOKEN = "operators-know-this-token"


class Clock:
    """Real time at first, moved by `advance`."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@dataclass
class Answer:
    status: int
    headers: object
    text: str

    @property
    def json(self):
        return json.loads(self.text)


@dataclass
class Browser:
    """A browser of its own: keeps cookies, names the page as the origin of what it sends, follows no redirect."""

    rig: object
    session: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path, **headers):
        return await self._ask("GET", path, headers=headers)

    async def post(self, path, body=None, **headers):
        given = {"Origin": self.rig.url, "X-CSRF-Token": self.csrf} | headers
        return await self._ask("POST", path, json=body or {}, headers={k: v for k, v in given.items() if v is not None})

    async def enter(self, token=TOKEN, **headers):
        given = {"Origin": self.rig.url} | headers
        answer = await self._ask("POST", "/ops/login", data={"token": token}, headers=given)
        if answer.status == 303:
            page = await self.get("/ops")
            self.csrf = page.text.partition('data-csrf="')[2].partition('"')[0]  # a Secure cookie stays at home here
        return answer

    def cookies(self):
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    async def _ask(self, method, path, **more):
        url = path if path.startswith("http") else self.rig.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as answer:
            return Answer(answer.status, answer.headers, await answer.text())


@dataclass
class Rig:
    """The running page and everything behind it."""

    url: str
    app: web.Application
    ports: Ports
    database: Database
    clock: Clock
    telemetry: Telemetry
    log: io.StringIO
    sessions: list = field(default_factory=list)

    def browser(self):
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.sessions.append(session)
        return Browser(self, session)

    async def inside(self):
        browser = self.browser()
        assert (await browser.enter()).status == 303
        return browser

    def actions(self, name):
        records = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [record for record in records if record["action"] == name]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def envelope(name, *, trace=None, session="t1/channel/c/1", body=b"{}", direction="to-freshchat"):
    return Envelope(
        direction=direction,
        tenant="t1",
        message_id=ids.dedupe_id("t1", f"teams:a/b/c/{name}:create"),
        session=session,
        kind="message",
        trace=trace or ids.new_trace_id(),
        body=body,
        received_at=1_767_312_000.0,
    )


@pytest.fixture
def letters():
    """Make dead letters as a worker would; give their ids."""

    async def make(page, count, *, code="freshchat_400", component="freshchat", **more):
        body = {"body": b'{"text": "the badge printer", "from": {"name": "Ada Fenn"}}'}
        direction, made = more.get("direction", "to-freshchat"), []
        for _ in range(count):
            known = {letter.id for letter in await page.ports.queue.dead_letters(limit=1000)}
            await page.ports.queue.put(envelope(uuid.uuid4().hex, **(body | more)))
            session = await page.ports.queue.accept(direction, wait=1)
            delivery = await session.next()
            await session.dead_letter(delivery, Failure(code=code, message="refused", component=component))
            await session.release()
            made += [i.id for i in await page.ports.queue.dead_letters(limit=1000) if i.id not in known]
        return made

    return make


@pytest.fixture(scope="session")
def sandbox_keys():
    """Drawing RSA keys is slow: one sandbox's worth for all tests that only need settings."""
    return Sandbox(Options(port=0, page=False, seed="ops"))


@pytest.fixture
async def entra():
    """A sandbox that listens, for its Entra."""
    async with Sandbox(Options(port=0, page=False, seed="ops")) as sandbox:
        yield sandbox


@pytest.fixture
def rig(tmp_path, sandbox_keys, monkeypatch):
    """Serve the page with these settings; `rig()` is a context manager."""
    monkeypatch.chdir(tmp_path)

    @asynccontextmanager
    async def serve(*, env=None, secrets=None, **settings):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        given = {"BRIDGE_OPS": "token", "BRIDGE_PUBLIC_URL": url} | settings
        if given["BRIDGE_OPS"] == "token":
            given.setdefault("OPS_TOKEN", TOKEN)
        chosen = load(**{k: v for k, v in ((env or sandbox_keys.env) | given).items() if v is not None})
        clock, log = Clock(time.time()), io.StringIO()
        telemetry = Telemetry("INFO", log)
        async with Database(tmp_path / "bridge.db", now=clock) as database, http.session() as session:
            queue = SqliteQueue(database, now=clock)
            source = secrets or LocalSecrets(tmp_path / "secrets", {})
            ports = Ports(
                queue=queue,
                threads=SqliteThreadMap(database, now=clock),
                secrets=source,
                objects=LocalObjects(tmp_path / "objects", source, url),
            )

            async def health():
                return {"queue": None, "freshchat": "Unavailable: no answer"}

            page = operators_page(
                chosen, ports, load_tenants(chosen), session, telemetry, health, lambda: {"to-teams": ["t1"]}, clock
            )
            outer = web.Application()
            outer.add_subapp("/ops", page)
            runner = web.AppRunner(outer, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            running = Rig(url, page, ports, database, clock, telemetry, log)
            try:
                yield running
            finally:
                for one in running.sessions:
                    await one.close()
                await runner.cleanup()
                await queue.close()

    return serve
