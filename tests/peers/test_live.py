"""The live tests themselves, run against peers in processes of their own as if these were the real services."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos.aio import CosmosClient
from azure.storage.blob.aio import BlobServiceClient

from tests.peers.azurite import Azurite, install
from tests.peers.npm import npm_is_here
from tests.peers.process import HttpPeerProcess, http_peer_process
from tests.peers.service_bus.process import PeerProcess, peer_process
from tests.peers.tls import Certificate

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240.0
QUEUES = ("live-test-to-freshchat", "live-test-to-teams")
OTHERS = ("AZURE_", "BRIDGE_", "IDENTITY_", "PYTEST_", "SSL_")


async def pytest_live(folder: Path, *arguments: str, **named: str) -> tuple[int, str]:
    """Run `pytest tests/live` with this environment, away from any `.env`; give exit code and output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    command = ("-m", "pytest", str(ROOT / "tests/live"), "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *arguments,
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | named,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode()


def passed(outcome: tuple[int, str]) -> int:
    """Tell how many tests passed, of which none may have failed."""
    code, out = outcome
    assert code == 0, out
    found = re.search(r"(\d+) passed", out)
    return int(found[1]) if found else 0


async def add_queues(bus: PeerProcess, *names: str, **options: Any) -> None:
    """Create queues as docs/azure-stores.md asks for them, but for these options."""
    wanted = {"requires_session": True, "duplicate_detection": 600.0, "max_delivery_count": 2000} | options
    for name in names:
        await bus.do("queues", name=name, **wanted)


async def test_service_bus_is_asked_and_left_empty(tmp_path: Path) -> None:
    """Messages that one test leaves do not reach the next; queues without the prefix are not touched."""
    chosen = "parallel or in_pages or exactly_what"
    async with peer_process() as bus:
        await add_queues(bus, *QUEUES, "to-freshchat", "to-teams")
        named = {"AZURE_SERVICEBUS_CONNECTION_STRING": bus.connection_string}
        outcome = await pytest_live(tmp_path, "--live", "-k", f"TestServiceBusQueue and ({chosen})", **named)
        queues: Mapping[str, Mapping[str, Any]] = (await bus.stats())["queues"]
    assert passed(outcome) == 3
    assert "live: Cosmos DB: not asked for" in outcome[1]
    assert bus.connection_string.split("SharedAccessKey=")[1].split(";")[0] not in outcome[1]
    for name in QUEUES:
        assert queues[name]["operations"]["accepted"] > 0
        assert [queues[name][state] for state in ("active", "locked", "dead")] == [0, 0, 0]
    assert [queues[name]["operations"] for name in ("to-freshchat", "to-teams")] == [{}, {}]


async def test_what_the_service_does_not_keep_is_found(tmp_path: Path) -> None:
    """Here it detects no duplicates."""
    async with peer_process() as bus:
        await add_queues(bus, *QUEUES, duplicate_detection=None)
        named = {"AZURE_SERVICEBUS_CONNECTION_STRING": bus.connection_string}
        code, out = await pytest_live(tmp_path, "--live", "-k", "test_of_many_equal_puts", **named)
    assert (code, "1 failed" in out) == (1, True), out


async def test_cosmos_is_asked_and_left_as_it_was(tmp_path: Path) -> None:
    """The whole suite; its database is gone afterwards."""
    async with http_peer_process("cosmos") as peer:
        key = peer.told["key"]
        named = {"AZURE_COSMOS_ENDPOINT": peer.url, "AZURE_COSMOS_KEY": key}
        outcome = await pytest_live(tmp_path, "--live", **named)
        async with CosmosClient(peer.url, key) as client:
            left = [database["id"] async for database in client.list_databases()]
    assert passed(outcome) >= 30
    assert left == []


@pytest.mark.skipif(not npm_is_here(), reason="npm is missing, so Azurite cannot be installed")
async def test_blob_storage_is_asked_and_left_as_it_was(tmp_path: Path) -> None:
    """The whole suite; its containers are gone afterwards."""
    with Azurite(install()) as azurite:
        named = {"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
        outcome = await pytest_live(tmp_path, "--live", **named)
        async with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
            left = [container["name"] async for container in client.list_containers()]
    assert passed(outcome) >= 20
    assert left == []


async def secrets_of(vault: HttpPeerProcess, identity: HttpPeerProcess, kind: str) -> list[str]:
    """List the secrets of a vault (`secrets` or `deletedsecrets`)."""
    asked = {"resource": "https://vault.azure.net", "api-version": "2019-08-01"}
    header = {"X-IDENTITY-HEADER": identity.told["header"]}
    async with identity.http.get(f"{identity.url}/msi/token", params=asked, headers=header) as answer:
        token = (await answer.json())["access_token"]
    certificate = Path(vault.told["certificate"])
    async with vault.http.get(
        f"{vault.url}/{kind}?api-version=7.6",
        headers={"Authorization": f"Bearer {token}"},
        ssl=Certificate(certificate, certificate).client_context(),
    ) as answer:
        assert answer.status == 200, await answer.text()
        return [secret["id"] for secret in (await answer.json())["value"]]


async def test_key_vault_is_asked_and_left_as_it_was(tmp_path: Path) -> None:
    """As the machine's managed identity; its secrets are deleted and purged afterwards."""
    async with http_peer_process("managed_identity") as identity:
        where = ("--folder", str(tmp_path), "--keys", f"{identity.url}/_keys")
        async with http_peer_process("key_vault", *where) as vault:
            outcome = await pytest_live(
                tmp_path,
                "--live",
                "-k",
                "TestKeyVault and (apart or replaces_the_old or unknown or as_many or sees_the_newest)",
                AZURE_KEY_VAULT_URL=vault.url,
                IDENTITY_ENDPOINT=f"{identity.url}/msi/token",
                IDENTITY_HEADER=identity.told["header"],
                SSL_CERT_FILE=vault.told["certificate"],
            )
            left = await secrets_of(vault, identity, "secrets")
            counts = await vault_counts(vault)
    assert passed(outcome) == 5
    assert left == []
    assert counts["purge"] == counts["delete"] > 0


async def vault_counts(vault: HttpPeerProcess) -> dict[str, int]:
    """Tell how many requests of each kind a vault got."""
    certificate = Path(vault.told["certificate"])
    context = Certificate(certificate, certificate).client_context()
    async with vault.http.get(f"{vault.url}/_peer/counts", ssl=context) as answer:
        found: dict[str, int] = await answer.json()
        return found


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "--live: set one of AZURE_SERVICEBUS_CONNECTION_STRING"),
        ({"AZURE_SERVICEBUS_PREFIX": "prod-"}, "AZURE_SERVICEBUS_PREFIX must begin with live-test"),
        ({"AZURE_COSMOS_DATABASE": "bridge-prod"}, "AZURE_COSMOS_DATABASE must begin with live-test"),
    ],
)
async def test_names_that_are_not_for_tests_are_refused(tmp_path: Path, named: dict[str, str], says: str) -> None:
    """Before anything is asked: the host does not exist."""
    host = {"AZURE_COSMOS_ENDPOINT": "https://nowhere.invalid", "AZURE_SERVICEBUS_NAMESPACE": "nowhere.invalid"}
    code, out = await pytest_live(tmp_path, "--live", **(host | named if named else {}))
    assert (code, says in out) == (pytest.ExitCode.USAGE_ERROR, True), out


async def test_nothing_is_collected_unless_it_is_asked_for(tmp_path: Path) -> None:
    code, out = await pytest_live(tmp_path, AZURE_SERVICEBUS_NAMESPACE="nowhere.invalid")
    assert (code, "no tests ran" in out) == (pytest.ExitCode.NO_TESTS_COLLECTED, True), out
