"""The whole product with its secrets in Key Vault, read as the machine's managed identity."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

from tests.flow.azure_stack import refusal
from tests.peers.key_vault import KeyVaultPeer
from tests.peers.managed_identity import ManagedIdentityPeer
from tests.peers.tls import make_certificate

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME, IN_VAULT = "freshchat.api_token", "freshchat-x2eapi-x5ftoken"


class Vault:
    """A vault, the identity that reads it, and a bridge that is told of both."""

    def __init__(self, peer: KeyVaultPeer, identity: ManagedIdentityPeer, stack: Stack) -> None:
        self.peer, self.identity, self.stack = peer, identity, stack

    async def store(self, name: str, value: str) -> None:
        """Make a new version as an administrator does."""
        assert self.peer.tls is not None
        token = self.identity.issuer.token("https://vault.azure.net", oid="an administrator")
        asked = self.stack.session.put(
            f"{self.peer.url}/secrets/{name}?api-version=7.6",
            json={"value": value},
            headers={"Authorization": f"Bearer {token}"},
            ssl=self.peer.tls.client_context(),
        )
        async with asked as answer:
            assert answer.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vault(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Vault]:
    folder: Path = tmp_path_factory.mktemp("vault")
    async with (
        ManagedIdentityPeer() as identity,
        KeyVaultPeer(make_certificate(folder), identity.issuer.check) as peer,
    ):
        assert peer.tls is not None
        settings = {
            "BRIDGE_SECRETS": "azure.key_vault",
            "AZURE_KEY_VAULT_URL": peer.url,
            "SSL_CERT_FILE": str(peer.tls.chain),
            "FRESHCHAT_API_KEY": f"secret:{NAME}",
            "TEAMS_REPLY_VIA": "bot",
        }
        async with running(folder, bridge=False, **settings, **identity.app_service_environment()) as stack:
            made = Vault(peer, identity, stack)
            await made.store(IN_VAULT, stack.config["env"]["FRESHCHAT_API_KEY"])
            await stack.start_bridge()
            yield made


async def test_a_question_is_answered(vault: Vault) -> None:
    """With a token from the vault, which is asked once for many messages."""
    stack = vault.stack
    question, answer = word(), word()
    await stack.say(question)
    conversation = await conversation_with(stack, question)
    await stack.answer(conversation["conversation_id"], answer)
    await thread_with(stack, answer)
    vault.peer.counts.clear()
    for _ in range(10):
        await stack.say(word())
    await stack.settled()
    assert vault.peer.counts["get"] < 10


async def test_a_new_token_needs_no_restart(vault: Vault) -> None:
    """Made in the vault; messages that the old one could not send wait for it, at most a minute."""
    stack = vault.stack
    rotated = await stack.post("rotate", what="api_key")
    question = word()
    await stack.say(question)
    await vault.store(IN_VAULT, rotated["api_key"])
    assert texts(await conversation_with(stack, question, 90.0), "user") == [question]


async def test_webhook_keys_are_kept_there(vault: Vault) -> None:
    """Added, promoted and listed by commands, which are processes of their own."""
    stack = vault.stack
    code, _, err = await stack.bridgectl("keys", "add", "--scheme", "hmac", "--generate-hmac", "new.key")
    assert code == 0, err
    assert len([name for name in vault.peer.secrets if name.startswith("webhook-keys-")]) == 1
    code, out, err = await stack.bridgectl("keys", "list", "--json")
    assert code == 0, err
    assert sorted(key["state"] for key in json.loads(out)) == ["pending", "settings"]


async def test_doctor_names_the_role_that_is_missing(vault: Vault) -> None:
    vault.peer.readers = set()
    try:
        code, out, _ = await vault.stack.bridgectl("doctor", "--offline")
        assert (code, "Key Vault Secrets User" in out) == (1, True), out
    finally:
        vault.peer.readers = None


async def test_a_role_that_is_missing_is_said_at_the_start(vault: Vault) -> None:
    """Of a worker as well, which reads its first secret only with the first message."""
    await vault.stack.stop_bridge()
    vault.peer.readers = set()
    try:
        assert "Key Vault Secrets User" in await refusal(vault.stack)
    finally:
        vault.peer.readers = None
    await vault.stack.start_bridge()
