"""The parts that carry files out of Freshchat, made as the settings want them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import aiohttp

from adapters.attachments import open_attachments
from adapters.downloads import Downloads
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.shared_files import FreshchatFiles
from adapters.stores import Ports
from adapters.upstreams import allowed_hosts
from bridge.file_policy import policy_of
from bridge.file_posts import FilePosts
from bridge.ports import Scanner
from bridge.settings import Settings
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant
from cards import file_reply, texts


def answer_files(
    settings: Settings,
    downloads: aiohttp.ClientSession,
    tenants: Sequence[Tenant],
    helpdesks: Mapping[str, FreshchatHelpdesk],
    ports: Ports,
    scanner: Scanner,
    telemetry: Telemetry,
) -> FilePosts:
    """Make what posts the files of answers. `downloads` is made by `download_session`. Misconfigured if it cannot."""
    hosts = allowed_hosts(settings, f"{settings.freshchat_host_allowlist};{settings.freshchat_file_hosts}")
    source = FreshchatFiles(helpdesks, Downloads(downloads, hosts, seconds=settings.file_seconds))
    return FilePosts(
        attachments=open_attachments(settings, ports, scanner, source),
        source=source,
        policies={tenant.id: policy_of(settings, tenant) for tenant in tenants},
        queue=ports.queue,
        linked=file_reply.linked,
        say=texts.say,
        clock=time.time,
        telemetry=telemetry,
    )
