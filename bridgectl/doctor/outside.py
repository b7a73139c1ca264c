"""Checks of how the outside sees us: the app package, the public address, the clock."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from yarl import URL

from adapters.http import call, endpoint
from bridge.errors import BridgeError, Misconfigured
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report
from bridgectl.manifest import agreement

MAX_MANIFEST = 1024 * 1024
WARN_SKEW, BAD_SKEW = 60.0, 300.0
"""Seconds. Tokens of Teams are refused beyond the second."""


# --- the app package


async def look_at_manifest(report: Report, case: Case) -> None:
    """Compare the app package with the settings; `bridgectl manifest check` looks at the rest of it."""
    path = case.manifest
    if path is None:
        report.skipped("manifest", "give your app package with --manifest")
        return
    try:
        manifest = _read(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        todo = "Give the app package (zip) or its manifest.json with --manifest."
        report.problem("manifest", f"{path}: cannot be read ({type(error).__name__})", todo)
        return
    agreement.look_at_ids(report, manifest, case.settings.app_id, "MicrosoftAppId")
    if case.settings.public_url:
        agreement.look_at_domains(report, manifest, URL(case.settings.public_url).host or "", "BRIDGE_PUBLIC_URL")
    else:
        report.skipped("valid domains", "BRIDGE_PUBLIC_URL is not set")


def _read(path: Path) -> dict[str, Any]:
    """Read the manifest, alone or in its package; ValueError if it is not a JSON object."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as package, package.open("manifest.json") as file:
            raw = file.read(MAX_MANIFEST)
    else:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST)
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


# --- the public address


async def look_at_address(report: Report, case: Case) -> None:
    """Ask the bridge how it is, the way the outside reaches it."""
    url = case.settings.public_url
    if not url or case.offline:
        report.skipped("BRIDGE_PUBLIC_URL", "--offline" if url else "not set")
        return
    todo = "Start the bridge, and check name, certificate and reverse proxy (or tunnel) of BRIDGE_PUBLIC_URL."
    try:
        answer = await call(case.session, "GET", endpoint(f"{url.rstrip('/')}/healthz"), component="bridge", timeout=10)
    except (BridgeError, Misconfigured) as error:
        report.problem("BRIDGE_PUBLIC_URL", str(error), todo)
        return
    if answer.object().get("status") == "alive":
        report.ok("BRIDGE_PUBLIC_URL", "the bridge answers")
    else:
        report.problem("BRIDGE_PUBLIC_URL", f"{answer.status}, but not from the bridge", todo)


# --- the clock


def look_at_clock(report: Report, case: Case) -> None:
    """Compare our clock with those of the servers that answered."""
    skews = case.heard.skews
    if not skews:
        report.skipped("clock", "--offline" if case.offline else "no server told its time")
        return
    todo = "Let this machine's clock be set by the network (chrony, systemd-timesyncd)."
    for host, skew in sorted(skews.items()):
        told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {host}"
        if abs(skew) > BAD_SKEW:
            report.problem("clock", told, todo)
        elif abs(skew) > WARN_SKEW:
            report.warning("clock", told, todo)
        else:
            report.ok("clock", f"agrees with {host}")
