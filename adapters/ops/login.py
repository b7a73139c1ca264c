"""The login routes: a form for the operator token or a link to Entra ID, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from aiohttp import web

from adapters.ops import pages
from adapters.ops.guard import SESSION, Cookies
from adapters.ops.login_entra import SIGN_IN_SECONDS, EntraLogin, Refused
from adapters.ops.login_token import TokenLogin
from adapters.ops.sessions import Guesses, Sessions
from adapters.ops.texts import TEXTS
from bridge import ids
from bridge.errors import BridgeError, Misconfigured, StoreFull
from bridge.telemetry import Telemetry

MOST_BYTES = 4096
"""Of a login form: nobody may make us read more."""
YEAR = 365 * 24 * 3600


class Login:
    """Opens and closes sessions. Exactly one of `token` and `entra` is given; the other way is not there."""

    def __init__(
        self,
        sessions: Sessions,
        cookies: Cookies,
        telemetry: Telemetry,
        clock: Callable[[], float],
        *,
        token: TokenLogin | None = None,
        entra: EntraLogin | None = None,
    ) -> None:
        self._sessions, self._cookies, self._telemetry = sessions, cookies, telemetry
        self._token, self._entra = token, entra
        self._guesses = Guesses(clock)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes of the way that is switched on."""
        routes = [
            web.get("/login", self.login, name="login"),
            web.post("/logout", self.logout, name="logout"),
        ]
        if self._token is not None:
            routes.append(web.post("/login", self.enter, name="enter"))
        if self._entra is not None:
            routes.append(web.get("/sign-in", self.sign_in, name="signin"))
            routes.append(web.get("/callback", self.callback, name="callback"))
        return routes

    async def login(self, request: web.Request) -> web.Response:
        """Show the login; who is logged in already goes on to the page."""
        if request.get(SESSION) is not None:
            return _go("/ops")
        return self._page(request)

    async def enter(self, request: web.Request) -> web.Response:
        """Take the operator token from the form."""
        assert self._token is not None
        if (wait := self._guesses.wait(request.remote)) > 0:
            return self._too_many(request, wait)
        try:
            proof = await self._token.proof(await _field(request, "token"))
        except (BridgeError, StoreFull, Misconfigured) as error:
            self._guesses.forgive(request.remote)
            return self._away(request, error)
        if proof is None:
            return self._refused(request, "wrong_token")
        self._guesses.forgive(request.remote)
        return self._in(request, "token", proof)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Send the browser to Entra."""
        assert self._entra is not None
        try:
            address, sealed = await self._entra.begin()
        except BridgeError as error:
            return self._away(request, error)
        response = _go(address)
        self._cookies.set(response, "sign-in", sealed, SIGN_IN_SECONDS)
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Take the browser back from Entra."""
        assert self._entra is not None
        if (wait := self._guesses.wait(request.remote)) > 0:
            return self._too_many(request, wait)
        try:
            oid = await self._entra.finish(self._cookies.get(request, "sign-in"), request.query)
        except BridgeError as error:
            self._guesses.forgive(request.remote)
            return self._away(request, error)
        except Refused as refused:
            response = self._refused(request, refused.code)
        else:
            self._guesses.forgive(request.remote)
            response = self._in(request, ids.aad_hash(oid)[:12])
        self._cookies.delete(response, "sign-in")
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """End the session here; at Entra the person stays signed in."""
        self._sessions.close(self._cookies.get(request, "session"))
        self._telemetry.info("ops_logout", who=request[SESSION].who)
        response = web.json_response({"login": "/ops/login"})
        self._cookies.delete(response, "session")
        return response

    def _in(self, request: web.Request, who: str, proof: str = "") -> web.Response:
        self._sessions.close(self._cookies.get(request, "session"))
        self._telemetry.info("ops_login", who=who)
        response = _go("/ops")
        self._cookies.set(response, "session", self._sessions.open(who, proof))
        return response

    def _refused(self, request: web.Request, code: str) -> web.Response:
        self._telemetry.warning("ops_login_refused", code=code)
        return self._page(request, code, 401)

    def _too_many(self, request: web.Request, wait: float) -> web.Response:
        self._telemetry.warning("ops_login_refused", code="too_many")
        response = self._page(request, "too_many", 429)
        response.headers["Retry-After"] = str(int(wait) + 1)
        return response

    def _away(self, request: web.Request, error: Exception) -> web.Response:
        self._telemetry.error("ops_login_unavailable", error=type(error).__name__)
        return self._page(request, "login_away", 503)

    def _page(self, request: web.Request, problem: str = "", status: int = 200) -> web.Response:
        lang = pages.language(request, self._cookies.get(request, "lang"))
        texts = TEXTS[lang]
        named = texts.get(f"problem_{problem}", texts["problem_sign_in"]) if problem else ""
        way = "login_token.html" if self._token is not None else "login_entra.html"
        response = pages.html(pages.fill("login.html", lang, {"problem": named}, way), status)
        if "lang" in request.query:
            self._cookies.set(response, "lang", lang, YEAR)
        return response


async def _field(request: web.Request, name: str) -> str:
    """Read one field of a short form; empty if it is not there or the form is too long."""
    length = request.content_length
    if request.content_type != "application/x-www-form-urlencoded" or length is None or length > MOST_BYTES:
        return ""
    values = parse_qs((await request.read()).decode("utf-8", "replace")).get(name)
    return values[0] if values else ""


def _go(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})
