"""The `ObjectStore` in Azure Blob Storage: one private container, a blob per object, addresses signed for each reader.

Addresses are signed with a user delegation key (managed identity) or with the account's key (connection string). How
long blobs are kept is the container's lifecycle rule, which Terraform sets.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobSasPermissions, ContentSettings, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from adapters.azure.blob_account import open_client, refusals
from bridge.objects import content_disposition, safe_type
from bridge.ports import Disposition, ObjectRef

KEY_DAYS = 1
MAX_SECONDS = 5 * 24 * 3600.0
"""How long an address may be valid: a delegation key lives for a week at most."""
SKEW = timedelta(minutes=5)


def open_blobs(account_url: str, connection_string: str, container: str, client_id: str | None) -> BlobObjects:
    """Open the container of an account. Nothing is asked yet; raises like `open_client`."""
    client, owned = open_client(account_url, connection_string, client_id)
    return BlobObjects(client, container, owned=owned)


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
        async with refusals(seconds=None):  # as long as the stream takes; each call has its time-out
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
        async with refusals():
            download = await self._client.get_blob_client(ref.id).download_blob(max_concurrency=1)
        pieces = download.chunks()
        while True:
            async with refusals():
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    async def delete(self, ref: ObjectRef) -> None:
        """Delete the blob."""
        async with refusals():
            try:
                await self._client.get_blob_client(ref.id).delete_blob()
            except ResourceNotFoundError:
                return

    async def ping(self) -> None:
        """Ask for the container's properties."""
        async with refusals():
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
        async with refusals():
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
                async with refusals():
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
