"""Puts the operators' page together, as an application of its own below `/ops`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from adapters.ops import pages
from adapters.ops.guard import SESSION, Cookies, Guard
from adapters.ops.letters import Letters
from adapters.ops.login import YEAR, Login
from adapters.ops.login_entra import EntraLogin, Registration
from adapters.ops.login_token import SECRET, TokenLogin
from adapters.ops.sessions import Sessions
from adapters.ops.views import Sources, Views
from bridge.errors import Misconfigured
from bridge.ports import SecretSource
from bridge.settings import Settings, suffixes
from bridge.telemetry import Telemetry
from bridge.tenants import SECRET_PREFIX, newest, resolve

PATH = "/ops"
_SCRIPTS = ("page.js", "dom.js", "now.js", "letters.js", "recent.js")
_OPEN_FILES = {"style": "page.css", "icon": "icon.svg"}


def site(
    settings: Settings,
    sources: Sources,
    secrets: SecretSource,
    session: aiohttp.ClientSession,
    telemetry: Telemetry,
    clock: Callable[[], float],
) -> web.Application:
    """Make the application; Misconfigured if the way to log in that `BRIDGE_OPS` names lacks something."""
    origin = origin_of(settings)
    cookies = Cookies(https=bool(origin and origin.startswith("https://")))
    sessions = Sessions(clock)
    token = TokenLogin(lambda: live_tokens(settings, secrets), telemetry)
    entra = entra_login(settings, origin, secrets, session, clock) if settings.ops == "entra" else None
    login = Login(sessions, cookies, telemetry, clock, token=None if entra else token, entra=entra)
    guard = Guard(sessions, cookies, token.live, clock, origin)
    app = web.Application(middlewares=[guard.middleware()])
    app.add_routes([*_Files(cookies, settings).routes(), *login.routes()])
    app.add_routes([*Views(sources, clock).routes(), *Letters(sources.queue, telemetry).routes()])
    telemetry.watch = sources.rates.record
    return app


def origin_of(settings: Settings) -> str | None:
    """Give where browsers find the page, as they write it in `Origin`; None on a developer's machine without it."""
    if settings.production and not (settings.public_url or "").startswith("https://"):
        raise Misconfigured("BRIDGE_OPS: in production the page needs a BRIDGE_PUBLIC_URL with https")
    return str(URL(settings.public_url).origin()) if settings.public_url else None


async def live_tokens(settings: Settings, secrets: SecretSource) -> Sequence[str]:
    """Read the operators' tokens that are live now, newest first. Raises like `SecretSource.get`."""
    return await resolve(settings.ops_token or SecretStr(SECRET_PREFIX + SECRET), secrets)


def client_secret(settings: Settings) -> tuple[str, SecretStr | None]:
    """Give the client secret of the registration that operators sign in to, and the setting it comes from."""
    if settings.ops_client_id and settings.ops_client_id != settings.app_id:
        return "OPS_CLIENT_SECRET", settings.ops_client_secret
    return "MicrosoftAppPassword", settings.app_password


def entra_login(
    settings: Settings,
    origin: str | None,
    secrets: SecretSource,
    session: aiohttp.ClientSession,
    clock: Callable[[], float],
) -> EntraLogin:
    """Make the sign-in; Misconfigured if a setting is missing."""
    allowed = frozenset(suffixes(settings.ops_allowed))
    if origin is None or not allowed:
        raise Misconfigured("BRIDGE_OPS: entra needs BRIDGE_PUBLIC_URL and OPS_ALLOWED (docs/ops-page.md)")
    registration = Registration(
        authority=settings.ops_authority or f"https://login.microsoftonline.com/{settings.app_tenant_id}/v2.0",
        tenant=settings.app_tenant_id,
        client_id=settings.ops_client_id or settings.app_id,
        redirect_uri=f"{(settings.public_url or '').rstrip('/')}{PATH}/callback",
        allowed=allowed,
    )

    async def secret() -> str:
        return await newest(client_secret(settings)[1], secrets)

    return EntraLogin(session, registration, secret, clock)


@dataclass(frozen=True, slots=True)
class _Files:
    """The page itself and its files."""

    cookies: Cookies
    settings: Settings

    def routes(self) -> list[web.RouteDef]:
        scripts = [web.get(f"/{name}", self.file) for name in _SCRIPTS]
        opened = [web.get(f"/{file}", self.file, name=name) for name, file in _OPEN_FILES.items()]
        entries = [web.get("", self.page, name="page"), web.get("/", self.page, name="page-slash")]
        return [*entries, *scripts, *opened]

    async def page(self, request: web.Request) -> web.Response:
        """Give the page in the language of the person."""
        lang = pages.language(request, self.cookies.get(request, "lang"))
        values = {
            "csrf": request[SESSION].csrf,
            "texts": pages.texts_json(lang),
            "environment": self.settings.env,
        }
        response = pages.html(pages.fill("page.html", lang, values))
        if "lang" in request.query:
            self.cookies.set(response, "lang", lang, YEAR)
        return response

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Give a file; only those with a route of their own can be asked for."""
        return web.FileResponse(pages.FOLDER / request.path.rsplit("/", 1)[-1])
