"""Checks that need nothing but this machine: settings, tenants, stores."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import UUID

from dotenv import dotenv_values
from pydantic import SecretStr
from yarl import URL

from adapters.local.files_secrets import KEY_VARIABLE
from adapters.stores import EMBEDDED, open_queue, open_secrets, open_threads
from adapters.upstreams import LOOPBACK
from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.ports import Queue, SecretSource, ThreadMap
from bridge.settings import Settings, load, suffixes
from bridge.tenants import SECRET_PREFIX, Tenant, load_tenants
from bridgectl.config import rows
from bridgectl.doctor import cosmos, service_bus
from bridgectl.doctor.report import Report

SETTINGS_PAGE = "docs/settings.md"
OUR_PREFIXES = ("bridge_", "freshchat_", "microsoftapp")
NEAR = 0.85
"""How alike two names are when one is a slip of the other: one or two letters, or the underscores."""

RESERVE = 64 * 1024 * 1024
LITTLE = 1024 * 1024 * 1024
"""Bytes: below the first the doors refuse (`adapters/local/sqlite.py`), below the second somebody should look."""


# --- settings and tenants


def read_settings(report: Report) -> Settings | None:
    """Load the settings; None if they cannot be."""
    try:
        settings = load()
    except Misconfigured as error:
        for line in str(error).splitlines():
            report.problem("values", line, f"Correct it in the environment or in .env ({SETTINGS_PAGE}).")
        return None
    sources = [row["source"] for row in rows(settings)]
    report.ok("values", f"{sources.count('environment')} from the environment, {sources.count('.env')} from .env")
    return settings


def look_at_choices(report: Report, settings: Settings) -> None:
    """Look at what is only safe, or only useful, in one kind of installation."""
    public = bool(settings.public_url) and URL(settings.public_url or "").host not in LOOPBACK
    if not settings.production and public:
        todo = "Set BRIDGE_ENV=production, which refuses choices that are only safe on a developer's machine."
        report.warning("BRIDGE_ENV", "development, although BRIDGE_PUBLIC_URL is public", todo)
    elif settings.production and not settings.public_url:
        todo = "Set BRIDGE_PUBLIC_URL to the https address under which Teams and Freshchat reach the bridge."
        report.warning("BRIDGE_PUBLIC_URL", "not set", todo)
    else:
        report.ok("BRIDGE_ENV", settings.env)
    for name, text in (
        ("BOT_SERVICE_URL_ALLOWLIST", settings.bot_service_url_allowlist),
        ("FRESHCHAT_HOST_ALLOWLIST", settings.freshchat_host_allowlist),
        ("FRESHCHAT_FILE_HOST_ALLOWLIST", settings.freshchat_file_hosts),
    ):
        _look_at_allowlist(report, name, suffixes(text), settings.production)


SHARED = frozenset({"trafficmanager.net", "azurewebsites.net", "cloudapp.azure.com", "amazonaws.com", "ngrok.io"})
"""Below these anybody can have a name, so a token that may go there may go to anybody."""


def _look_at_allowlist(report: Report, name: str, listed: tuple[str, ...], production: bool) -> None:
    loopback = [host for host in listed if host in LOOPBACK]
    wide = [host for host in listed if host in SHARED or ("." not in host and host not in LOOPBACK)]
    if not listed:
        report.problem(name, "empty", f"Name the hosts, or unset it for the default ({SETTINGS_PAGE}).")
    elif wide:
        report.problem(name, f"{', '.join(wide)}: far too wide", "Name whole hosts of the vendor: our tokens go there.")
    elif loopback and production:
        report.problem(name, f"{', '.join(loopback)} in production", "Leave it out: only the sandbox is there.")
    else:
        report.ok(name, ", ".join(listed))


def look_at_names(report: Report, settings: Settings, tenants: Iterable[Tenant]) -> None:
    """Look for variables that look like ours but are read by nobody."""
    ours = {info.title or field for field, info in Settings.model_fields.items()} | {KEY_VARIABLE}
    known = {name.lower(): name for name in ours}
    own = (settings.app_password, settings.ops_token, settings.ops_client_secret)
    secrets = [*own, *(secret for tenant in tenants for secret in _secrets(tenant))]
    read_anyway = {name.lower() for secret in secrets if secret for name in _named(secret)}
    given = {*os.environ, *dotenv_values(".env")}
    for name in sorted(name for name in given if name.lower() not in known.keys() | read_anyway):
        near = difflib.get_close_matches(name.lower(), [n for n in known if len(n) >= 8], 1, NEAR)
        if near:
            report.problem("unknown variable", name, f"Nothing reads it; did you mean {known[near[0]]}?")
        elif name.lower().startswith(OUR_PREFIXES):
            report.warning("unknown variable", name, f"Nothing reads it: correct it or unset it ({SETTINGS_PAGE}).")


def _secrets(tenant: Tenant) -> tuple[SecretStr | None, ...]:
    account = tenant.freshchat
    return account.api_key, account.webhook_keys, account.webhook_token


def _named(secret: SecretStr) -> Iterable[str]:
    """Give the names of secrets that stand in place of a value."""
    parts = (part.strip() for part in secret.get_secret_value().split(";"))
    return [part.removeprefix(SECRET_PREFIX) for part in parts if part.startswith(SECRET_PREFIX)]


def read_tenants(report: Report, settings: Settings) -> tuple[Tenant, ...]:
    """Load tenants and routes; none if they cannot be."""
    try:
        tenants = load_tenants(settings)
    except Misconfigured as error:
        for line in str(error).splitlines():
            report.problem("tenants", line, "Correct it (docs/tenants.md shows whole files).")
        return ()
    odd = [tenant.name or tenant.id for tenant in tenants if not is_guid(tenant.id)]
    if odd:
        todo = "A tenant's id is the directory id of its Entra tenant: a GUID, not a domain name."
        report.problem("tenants", f"not a directory id: {', '.join(odd)}", todo)
    else:
        report.ok("tenants", f"tenants: {len(tenants)}, routes: {sum(len(tenant.route) for tenant in tenants)}")
    return tenants


def is_guid(text: str) -> bool:
    """Tell whether it is a GUID as portals show it."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


# --- stores


async def look_at_stores(report: Report, settings: Settings) -> SecretSource | None:
    """Look at the data folder, ping each store; give the secret source, for who closes it, if it can be read."""
    there = _look_at_folder(report, settings.data_dir)
    embedded = any(adapter.startswith("local.") for adapter in (settings.queue, settings.threads))
    if there or not embedded:  # opening embedded stores would make them, and they would be ours
        await _ping_stores(report, settings)
    elif report.broken:
        report.skipped("secrets", "they are in a folder that cannot be used")
        return None
    return await _open_secrets(report, settings)


async def _open_secrets(report: Report, settings: Settings) -> SecretSource | None:
    secrets: SecretSource | None = None
    try:
        secrets = open_secrets(settings)
        await secrets.ping()
    except (Misconfigured, BridgeError) as error:
        folder = settings.data_dir / "secrets"
        todo = f"Make {folder} readable for the bridge, and set {KEY_VARIABLE} to the key it was made with."
        if settings.secrets != EMBEDDED["BRIDGE_SECRETS"]:
            todo = "Correct BRIDGE_SECRETS and the settings of that store, or what its identity may do there."
        report.problem("secrets", str(error), todo)
        if secrets is not None:
            await secrets.close()
        return None
    report.ok("secrets", settings.secrets)
    return secrets


def _look_at_folder(report: Report, folder: Path) -> bool:
    """Look at place, rights and room; True if there is a store in it to ask."""
    todo = "Give the bridge's user the right to read and write it, or name another folder."
    try:
        if not folder.exists():
            report.skipped("BRIDGE_DATA_DIR", f"{folder} is not there yet; the bridge makes it when it starts")
            return False
        mode, free = folder.stat().st_mode, shutil.disk_usage(folder).free
    except OSError as error:
        report.problem("BRIDGE_DATA_DIR", f"{folder}: {error.strerror}", todo)
        return False
    if not stat.S_ISDIR(mode) or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        report.problem("BRIDGE_DATA_DIR", f"{folder} is not a folder that can be written", todo)
        return False
    if mode & 0o077:
        todo = f"chmod 700 {folder}: messages that wait there are for the bridge only."
        report.warning("BRIDGE_DATA_DIR", "other users of this machine may look into it", todo)
    _look_at_room(report, folder, free)
    return (folder / "bridge.db").exists()


def _look_at_room(report: Report, folder: Path, free: int) -> None:
    told = f"{folder}: {free // 2**20:,} MB free"
    if free < RESERVE:
        report.problem("disk", told, "Make room: the doors refuse messages until there is some.")
    elif free < LITTLE:
        report.warning("disk", told, "Make room soon: below 64 MB the doors refuse messages.")
    else:
        report.ok("disk", told)


async def _ping_stores(report: Report, settings: Settings) -> None:
    if settings.queue != service_bus.ADAPTER:  # which has a check of its own
        await _ping(report, settings, "queue", settings.queue, open_queue(settings))
    if settings.threads != cosmos.ADAPTER:  # which has a check of its own
        await _ping(report, settings, "threads", settings.threads, open_threads(settings))


async def _ping(
    report: Report, settings: Settings, name: str, adapter: str, store: AbstractAsyncContextManager[Queue | ThreadMap]
) -> None:
    try:
        async with store as opened:
            await opened.ping()
            report.ok(name, adapter)
    except (StoreFull, BridgeError) as error:
        todo = f"Make room in {settings.data_dir}, and let the bridge's user write there."
        report.problem(name, f"{type(error).__name__}: {error}", todo)
    except Misconfigured as error:
        report.problem(name, str(error), f"Correct BRIDGE_{name.upper()} and the settings of that store.")
