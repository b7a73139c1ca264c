"""A second, independent client of the Cosmos DB and Key Vault peers: the JavaScript SDKs, installed once by npm."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.peers.cosmos import CosmosPeer
from tests.peers.key_vault import KeyVaultPeer
from tests.peers.managed_identity import Issuer
from tests.peers.npm import installed, npm_is_here
from tests.peers.tls import Certificate

pytestmark = pytest.mark.skipif(not npm_is_here(), reason="npm is missing, so the JavaScript SDKs cannot be installed")
PACKAGES = ("@azure/cosmos@4.10.1", "@azure/keyvault-secrets@4.11.2")
SCRIPTS = Path(__file__).parent / "javascript"


@pytest.fixture(scope="module")
def modules() -> Path:
    return installed("javascript-sdks", *PACKAGES) / "node_modules"


async def run(modules: Path, script: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run a script; give what it prints."""
    child = await asyncio.create_subprocess_exec(
        *("node", str(SCRIPTS / script), *arguments),
        env=os.environ | {"NODE_PATH": str(modules), "NODE_NO_WARNINGS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, err.decode()
    told: dict[str, Any] = json.loads(out)
    return told


async def test_cosmos(modules: Path) -> None:
    async with CosmosPeer() as peer:
        assert await run(modules, "cosmos.cjs", peer.url, peer.key) == {
            "created": [201, True],
            "again": 409,
            "read": 1,
            "missing": 404,
            "replaced": 200,
            "stale": 412,
            "patched": 7,
            "batch": [424, 409],
            "undone": 404,
            "pages": [["z"], ["y"]],
            "deleted": 204,
            "stranger": 401,
        }


async def test_key_vault(modules: Path, certificate: Certificate, issuer: Issuer) -> None:
    async with KeyVaultPeer(certificate, issuer.check) as peer:
        token = issuer.token("https://vault.azure.net", oid="somebody")
        told = await run(modules, "key_vault.cjs", peer.url, token, NODE_EXTRA_CA_CERTS=str(certificate.chain))
    assert told == {
        "newest": "2",
        "first": "1",
        "versions": [[False, "b"], [True, None]],
        "disabled": 403,
        "deleted": 404,
        "recovered": "2",
    }
