"""Baseline of the Teams door: the SDK's own `CloudAdapter`, as its samples use it, with a bot that does nothing.

It checks the token (with the keys of the same loopback key server as the bridge) and runs the turn. It stores nothing.
"""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import web
from botbuilder.core import TurnContext
from botbuilder.core.teams import TeamsActivityHandler
from botbuilder.integration.aiohttp import CloudAdapter, ConfigurationBotFrameworkAuthentication
from botframework.connector.auth import ChannelValidation

from bench.baselines.serving import serve


class SilentBot(TeamsActivityHandler):
    """Receives messages."""

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        """Do nothing."""


class Config:
    """What the SDK's samples call DefaultConfig."""

    APP_TYPE = "SingleTenant"

    def __init__(self, app_id: str, password: str, tenant: str) -> None:
        self.APP_ID, self.APP_PASSWORD, self.APP_TENANTID = app_id, password, tenant


async def _application(config: Config, metadata_url: str) -> web.Application:
    ChannelValidation.open_id_metadata_endpoint = metadata_url
    adapter = CloudAdapter(ConfigurationBotFrameworkAuthentication(config))
    bot = SilentBot()

    async def messages(request: web.Request) -> web.Response:
        answer = await adapter.process(request, bot)
        return answer or web.Response()

    app = web.Application()
    app.router.add_post("/api/messages", messages)
    return app


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    for name in ("--app-id", "--password", "--tenant", "--metadata-url"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    config = Config(arguments.app_id, arguments.password, arguments.tenant)
    asyncio.run(serve(_application(config, arguments.metadata_url)))


if __name__ == "__main__":
    main()
