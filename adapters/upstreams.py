"""What the settings say about the services we call: which hosts, whose tokens, which clients.

The server and the commands make their clients here, so that a check speaks to the same places in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import aiohttp

from adapters.buckets import Buckets
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.http import HostRule, endpoint
from adapters.teams.graph_reader import GraphReader
from adapters.teams.portraits import GraphPortraits
from adapters.teams.profiles import GraphProfiles
from adapters.teams.sign_in import GRAPH, GraphSignIn, scopes
from adapters.teams.tokens import ClientCredentials, Tokens
from bridge.file_policy import policy_of
from bridge.portraits import Portraits
from bridge.ports import SecretSource, ThreadMap
from bridge.question_files import FilesDesk
from bridge.settings import Settings, suffixes
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, newest
from bridge.to_freshchat import Desk

BOT_SCOPE = "https://api.botframework.com/.default"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def allowed_hosts(settings: Settings, allowlist: str) -> HostRule:
    """Allow the listed hosts, and on a developer's machine loopback too."""
    listed = suffixes(allowlist)
    return HostRule(listed if settings.production else (*listed, *LOOPBACK), allow_loopback_http=True)


def helpdesk(
    settings: Settings, session: aiohttp.ClientSession, tenant: Tenant, secrets: SecretSource
) -> FreshchatHelpdesk:
    """Make the client of a tenant's Freshchat account; Misconfigured if its URL may not be called."""

    async def api_key() -> str:
        return await newest(tenant.freshchat.api_key, secrets)

    hosts = allowed_hosts(settings, settings.freshchat_host_allowlist)
    return FreshchatHelpdesk(session, tenant.freshchat.url, api_key, hosts, clock=time.time)


def desk(settings: Settings, tenant: Tenant, account: FreshchatHelpdesk) -> Desk:
    """Say where a tenant's questions and their files go. Misconfigured if its policy for files is none."""
    files = FilesDesk(account, account.files, policy_of(settings, tenant))
    return Desk(tenant, account, tenant.channel_messages or settings.channel_messages, files)


def bot_tokens(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, scope: str = BOT_SCOPE
) -> Tokens:
    """Make the source of the bot's own tokens, by the kind of its registration."""
    if settings.app_type == "UserAssignedMSI":
        from adapters.azure.identity import ManagedIdentityTokens  # noqa: PLC0415 - 30 MB for those who use it

        return ManagedIdentityTokens(settings.app_id, scope)

    async def secret() -> str:
        return await newest(settings.app_password, secrets)

    return ClientCredentials(session, settings.bot_token_url, settings.app_id, secret, scope, clock=time.time)


def graph_sign_in(
    settings: Settings,
    session: aiohttp.ClientSession,
    secrets: SecretSource,
    count: Callable[[str, bool], None] = lambda account, given: None,
) -> GraphSignIn:
    """Make the delegated sign-in; its scopes name the Graph of the cloud that is configured.

    `count` is told of each token that is asked for, and whether it was given.
    """
    return GraphSignIn(
        session,
        settings.graph_token_url,
        settings.graph_client_id or settings.app_id,
        secrets,
        clock=time.time,
        scopes=scopes(settings.reply_via),
        count=lambda given: count("graph", given),
        resource=_graph(settings),
    )


def teams_limits(settings: Settings, component: str) -> Buckets:
    """Make what keeps the sending limits of Graph or of the connector; everybody who calls it shares one."""
    return Buckets(component, learn=settings.teams_limits == "learn")


def graph_tokens(settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource) -> Tokens:
    """Make the source of the app's own tokens for Graph."""
    return bot_tokens(settings, session, secrets, f"{_graph(settings)}/.default")


def graph_as_app(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, buckets: Buckets | None = None
) -> GraphReader:
    """Make the reader of what the app package's resource-specific permissions show."""
    tokens = graph_tokens(settings, session, secrets)
    return GraphReader(session, settings.graph_base_url, tokens, clock=time.time, buckets=buckets)


def graph_profiles(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, telemetry: Telemetry
) -> GraphProfiles:
    """Make the reader of people's departments and titles, as the app."""
    tokens = graph_tokens(settings, session, secrets)
    return GraphProfiles(session, settings.graph_base_url, tokens, telemetry)


def portraits(
    settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource, threads: ThreadMap, telemetry: Telemetry
) -> Portraits | None:
    """Make what brings people's pictures to Freshchat, read as the app; None if they are switched off."""
    if settings.pictures == "off":
        return None
    tokens = bot_tokens(settings, session, secrets, f"{_graph(settings)}/.default")
    source = GraphPortraits(session, settings.graph_base_url, tokens, telemetry)
    return Portraits(source, threads, time.time, telemetry)


def _graph(settings: Settings) -> str:
    """Name the Graph of the configured cloud as tokens do; the sandbox's is the public one."""
    base = endpoint(settings.graph_base_url)
    return str(base.origin()) if base.scheme == "https" else GRAPH
