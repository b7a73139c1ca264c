"""The parts that carry files out of Teams, made as the settings want them."""

from __future__ import annotations

import time
from collections.abc import Callable

import aiohttp

from adapters.attachments import open_attachments
from adapters.buckets import Buckets
from adapters.downloads import Downloads
from adapters.http import endpoint
from adapters.stores import Ports
from adapters.teams.files import TeamsFiles
from adapters.teams.graph_files import GraphFiles
from adapters.teams.tokens import Tokens
from adapters.upstreams import allowed_hosts, graph_tokens
from bridge.ports import Scanner, SecretSource
from bridge.question_files import QuestionFiles
from bridge.settings import Settings
from bridge.telemetry import Telemetry


def teams_source(
    settings: Settings,
    secrets: SecretSource,
    http: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
    bot: Tokens,
    buckets: Buckets | None = None,
) -> TeamsFiles:
    """Make the reader of Teams' files. `http` is for calls and for downloads, `bot` are the bot's own tokens."""
    calls, downloads = http
    connectors, graph = settings.bot_service_url_allowlist, endpoint(settings.graph_base_url).raw_host
    seconds, anywhere = settings.file_seconds, f"{settings.file_hosts};{connectors};{graph}"
    links = Downloads(downloads, allowed_hosts(settings, anywhere), seconds=seconds)
    app, base = graph_tokens(settings, calls, secrets), settings.graph_base_url
    return TeamsFiles(
        links,
        Downloads(downloads, allowed_hosts(settings, connectors), seconds=seconds),
        bot,
        GraphFiles(calls, base, app, downloads, links, buckets=buckets, seconds=seconds),
    )


def question_files(
    settings: Settings,
    ports: Ports,
    http: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
    bot: Tokens,
    scanner: Scanner,
    say: Callable[..., str],
    telemetry: Telemetry,
    buckets: Buckets,
) -> QuestionFiles:
    """Make what carries the files of questions; they are looked at below `BRIDGE_DATA_DIR`."""
    source = teams_source(settings, ports.secrets, http, bot, buckets)
    return QuestionFiles(
        source=source,
        attachments=open_attachments(settings, ports, scanner, source),
        threads=ports.threads,
        put=ports.queue.put,
        say=say,
        clock=time.time,
        telemetry=telemetry,
    )
