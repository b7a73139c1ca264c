"""A storage account: how it is opened, how long it is waited for, and what its refusals mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.blob.aio import BlobServiceClient, LinearRetry
from yarl import URL

from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, StoreFull, Throttled, Unavailable

COMPONENT = "blob"
BLOCK = 1024 * 1024
"""Bytes of a stream that are in memory at a time; a blob has at most 50,000 blocks."""
CALL_SECONDS = 30.0


def limits() -> dict[str, Any]:
    """Give the client's options: time-outs, few and quick retries, blocks."""
    return {
        "connection_timeout": 5,
        "read_timeout": 20,
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=1),
        "max_block_size": BLOCK,
        "max_chunk_get_size": BLOCK,
        "max_single_get_size": BLOCK,
    }


def open_client(
    account_url: str, connection_string: str, client_id: str | None
) -> tuple[BlobServiceClient, list[Callable[[], Awaitable[None]]]]:
    """Open an account, by its connection string or else as the machine's managed identity.

    Give what must be closed after the client, too. Nothing is asked yet. Misconfigured if neither can be used.
    """
    if connection_string:
        try:
            return BlobServiceClient.from_connection_string(connection_string, **limits()), []
        except ValueError:
            raise Misconfigured("AZURE_STORAGE_CONNECTION_STRING is not one: copy it from the account") from None
    address = URL(account_url)
    if address.scheme != "https" or not address.host:
        raise Misconfigured("AZURE_STORAGE_ACCOUNT_URL must be https, such as https://NAME.blob.core.windows.net")
    credential = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    return BlobServiceClient(account_url, credential, **limits()), [credential.close]


@asynccontextmanager
async def refusals(
    seconds: float | None = CALL_SECONDS, container: str = "AZURE_STORAGE_CONTAINER"
) -> AsyncIterator[None]:
    """Say in our words what the storage account refused, within so many seconds.

    `container` is the setting that names the container.
    """
    try:
        async with asyncio.timeout(seconds) as bound:
            yield
    except TimeoutError:
        if not bound.expired():
            raise
        raise _unavailable("no answer in time") from None
    except ClientAuthenticationError as error:
        raise _forbidden(f"it refuses our key or token ({type(error).__name__})") from None
    except HttpResponseError as error:
        raise _told(error, container) from None
    except AzureError as error:
        raise _unavailable(type(error).__name__) from None


def _told(error: HttpResponseError, container: str) -> Exception:
    status, code = error.status_code, str(getattr(error, "error_code", "") or "")
    if status == 404 and code == "ContainerNotFound":
        return Misconfigured(f"the container of {container} is not there, and we may not make it")
    if status == 404:
        return Rejected("the file is not kept any more", code="object_gone", component=COMPONENT)
    if status in (401, 403):
        return _forbidden(
            f"{code or status}: the bridge's identity needs the roles Storage Blob Data Contributor and "
            "Storage Blob Delegator"
        )
    if status in (409, 413, 507):
        return StoreFull(f"the storage account takes no more ({code or status})")
    if status == 429 or code == "ServerBusy":
        return Throttled("the storage account is asked too often", code="blob_busy", component=COMPONENT)
    return _unavailable(f"status {status}")


def _forbidden(text: str) -> BridgeError:
    return Forbidden(f"Blob Storage: {text}", code="blob_forbidden", component=COMPONENT)


def _unavailable(text: str) -> BridgeError:
    return Unavailable(f"Blob Storage cannot be asked: {text}", code="blob", component=COMPONENT)
