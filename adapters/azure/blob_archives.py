"""The `ArchiveStore` in Azure Blob Storage: two containers, a blob per archive, its label as the blob's metadata.

Monthly archives have a container of their own, which a lifecycle rule of the account may empty after a year; event and
final archives are in one that Terraform makes immutable. A blob appears when the list of its blocks is committed, and
only where there is none of its name; blocks without a list are dropped by the service after a week.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from adapters.azure.blob_account import COMPONENT, open_client, refusals
from adapters.hashed import Hashed, in_blocks
from bridge.errors import Rejected
from bridge.ports.archives import ArchiveKind, KeptArchive, Label, read_kept
from bridge.settings import Settings

BLOCK = 24 * 1024 * 1024
"""Bytes of a block, the most that is in memory: of 50,000 blocks, the most that a blob has, come 1.14 TiB."""
BLOCK_SECONDS = 300.0
TRIES = 60
"""Quick retries of a block, a second apart: a stream that took hours must outlast a minute's trouble."""
SETTINGS = ("ARCHIVE_CONTAINER", "ARCHIVE_FINAL_CONTAINER")


def open_archives(settings: Settings) -> BlobArchives:
    """Open both containers. Nothing is asked yet; raises like `open_client`."""
    given = settings.storage_connection_string
    connection_string = given.get_secret_value() if given else ""
    client, owned = open_client(settings.storage_account_url, connection_string, settings.azure_client_id)
    return BlobArchives(client, settings.archive_container, settings.archive_final_container, owned=owned)


class BlobArchives:
    """The `ArchiveStore` port. The containers must be there: their rules are not ours to make."""

    def __init__(
        self,
        client: BlobServiceClient,
        monthly: str,
        final: str,
        *,
        owned: Sequence[Callable[[], Awaitable[None]]] = (),
        block: int = BLOCK,
    ) -> None:
        """`owned` is closed with it; `block` is the size of a block in bytes."""
        self._containers = [client.get_container_client(name) for name in (monthly, final)]
        self._owned, self._block = [client.close, *owned], block

    async def put(self, name: str, label: Label, stream: AsyncIterator[bytes]) -> KeptArchive:
        """Send the blocks, each with its hash that the service checks, then their list."""
        blob, setting = self._blob(label.kind, name)
        hashed, blocks = Hashed(stream), list[BlobBlock]()
        async for content in in_blocks(aiter(hashed), self._block):
            block = BlobBlock(uuid.uuid4().hex)
            async with refusals(BLOCK_SECONDS, setting):
                size = content.getbuffer().nbytes
                await blob.stage_block(block.id, content, size, validate_content=True, retry_total=TRIES)
            blocks.append(block)
        kept = hashed.kept(name, label)
        async with refusals(container=setting):
            try:
                await blob.commit_block_list(
                    blocks,
                    metadata=kept.written(),
                    content_settings=ContentSettings(content_type="application/octet-stream"),
                    match_condition=MatchConditions.IfMissing,
                )
            except ResourceExistsError:
                await _refuse_another(blob, kept)
        return kept

    async def all(self) -> AsyncIterator[KeptArchive]:
        """List both containers; blobs of other makers are left out."""
        for container, setting in zip(self._containers, SETTINGS, strict=True):
            blobs = aiter(container.list_blobs(include=["metadata"]))
            while True:
                async with refusals(container=setting):
                    blob = await anext(blobs, None)
                if blob is None:
                    break
                if kept := read_kept(str(blob.name), blob.metadata or {}):
                    yield kept

    async def open(self, kept: KeptArchive) -> AsyncGenerator[bytes, None]:
        """Read a blob in pieces of 1 MB."""
        blob, setting = self._blob(kept.label.kind, kept.name)
        async with refusals(container=setting):
            pieces = (await blob.download_blob(max_concurrency=1)).chunks()
        while True:
            async with refusals(container=setting):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    async def delete(self, kept: KeptArchive) -> None:
        """Delete the blob."""
        blob, setting = self._blob(kept.label.kind, kept.name)
        async with refusals(container=setting):
            try:
                await blob.delete_blob()
            except ResourceNotFoundError:
                return
            except HttpResponseError as error:
                if error.status_code != 409:
                    raise
                raise Rejected(
                    f"{kept.name} may not be deleted: the container keeps it",
                    code="archive_immutable",
                    component=COMPONENT,
                ) from None

    async def ping(self) -> None:
        """Ask for both containers' properties."""
        for container, setting in zip(self._containers, SETTINGS, strict=True):
            async with refusals(container=setting):
                await container.get_container_properties()

    async def close(self) -> None:
        """Let go of the connections."""
        for close in self._owned:
            await close()

    def _blob(self, kind: ArchiveKind, name: str) -> tuple[BlobClient, str]:
        place = 0 if kind == "monthly" else 1
        container: ContainerClient = self._containers[place]
        return container.get_blob_client(name), SETTINGS[place]


async def _refuse_another(blob: BlobClient, kept: KeptArchive) -> None:
    """Rejected, unless what has the name is what was sent: an answer may be lost, and the call made again."""
    present = await blob.get_blob_properties()
    if (present.metadata or {}).get("sha256") != kept.sha256:
        raise Rejected(f"there is another archive {kept.name}", code="archive_name", component=COMPONENT)
