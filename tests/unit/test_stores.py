"""The settings choose the adapters; a wrong choice says which there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.azure.blob import BlobObjects
from adapters.azure.key_vault import KeyVaultSecrets
from adapters.stores import open_ports
from bridge.errors import Misconfigured
from bridge.settings import load

CONNECTION = "DefaultEndpointsProtocol=https;AccountName=name;AccountKey=a2V5;EndpointSuffix=core.windows.net"


async def test_azure_is_opened_by_name(tmp_path: Path) -> None:
    """Without asking anybody."""
    settings = load(
        BRIDGE_DATA_DIR=tmp_path,
        BRIDGE_SECRETS="azure.key_vault",
        AZURE_KEY_VAULT_URL="https://name.vault.azure.net",
        BRIDGE_OBJECTS="azure.blob",
        AZURE_STORAGE_CONNECTION_STRING=CONNECTION,
    )
    async with open_ports(settings) as ports:
        assert isinstance(ports.secrets, KeyVaultSecrets)
        assert isinstance(ports.objects, BlobObjects)


@pytest.mark.parametrize("setting", ["BRIDGE_QUEUE", "BRIDGE_THREADS", "BRIDGE_SECRETS", "BRIDGE_OBJECTS"])
async def test_an_adapter_that_is_not_there(tmp_path: Path, setting: str) -> None:
    with pytest.raises(Misconfigured, match=rf"{setting}: there is no adapter 'paper'; use 'local\."):
        async with open_ports(load(BRIDGE_DATA_DIR=tmp_path, **{setting: "paper"})):
            pass


@pytest.mark.parametrize(
    ("chosen", "missing"),
    [
        ({"BRIDGE_SECRETS": "azure.key_vault"}, "AZURE_KEY_VAULT_URL"),
        ({"BRIDGE_OBJECTS": "azure.blob"}, "AZURE_STORAGE_ACCOUNT_URL"),
    ],
)
async def test_what_azure_needs_is_named(tmp_path: Path, chosen: dict[str, str], missing: str) -> None:
    with pytest.raises(Misconfigured, match=missing):
        async with open_ports(load(BRIDGE_DATA_DIR=tmp_path, **chosen)):
            pass
