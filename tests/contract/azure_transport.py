"""The SDKs' own transport, for a certificate made at run time.

Given a certificate by path (`connection_verify`), the SDKs make a TLS context per request and so never use a connection
twice, which they do in production.
"""

from __future__ import annotations

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport

from tests.peers.tls import Certificate


def trusting(certificate: Certificate) -> AioHttpTransport:
    """Make a transport that trusts this certificate alone; the client that it is given to closes it."""
    connector = aiohttp.TCPConnector(ssl=certificate.client_context())
    session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
    return AioHttpTransport(session=session, connection_timeout=5, read_timeout=10)
