"""The two kinds of bearer tokens: Teams' own for the bridge, and Entra's for callers of the connector and Graph."""

import time
from dataclasses import dataclass
from typing import Any

import jwt

from sandbox.keys import SigningKey
from sandbox.wire import JsonObject
from sandbox.world import Person, World

BOT_ISSUER = "https://api.botframework.com"
CONNECTOR = "https://api.botframework.com"
GRAPH = "https://graph.microsoft.com"
#: Graph may also be named by its app id.
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"

BOT_TOKEN_SECONDS = 3600
#: A bot token is reused until this much of its life is left.
RENEW_BEFORE_SECONDS = 600
CACHE_LIMIT = 2000

#: Members of a token wish that are instructions, not claims.
_INSTRUCTIONS = ("kid", "alg", "omit", "raw", "key")


class BotTokens:
    """Signs the tokens that Teams sends with activities."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.key = SigningKey()
        self._foreign_key: SigningKey | None = None
        self._cached: dict[str, tuple[float, str]] = {}

    def rotate(self) -> SigningKey:
        """Publish and use a new key; the old one is gone."""
        self.key = SigningKey()
        self._cached.clear()
        return self.key

    def usual(self, service_url: str) -> str:
        """A valid token for this serviceUrl, reused while it has life left."""
        expires, token = self._cached.get(service_url, (0.0, ""))
        if expires - time.time() < RENEW_BEFORE_SECONDS:
            token = self.key.token(self._claims(service_url))
            if len(self._cached) >= CACHE_LIMIT:
                self._cached.clear()
            self._cached[service_url] = (time.time() + BOT_TOKEN_SECONDS, token)
        return token

    def made(self, service_url: str, wish: JsonObject) -> str:
        """A token with claims replaced or omitted, another kid or alg, or signed by an unpublished key (key: other)."""
        if not wish:
            return self.usual(service_url)
        if wish.get("raw") is not None:
            return str(wish["raw"])
        claims = self._claims(service_url)
        claims.update({name: value for name, value in wish.items() if name not in _INSTRUCTIONS})
        for name in wish.get("omit") or ():
            claims.pop(name, None)
        key = self._foreign() if wish.get("key") == "other" else self.key
        kid = wish["kid"] if isinstance(wish.get("kid"), str) else self.key.kid
        return key.token(claims, kid, str(wish.get("alg") or "RS256"))

    def _claims(self, service_url: str) -> JsonObject:
        now = int(time.time())
        return {
            "iss": BOT_ISSUER,
            "aud": self._world.app_id,
            "serviceurl": service_url,
            "iat": now,
            "nbf": now,
            "exp": now + BOT_TOKEN_SECONDS,
        }

    def _foreign(self) -> SigningKey:
        if self._foreign_key is None:
            self._foreign_key = SigningKey()
        return self._foreign_key


def v2_issuer(tenant: str) -> str:
    """Who issues a tenant's id tokens, whichever of its addresses gave them."""
    return f"https://login.microsoftonline.com/{tenant}/v2.0"


class TokenError(Exception):
    """A bearer token is missing or not good here; the text says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token speaks for."""

    audience: str
    app_id: str
    user_id: str | None
    permissions: frozenset[str]
    expires: float
    session: int


class AccessTokens:
    """Issues and checks Entra access tokens; a checked token is remembered, so a busy caller costs one dict look-up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.key = SigningKey()
        self.session = 1
        self._callers: dict[str, Caller] = {}

    def revoke(self) -> None:
        """End the service account's sign-in: its access tokens stop working at once."""
        self.session += 1

    def for_app(self, audience: str, app_id: str, roles: list[str], seconds: int) -> str:
        """A token of an application."""
        return self._issue(audience, app_id, seconds, {"roles": roles, "oid": app_id, "sub": app_id, "idtyp": "app"})

    def for_user(self, app_id: str, scopes: list[str], seconds: int) -> str:
        """A Graph token of the signed-in service account."""
        user = self._world.service_account
        person = {"oid": user.aad_id, "sub": user.aad_id, "name": user.name, "upn": user.upn, "idtyp": "user"}
        return self._issue(GRAPH, app_id, seconds, {**person, "scp": " ".join(scopes), "ses": self.session})

    def id_token(self, client_id: str, user: Person | None = None, wish: JsonObject | None = None) -> str:
        """Who signed in, for clients that asked for openid; the service account unless another person is named.

        A wish replaces claims, or omits those named in `omit`; `key: other` signs with an unpublished key.
        """
        user, wish = user or self._world.service_account, wish or {}
        person = {"oid": user.aad_id, "sub": user.aad_id, "preferred_username": user.upn, "name": user.name}
        claims = {**self._common(3600), "iss": v2_issuer(self._world.tenant), "aud": client_id, **person, "ver": "2.0"}
        claims.update({name: value for name, value in wish.items() if name not in _INSTRUCTIONS})
        for name in wish.get("omit") or ():
            claims.pop(name, None)
        key = SigningKey() if wish.get("key") == "other" else self.key
        return key.token(claims, wish.get("kid") or self.key.kid, str(wish.get("alg") or "RS256"))

    def check(self, authorization: str | None, audiences: tuple[str, ...]) -> Caller:
        """The caller behind an Authorization header; TokenError when it is not good for these audiences."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenError("Access token is empty.")
        caller = self._callers.get(token) or self._read(token)
        if caller.audience not in audiences:
            raise TokenError("Access token validation failure. Invalid audience.")
        if caller.expires <= time.time():
            raise TokenError("Lifetime validation failed, the token is expired.")
        if caller.user_id and caller.session != self.session:
            raise TokenError("Continuous access evaluation resulted in challenge: the session was revoked.")
        return caller

    def _read(self, token: str) -> Caller:
        try:
            claims = self.key.read(token)
        except jwt.PyJWTError as error:
            raise TokenError("IDX14100: the token is not well formed or its signature is not valid.") from error
        caller = _caller(claims)
        if len(self._callers) >= CACHE_LIMIT:
            self._callers.clear()
        self._callers[token] = caller
        return caller

    def _issue(self, audience: str, app_id: str, seconds: int, rest: JsonObject) -> str:
        claims = {**self._common(seconds), "aud": audience, "appid": app_id, "azp": app_id, "ver": "1.0", **rest}
        return self.key.token(claims)

    def _common(self, seconds: int) -> JsonObject:
        now = int(time.time())
        issuer = f"https://sts.windows.net/{self._world.tenant}/"
        return {"iss": issuer, "tid": self._world.tenant, "iat": now, "nbf": now, "exp": now + seconds}


def _caller(claims: dict[str, Any]) -> Caller:
    is_user = "scp" in claims
    granted = str(claims["scp"]).split() if is_user else claims.get("roles", [])
    return Caller(
        audience=str(claims.get("aud")),
        app_id=str(claims.get("appid")),
        user_id=str(claims["oid"]) if is_user else None,
        permissions=frozenset(granted),
        expires=float(claims.get("exp", 0)),
        session=int(claims.get("ses", 0)),
    )
