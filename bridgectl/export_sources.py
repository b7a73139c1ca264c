"""Where an export reads: the accounts that the settings name, and the bridge's own map."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from pydantic import SecretStr

from adapters.archive_files import ArchiveFiles
from adapters.freshchat.source import FreshchatSource
from adapters.freshdesk.rest import FreshdeskSource, base_url
from adapters.http import session as http_session
from adapters.share import SHARE, Share
from adapters.stores import EMBEDDED, open_secrets, open_threads
from adapters.upstreams import LOOPBACK, allowed_hosts
from archive.ports import Known
from archive.run import Upstreams
from bridge.errors import Misconfigured
from bridge.ports import SecretSource, ThreadMap
from bridge.settings import Settings
from bridge.tenants import Tenant, load_tenants, newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the accounts may be called: which tenant's, at most how many calls per second, which share of the limits."""

    tenant: str | None = None
    max_rate: float | None = None
    share: float = SHARE

    def pace(self) -> Share:
        """Make what paces one account."""
        return Share(self.share, self.max_rate)


@asynccontextmanager
async def open_upstreams(settings: Settings, access: Access, products: Sequence[str]) -> AsyncIterator[Upstreams]:
    """Open what an export of these products reads. Misconfigured if a setting for one of them is missing."""
    async with AsyncExitStack() as stack:
        secrets = open_secrets(settings)
        stack.push_async_callback(secrets.close)
        session = await stack.enter_async_context(http_session())
        tenant = _tenant(settings, access.tenant)
        chat = _freshchat(settings, session, secrets, tenant, access) if "freshchat" in products else None
        desk = open_freshdesk(settings, session, secrets, access) if "freshdesk" in products else None
        hosts = [source.host for source in (chat, desk) if source is not None]
        keys = {desk.host: desk.authorization} if desk is not None else {}
        files = ArchiveFiles(loopback=any(host in LOOPBACK for host in hosts), keys=keys)
        stack.push_async_callback(files.close)
        threads = await _threads(settings, stack) if chat is not None else None
        known = KnownLinks(threads, tenant.id if tenant else settings.app_tenant_id.lower()) if threads else None
        yield Upstreams(freshchat=chat, freshdesk=desk, files=files, known=known)


def _tenant(settings: Settings, name: str | None) -> Tenant | None:
    """Choose among several tenants; the only one needs nothing but its account's address and key."""
    if settings.tenants_file is None:
        return None
    tenants = load_tenants(settings)
    chosen = [tenant for tenant in tenants if name is None or name.lower() in (tenant.id, tenant.name.lower())]
    if len(chosen) != 1:
        known = ", ".join(tenant.name or tenant.id for tenant in tenants)
        raise Misconfigured(f"an export is of one tenant: name it with --tenant ({known})")
    return chosen[0]


def _freshchat(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, tenant: Tenant | None, access: Access
) -> FreshchatSource:
    url = tenant.freshchat.url if tenant else settings.freshchat_api_url
    key = tenant.freshchat.api_key if tenant else settings.freshchat_api_key
    _require(FRESHCHAT_API_URL=url, FRESHCHAT_API_KEY=key)
    hosts = allowed_hosts(settings, settings.freshchat_host_allowlist)
    return FreshchatSource(session, url, _reader(key, secrets), hosts, access.pace(), clock=time.time)


def open_freshdesk(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, access: Access
) -> FreshdeskSource:
    """Make what reads the Freshdesk account of the settings. Misconfigured if one is missing or cannot be used."""
    key = settings.freshdesk_api_key
    _require(FRESHDESK_DOMAIN=settings.freshdesk_domain or settings.freshdesk_url, FRESHDESK_API_KEY=key)
    hosts = allowed_hosts(settings, settings.freshdesk_host_allowlist)
    base = base_url(settings.freshdesk_domain, settings.freshdesk_url, hosts)
    return FreshdeskSource(session, base, _reader(key, secrets), access.pace)


def _require(**values: object) -> None:
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise Misconfigured(f"{', '.join(missing)} missing: set it, or leave this product out with --only")


def _reader(value: SecretStr | None, secrets: SecretSource) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return await newest(value, secrets)

    return read


async def _threads(settings: Settings, stack: AsyncExitStack) -> ThreadMap | None:
    """Open the bridge's map; where this machine has none, it cannot be asked, which the archive tells."""
    if settings.threads == EMBEDDED["BRIDGE_THREADS"] and not (settings.data_dir / "bridge.db").exists():
        return None
    return await stack.enter_async_context(open_threads(settings))


class KnownLinks:
    """The conversations of the bridge's map, and those that webhooks named (`archive.ports.KnownConversations`)."""

    def __init__(self, threads: ThreadMap, tenant: str) -> None:
        self._threads, self._tenant = threads, tenant

    async def all(self) -> AsyncIterator[Known]:
        """Give them page by page."""
        after = None
        while page := await self._threads.links(self._tenant, 0.0, after=after, limit=500):
            for link in page:
                yield Known(link.conversation_id, link.freshchat_user_id)
            after = page[-1]
        last = ""
        while ids := await self._threads.seen(self._tenant, after=last, limit=500):
            for conversation_id in ids:
                yield Known(conversation_id, "", "webhooks")
            last = ids[-1]
