"""Composition root: settings and adapters become one running bridge. `python app.py [--role web|worker|all]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

from aiohttp import web

from adapters.answer_files import answer_files
from adapters.counted_tokens import CountedTokens
from adapters.doors import at_doors, refuse_odd_expectations
from adapters.downloads import download_session
from adapters.exporters import Grace, exporting
from adapters.freshchat.accounts import Accounts
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.key_use import KeyUse
from adapters.freshchat.reconciliation import reconciler, timer
from adapters.freshchat.translate import to_event as freshchat_event
from adapters.freshchat.webhook import FreshchatWebhook
from adapters.http import call, endpoint
from adapters.http import session as http_session
from adapters.local.files_objects import LocalObjects
from adapters.operators import Held, operators_page
from adapters.probes import Probes
from adapters.scanners import open_scanner
from adapters.sentiments import open_sentiment
from adapters.stores import Ports, open_ports
from adapters.teams.directory import TeamsDirectory
from adapters.teams.reply_bot import BotReplies, Connector
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.tokens import Tokens
from adapters.teams_files import question_files
from adapters.upstreams import (
    allowed_hosts,
    bot_tokens,
    desk,
    graph_as_app,
    graph_profiles,
    graph_sign_in,
    helpdesk,
    portraits,
    teams_limits,
)
from bots.adapter import BridgeAdapter
from bots.authentication import ChannelAuthentication
from bots.handler import QueueingBot
from bots.installs import to_event as teams_event
from bots.keys import SigningKeys
from bridge.clicks import Clicks
from bridge.delivery import Worker
from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.intake import Intake
from bridge.letters import AutoReplay, Health, Ping, Upstream
from bridge.moods import Moods
from bridge.newest import Newest
from bridge.notices import Notices
from bridge.panel_posts import PanelPosts
from bridge.patience import Patience
from bridge.ports import Direction, Scanner, Sentiment
from bridge.reception import Reception
from bridge.redaction import Redaction
from bridge.reply_posts import Transports
from bridge.retirement import Retirement
from bridge.settings import Settings, load
from bridge.switches import switches
from bridge.telemetry import Telemetry
from bridge.tenants import Tenant, load_tenants, rates, redacting, with_reactions
from bridge.to_freshchat import ToFreshchat
from bridge.to_teams import ToTeams
from bridge.turns import Gather, Turns
from bridge.watch import Watch
from cards import agent_reply, agent_text, panel_card, texts

Role = Literal["all", "web", "worker"]
ROLES: tuple[Role, ...] = ("all", "web", "worker")


async def build_app(
    settings: Settings, ports: Ports, *, role: Role = "all", telemetry: Telemetry, grace: Grace | None = None
) -> web.Application:
    """Put one process together: doors, deliveries, and what a platform asks. Misconfigured if that cannot be."""
    settings.require_bot()
    parts = _Parts(settings, ports, load_tenants(settings), telemetry)
    retirement = Retirement(ports.threads, telemetry, settings.retirement_seconds)
    app = web.Application(client_max_size=1024 * 1024, middlewares=at_doors(telemetry, retirement))
    app.cleanup_ctx.extend([parts.session_context, retirement.context])
    try:
        if role != "worker":
            await parts.add_doors(app)
            if isinstance(ports.objects, LocalObjects):
                app.add_routes(ports.objects.routes())
        workers = parts.add_workers(app, grace or Grace(settings.grace)) if role != "web" else []
    except BaseException:
        await parts.close()
        raise
    stores = {"queue": ports.queue.ping, "threads": ports.threads.ping, "secrets": ports.secrets.ping}

    def held() -> Mapping[str, list[str]]:
        return {worker.direction: tenants for worker in workers if (tenants := worker.holds.tenants())}

    probes = Probes(ports.queue, telemetry, stores, parts.upstreams, held, retirement)
    app.cleanup_ctx.append(probes.context)
    app.add_routes(probes.routes())
    if settings.ops != "off":
        app.add_subapp("/ops", parts.operators_page(probes, held))
    return app


class _Parts:
    """Makes the parts of one process out of settings, stores and tenants."""

    def __init__(self, settings: Settings, ports: Ports, tenants: tuple[Tenant, ...], telemetry: Telemetry) -> None:
        self._settings, self._ports, self._tenants, self._telemetry = settings, ports, tenants, telemetry
        self._session, self._downloads = http_session(seen=telemetry.call), download_session()
        self._sign_in = graph_sign_in(settings, self._session, ports.secrets, telemetry.token)
        self._graph_limits = teams_limits(settings, "graph")
        self._switches = switches(settings, tenants)
        self.upstreams: dict[str, Ping] = {}

    async def session_context(self, _app: web.Application) -> AsyncIterator[None]:
        """Close the one HTTP session last: contexts end in reverse order."""
        yield
        await self.close()

    async def close(self) -> None:
        """Close what was opened here."""
        await self._session.close()
        await self._downloads.close()

    def operators_page(self, probes: Probes, held: Held) -> web.Application:
        """Make the page below `/ops`."""
        return operators_page(
            self._settings, self._ports, self._tenants, self._session, self._telemetry, probes.health, held
        )

    # --- doors

    async def add_doors(self, app: web.Application) -> None:
        """Open both doors."""
        settings, telemetry = self._settings, self._telemetry
        gather = Gather() if len(self._tenants) > 1 else None
        intake = Intake(self._ports.queue, telemetry, time.time, gather=gather)
        keys = SigningKeys(settings.bot_openid_metadata_url, self._fetch_json, time.time, telemetry)
        adapter = BridgeAdapter(
            ChannelAuthentication(settings.app_id, settings.bot_openid_metadata_url, keys),
            tenants=frozenset(tenant.id for tenant in self._tenants),
            service_url_allowed=allowed_hosts(settings, settings.bot_service_url_allowlist).allows,
            telemetry=telemetry,
        )
        bot = QueueingBot(
            intake,
            telemetry,
            clicks=Clicks(self._ports.threads, intake, panel_card.render, time.time),
            newest=Newest(self._ports.threads, telemetry, time.time),
            reactions=with_reactions(self._tenants, settings.reactions),
        )

        async def messages(request: web.Request) -> web.Response:
            return await adapter.process(request, bot)

        async def key_context(_app: web.Application) -> AsyncIterator[None]:
            await keys.warm_up()
            yield
            await keys.close()

        app.cleanup_ctx.append(key_context)
        app.add_routes(web.post(path, messages) for path in ("/api/messages", "/bot/callback"))
        accounts = Accounts(self._tenants, self._ports.secrets, telemetry)
        use = KeyUse(self._ports.threads, telemetry, time.time)
        await accounts.load()
        app.cleanup_ctx.extend([accounts.context, use.context])
        app.add_routes(FreshchatWebhook(accounts.find, intake, telemetry, use.note).routes())

    async def _fetch_json(self, url: str) -> Any:
        try:
            answer = await call(self._session, "GET", endpoint(url), component="botframework", timeout=5)
        except (BridgeError, Misconfigured) as error:
            raise OSError(str(error)) from None
        if not answer.ok:
            raise OSError(f"status {answer.status}")
        return answer.json()

    # --- deliveries

    def add_workers(self, app: web.Application, grace: Grace) -> list[Worker]:
        """Add one worker per direction, and load Graph's SDK beforehand where somebody is signed in."""
        settings, ports = self._settings, self._ports
        tokens = CountedTokens(bot_tokens(settings, self._session, self._ports.secrets), "bot", self._telemetry.token)
        connector = Connector(
            self._session,
            tokens,
            allowed_hosts(settings, settings.bot_service_url_allowlist),
            clock=time.time,
            buckets=teams_limits(settings, "connector"),
        )
        graph = GraphReplies(
            self._session,
            settings.graph_base_url,
            self._sign_in,
            agent_reply.render,
            clock=time.time,
            buckets=self._graph_limits,
        )
        helpdesks = {one.id: helpdesk(settings, self._session, one, self._ports.secrets) for one in self._tenants}
        scanner = open_scanner(settings, self._telemetry)
        to_teams = self._to_teams(helpdesks, connector, graph, scanner)
        pings: dict[Upstream, Ping] = {("to-freshchat", tenant): one.ping for tenant, one in helpdesks.items()}
        pings |= {("to-teams", tenant): to_teams.transports.ping for tenant in helpdesks}
        sentiment = open_sentiment(settings, self._session, self._ports.secrets)
        to_freshchat = self._to_freshchat(helpdesks, connector, sentiment, scanner, tokens)
        workers = [self._worker("to-freshchat", to_freshchat), self._worker("to-teams", to_teams)]
        self.upstreams |= {f"freshchat {one.name or one.id}": helpdesks[one.id].ping for one in self._tenants}
        self.upstreams |= {"connector": connector.ping, "graph": self._ping_graph}
        if settings.scans_files:
            self.upstreams["scanner"] = scanner.ping
        letters = AutoReplay(self._ports.queue, Health(workers, pings), self._telemetry, time.time)

        async def context(_app: web.Application) -> AsyncIterator[None]:
            warming = asyncio.create_task(self._warm_up(graph), name="warm up Graph")
            tasks = [asyncio.create_task(worker.run(), name=f"work {worker.direction}") for worker in workers]
            replaying = asyncio.create_task(letters.run(), name="replay dead letters")
            yield
            for task in (warming, replaying):
                task.cancel()
            await asyncio.gather(*(worker.stop(grace.rest()) for worker in workers))
            await asyncio.wait({*tasks, warming, replaying})
            await to_freshchat.close()
            if sentiment is not None:
                await sentiment.close()

        app.cleanup_ctx.extend([context, Watch(ports.queue, self._telemetry).context])
        if interval := settings.reconcile_seconds:
            passes = reconciler(helpdesks, ports.queue, ports.threads, self._telemetry, days=settings.reconcile_days)
            app.cleanup_ctx.append(timer(passes, interval))
        return workers

    async def _ping_graph(self) -> None:
        """Ask for a token, if anybody is signed in and answers go through Graph."""
        if self._settings.reply_via != "bot" and await self._sign_in.signed_in() is not None:
            await self._sign_in.token()

    async def _warm_up(self, graph: GraphReplies) -> None:
        if self._settings.reply_via != "bot" and await self._sign_in.signed_in() is not None:
            await graph.warm_up()

    def _worker(self, direction: Direction, handler: ToFreshchat | ToTeams) -> Worker:
        settings, queue = self._settings, self._ports.queue
        return Worker(
            queue,
            direction,
            handler,
            self._telemetry,
            clock=time.time,
            concurrency=settings.concurrency,
            patience=Patience(first_wait=settings.retry_wait, window=settings.retry_window),
            turns=Turns(
                settings.concurrency, tenants=len(self._tenants), rates=rates(self._tenants, settings.tenant_rate)
            ),
            tell=Notices(queue, handler.addressee, self._telemetry, time.time).tell,
        )

    def _to_freshchat(
        self,
        helpdesks: Mapping[str, FreshchatHelpdesk],
        connector: Connector,
        sentiment: Sentiment | None,
        scanner: Scanner,
        tokens: Tokens,
    ) -> ToFreshchat:
        settings, telemetry, http = self._settings, self._telemetry, (self._session, self._downloads)
        files = question_files(settings, self._ports, http, tokens, scanner, texts.say, telemetry, self._graph_limits)
        profiles = graph_profiles(settings, self._session, self._ports.secrets, telemetry)

        async def own_account(aad_object_id: str) -> bool:
            account = await self._sign_in.signed_in()
            return account is not None and account.oid == aad_object_id

        return ToFreshchat(
            translate=lambda raw: teams_event(raw, settings.app_id),
            desks={tenant.id: desk(settings, tenant, helpdesks[tenant.id]) for tenant in self._tenants},
            threads=self._ports.threads,
            directory=TeamsDirectory(connector, profiles),
            own_account=own_account,
            say=texts.say,
            clock=time.time,
            telemetry=telemetry,
            moods=Moods(sentiment, telemetry, seconds=settings.sentiment_seconds),
            link_property=settings.link_property,
            redaction=Redaction(self._ports.queue, redacting(self._tenants, settings.deletes), telemetry, files.redact),
            files=files,
            reception=Reception(self._ports.threads, self._ports.queue, time.time, self._switches),
            portraits=portraits(settings, self._session, self._ports.secrets, self._ports.threads, telemetry),
        )

    def _bot_replies(self, connector: Connector) -> BotReplies:
        reader = graph_as_app(self._settings, self._session, self._ports.secrets, self._graph_limits)
        return BotReplies(connector, agent_reply.render, app_id=self._settings.app_id, reader=reader)

    def _to_teams(
        self, helpdesks: Mapping[str, FreshchatHelpdesk], connector: Connector, graph: GraphReplies, scanner: Scanner
    ) -> ToTeams:
        async def graph_ready() -> bool:
            return await self._sign_in.signed_in() is not None

        bot = self._bot_replies(connector)
        return ToTeams(
            translate=freshchat_event,
            helpdesks=helpdesks,
            inboxes={tenant.id: tenant.inboxes() for tenant in self._tenants},
            threads=self._ports.threads,
            transports=Transports({"graph": graph, "bot": bot}, self._settings.reply_via, graph_ready),
            directory=TeamsDirectory(connector),
            compose=agent_text.replies,
            panels=PanelPosts(self._ports.threads, bot, panel_card.render),
            switches=self._switches,
            files=answer_files(
                self._settings, self._downloads, self._tenants, helpdesks, self._ports, scanner, self._telemetry
            ),
            say=texts.say,
            clock=time.time,
            telemetry=self._telemetry,
        )


async def serve(settings: Settings, role: Role = "all") -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return."""
    sys.setswitchinterval(0.0005)  # else a busy event loop lets the store's thread wait 5 ms for each statement
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    telemetry = Telemetry(settings.log_level)
    telemetry.adopt_library_logs()
    grace = Grace(settings.grace)
    settings.require_bot()
    tenants = len(load_tenants(settings))
    async with exporting(settings, telemetry, grace), open_ports(settings, tenants=tenants, ask_all=True) as ports:
        app = await build_app(settings, ports, role=role, telemetry=telemetry, grace=grace)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.grace)
        try:
            await runner.setup()
            refuse_odd_expectations(runner)
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            gc.collect()
            gc.freeze()  # what was loaded so far stays: looking it through again would stall the loop for 40 ms
            telemetry.info("ready", port=settings.port, role=role)
            await stop.wait()
            grace.begin()
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
    except (Misconfigured, BridgeError, StoreFull, OSError) as error:
        print(f"The bridge cannot start:\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
