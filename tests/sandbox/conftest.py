"""One sandbox and one recording bridge for all tests here, wiped before each; nothing leaves the loopback address."""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from sandbox import Options, Sandbox

BOT_SCOPE = "https://api.botframework.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def pytest_collection_modifyitems(items):
    """Key generation is slow, so the tests share one event loop and with it one sandbox."""
    for item in items:
        if "tests/sandbox/" in item.path.as_posix() and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclass
class Received:
    """One request that the bridge got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Bridge:
    """Stands where the bridge stands: keeps what comes and answers as told, 200 otherwise."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    delay: float = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(Received(request.path, dict(request.headers), await request.read()))
        if self.delay:
            await asyncio.sleep(self.delay)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response({"seen": len(self.requests)}, status=status)

    def webhooks(self) -> list[Received]:
        return [r for r in self.requests if r.path.startswith("/freshchat/webhook")]

    def activities(self) -> list[Received]:
        return [r for r in self.requests if r.path == "/api/messages"]

    def reset(self) -> None:
        self.requests.clear()
        self.statuses.clear()
        self.delay = 0.0


@dataclass
class Answer:
    """Status, headers and the body, as JSON where it is JSON."""

    status: int
    headers: Any
    body: Any


class Api:
    """Calls to the sandbox, with the right authorization for each service."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.env: dict[str, str] = sandbox.env

    async def call(self, method: str, path: str, **rest: Any) -> Answer:
        if isinstance(rest.get("json"), (dict, list)) and rest.pop("raw_utf8", True):
            rest["data"] = json.dumps(rest.pop("json"), ensure_ascii=False).encode()
            rest["headers"] = {"Content-Type": "application/json", **rest.get("headers", {})}
        url = self.sandbox.url + path
        async with self.session.request(method, url, allow_redirects=False, **rest) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, json.loads(raw) if is_json and raw else raw)

    async def control(self, path: str, body: Any = None, method: str | None = None) -> Any:
        answer = await self.call(method or ("GET" if body is None else "POST"), f"/_sandbox/{path}", json=body)
        assert answer.status == 200, answer.body
        return answer.body

    async def freshchat(self, method: str, path: str, body: Any = None, **rest: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.sandbox.api_key.value}", **rest.pop("headers", {})}
        return await self.call(method, f"/v2{path}", json=body, headers=headers, **rest)

    async def token(self, form: dict[str, str], endpoint: str = "token", tenant: str | None = None) -> Answer:
        path = f"/entra/{tenant or self.env['MicrosoftAppTenantId']}/oauth2/v2.0/{endpoint}"
        return await self.call("POST", path, data=form)

    async def app_token(self, scope: str) -> str:
        world = self.sandbox.world
        form = {"grant_type": "client_credentials", "client_id": world.app_id, "scope": scope}
        return (await self.token({**form, "client_secret": world.app_password})).body["access_token"]

    async def sign_in(self, scope: str = f"{GRAPH_SCOPE} offline_access openid") -> dict[str, Any]:
        client = {"client_id": self.env["GRAPH_CLIENT_ID"]}
        code = (await self.token({**client, "scope": scope}, "devicecode")).body["device_code"]
        form = {**client, "grant_type": DEVICE_GRANT, "device_code": code}
        await self.token(form)
        return (await self.token(form)).body

    async def connector(self, method: str, path: str, body: Any = None) -> Answer:
        token = await self.app_token(BOT_SCOPE)
        tenant = self.env["MicrosoftAppTenantId"]
        return await self.call(
            method, f"/connector/{tenant}/v3{path}", json=body, headers={"Authorization": f"Bearer {token}"}
        )

    async def graph(self, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
        token = token or (await self.sign_in())["access_token"]
        return await self.call(method, f"/v1.0{path}", json=body, headers={"Authorization": f"Bearer {token}"})

    async def user(self, **fields: Any) -> str:
        body = {"reference_id": f"ref-{time.monotonic_ns()}", "first_name": "Ada", "last_name": "Fenn", **fields}
        return (await self.freshchat("POST", "/users", body)).body["id"]

    async def conversation(self, user_id: str | None = None, text: str = "hello") -> tuple[str, str]:
        """A conversation and its user."""
        user_id = user_id or await self.user()
        answer = await self.freshchat("POST", "/conversations", self.opening(user_id, text))
        assert answer.status == 200, answer.body
        return answer.body["conversation_id"], user_id

    def opening(self, user_id: str, text: str = "hello", **changes: Any) -> dict[str, Any]:
        inbox = self.sandbox.world.inboxes[0].id
        body = {"channel_id": inbox, "users": [{"id": user_id}], "messages": [said(user_id, text)], **changes}
        return {name: value for name, value in body.items() if value is not None}


def said(actor_id: str, text: str = "hello", actor_type: str = "user", **rest: Any) -> dict[str, Any]:
    """A message body of the Freshchat API."""
    parts = [{"text": {"content": text}}]
    return {"message_parts": parts, "message_type": "normal", "actor_type": actor_type, "actor_id": actor_id, **rest}


@pytest.fixture(scope="session")
def quoted() -> Callable[[str], str]:
    """Percent-encodes an id the way clients do, semicolon and all."""
    return lambda text: quote(text, safe="")


@pytest.fixture(scope="session")
def words() -> Callable[..., dict[str, Any]]:
    return said


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge()
    app = web.Application(client_max_size=1 << 25)
    app.router.add_route("*", "/{path:.*}", bridge.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield bridge
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_api(shared_bridge: Bridge) -> AsyncIterator[Api]:
    options = Options(port=0, bridge=shared_bridge.url)
    async with Sandbox(options) as sandbox, aiohttp.ClientSession() as session:
        yield Api(sandbox, session)


@pytest_asyncio.fixture(loop_scope="session")
async def api(shared_api: Api, shared_bridge: Bridge) -> Api:
    """A clean sandbox whose retries are quick."""
    await shared_api.control("reset", {"settings": True})
    await shared_api.control("settings", {"bridge": shared_bridge.url, "webhook_retry_seconds": 0.02})
    shared_bridge.reset()
    return shared_api


@pytest.fixture
def bridge(api: Api, shared_bridge: Bridge) -> Bridge:
    return shared_bridge


@pytest.fixture
def sandbox(api: Api) -> Sandbox:
    return api.sandbox


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Wait until a condition holds; a test fails when it does not within three seconds."""

    async def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            await asyncio.sleep(0.01)
        raise AssertionError("it did not happen in time")

    return wait
