"""Runs the secret source's suite over Key Vault, through the real SDK, and tests what is the vault's own.

The vault's clock runs fifty times as fast, so that its whole seconds pass in 20 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient

from adapters.azure.key_vault import LIMITS, KeyVaultSecrets, open_key_vault
from adapters.azure.key_vault_log import WRITE, our_name, vault_name
from bridge.errors import BridgeError, Forbidden, Misconfigured, StoreFull, Throttled, Unavailable
from tests.contract.azure_transport import trusting
from tests.contract.secret_source_suite import SecretRig, SecretSourceSuite
from tests.peers.http_peer import Fault
from tests.peers.key_vault import KeyVaultPeer
from tests.peers.managed_identity import ManagedIdentityPeer
from tests.peers.tls import make_certificate

HASTE = 50
FRESH = 0.05
SETTLE = 3 / HASTE


class Vault:
    """A vault, the identity of the machine, and replicas on it."""

    def __init__(self, peer: KeyVaultPeer, identity: ManagedIdentityPeer, stack: AsyncExitStack) -> None:
        self.peer, self.identity, self._stack = peer, identity, stack

    async def open(self, fresh: float = FRESH) -> KeyVaultSecrets:
        """Open one more replica."""
        assert self.peer.tls is not None
        credential = ManagedIdentityCredential()
        options = {**LIMITS, "transport": trusting(self.peer.tls), "retry_backoff_factor": 0}
        client = SecretClient(self.peer.url, credential, verify_challenge_resource=False, **options)
        secrets = KeyVaultSecrets(client, fresh=fresh, settle=SETTLE, now=self.peer.now, owned=[credential.close])
        self._stack.push_async_callback(secrets.close)
        return secrets

    async def lock(self) -> None:
        """Leave the identity only the right to read."""
        self.peer.writers = set()

    async def stop(self) -> None:
        """Take the vault away."""
        await self.peer.__aexit__()

    def enabled(self, name: str) -> list[str]:
        """Tell the values that the vault would hand out."""
        return [one.value for one in self.peer.secrets[name].versions.values() if one.enabled]


@pytest.fixture
async def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Vault]:
    began = time.time()
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(ManagedIdentityPeer())
        for name, value in identity.app_service_environment().items():
            monkeypatch.setenv(name, value)
        peer = KeyVaultPeer(
            make_certificate(tmp_path),
            identity.issuer.check,
            clock=lambda: began + (time.time() - began) * HASTE,
        )
        await stack.enter_async_context(peer)
        yield Vault(peer, identity, stack)


@pytest.fixture
def rig(vault: Vault) -> SecretRig:
    return SecretRig(open=vault.open, settle=2 * FRESH, lock=vault.lock, break_it=vault.stop)


class TestKeyVault(SecretSourceSuite):
    """Key Vault keeps the contract."""


async def got(secrets: KeyVaultSecrets, name: str = "key") -> Sequence[str]:
    return list(await secrets.get(name))


async def vault_write(vault: Vault, name: str, value: str, **attributes: int) -> None:
    """Make a version as the portal does: without any tags."""
    secrets = await vault.open()
    names = {"exp": "expires_on", "nbf": "not_before"}
    dates: dict[str, Any] = {names[key]: datetime.fromtimestamp(at, UTC) for key, at in attributes.items()}
    await secrets._client.set_secret(name, value, **dates)


class TestVersionsOfOthers:
    """Values that are made in the portal or by Terraform."""

    async def test_they_join_until_they_are_disabled(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "ours")
        await vault_write(vault, "key", "theirs")
        assert await got(secrets) == ["theirs", "ours"]
        for version in vault.peer.secrets["key"].versions.values():
            version.enabled = version.value == "ours"
        assert await got(secrets) == ["ours"]

    async def test_only_those_valid_now_are_live(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        now = int(vault.peer.now())
        await vault_write(vault, "key", "expired", exp=now - 10)
        await vault_write(vault, "key", "later", nbf=now + 10_000)
        await vault_write(vault, "key", "now", exp=now + 10_000)
        assert await got(secrets) == ["now"]
        vault.peer.advance(10_000)
        assert await got(secrets) == ["later"]

    async def test_a_change_starts_from_them(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.change("key", lambda _: "ours")
        await vault_write(vault, "key", "theirs")
        await secrets.change("key", lambda old: f"made of {old}")
        assert await got(secrets) == ["made of theirs"]


class TestTidiness:
    """What the vault shows to people is what is live."""

    async def test_what_is_replaced_is_disabled(self, vault: Vault) -> None:
        secrets = await vault.open()
        for value in ("1", "2", "3"):
            await secrets.put("key", value, keep=2)
        assert vault.enabled("key") == ["2", "3"]
        await secrets.change("key", lambda old: f"{old}+")
        assert vault.enabled("key") == ["3+"]
        await secrets.put("key", "4")
        assert vault.enabled("key") == ["4"]

    async def test_a_change_that_did_not_come_through_is_disabled(self, vault: Vault) -> None:
        first, second = await vault.open(), await vault.open()
        await asyncio.gather(first.change("key", lambda o: f"{o}a"), second.change("key", lambda o: f"{o}b"))
        assert len(vault.enabled("key")) == 1

    async def test_the_same_value_again_pushes_no_other_out(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        for value in ("old", "new", "new"):
            await secrets.put("key", value, keep=2)
        assert await got(secrets) == ["new", "old"]
        assert vault.enabled("key") == ["old", "new"]


class TestRivals:
    """A change waits until nobody can come before it any more."""

    async def test_one_that_comes_first_within_the_same_second_is_seen(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        secrets._settle = 0.5
        await secrets.put("key", "0")
        task = asyncio.create_task(secrets.change("key", lambda old: f"{old}+ours"))
        versions = vault.peer.secrets["key"].versions
        while len(versions) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        ours = list(versions.values())[-1]
        rival = replace(ours, id="0" * 32, value="0+rival", tags=ours.tags | {WRITE: "another"})
        versions[rival.id] = rival
        await task
        assert await got(secrets) == ["0+rival+ours"]
        assert vault.enabled("key") == ["0+rival+ours"]


class TestLostAnswers:
    """The HTTP client repeats a write whose answer it does not get; it counts once."""

    async def test_a_put_that_is_repeated_pushes_no_other_out(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "old", keep=2)
        vault.peer.faults.append(Fault("set", drop="after"))
        await secrets.put("key", "new", keep=2)
        assert len(vault.peer.secrets["key"].versions) == 3
        assert await got(secrets) == ["new", "old"]

    async def test_a_change_that_is_repeated_is_made_once(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "0")
        vault.peer.faults.append(Fault("set", drop="after"))
        await secrets.change("key", lambda old: f"{old}+")
        assert len(vault.peer.secrets["key"].versions) == 3
        assert await got(secrets) == ["0+"]
        await secrets.change("key", lambda old: f"{old}+")
        assert (await got(secrets), vault.enabled("key")) == (["0++"], ["0++"])


class TestCost:
    """How often the vault is asked."""

    async def test_what_was_read_is_kept_for_a_while(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=60)
        await secrets.put("key", "1")
        vault.peer.counts.clear()
        await asyncio.gather(*(secrets.get("key") for _ in range(20)))
        assert vault.peer.counts == {"get": 1}
        await secrets.put("key", "2")
        assert await got(secrets) == ["2"]

    async def test_a_long_history_costs_nothing(self, vault: Vault) -> None:
        """A sign-in is stored every hour for years."""
        secrets = await vault.open(fresh=0)
        for number in range(30):
            await secrets.put("key", str(number))
        vault.peer.counts.clear()
        assert await got(secrets) == ["29"]
        await secrets.put("key", "30")
        assert vault.peer.counts == {"get": 2, "set": 1, "update": 1}

    async def test_a_change_that_came_through_is_read_at_once(self, vault: Vault) -> None:
        """As the webhook keys of every tenant are, by every replica, again and again."""
        secrets = await vault.open(fresh=0)
        for _ in range(3):
            await secrets.change("key", lambda old: f"{old}+")
        vault.peer.counts.clear()
        assert await got(secrets) == ["None+++"]
        assert vault.peer.counts == {"get": 1}

    async def test_the_token_is_kept(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        for _ in range(3):
            await secrets.get("key")
        assert vault.identity.counts == {"app-service": 1}


class TestRefusals:
    """Each with what to do, and with no value in it."""

    async def test_while_a_vault_is_away_it_is_not_asked_each_time(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0.2)
        await secrets.put("key", "kept")
        await got(secrets)
        await asyncio.sleep(0.2)
        vault.peer.counts.clear()
        vault.peer.faults.append(Fault("get", 503, count=99))
        assert [await got(secrets) for _ in range(5)] == [["kept"]] * 5
        assert vault.peer.counts["get"] == 1 + LIMITS["retry_total"]

    async def test_a_vault_that_is_away_for_a_while_is_not_missed(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "kept")
        assert await got(secrets) == ["kept"]
        await vault.stop()
        assert await got(secrets) == ["kept"]
        with pytest.raises(Unavailable):
            await secrets.ping()

    async def test_without_the_right_to_read(self, vault: Vault) -> None:
        vault.peer.readers = set()
        with pytest.raises(Forbidden, match="Key Vault Secrets User"):
            await (await vault.open()).get("key")
        with pytest.raises(Forbidden):
            await (await vault.open()).ping()

    async def test_without_the_right_to_write(self, vault: Vault) -> None:
        await vault.lock()
        for write in (lambda s: s.put("key", "hush"), lambda s: s.change("key", lambda _: "hush")):
            with pytest.raises(StoreFull, match=r"key .*Key Vault Secrets Officer") as caught:
                await write(await vault.open())
            assert "hush" not in str(caught.value)

    async def test_without_an_identity(self, vault: Vault) -> None:
        vault.identity.system = None
        with pytest.raises(Forbidden, match="no token"):
            await (await vault.open()).get("key")

    async def test_a_name_that_waits_for_its_purge(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "1")
        await secrets._client.delete_secret("key")
        assert await got(secrets) == []
        with pytest.raises(StoreFull, match="recover or purge"):
            await secrets.put("key", "2")

    async def test_a_value_that_is_too_long(self, vault: Vault) -> None:
        with pytest.raises(StoreFull, match="25000"):
            await (await vault.open()).put("key", "비" * 9_000)

    @pytest.mark.parametrize(("status", "error"), [(429, Throttled), (503, Unavailable), (500, Unavailable)])
    async def test_a_vault_in_trouble(self, vault: Vault, status: int, error: type[BridgeError]) -> None:
        secrets = await vault.open()
        vault.peer.faults.append(Fault("get", status, count=9, headers={"Retry-After": "0"}))
        with pytest.raises(error):
            await secrets.get("key")

    async def test_one_answer_that_is_lost_does_no_harm(self, vault: Vault) -> None:
        secrets = await vault.open(fresh=0)
        await secrets.put("key", "1")
        vault.peer.faults.append(Fault("get", drop="before"))
        assert await got(secrets) == ["1"]

    async def test_what_is_not_a_vault_of_that_domain(self, vault: Vault) -> None:
        assert vault.peer.tls is not None
        async with ManagedIdentityCredential() as credential:
            client = SecretClient(vault.peer.url, credential, connection_verify=str(vault.peer.tls.chain))
            secrets = KeyVaultSecrets(client)
            with pytest.raises(Misconfigured, match="AZURE_KEY_VAULT_URL"):
                await secrets.get("key")
            await secrets.close()

    @pytest.mark.parametrize("url", ["http://name.vault.azure.net", "name.vault.azure.net", ""])
    def test_an_address_that_is_none(self, url: str) -> None:
        with pytest.raises(Misconfigured, match="AZURE_KEY_VAULT_URL"):
            open_key_vault(url, None)


class TestNames:
    """Ours have characters that the vault's have not."""

    @pytest.mark.parametrize("name", ["ops-token", "webhook-keys-7c2f1b52-6a7d-4a0e-9a9b-2f0d5b1f3c11", "a--b"])
    def test_most_are_the_same(self, name: str) -> None:
        assert vault_name(name) == name

    @pytest.mark.parametrize("name", ["A_B.c", "a-x5fb", "a_x-xx", "_", "a-X.", "FRESHCHAT_API_KEY"])
    def test_the_others_can_be_told_back(self, name: str) -> None:
        mapped = vault_name(name)
        assert our_name(mapped) == name
        assert mapped.replace("-", "").isalnum()

    def test_different_names_stay_different(self) -> None:
        assert len({vault_name(name) for name in ("a_b", "a-b", "a.b", "a-x5fb", "a_x5fb")}) == 5

    @pytest.mark.parametrize("name", ["", ".a", "a/b", "é", "x" * 129, "_" * 32])
    async def test_what_has_no_name_there(self, vault: Vault, name: str) -> None:
        with pytest.raises(Misconfigured):
            await (await vault.open()).get(name)
