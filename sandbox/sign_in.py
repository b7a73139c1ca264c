"""Entra's sign-in of a person in a browser: the authorization code flow with PKCE, for id tokens."""

import hashlib
import html
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from sandbox.tokens import AccessTokens
from sandbox.wire import JsonObject, Refusal
from sandbox.world import Person, World, find

CODE_SECONDS = 600
KEPT_CODES = 1000
WANTED = ("client_id", "redirect_uri", "response_type", "state", "nonce", "code_challenge")


@dataclass(frozen=True)
class Code:
    """What a person agreed to, until the client asks for the token."""

    user: Person
    client_id: str
    redirect_uri: str
    nonce: str
    challenge: str
    expires: float


class SignIns:
    """The page where a person chooses an account, and the codes it gives.

    `wish` changes the claims of the next id tokens (see `AccessTokens.id_token`), so that a client's checks can be
    tested; a person's `groups` and `roles` are claims like any other.
    """

    def __init__(self, world: World, access: AccessTokens) -> None:
        self._world, self._access = world, access
        self._codes: OrderedDict[str, Code] = OrderedDict()
        self.wish: JsonObject = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/entra/{tenant}/oauth2/v2.0/authorize", self.page),
            web.post("/entra/{tenant}/oauth2/v2.0/authorize", self.choose),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Offer the accounts of the tenant."""
        self._check(request)
        accounts = "".join(
            f'<p><button name="user" value="{user.key}">{html.escape(user.name)}</button></p>'
            for user in self._world.everyone()
        )
        head = '<!doctype html><title>Sign in</title><link rel="icon" href="data:,"><h1>Pick an account</h1>'
        page = f"{head}<form method=post>{accounts}"
        return web.Response(
            text=page + '<p><button name="user" value="">Cancel</button></p></form>', content_type="text/html"
        )

    async def choose(self, request: web.Request) -> web.Response:
        """Send the browser back with a code, or with `access_denied` if nobody was chosen."""
        self._check(request)
        query = request.query
        user = find(self._world.everyone(), (await request.post()).get("user", ""))
        answer = {"error": "access_denied", "error_description": "AADSTS50126: cancelled"}
        if user is not None:
            answer = {"code": self._code(user, query)}
        address = f"{query['redirect_uri']}?{urlencode({**answer, 'state': query['state']})}"
        return web.Response(status=302, headers={"Location": address})

    def redeem(self, client_id: str, form: Mapping[str, str]) -> JsonObject:
        """Exchange a code, once, for an id token; refused in Entra's words."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires <= time.time() or code.client_id != client_id:
            raise _refuse("AADSTS54005: the code is not known or was redeemed before.")
        if code.redirect_uri != form.get("redirect_uri"):
            raise _refuse("AADSTS500112: the reply address does not match.")
        if code.challenge != _challenge(form.get("code_verifier", "")):
            raise _refuse("AADSTS501481: the code verifier does not match the code challenge.")
        id_token = self._access.id_token(client_id, code.user, {"nonce": code.nonce, **self.wish})
        return {"token_type": "Bearer", "expires_in": 3600, "scope": "openid profile", "id_token": id_token}

    def _check(self, request: web.Request) -> None:
        query = request.query
        if request.match_info["tenant"].lower() != self._world.tenant.lower():
            raise _refuse("AADSTS90002: the tenant was not found.")
        if query.get("client_id") not in (self._world.app_id, self._world.graph_client_id):
            raise _refuse("AADSTS700016: the application was not found in the directory.")
        missing = [name for name in WANTED if not query.get(name)]
        if missing or query["response_type"] != "code" or query.get("code_challenge_method") != "S256":
            raise _refuse("AADSTS900144: a parameter is missing or not supported.")

    def _code(self, user: Person, query: Mapping[str, str]) -> str:
        code = secrets.token_urlsafe(48)
        self._codes[code] = Code(
            user,
            query["client_id"],
            query["redirect_uri"],
            query["nonce"],
            query["code_challenge"],
            time.time() + CODE_SECONDS,
        )
        if len(self._codes) > KEPT_CODES:
            self._codes.popitem(last=False)
        return code


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _refuse(description: str) -> Refusal:
    return Refusal(400, {"error": "invalid_grant", "error_description": description})
