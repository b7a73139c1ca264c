"""The Teams door as the app builds it, over real sockets: own keys, own key server, the embedded queue."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import time
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import settings
from jwt.algorithms import RSAAlgorithm

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from bots.adapter import BridgeAdapter
from bots.authentication import ChannelAuthentication
from bots.handler import QueueingBot
from bots.keys import SigningKeys
from bridge.intake import Intake
from bridge.telemetry import Telemetry

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=150)
settings.load_profile("unit")

FIXTURES = Path(__file__).parents[2] / "fixtures" / "teams"
TENANT = "8d2f4b61-0c7e-4a35-9b18-6e5d1f3a7c20"
APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
SERVICE_URL = f"https://smba.trafficmanager.net/emea/{TENANT}/"


def _activity(name, /, **changes):
    raw = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return copy.deepcopy(raw) | changes


@pytest.fixture
def activity():
    """Read a recorded shape, with top-level fields changed."""
    return _activity


@pytest.fixture(scope="session")
def key():
    """The Bot Framework's key of these tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def other_key():
    """A key that is nobody's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _b64(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens:
    """Writes tokens by hand, so that they can be wrong in every way."""

    def __init__(self, key):
        self.key = key

    def make(self, claims=None, header=None, sign=None):
        """A token as the Bot Framework makes it; a change to None leaves the field out."""
        now = int(time.time())
        payload = {
            "iss": "https://api.botframework.com",
            "aud": APP,
            "serviceurl": SERVICE_URL,
            "nbf": now - 60,
            "exp": now + 3600,
        } | (claims or {})
        head = {"alg": "RS256", "typ": "JWT", "kid": "kid-1"} | (header or {})
        signed = ".".join(_b64({k: v for k, v in part.items() if v is not None}) for part in (head, payload))
        return f"{signed}.{_b64((sign or self.rs256)(signed.encode()))}"

    def rs256(self, data, key=None):
        return (key or self.key).sign(data, padding.PKCS1v15(), hashes.SHA256())

    def hs256_with_the_public_key(self, data):
        """The classic confusion: the published key taken for a shared secret."""
        pem = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hmac.digest(pem, data, "sha256")


@pytest.fixture(scope="session")
def tokens(key):
    return Tokens(key)


@pytest.fixture(scope="session")
def jwk():
    """Publish a key."""

    def jwk(private, kid, endorsements=("msteams", "webchat")):
        published = json.loads(RSAAlgorithm.to_jwk(private.public_key())) | {"kid": kid, "use": "sig"}
        return published | ({} if endorsements is None else {"endorsements": list(endorsements)})

    return jwk


class Door:
    """One door on a loopback port, with what stands around it."""

    def __init__(self, queue, published, stream):
        self.queue, self.stream = queue, stream
        self.telemetry = Telemetry("DEBUG", stream)
        self.published = {"keys": published}
        self.key_requests = 0

    async def open(self):
        """Start the key server and the door."""
        keys_app = web.Application()
        keys_app.router.add_get("/openid", self._metadata)
        keys_app.router.add_get("/keys", self._keys)
        self.key_server = TestServer(keys_app)
        await self.key_server.start_server()
        self.client = aiohttp.ClientSession()
        metadata = str(self.key_server.make_url("/openid"))
        self.keys = SigningKeys(metadata, self._fetch, time.time, self.telemetry)
        adapter = BridgeAdapter(
            ChannelAuthentication(APP, metadata, self.keys),
            tenants=frozenset({TENANT}),
            service_url_allowed=lambda url: urlsplit(url).hostname == "smba.trafficmanager.net",
            telemetry=self.telemetry,
        )
        bot = QueueingBot(Intake(self.queue, self.telemetry, time.time), self.telemetry)

        async def messages(request):
            return await adapter.process(request, bot)

        app = web.Application()
        app.router.add_post("/api/messages", messages)
        self.server = TestServer(app)
        await self.server.start_server(max_field_size=65536)
        self.url = str(self.server.make_url("/api/messages"))

    async def close(self):
        await self.client.close()
        await self.server.close()
        await self.keys.close()
        await self.key_server.close()

    async def _metadata(self, _request):
        return web.json_response({"jwks_uri": str(self.key_server.make_url("/keys"))})

    async def _keys(self, _request):
        self.key_requests += 1
        if self.published is None:
            return web.Response(status=503)
        return web.json_response(self.published)

    async def _fetch(self, url):
        try:
            async with self.client.get(url, timeout=aiohttp.ClientTimeout(5)) as answer:
                answer.raise_for_status()
                return await answer.json()
        except aiohttp.ClientError as error:
            raise OSError(type(error).__name__) from None

    async def post(self, body, authorization=None, **headers):
        """Send a body (an object is sent as JSON); give (status, text, headers)."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        data = BytesIO(data) if isinstance(data, bytes) and len(data) > 1_000_000 else data
        sent = {"Content-Type": "application/json"} | headers
        if authorization is not None:
            sent["Authorization"] = authorization
        sent = {name: value for name, value in sent.items() if value is not None}
        skip = ["Content-Type"] if "Content-Type" not in sent else []
        async with self.client.post(self.url, data=data, headers=sent, skip_auto_headers=skip) as answer:
            return answer.status, await answer.text(), answer.headers

    async def waiting(self):
        return (await self.queue.depth("to-freshchat")).waiting

    async def stored(self):
        """Take what is stored, as envelopes."""
        found = []
        while session := await self.queue.accept("to-freshchat", 0):
            while delivery := await session.next():
                found.append(delivery.envelope)
                await session.complete(delivery)
        return found

    def counted(self, name, **labels):
        """Read a counter."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def queue(tmp_path):
    async with Database(tmp_path / "bridge.db") as database:
        opened = SqliteQueue(database, lease_seconds=30)
        yield opened
        await opened.close()


@pytest.fixture
async def door(queue, key, other_key, jwk):
    published = [jwk(key, "kid-1"), jwk(key, "kid-bare", None), jwk(key, "kid-web", ("webchat",))]
    opened = Door(queue, published, StringIO())
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def bearer(tokens):
    """The header of a good request."""
    return f"Bearer {tokens.make()}"
