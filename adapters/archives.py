"""Where archives are kept: beside the objects, whichever store those are in (`BRIDGE_OBJECTS`)."""

from __future__ import annotations

from collections.abc import Callable

from adapters.local.files_archives import LocalArchives
from bridge.errors import Misconfigured
from bridge.ports.archives import ArchiveStore
from bridge.settings import Settings


def _local(settings: Settings) -> ArchiveStore:
    return LocalArchives(settings.data_dir / "archives")


def _blobs(settings: Settings) -> ArchiveStore:
    from adapters.azure.blob_archives import open_archives  # noqa: PLC0415 - the SDK is for those who use it

    return open_archives(settings)


ARCHIVES: dict[str, Callable[[Settings], ArchiveStore]] = {"local.files_objects": _local, "azure.blob": _blobs}


def open_archive_store(settings: Settings) -> ArchiveStore:
    """Open the store, for who closes it; nothing is asked yet. Misconfigured if it cannot be used."""
    if settings.objects not in ARCHIVES:
        raise Misconfigured(f"BRIDGE_OBJECTS: there is no adapter {settings.objects!r} that keeps archives")
    return ARCHIVES[settings.objects](settings)
