"""Puts the sandbox together, and runs it inside anybody's event loop."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox import page_files
from sandbox.archive import demo_archive
from sandbox.control.changes import ChangeControl
from sandbox.control.config import describe
from sandbox.control.freshchat import FreshchatControl
from sandbox.control.lab import Keys, LabControl
from sandbox.control.photos import PhotoControl
from sandbox.control.presses import PressControl
from sandbox.control.shown_files import ShownFiles
from sandbox.control.teams import TeamsControl
from sandbox.entra import Entra
from sandbox.faults import FaultBook
from sandbox.files import FileShelf
from sandbox.freshchat.api import ApiKey
from sandbox.freshchat.conversations import ConversationApi
from sandbox.freshchat.desk import Desk
from sandbox.freshchat.directory import DirectoryApi
from sandbox.freshchat.live import LiveChats
from sandbox.freshchat.messages import MessageApi
from sandbox.freshchat.signed_links import SignedLinks
from sandbox.freshchat.state import FreshchatState
from sandbox.freshchat.uploads import UploadApi
from sandbox.freshchat.users import UserApi
from sandbox.gate import Gate, Handler
from sandbox.ids import Ids
from sandbox.key_metadata import KeyMetadata
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.stream import Stream
from sandbox.tasks import TaskGroup
from sandbox.teams.client import TeamsClient
from sandbox.teams.connector import Connector
from sandbox.teams.graph import GraphMessages
from sandbox.teams.graph_access import GraphAccess
from sandbox.teams.graph_users import GraphUsers
from sandbox.teams.people import People
from sandbox.teams.photos import Photos
from sandbox.teams.shared_files import SharedFiles
from sandbox.teams.state import TeamsState
from sandbox.tokens import AccessTokens, BotTokens
from sandbox.webhooks import WebhookSender
from sandbox.wire import JsonObject, answer
from sandbox.world import DEFAULT_TENANT, build_world

BODY_LIMIT = 30 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    """How a sandbox is started."""

    host: str = "127.0.0.1"
    port: int = 4100
    bridge: str = "http://127.0.0.1:3978"
    tenant: str = DEFAULT_TENANT
    seed: str | None = None
    page: bool = True
    #: How the bridge reaches this server, when that is not host and port.
    public_url: str | None = None
    #: Let machines other than this one use the control API (a container's neighbours).
    open_control: bool = False
    #: Five people and two group chats instead of two and one.
    crowd: bool = False


class Sandbox:
    """Teams and Freshchat in one server; `async with Sandbox(...) as sandbox` starts and stops it."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.settings = Settings(bridge=self.options.bridge.rstrip("/"))
        self.world = build_world(self.options.tenant, self.options.seed, self.options.crowd)
        self._runner: web.AppRunner | None = None
        self._port = self.options.port
        self._build_core()
        self._build_teams()
        self._build_freshchat()
        self._build_control()
        self.app = self._build_app()

    @property
    def url(self) -> str:
        """Where the sandbox can be reached."""
        return (self.options.public_url or f"http://{_reachable(self.options.host)}:{self._port}").rstrip("/")

    @property
    def service_url(self) -> str:
        """The serviceUrl of every activity."""
        return f"{self.url}/connector/{self.world.tenant}/"

    @property
    def env(self) -> dict[str, str]:
        """The variables that point a bridge here."""
        env: dict[str, str] = self.config()["env"]
        return env

    def config(self) -> JsonObject:
        """GET /_sandbox/config."""
        world, settings = self.world, self.settings
        return describe(world, self.url, self.service_url, self.api_key, self.entra, self.webhooks, settings.bridge)

    async def start(self) -> Self:
        """Listen; port 0 picks a free one."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Stop listening and end everything under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def wipe(self) -> None:
        """Forget everything that happened; the seed world, keys and settings stay."""
        self.webhooks.clear()
        self.tasks.cancel()
        for part in (
            self.teams,
            self.freshchat,
            self.faults,
            self.log,
            self.files,
            self.shared_files,
            self.signed_links,
            self.photos,
        ):
            part.clear()

    def snapshot(self) -> JsonObject:
        """What a new page needs."""
        return {
            "config": self.config(),
            "teams": self.teams.render(),
            "freshchat": self.freshchat.render(),
            "timeline": list(self.lab.timeline),
        }

    def _build_core(self) -> None:
        self.ids = Ids(self.options.seed)
        self.tasks = TaskGroup()
        self.faults = FaultBook(self.ids)
        self.log = RequestLog()
        self.files = FileShelf()
        self.stream = Stream(self.tasks, self.snapshot)
        self.bot_tokens = BotTokens(self.world)
        self.access = AccessTokens(self.world)
        self.entra = Entra(self.world, self.settings, self.ids, self.access)
        self.key_metadata = KeyMetadata(self.world, self.bot_tokens, self.access)

    def _build_teams(self) -> None:
        world, settings, ids = self.world, self.settings, self.ids
        self.teams = TeamsState(world, ids, self.stream)
        self.client = TeamsClient(settings, self.bot_tokens, self.faults, self.log)
        self.people = People(world, settings, ids, self.teams, self.client, self.tasks, lambda: self.service_url)
        self.connector = Connector(world, settings, ids, self.teams, self.access)
        graph = GraphAccess(settings, self.access)
        self.graph_users = GraphUsers(world, graph)
        self.photos = Photos(world, graph)
        self.graph = GraphMessages(
            world, ids, self.teams, graph, self.people.echo_graph_post, lambda: settings.strict_threads
        )
        self.shared_files = SharedFiles(world, self.files, self.access, graph, lambda: self.url)

    def _build_freshchat(self) -> None:
        world, settings = self.world, self.settings
        path = f"/freshchat/webhook/{world.tenant}/{world.webhook_token}"
        self.api_key = ApiKey(world.api_key)
        self.freshchat = FreshchatState(world, self.ids, self.stream)
        self.archive = demo_archive(LiveChats(self.freshchat), self.api_key, lambda: self.url)
        self.webhooks = WebhookSender(settings, self.faults, self.log, path)
        self.desk = Desk(world, settings, self.ids, self.freshchat, self.webhooks)
        uploads = UploadApi(self.files, lambda: self.url)
        self.signed_links = SignedLinks(self.files, settings, lambda: self.url)
        messages = MessageApi(world, settings, self.freshchat, self.desk, uploads.part, self.signed_links.fresh)
        conversations = ConversationApi(world, self.freshchat, self.desk, messages)
        apis = (messages, conversations, UserApi(self.freshchat), DirectoryApi(world, settings), uploads)
        self.freshchat_routes = [self.archive.guard(route) for api in apis for route in api.routes()]

    def _build_control(self) -> None:
        keys = Keys(self.bot_tokens, self.entra, self.webhooks, self.api_key)
        self.lab = LabControl(self.settings, self.faults, self.log, self.stream, keys, self.config, self.wipe)
        self.teams_control = TeamsControl(
            self.world,
            self.ids,
            self.teams,
            self.people,
            self.client,
            self.bot_tokens,
            self.shared_files,
            lambda: self.service_url,
        )
        self.presses = PressControl(self.world, self.ids, self.teams, self.client, lambda: self.service_url)
        self.changes = ChangeControl(self.world, self.ids, self.teams, self.people, lambda: self.service_url)
        self.shown_files = ShownFiles(self.settings, self.teams, self.shared_files)
        self.photo_control = PhotoControl(self.world, self.photos)
        self.freshchat_control = FreshchatControl(
            self.world, self.freshchat, self.desk, self.webhooks, self.files, self.signed_links
        )

    def _build_app(self) -> web.Application:
        gate = Gate(self.faults, self.log, self.settings)

        @web.middleware
        async def gated(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await gate.handle(request, handler)

        app = web.Application(
            middlewares=[_guard_control(self.options.open_control), gated], client_max_size=BODY_LIMIT
        )
        parts = (self.key_metadata, self.entra, self.connector, self.graph, self.graph_users, self.shared_files)
        controls = (self.teams_control, self.presses, self.changes, self.shown_files, self.freshchat_control, self.lab)
        photos = (self.photos, self.photo_control)
        app.add_routes([route for part in (*parts, *controls, *photos) for route in part.routes()])
        app.add_routes(self.freshchat_routes)
        app.add_routes([web.get("/files/{file}/{name}", self.files.serve), *self.signed_links.routes()])
        if self.options.page:
            app.add_routes(page_files.routes())
        app.add_routes(self.archive.routes())
        app.on_shutdown.append(self._close_streams)
        app.on_cleanup.append(self._end_work)
        return app

    async def _close_streams(self, _: web.Application) -> None:
        self.stream.close()

    async def _end_work(self, _: web.Application) -> None:
        await self.tasks.stop()
        await self.webhooks.stop()
        await self.client.stop()


def build_app(options: Options | None = None) -> web.Application:
    """The sandbox as an application, for callers that run their own server on the options' host and port."""
    return Sandbox(options).app


def _reachable(host: str) -> str:
    """The host to call for a server that listens on this address; the wildcard addresses cannot be called."""
    callable_host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared only
    return f"[{callable_host}]" if ":" in callable_host else callable_host


def _guard_control(is_open: bool) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_open and request.path.startswith("/_sandbox") and not _from_here(request):
            return answer({"error": "the control API answers only on this machine"}, 403)
        return await handler(request)

    return guarded


def _from_here(request: web.Request) -> bool:
    """Whether the caller runs on this machine."""
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
