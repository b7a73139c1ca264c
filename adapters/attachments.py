"""What is between the platforms for files of either direction, made as the settings want it."""

from __future__ import annotations

import time

from adapters.stores import Ports
from bridge.attachments import LINK_SECONDS, Attachments
from bridge.ports import FileSource, Scanner
from bridge.settings import Settings


def open_attachments(settings: Settings, ports: Ports, scanner: Scanner, source: FileSource) -> Attachments:
    """Make it; files are looked at below `BRIDGE_DATA_DIR`, and waited for at most half as long as other troubles."""
    return Attachments(
        source,
        scanner,
        ports.objects,
        settings.data_dir / "spool",
        clock=time.time,
        link_seconds=LINK_SECONDS,
        patience=min(settings.file_patience, settings.retry_window / 2),
    )
