"""The Key Vault and managed identity peers against the unmodified SDKs (azure-keyvault-secrets, azure-identity)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient

from tests.peers.http_peer import Fault
from tests.peers.key_vault import KeyVaultPeer
from tests.peers.managed_identity import Issuer, ManagedIdentityPeer
from tests.peers.tls import Certificate

USER_ASSIGNED = {"11111111-2222-3333-4444-555555555555": "oid-of-user-assigned"}


@pytest.fixture
async def identity(issuer: Issuer) -> AsyncIterator[ManagedIdentityPeer]:
    async with ManagedIdentityPeer(issuer, identities=USER_ASSIGNED) as running:
        yield running


@pytest.fixture
async def vault(certificate: Certificate, issuer: Issuer) -> AsyncIterator[KeyVaultPeer]:
    async with KeyVaultPeer(certificate, issuer.check) as running:
        yield running


def use(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def opened(vault: KeyVaultPeer, url: str = "", **more: Any) -> AsyncIterator[SecretClient]:
    """Open a client with the machine's own identity; `url` and `certificate` for a vault in another process."""
    chain = more.pop("chain", vault.tls.chain if vault.tls else "")
    options = {"connection_verify": str(chain), "verify_challenge_resource": False, "retry_total": 0}
    async with (
        ManagedIdentityCredential(**more) as credential,
        SecretClient(url or vault.url, credential, **options) as client,
    ):
        yield client


class TestManagedIdentity:
    """Both forms, asked by azure-identity."""

    @pytest.mark.parametrize("form", ["imds", "app-service"])
    async def test_a_token_is_for_what_was_asked(
        self, identity: ManagedIdentityPeer, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        use(monkeypatch, identity.imds_environment() if form == "imds" else identity.app_service_environment())
        async with ManagedIdentityCredential() as credential:
            token = await credential.get_token("https://vault.azure.net/.default")
        claims = identity.issuer.check(token.token, ("https://vault.azure.net",))
        assert claims["oid"] == (identity.system or ("", ""))[1]
        assert identity.counts == {form: 1}
        assert token.expires_on - time.time() > 3600
        with pytest.raises(ValueError, match=r"[Aa]udience"):
            identity.issuer.check(token.token, ("https://storage.azure.com",))

    async def test_a_user_assigned_identity_is_named(
        self, identity: ManagedIdentityPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(monkeypatch, identity.app_service_environment())
        [client_id] = USER_ASSIGNED
        async with ManagedIdentityCredential(client_id=client_id) as credential:
            token = await credential.get_token("https://vault.azure.net/.default")
        assert identity.issuer.check(token.token, ("https://vault.azure.net",))["oid"] == "oid-of-user-assigned"

    @pytest.mark.parametrize("form", ["imds", "app-service"])
    async def test_an_identity_that_is_not_there_is_refused(
        self, identity: ManagedIdentityPeer, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        use(monkeypatch, identity.imds_environment() if form == "imds" else identity.app_service_environment())
        async with ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000000") as credential:
            with pytest.raises(ClientAuthenticationError):
                await credential.get_token("https://vault.azure.net/.default")

    async def test_without_the_header_nobody_gets_a_token(self, identity: ManagedIdentityPeer) -> None:
        """That is what keeps a redirected browser or proxy from getting one."""
        query = {"api-version": "2018-02-01", "resource": "x"}
        app_service = {"api-version": "2019-08-01", "resource": "x"}
        async with aiohttp.ClientSession() as session:
            path = f"{identity.url}/metadata/identity/oauth2/token"
            async with session.get(path, params=query) as answer:
                assert answer.status == 400
            async with session.get(f"{identity.url}/msi/token", params=app_service) as answer:
                assert answer.status == 401

    async def test_a_token_runs_out(self, issuer: Issuer) -> None:
        with pytest.raises(ValueError, match="expired"):
            issuer.check(issuer.token("x", oid="o", seconds=-1), ("x",))

    async def test_a_token_of_somebody_else_is_refused(self, issuer: Issuer) -> None:
        with pytest.raises(ValueError, match=r"[Ss]ignature"):
            issuer.check(Issuer().token("x", oid="o"), ("x",))


@pytest.fixture
async def client(
    vault: KeyVaultPeer, identity: ManagedIdentityPeer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SecretClient]:
    use(monkeypatch, identity.app_service_environment())
    async with opened(vault) as one:
        yield one


class TestSecrets:
    """What the SDK sees."""

    async def test_versions_are_kept(self, vault: KeyVaultPeer, client: SecretClient) -> None:
        first = await client.set_secret("a-secret", "one", tags={"x": "1"})
        await client.set_secret("A-Secret", "two")
        assert (await client.get_secret("a-secret")).value == "two"
        assert (await client.get_secret("a-secret", first.properties.version)).value == "one"
        listed = [one async for one in client.list_properties_of_secret_versions("a-secret")]
        assert {one.version for one in listed} == set(vault.secrets["a-secret"].versions)
        assert listed[0].created_on is not None
        assert listed[0].created_on.microsecond == 0

    async def test_lists_come_in_pages(self, vault: KeyVaultPeer, client: SecretClient) -> None:
        for number in range(30):
            await client.set_secret("one", str(number))
        assert len([one async for one in client.list_properties_of_secret_versions("one")]) == 30
        assert vault.counts["list-versions"] == 2
        assert [one.name async for one in client.list_properties_of_secrets()] == ["one"]

    async def test_a_disabled_version_is_not_given(self, client: SecretClient) -> None:
        made = await client.set_secret("one", "1")
        await client.update_secret_properties("one", made.properties.version, enabled=False, tags={"why": "old"})
        with pytest.raises(HttpResponseError) as caught:
            await client.get_secret("one")
        assert (caught.value.status_code, caught.value.error.innererror["code"]) == (403, "SecretDisabled")
        [listed] = [one async for one in client.list_properties_of_secret_versions("one")]
        assert (listed.enabled, listed.tags) == (False, {"why": "old"})

    async def test_what_is_deleted_can_be_had_back(self, vault: KeyVaultPeer, client: SecretClient) -> None:
        """Meanwhile its name is taken."""
        with pytest.raises(ResourceNotFoundError):
            await client.get_secret("one")
        await client.set_secret("one", "1")
        await client.delete_secret("one")
        with pytest.raises(ResourceNotFoundError):
            await client.get_secret("one")
        with pytest.raises(HttpResponseError) as caught:
            await client.set_secret("one", "2")
        assert (caught.value.status_code, caught.value.error.innererror["code"]) == (
            409,
            "ObjectIsDeletedButRecoverable",
        )
        await client.recover_deleted_secret("one")
        assert (await client.get_secret("one")).value == "1"
        await client.delete_secret("one")
        await client.purge_deleted_secret("one")
        await client.set_secret("one", "2")

    @pytest.mark.parametrize(
        ("name", "more"),
        [("under_score", {}), ("x" * 128, {}), ("one", {"tags": {"t": "x" * 257}}), ("one", {"value": "x" * 25_001})],
    )
    async def test_what_the_service_refuses(self, client: SecretClient, name: str, more: dict[str, Any]) -> None:
        with pytest.raises(HttpResponseError) as caught:
            await client.set_secret(name, **({"value": "v"} | more))
        assert caught.value.status_code == 400

    async def test_rights_are_checked(
        self, vault: KeyVaultPeer, client: SecretClient, identity: ManagedIdentityPeer
    ) -> None:
        await client.set_secret("one", "1")
        vault.writers = {"somebody else"}
        with pytest.raises(HttpResponseError) as caught:
            await client.set_secret("one", "2")
        assert caught.value.status_code == 403
        assert (await client.get_secret("one")).value == "1"

    async def test_a_token_for_something_else_is_refused(self, vault: KeyVaultPeer, issuer: Issuer) -> None:
        token = issuer.token("https://storage.azure.com", oid="x")
        async with aiohttp.ClientSession() as session:
            assert vault.tls is not None
            asked = session.get(
                f"{vault.url}/secrets/one?api-version=7.6",
                headers={"Authorization": f"Bearer {token}"},
                ssl=vault.tls.client_context(),
            )
            async with asked as answer:
                assert (answer.status, "vault.azure.net" in answer.headers["WWW-Authenticate"]) == (401, True)

    async def test_it_throttles_as_ordered(self, vault: KeyVaultPeer, client: SecretClient) -> None:
        vault.faults.append(Fault("get", 429, headers={"Retry-After": "1"}, count=9))
        with pytest.raises(HttpResponseError) as caught:
            await client.get_secret("one")
        assert caught.value.status_code == 429


async def test_both_run_as_processes(vault: KeyVaultPeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One issues, the other checks with the published keys."""
    started = []

    async def start(*arguments: str) -> dict[str, str]:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        told: dict[str, str] = json.loads(await process.stdout.readline())
        return told

    identity = await start("tests.peers.managed_identity")
    keys = f"{identity['ready']}/_keys"
    alone = await start("tests.peers.key_vault", "--folder", str(tmp_path), "--keys", keys)
    use(monkeypatch, {"IDENTITY_ENDPOINT": f"{identity['ready']}/msi/token", "IDENTITY_HEADER": identity["header"]})
    async with opened(vault, alone["ready"], chain=alone["certificate"]) as client:
        await client.set_secret("one", "1")
        assert (await client.get_secret("one")).value == "1"
    for process in started:
        process.terminate()
        assert await process.wait() == 0
