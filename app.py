"""Composition root: settings and adapters become one running bridge. `python app.py [--role web|worker|all]`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

import aiohttp
from aiohttp import web

from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.signature import Verifier
from adapters.freshchat.translate import to_event as freshchat_event
from adapters.freshchat.webhook import Account, FreshchatWebhook
from adapters.http import HostRule, call, endpoint
from adapters.http import session as http_session
from adapters.stores import Ports, open_ports
from adapters.teams.directory import TeamsDirectory
from adapters.teams.reply_bot import BotReplies, Connector, Tokens
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.sign_in import GraphSignIn
from adapters.teams.tokens import ClientCredentials
from bots.activity import to_event as teams_event
from bots.adapter import BridgeAdapter
from bots.authentication import ChannelAuthentication
from bots.handler import QueueingBot
from bots.keys import SigningKeys
from bridge.delivery import Handler, Patience, Worker
from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.intake import Intake
from bridge.ports import DIRECTIONS
from bridge.settings import Settings, load, suffixes
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, load_tenants, resolve
from bridge.to_freshchat import Desk, ToFreshchat
from bridge.to_teams import ToTeams, Transports
from cards import agent_reply, texts

Role = Literal["all", "web", "worker"]
ROLES: tuple[Role, ...] = ("all", "web", "worker")

BOT_SCOPE = "https://api.botframework.com/.default"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WORKERS: web.AppKey[list[Worker]] = web.AppKey("workers", list)


async def build_app(settings: Settings, ports: Ports, *, role: Role = "all", telemetry: Telemetry) -> web.Application:
    """Put one process together: doors, deliveries, and what a platform asks. Misconfigured if that cannot be."""
    settings.require_bot()
    tenants = load_tenants(settings)
    app = web.Application(client_max_size=1024 * 1024)
    session = http_session()
    app.on_cleanup.append(_closer(session.close))
    builder = _Builder(settings, ports, tenants, session, telemetry)
    pings: dict[str, Callable[[], Awaitable[None]]] = {
        "queue": ports.queue.ping,
        "threads": ports.threads.ping,
        "secrets": ports.secrets.ping,
    }
    if role != "worker":
        await builder.add_doors(app)
    if role != "web":
        app[WORKERS] = await builder.workers()
        app.cleanup_ctx.append(_deliver(settings.grace))
    _add_platform_routes(app, ports, telemetry, pings)
    return app


class _Builder:
    """Makes the parts of one process out of settings, stores and tenants."""

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        tenants: tuple[Tenant, ...],
        session: aiohttp.ClientSession,
        telemetry: Telemetry,
    ) -> None:
        self._settings, self._ports, self._tenants = settings, ports, tenants
        self._session, self._telemetry = session, telemetry

    async def add_doors(self, app: web.Application) -> None:
        """Open both doors."""
        intake = Intake(self._ports.queue, self._telemetry, time.time)
        keys = SigningKeys(self._settings.bot_openid_metadata_url, self._fetch_json, time.time, self._telemetry)
        app.on_startup.append(_starter(keys.warm_up))
        app.on_cleanup.append(_closer(keys.close))
        adapter = BridgeAdapter(
            ChannelAuthentication(self._settings.app_id, self._settings.bot_openid_metadata_url, keys),
            tenants=frozenset(t.id for t in self._tenants),
            service_url_allowed=self._service_url_allowed(),
            telemetry=self._telemetry,
        )
        bot = QueueingBot(intake, self._telemetry)

        async def messages(request: web.Request) -> web.Response:
            return await adapter.process(request, bot)

        app.router.add_post("/api/messages", messages)
        app.router.add_post("/bot/callback", messages)
        accounts = {
            name: account for tenant in self._tenants for name, account in (await self._account(tenant)).items()
        }
        only = accounts[self._tenants[0].id] if len(self._tenants) == 1 else None
        webhook = FreshchatWebhook(lambda name: only if name is None else accounts.get(name), intake, self._telemetry)
        app.router.add_routes(webhook.routes())

    async def workers(self) -> list[Worker]:
        """Make one worker per direction."""
        settings, threads = self._settings, self._ports.threads
        tokens = await self._bot_tokens()
        connector = Connector(self._session, tokens, self._hosts(settings.bot_service_url_allowlist), clock=time.time)
        directory = TeamsDirectory(connector)
        sign_in = self._sign_in()

        async def graph_ready() -> bool:
            return await sign_in.signed_in() is not None

        async def own_account(aad_object_id: str) -> bool:
            account = await sign_in.signed_in()
            return account is not None and account.oid == aad_object_id

        graph = GraphReplies(self._session, settings.graph_base_url, sign_in, agent_reply.render, clock=time.time)
        bot = BotReplies(connector, agent_reply.render)
        helpdesks = {tenant.id: self._helpdesk(tenant) for tenant in self._tenants}
        to_freshchat = ToFreshchat(
            translate=lambda raw: teams_event(raw, settings.app_id),
            desks={
                t.id: Desk(t, helpdesks[t.id], t.channel_messages or settings.channel_messages) for t in self._tenants
            },
            threads=threads,
            directory=directory,
            own_account=own_account,
            say=texts.say,
            clock=time.time,
            telemetry=self._telemetry,
        )
        to_teams = ToTeams(
            translate=freshchat_event,
            helpdesks=helpdesks,
            inboxes={tenant.id: tenant.inboxes() for tenant in self._tenants},
            threads=threads,
            transports=Transports({"graph": graph, "bot": bot}, settings.reply_via, graph_ready),
            directory=directory,
            say=texts.say,
            clock=time.time,
            telemetry=self._telemetry,
        )
        patience = Patience(first_wait=settings.retry_wait, window=settings.retry_window)
        handlers: tuple[Handler, Handler] = (to_freshchat, to_teams)
        return [
            Worker(
                self._ports.queue,
                direction,
                handler,
                self._telemetry,
                clock=time.time,
                concurrency=settings.concurrency,
                patience=patience,
            )
            for direction, handler in zip(DIRECTIONS, handlers, strict=True)
        ]

    async def _account(self, tenant: Tenant) -> Mapping[str, Account]:
        """Give the door's view of an account, under the tenant's id and name."""
        freshchat = tenant.freshchat
        keys = await resolve(freshchat.webhook_keys, self._ports.secrets)
        token = await resolve(freshchat.webhook_token, self._ports.secrets)
        account = Account(
            tenant_id=tenant.id, verifier=Verifier(freshchat.webhook_scheme, keys), token=token[0] if token else None
        )
        return {name: account for name in (tenant.id, tenant.name) if name}

    def _helpdesk(self, tenant: Tenant) -> FreshchatHelpdesk:
        async def api_key() -> str:
            values = await resolve(tenant.freshchat.api_key, self._ports.secrets)
            return values[0] if values else ""

        hosts = self._hosts(self._settings.freshchat_host_allowlist)
        return FreshchatHelpdesk(self._session, tenant.freshchat.url, api_key, hosts, clock=time.time)

    async def _bot_tokens(self) -> Tokens:
        settings = self._settings
        if settings.app_type == "UserAssignedMSI":
            from adapters.azure.identity import ManagedIdentityTokens  # noqa: PLC0415 - 30 MB for those who use it

            return ManagedIdentityTokens(settings.app_id, BOT_SCOPE)

        async def secret() -> str:
            return settings.app_password.get_secret_value() if settings.app_password else ""

        return ClientCredentials(
            self._session, settings.bot_token_url, settings.app_id, secret, BOT_SCOPE, clock=time.time
        )

    def _sign_in(self) -> GraphSignIn:
        settings = self._settings
        return GraphSignIn(
            self._session,
            settings.graph_token_url,
            settings.graph_client_id or settings.app_id,
            self._ports.secrets,
            clock=time.time,
        )

    def _hosts(self, allowlist: str) -> HostRule:
        """Allow the listed hosts, and on a developer's machine loopback too."""
        development = not self._settings.production
        listed = suffixes(allowlist)
        return HostRule((*listed, *LOOPBACK) if development else listed, allow_loopback_http=True)

    def _service_url_allowed(self) -> Callable[[str], bool]:
        hosts = self._hosts(self._settings.bot_service_url_allowlist)

        def allowed(url: str) -> bool:
            try:
                hosts.check(url)
            except ValueError:
                return False
            return True

        return allowed

    async def _fetch_json(self, url: str) -> Any:
        try:
            answer = await call(self._session, "GET", endpoint(url), component="botframework", timeout=5)
        except (BridgeError, Misconfigured) as error:
            raise OSError(str(error)) from None
        if not answer.ok:
            raise OSError(f"status {answer.status}")
        return answer.json()


def _closer(close: Callable[[], Awaitable[None]]) -> Callable[[web.Application], Awaitable[None]]:
    async def on_cleanup(_app: web.Application) -> None:
        await close()

    return on_cleanup


def _starter(start: Callable[[], Awaitable[None]]) -> Callable[[web.Application], Awaitable[None]]:
    async def on_startup(_app: web.Application) -> None:
        await start()

    return on_startup


def _deliver(grace: float) -> Callable[[web.Application], AsyncIterator[None]]:
    """Run the workers as long as the application; then finish or give back."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(worker.run(), name="worker") for worker in app[WORKERS]]
        yield
        await asyncio.gather(*(worker.stop(grace) for worker in app[WORKERS]))
        await asyncio.wait(tasks)

    return context


def _add_platform_routes(
    app: web.Application, ports: Ports, telemetry: Telemetry, pings: Mapping[str, Callable[[], Awaitable[None]]]
) -> None:
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        problems = {name: problem for name, ping in pings.items() if (problem := await _problem(ping))}
        held = {w.direction: w.holds.tenants() for w in app.get(WORKERS, []) if w.holds.tenants()}
        status = {"status": "not ready" if problems else "ready", "problems": problems, "held": held}
        return web.json_response(status, status=503 if problems else 200)

    async def metrics(_request: web.Request) -> web.Response:
        for direction in DIRECTIONS:
            depth = await ports.queue.depth(direction)
            telemetry.depth(direction, depth.waiting, depth.dead, depth.oldest_age)
        return web.Response(body=telemetry.exposition(), content_type="text/plain", charset="utf-8")

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def _problem(ping: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(5):
            await ping()
    except (BridgeError, StoreFull, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return None


async def serve(settings: Settings, role: Role = "all") -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return."""
    sys.setswitchinterval(0.0005)  # else a busy event loop lets the store's thread wait 5 ms for each statement
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    telemetry = Telemetry(settings.log_level)
    async with open_ports(settings) as ports:
        app = await build_app(settings, ports, role=role, telemetry=telemetry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.grace)
        try:
            await runner.setup()
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
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
    parser.add_argument(
        "--role", choices=ROLES, default="all", help="web: the doors; worker: the deliveries; all: both"
    )
    try:
        asyncio.run(serve(load(), read_role(parser.parse_args(arguments).role)))
    except (Misconfigured, OSError) as error:
        print(f"The bridge cannot start:\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
