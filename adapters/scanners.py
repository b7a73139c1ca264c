"""Which adapter scans files, chosen by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

from adapters.local.clamav import ClamdScanner
from bridge.errors import Unscannable
from bridge.ports import Scanner
from bridge.settings import Settings
from bridge.telemetry import Telemetry

DEBIAN = "unix:/run/clamav/clamd.ctl"
"""Where clamd of Debian's clamav-daemon listens."""


class Unscanned:
    """Scans nothing and lets everything through: for a developer's machine."""

    async def scan(self, stream: AsyncIterator[bytes], size: int) -> None:
        """Say nothing of it."""

    async def ping(self) -> None:
        """Do nothing."""


class KeptOut:
    """Scans nothing and lets nothing through: production without a scanner."""

    async def scan(self, stream: AsyncIterator[bytes], size: int) -> None:
        """Raise Unscannable."""
        raise Unscannable("no scanner is set up", code="no_scanner", component="scanner")

    async def ping(self) -> None:
        """Do nothing: that it is so was said at the start."""


def open_scanner(settings: Settings, telemetry: Telemetry) -> Scanner:
    """Make it; warns where files are not scanned. Misconfigured if it cannot be used."""
    if settings.scans_files:
        return ClamdScanner(
            settings.clamd_address or DEBIAN, max_bytes=settings.clamd_max_bytes, timeout=settings.scan_seconds
        )
    telemetry.warning("no_scanner", files="kept out" if settings.production else "not scanned")
    return KeptOut() if settings.production else Unscanned()
