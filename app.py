"""Composition root: settings and adapters become one running bridge. `python app.py [--role web|worker|all]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

import aiohttp
from aiohttp import web

from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.signature import Verifier
from adapters.freshchat.translate import to_event as freshchat_event
from adapters.freshchat.webhook import Account, FreshchatWebhook
from adapters.http import HostRule, call, endpoint
from adapters.http import session as http_session
from adapters.probes import Probes
from adapters.stores import Ports, open_ports
from adapters.teams.directory import TeamsDirectory
from adapters.teams.reply_bot import BotReplies, Connector, Tokens
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.sign_in import GRAPH, GraphSignIn, scopes
from adapters.teams.tokens import ClientCredentials
from bots.activity import to_event as teams_event
from bots.adapter import BridgeAdapter
from bots.authentication import ChannelAuthentication
from bots.handler import QueueingBot
from bots.keys import SigningKeys
from bridge.delivery import Handler, Worker
from bridge.errors import BridgeError, Misconfigured
from bridge.intake import Intake
from bridge.patience import Patience
from bridge.ports import Direction, SecretSource
from bridge.settings import Settings, load, suffixes
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, load_tenants, resolve
from bridge.to_freshchat import Desk, ToFreshchat
from bridge.to_teams import ToTeams, Transports
from bridge.turns import Turns
from cards import agent_reply, texts

Role = Literal["all", "web", "worker"]
ROLES: tuple[Role, ...] = ("all", "web", "worker")

BOT_SCOPE = "https://api.botframework.com/.default"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def build_app(settings: Settings, ports: Ports, *, role: Role = "all", telemetry: Telemetry) -> web.Application:
    """Put one process together: doors, deliveries, and what a platform asks. Misconfigured if that cannot be."""
    settings.require_bot()
    parts = _Parts(settings, ports, load_tenants(settings), telemetry)
    app = web.Application(client_max_size=1024 * 1024)
    app.cleanup_ctx.append(parts.session_context)
    try:
        if role != "worker":
            await parts.add_doors(app)
        workers = parts.add_workers(app) if role != "web" else []
    except BaseException:
        await parts.close()
        raise
    pings = {"queue": ports.queue.ping, "threads": ports.threads.ping, "secrets": ports.secrets.ping}

    def held() -> Mapping[str, list[str]]:
        return {worker.direction: tenants for worker in workers if (tenants := worker.holds.tenants())}

    app.add_routes(Probes(ports.queue, telemetry, pings, held).routes())
    return app


class _Parts:
    """Makes the parts of one process out of settings, stores and tenants."""

    def __init__(self, settings: Settings, ports: Ports, tenants: tuple[Tenant, ...], telemetry: Telemetry) -> None:
        self._settings, self._ports, self._tenants, self._telemetry = settings, ports, tenants, telemetry
        self._session: aiohttp.ClientSession = http_session()
        self._sign_in = graph_sign_in(settings, self._session, ports.secrets)

    async def session_context(self, _app: web.Application) -> AsyncIterator[None]:
        """Close the one HTTP session last: contexts end in reverse order."""
        yield
        await self.close()

    async def close(self) -> None:
        """Close what was opened here."""
        await self._session.close()

    # --- doors

    async def add_doors(self, app: web.Application) -> None:
        """Open both doors."""
        settings, telemetry = self._settings, self._telemetry
        intake = Intake(self._ports.queue, telemetry, time.time)
        keys = SigningKeys(settings.bot_openid_metadata_url, self._fetch_json, time.time, telemetry)
        adapter = BridgeAdapter(
            ChannelAuthentication(settings.app_id, settings.bot_openid_metadata_url, keys),
            tenants=frozenset(tenant.id for tenant in self._tenants),
            service_url_allowed=_allows(self._hosts(settings.bot_service_url_allowlist)),
            telemetry=telemetry,
        )
        bot = QueueingBot(intake, telemetry)

        async def messages(request: web.Request) -> web.Response:
            return await adapter.process(request, bot)

        async def key_context(_app: web.Application) -> AsyncIterator[None]:
            await keys.warm_up()
            yield
            await keys.close()

        app.cleanup_ctx.append(key_context)
        app.add_routes([web.post("/api/messages", messages), web.post("/bot/callback", messages)])
        app.add_routes(FreshchatWebhook(await self._accounts(), intake, telemetry).routes())

    async def _accounts(self) -> Callable[[str | None], Account | None]:
        """Give the look-up of accounts by tenant id or name; None names the only tenant there is."""
        accounts: dict[str | None, Account] = {}
        for tenant in self._tenants:
            account = await self._account(tenant)
            accounts |= {name: account for name in (tenant.id, tenant.name) if name}
        if len(self._tenants) == 1:
            accounts[None] = accounts[self._tenants[0].id]
        return lambda name: accounts.get(name) or accounts.get(name and name.lower())

    async def _account(self, tenant: Tenant) -> Account:
        freshchat, secrets = tenant.freshchat, self._ports.secrets
        keys = await resolve(freshchat.webhook_keys, secrets)
        tokens = await resolve(freshchat.webhook_token, secrets)
        verifier = Verifier(freshchat.webhook_scheme, keys)
        return Account(tenant_id=tenant.id, verifier=verifier, token=tokens[0] if tokens else None)

    async def _fetch_json(self, url: str) -> Any:
        try:
            answer = await call(self._session, "GET", endpoint(url), component="botframework", timeout=5)
        except (BridgeError, Misconfigured) as error:
            raise OSError(str(error)) from None
        if not answer.ok:
            raise OSError(f"status {answer.status}")
        return answer.json()

    # --- deliveries

    def add_workers(self, app: web.Application) -> list[Worker]:
        """Add one worker per direction, and load Graph's SDK beforehand where somebody is signed in."""
        settings = self._settings
        connector = Connector(
            self._session, self._bot_tokens(), self._hosts(settings.bot_service_url_allowlist), clock=time.time
        )
        graph = GraphReplies(self._session, settings.graph_base_url, self._sign_in, agent_reply.render, clock=time.time)
        helpdesks = {tenant.id: self._helpdesk(tenant) for tenant in self._tenants}
        workers = [
            self._worker("to-freshchat", self._to_freshchat(helpdesks, TeamsDirectory(connector))),
            self._worker("to-teams", self._to_teams(helpdesks, connector, graph)),
        ]

        async def context(_app: web.Application) -> AsyncIterator[None]:
            warming = asyncio.create_task(self._warm_up(graph), name="warm up Graph")
            tasks = [asyncio.create_task(worker.run(), name=f"work {worker.direction}") for worker in workers]
            yield
            warming.cancel()
            await asyncio.gather(*(worker.stop(settings.grace) for worker in workers))
            await asyncio.wait({*tasks, warming})

        app.cleanup_ctx.append(context)
        return workers

    async def _warm_up(self, graph: GraphReplies) -> None:
        if self._settings.reply_via != "bot" and await self._sign_in.signed_in() is not None:
            await graph.warm_up()

    def _worker(self, direction: Direction, handler: Handler) -> Worker:
        settings = self._settings
        return Worker(
            self._ports.queue,
            direction,
            handler,
            self._telemetry,
            clock=time.time,
            concurrency=settings.concurrency,
            patience=Patience(first_wait=settings.retry_wait, window=settings.retry_window),
            turns=Turns(settings.concurrency, tenants=len(self._tenants)),
        )

    def _to_freshchat(self, helpdesks: Mapping[str, FreshchatHelpdesk], directory: TeamsDirectory) -> ToFreshchat:
        settings = self._settings

        async def own_account(aad_object_id: str) -> bool:
            account = await self._sign_in.signed_in()
            return account is not None and account.oid == aad_object_id

        return ToFreshchat(
            translate=lambda raw: teams_event(raw, settings.app_id),
            desks={
                tenant.id: Desk(tenant, helpdesks[tenant.id], tenant.channel_messages or settings.channel_messages)
                for tenant in self._tenants
            },
            threads=self._ports.threads,
            directory=directory,
            own_account=own_account,
            say=texts.say,
            clock=time.time,
            telemetry=self._telemetry,
        )

    def _to_teams(
        self, helpdesks: Mapping[str, FreshchatHelpdesk], connector: Connector, graph: GraphReplies
    ) -> ToTeams:
        async def graph_ready() -> bool:
            return await self._sign_in.signed_in() is not None

        return ToTeams(
            translate=freshchat_event,
            helpdesks=helpdesks,
            inboxes={tenant.id: tenant.inboxes() for tenant in self._tenants},
            threads=self._ports.threads,
            transports=Transports(
                {"graph": graph, "bot": BotReplies(connector, agent_reply.render)},
                self._settings.reply_via,
                graph_ready,
            ),
            directory=TeamsDirectory(connector),
            say=texts.say,
            clock=time.time,
            telemetry=self._telemetry,
        )

    def _helpdesk(self, tenant: Tenant) -> FreshchatHelpdesk:
        async def api_key() -> str:
            values = await resolve(tenant.freshchat.api_key, self._ports.secrets)
            return values[0] if values else ""

        hosts = self._hosts(self._settings.freshchat_host_allowlist)
        return FreshchatHelpdesk(self._session, tenant.freshchat.url, api_key, hosts, clock=time.time)

    def _bot_tokens(self) -> Tokens:
        settings = self._settings
        if settings.app_type == "UserAssignedMSI":
            from adapters.azure.identity import ManagedIdentityTokens  # noqa: PLC0415 - 30 MB for those who use it

            return ManagedIdentityTokens(settings.app_id, BOT_SCOPE)

        async def secret() -> str:
            return settings.app_password.get_secret_value() if settings.app_password else ""

        return ClientCredentials(
            self._session, settings.bot_token_url, settings.app_id, secret, BOT_SCOPE, clock=time.time
        )

    def _hosts(self, allowlist: str) -> HostRule:
        """Allow the listed hosts, and on a developer's machine loopback too."""
        listed = suffixes(allowlist)
        return HostRule(listed if self._settings.production else (*listed, *LOOPBACK), allow_loopback_http=True)


def graph_sign_in(settings: Settings, session: aiohttp.ClientSession, secrets: SecretSource) -> GraphSignIn:
    """Make the delegated sign-in; its scopes name the Graph of the cloud that is configured."""
    base = endpoint(settings.graph_base_url)
    return GraphSignIn(
        session,
        settings.graph_token_url,
        settings.graph_client_id or settings.app_id,
        secrets,
        clock=time.time,
        scopes=scopes(settings.reply_via),
        resource=str(base.origin()) if base.scheme == "https" else GRAPH,
    )


def _allows(hosts: HostRule) -> Callable[[str], bool]:
    def allowed(url: str) -> bool:
        try:
            hosts.check(url)
        except ValueError:
            return False
        return True

    return allowed


async def serve(settings: Settings, role: Role = "all") -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return."""
    sys.setswitchinterval(0.0005)  # else a busy event loop lets the store's thread wait 5 ms for each statement
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    telemetry = Telemetry(settings.log_level)
    telemetry.adopt_library_logs()
    async with open_ports(settings) as ports:
        app = await build_app(settings, ports, role=role, telemetry=telemetry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.grace)
        try:
            await runner.setup()
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            gc.collect()
            gc.freeze()  # what was loaded so far stays: looking it through again would stall the loop for 40 ms
            telemetry.info("ready", port=settings.port, role=role)
            await stop.wait()
            telemetry.info("stopping", grace=settings.grace)
        finally:
            await runner.cleanup()
    telemetry.info("stopped")


def read_role(text: str) -> Role:
    """Read a role; Misconfigured if it is none."""
    if text not in ROLES:
        raise Misconfigured(f"a role is one of {', '.join(ROLES)}")
    return text


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="app.py", description="The bridge between Microsoft Teams and Freshchat.")
    parser.add_argument("--role", choices=ROLES, default="all", help="web: doors; worker: deliveries; all: both")
    try:
        asyncio.run(serve(load(), read_role(parser.parse_args(arguments).role)))
    except (Misconfigured, OSError) as error:
        print(f"The bridge cannot start:\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
