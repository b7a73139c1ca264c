"""Bearer tokens (managed identity), tokens that run out, TLS, WebSocket, and a peer in a process of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken
from azure.servicebus import TransportType
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusAuthenticationError, ServiceBusAuthorizationError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers.service_bus.cbs import LISTEN
from tests.peers.service_bus.process import peer_process
from tests.peers.service_bus.tests.rig import FAST, Rig, message, rig, take, text, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and says so while collecting it
]
ISSUER, STRANGER = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def public(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


class Identity:
    """A token credential as azure-identity gives one."""

    def __init__(self, key: rsa.RSAPrivateKey = ISSUER, seconds: float = 3600, **claims: Any) -> None:
        self._key, self._seconds, self._claims = key, seconds, claims
        self.asked = 0

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += 1
        until = int(time.time() + self._seconds)
        claims = {"aud": "https://servicebus.azure.net", "exp": until, "oid": "worker", **self._claims}
        return AccessToken(jwt.encode(claims, self._key, "RS256"), until)

    async def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Identity:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Nothing is held."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trusting() -> AsyncIterator[Rig]:
    """A peer that trusts one issuer."""
    async with rig(jwt_keys=(public(ISSUER),), websocket_port=0) as running:
        yield running


def client(bus: Rig, identity: Identity, **options: Any) -> ServiceBusClient:
    """Make a client without a connection string; `use_tls` is the SDK's undocumented switch."""
    where = f"{bus.peer.host}:{bus.peer.port}"
    made = ServiceBusClient(where, identity, use_tls=False, **{**FAST, **options})
    bus._clients.append(made)
    return made


async def test_a_signed_bearer_token_opens_the_queue(trusting: Rig) -> None:
    queue = trusting.queue()
    mine = client(trusting, Identity())
    await (await trusting.sender(queue, mine)).send_messages(message("by identity"))
    assert [text(each) for each in await take(await trusting.receiver(queue, mine))] == ["by identity"]


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(Identity(key=STRANGER), id="another issuer"),
        pytest.param(Identity(aud="https://vault.azure.net"), id="for another service"),
        pytest.param(Identity(exp=1), id="expired"),
        pytest.param(Identity(nbf=4_000_000_000), id="not valid yet"),
    ],
)
async def test_other_bearer_tokens_do_not(trusting: Rig, identity: Identity) -> None:
    before = trusting.peer.namespace.stats["token-401"]
    with pytest.raises(ServiceBusAuthenticationError):
        await trusting.sender(trusting.queue(), client(trusting, identity))
    assert trusting.peer.namespace.stats["token-401"] == before + 1


async def test_an_identity_has_the_rights_it_was_given(trusting: Rig) -> None:
    queue = trusting.queue()
    trusting.peer.namespace.authority.principals["worker"] = frozenset({LISTEN})
    try:
        await trusting.receiver(queue, client(trusting, Identity()))
        with pytest.raises(ServiceBusAuthorizationError, match="'Send' claim"):
            await trusting.sender(queue, client(trusting, Identity()))
        with pytest.raises(ServiceBusAuthorizationError):
            await trusting.receiver(queue, client(trusting, Identity(oid="nobody")))
    finally:
        trusting.peer.namespace.authority.principals.clear()


async def test_a_link_ends_when_its_token_runs_out(trusting: Rig) -> None:
    queue = trusting.queue()
    await trusting.receiver(queue, client(trusting, Identity(seconds=2)))
    assert len(trusting.peer.queue(queue).links) == 1
    await until(lambda: not trusting.peer.queue(queue).links, 5)


async def test_an_unknown_queue_is_not_found_with_a_bearer_token(trusting: Rig) -> None:
    before = trusting.peer.namespace.stats["attach-refused"]
    with pytest.raises(Exception, match="could not be found"):
        await trusting.sender("no-such-queue", client(trusting, Identity()))
    assert trusting.peer.namespace.stats["attach-refused"] == before + 1


@pytest.mark.filterwarnings("ignore:ssl=None:DeprecationWarning")  # how the SDK calls its WebSocket library
async def test_amqp_over_websocket(trusting: Rig) -> None:
    queue = trusting.queue(max_size=1024 * 1024)
    over = trusting.other(
        transport_type=TransportType.AmqpOverWebsocket,
        custom_endpoint_address=f"sb://127.0.0.1:{trusting.peer.websocket_port}",
    )
    sender, receiver = await trusting.sender(queue, over), await trusting.receiver(queue, over)
    await sender.send_messages(message("w" * 200_000))
    [got] = await take(receiver)
    assert text(got) == "w" * 200_000
    await receiver.complete_message(got)
    assert trusting.peer.queue(queue).stats["completed"] == 1


async def test_its_own_process_and_its_control_port() -> None:
    async with peer_process("--queue", "plain", "--queue", "fifo:sessions") as process:
        await process.do("queues", name="made", lock_duration=5)
        with pytest.raises(aiohttp.ClientResponseError, match="409"):
            await process.do("queues", name="made")
        async with ServiceBusClient.from_connection_string(process.connection_string, **FAST) as bus:
            sender = bus.get_queue_sender("made")
            async with sender:
                await process.do("faults", point="send", action="refuse", queue="made")
                with pytest.raises(Exception, match="throttled"):
                    await sender.send_messages(message(), timeout=10)
                await sender.send_messages(message())
                assert await process.do("detach", queue="made") == 1
        stats = await process.stats()
        assert stats["faults"] == {"send/refuse": 1}
        assert stats["queues"]["made"]["operations"] == {"refused": 1, "accepted": 1}
        assert set(stats["queues"]) == {"plain", "fifo", "made"}
        await process.do("restart", seconds=0.1)
        assert (await process.stats())["queues"]["made"]["active"] == 1
