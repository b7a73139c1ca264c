"""Stands before every route of the operators' page: login, forged requests, headers, stores that are away."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.ops.sessions import Session, Sessions
from bridge.errors import BridgeError, StoreFull

OPEN = frozenset({"login", "enter", "signin", "callback", "style", "icon"})
"""Names of the routes that need no login; every other route, known or not, does."""
SESSION = web.RequestKey("session", Session)
PROOF_SECONDS = 60.0
"""How long a session goes on after its operator token was taken out of the secret source."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Cookies:
    """Sets cookies that scripts cannot read; over https they are bound to the host and to https."""

    def __init__(self, *, https: bool) -> None:
        self.https = https
        self._prefix = "__Host-ops-" if https else "ops-"

    def get(self, request: web.Request, name: str) -> str:
        """Give a cookie's value, empty if there is none."""
        return request.cookies.get(self._prefix + name, "")

    def set(self, response: web.StreamResponse, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie; without `seconds` it ends with the browser.

        Lax and not Strict: the browser comes back from Entra by a link of another site.
        """
        response.set_cookie(
            self._prefix + name, value, max_age=seconds, path="/", secure=self.https, httponly=True, samesite="Lax"
        )

    def delete(self, response: web.StreamResponse, name: str) -> None:
        """Take a cookie back."""
        self.set(response, name, "", 0)


class Guard:
    """The middleware. `live` tells whether an operator token's digest is still live."""

    def __init__(
        self,
        sessions: Sessions,
        cookies: Cookies,
        live: Callable[[str], Awaitable[bool]],
        clock: Callable[[], float],
        origin: str | None,
    ) -> None:
        """`origin` is where the page is served, as browsers write it; None: at whatever host was asked."""
        self._sessions, self._cookies, self._live, self._clock, self._origin = sessions, cookies, live, clock, origin

    def middleware(self) -> Middleware:
        """Give the middleware for the page's own application."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await self._answered(request, handler)
            response.headers.update(HEADERS)
            if self._cookies.https:
                response.headers["Strict-Transport-Security"] = "max-age=31536000"
            return response

        return guarded

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refusal = await self._refusal(request)
            return refusal or await handler(request)
        except web.HTTPException as answer:
            return web.Response(status=answer.status, text=answer.text, headers=_kept(answer.headers))
        except (BridgeError, StoreFull) as error:
            return problem(503, "unavailable", headers={"Retry-After": "5"}, error=type(error).__name__)

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        """Give the answer to a request that may not pass, or None and the session on the request."""
        changing = request.method not in ("GET", "HEAD")
        if changing and not self._from_our_page(request):
            return problem(403, "other_site")
        session = await self.session(request)
        if session is not None:
            request[SESSION] = session
        if request.match_info.route.name in OPEN:
            return None
        if session is None:
            return _to_login(request)
        return problem(403, "stale_page") if changing and not _carries(request, session.csrf) else None

    async def session(self, request: web.Request) -> Session | None:
        """Give the session of the request's cookie while it lasts."""
        key = self._cookies.get(request, "session")
        session = self._sessions.find(key) if key else None
        if session is None or not session.proof or self._clock() - session.proved_at < PROOF_SECONDS:
            return session
        if not await self._live(session.proof):
            self._sessions.close(key)
            return None
        session.proved_at = self._clock()
        return session

    def _from_our_page(self, request: web.Request) -> bool:
        """Whether the browser says that our own page sends this; every browser says one of the two."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is None and origin is None:
            return False
        own = self._origin or f"{request.scheme}://{request.host}"
        return site in (None, "same-origin") and origin in (None, own)


def _carries(request: web.Request, csrf: str) -> bool:
    return hmac.compare_digest(request.headers.get("X-CSRF-Token", "").encode("utf-8", "replace"), csrf.encode())


def _to_login(request: web.Request) -> web.StreamResponse:
    """A person who opens the page is led to the login; the page's own requests are told."""
    if request.method == "GET" and (request.match_info.route.name or "").startswith("page"):
        return web.Response(status=303, headers={"Location": "/ops/login"})
    return problem(401, "login")


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("Location", "Allow") if name in headers}


def problem(status: int, code: str, headers: Mapping[str, str] | None = None, **fields: object) -> web.Response:
    """Answer that it did not work: `{"problem": code, …}`."""
    return web.json_response({"problem": code, **fields}, status=status, headers=headers)
