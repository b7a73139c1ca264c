"""The `ObjectStore` in Azure Blob Storage: one private container, a blob per object, addresses signed for each reader.

Addresses are signed with a user delegation key (managed identity) or with the account's key (connection string). How
long blobs are kept is the container's lifecycle rule, which Terraform sets.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.blob import BlobSasPermissions, ContentSettings, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient, LinearRetry
from yarl import URL

from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, StoreFull, Throttled, Unavailable
from bridge.objects import content_disposition, safe_type
from bridge.ports import Disposition, ObjectRef

COMPONENT = "blob"
BLOCK = 1024 * 1024
"""Bytes of a stream that are in memory at a time; a blob has at most 50,000 blocks."""
CALL_SECONDS = 30.0
KEY_DAYS = 1
MAX_SECONDS = 5 * 24 * 3600.0
"""How long an address may be valid: a delegation key lives for a week at most."""
SKEW = timedelta(minutes=5)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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


def open_blobs(account_url: str, connection_string: str, container: str, client_id: str | None) -> BlobObjects:
    """Open the container of an account, by its connection string or else as the machine's managed identity.

    Nothing is asked yet. Misconfigured if neither can be used.
    """
    if connection_string:
        try:
            return BlobObjects(BlobServiceClient.from_connection_string(connection_string, **limits()), container)
        except ValueError:
            raise Misconfigured("AZURE_STORAGE_CONNECTION_STRING is not one: copy it from the account") from None
    address = URL(account_url)
    if address.scheme != "https" or not address.host:
        raise Misconfigured("AZURE_STORAGE_ACCOUNT_URL must be https, such as https://NAME.blob.core.windows.net")
    credential = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    client = BlobServiceClient(account_url, credential, **limits())
    return BlobObjects(client, container, owned=[credential.close])


class BlobObjects:
    """The `ObjectStore` port; every replica on the same container reads the same objects."""

    def __init__(
        self,
        client: BlobServiceClient,
        container: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        owned: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """`owned` is closed with it."""
        self._service, self._client, self._now = client, client.get_container_client(container), now
        self._owned = [client.close, *owned]
        self._made = False
        self._key: UserDelegationKey | None = None
        self._key_until = now()
        self._lock = asyncio.Lock()

    async def put(
        self, name: str, stream: AsyncIterator[bytes], content_type: str, disposition: Disposition = "attachment"
    ) -> ObjectRef:
        """Store a stream as a blob of a new name; its blocks become a blob when all are there."""
        await self._make_container()
        kind = safe_type(content_type)
        settings = ContentSettings(
            content_type=kind,
            content_disposition=content_disposition(name, kind, disposition),
            cache_control="private, no-store",
        )
        counted = _Counted(stream)
        blob = self._client.get_blob_client(uuid.uuid4().hex)
        async with _refusals(seconds=None):  # as long as the stream takes; each call has its time-out
            await blob.upload_blob(counted, overwrite=True, content_settings=settings, max_concurrency=1)
        return ObjectRef(id=blob.blob_name, size=counted.size)

    async def signed_url(self, ref: ObjectRef, seconds: float) -> str:
        """Sign reading this one blob, until then."""
        if seconds > MAX_SECONDS:
            raise ValueError(f"an address is valid for at most {MAX_SECONDS:.0f} s")
        blob = self._client.get_blob_client(ref.id)
        expires = self._now() + timedelta(seconds=seconds)
        shared = getattr(self._service.credential, "account_key", None)
        signature = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=self._client.container_name,
            blob_name=ref.id,
            account_key=shared,
            user_delegation_key=None if shared else await self._delegation_key(expires),
            permission=BlobSasPermissions(read=True),
            expiry=expires,
            protocol="https" if self._service.url.startswith("https:") else "https,http",
        )
        return f"{blob.url}?{signature}"

    async def open(self, ref: ObjectRef) -> AsyncIterator[bytes]:
        """Read a blob in pieces of 1 MB."""
        async with _refusals():
            download = await self._client.get_blob_client(ref.id).download_blob(max_concurrency=1)
        pieces = download.chunks()
        while True:
            async with _refusals():
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    async def delete(self, ref: ObjectRef) -> None:
        """Delete the blob."""
        async with _refusals():
            try:
                await self._client.get_blob_client(ref.id).delete_blob()
            except ResourceNotFoundError:
                return

    async def ping(self) -> None:
        """Ask for the container's properties."""
        async with _refusals():
            try:
                await self._client.get_container_properties()
            except ResourceNotFoundError:
                self._made = False
                await self._make_container()

    async def close(self) -> None:
        """Let go of the connections."""
        for close in self._owned:
            await close()

    async def _make_container(self) -> None:
        """Make the container where nobody did; Terraform does it in production."""
        if self._made:
            return
        async with _refusals():
            try:
                await self._client.create_container()
            except ResourceExistsError:
                pass
            except HttpResponseError as error:
                if error.status_code != 403:
                    raise  # else: allowed to write blobs is enough, if it is there
        self._made = True

    async def _delegation_key(self, until: datetime) -> UserDelegationKey:
        """Give a key that outlives an address; one serves all addresses of a day."""
        async with self._lock:
            if self._key is None or until > self._key_until:
                begin, end = self._now() - SKEW, until + timedelta(days=KEY_DAYS)
                async with _refusals():
                    self._key = await self._service.get_user_delegation_key(begin, end)
                self._key_until = end
            return self._key


class _Counted:
    """A stream that counts what passes."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream, self.size = stream, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.size += len(chunk)
            yield chunk


@asynccontextmanager
async def _refusals(seconds: float | None = CALL_SECONDS) -> AsyncIterator[None]:
    """Say in our words what the storage account refused, within so many seconds."""
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
        raise _told(error) from None
    except AzureError as error:
        raise _unavailable(type(error).__name__) from None


def _told(error: HttpResponseError) -> Exception:
    status, code = error.status_code, str(getattr(error, "error_code", "") or "")
    if status == 404 and code == "ContainerNotFound":
        return Misconfigured("the container of AZURE_STORAGE_CONTAINER is not there, and we may not make it")
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
