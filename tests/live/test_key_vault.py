"""Runs the secret source's suite over the Key Vault that the environment names, with secrets of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import pytest
from azure.core.exceptions import HttpResponseError

from adapters.azure.key_vault import KeyVaultSecrets, open_key_vault
from bridge.ports import SecretSource
from bridge.settings import Settings
from tests.contract.secret_source_suite import SecretRig, SecretSourceSuite
from tests.live.targets import RUN, ask_for

ask_for("Key Vault")

FRESH = 1.0
"""Seconds that a replica believes what it read: fewer than in production, so that the suite need not wait long."""


class Prefixed:
    """The `SecretSource` port with this prefix before every name."""

    def __init__(self, secrets: SecretSource, prefix: str) -> None:
        self._secrets, self._prefix = secrets, prefix
        self.ping, self.close = secrets.ping, secrets.close

    async def get(self, name: str) -> Sequence[str]:
        """As the port."""
        return await self._secrets.get(self._prefix + name)

    async def put(self, name: str, value: str, *, keep: int = 1) -> None:
        """As the port."""
        await self._secrets.put(self._prefix + name, value, keep=keep)

    async def change(self, name: str, edit: Callable[[str | None], str]) -> None:
        """As the port."""
        await self._secrets.change(self._prefix + name, edit)


async def forget(secrets: KeyVaultSecrets, prefix: str) -> None:
    """Delete the secrets with this prefix; purge them where the vault permits it."""
    client = secrets._client
    names = [str(found.name) async for found in client.list_properties_of_secrets()]
    for name in names:
        if name.startswith(prefix):
            await client.delete_secret(name)
            try:
                await client.purge_deleted_secret(name)
            except HttpResponseError as error:
                if error.status_code not in (400, 403):  # purge protection, or not our right
                    raise


@pytest.fixture
async def rig(settings: Settings) -> AsyncIterator[SecretRig]:
    prefix = f"{RUN}-{uuid.uuid4().hex[:8]}-"
    async with AsyncExitStack() as stack:

        async def another() -> KeyVaultSecrets:
            secrets = open_key_vault(settings.key_vault_url, settings.azure_client_id)
            secrets._fresh = FRESH
            stack.push_async_callback(secrets.close)
            return secrets

        async def prefixed() -> SecretSource:
            return Prefixed(await another(), prefix)

        yield SecretRig(open=prefixed, settle=2 * FRESH)
        await forget(await another(), prefix)


class TestKeyVault(SecretSourceSuite):
    """Key Vault keeps the contract."""
