"""What a live run asks, and the only names that it may touch there: all begin with `live-test`."""

from __future__ import annotations

import uuid

import pytest
from yarl import URL

from bridge.settings import Settings, load

OURS = "live-test"
RUN = f"{OURS}-{uuid.uuid4().hex[:8]}"
"""Begins the names that this run makes itself."""

NAMED_BY = {
    "Service Bus": ("AZURE_SERVICEBUS_CONNECTION_STRING", "AZURE_SERVICEBUS_NAMESPACE"),
    "Cosmos DB": ("AZURE_COSMOS_ENDPOINT",),
    "Blob Storage": ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_URL"),
    "Key Vault": ("AZURE_KEY_VAULT_URL",),
}


def places(settings: Settings) -> dict[str, str]:
    """Tell the host of each service that is named; a connection string is told without its key."""
    bus, storage = settings.servicebus_connection_string, settings.storage_connection_string
    named = {
        "Service Bus": _part(bus.get_secret_value(), "Endpoint") if bus else settings.servicebus_namespace,
        "Cosmos DB": settings.cosmos_endpoint,
        "Blob Storage": _storage(storage.get_secret_value()) if storage else settings.storage_account_url,
        "Key Vault": settings.key_vault_url,
    }
    return {service: URL(place).authority or place for service, place in named.items() if place}


def _part(text: str, name: str) -> str:
    fields = dict(field.partition("=")[::2] for field in text.split(";"))
    return fields.get(name, "")


def _storage(text: str) -> str:
    return _part(text, "BlobEndpoint") or _part(text, "AccountName") or "a connection string without an account"


def ask_for(service: str) -> None:
    """Skip the whole module unless the environment names its service."""
    if service not in places(load()):
        named_by = " or ".join(NAMED_BY[service])
        pytest.skip(f"not asked for: {service} ({named_by})", allow_module_level=True)


def queue_prefix(settings: Settings) -> str:
    """Give what begins the names of both queues, which must be there and are emptied."""
    return settings.servicebus_prefix or f"{OURS}-"


def database(settings: Settings) -> str:
    """Give the database: one that was made for live tests, or else a new one."""
    given = settings.cosmos_database
    return RUN if given == Settings.model_fields["cosmos_database"].default else given


def refusal(settings: Settings) -> str | None:
    """Say why nothing may be run against what is named, or None."""
    if not places(settings):
        return f"--live: set one of {', '.join(name for names in NAMED_BY.values() for name in names)}"
    if not queue_prefix(settings).startswith(OURS):
        return f"AZURE_SERVICEBUS_PREFIX must begin with {OURS}: live tests empty these queues"
    if not database(settings).startswith(OURS):
        return f"AZURE_COSMOS_DATABASE must begin with {OURS}: live tests empty its containers"
    return None
