"""Signing in with Microsoft Entra ID: OpenID Connect, authorization code flow with PKCE.

What a sign-in must remember until the browser comes back (state, nonce, verifier) is sealed in a cookie of that
browser, so a flood of begun sign-ins fills no memory and no other browser can finish one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from cryptography.fernet import Fernet, InvalidToken
from yarl import URL

from adapters.http import Answer, call, endpoint
from bridge.errors import Misconfigured, Unavailable

COMPONENT = "entra"
TIMEOUT = 15.0
SIGN_IN_SECONDS = 600
"""How long a person may take at Entra."""
METADATA_SECONDS = 3600.0
LEEWAY = 60.0
"""Seconds by which Entra's clock may differ from ours."""
SCOPE = "openid profile"
"""`oid` is in the id token only with `profile`."""
USED_STATES = 1000
REQUIRED = ["iss", "aud", "exp", "iat", "nonce", "tid", "oid"]


class Refused(Exception):
    """A sign-in is not accepted; `code` is a word for the log and for the text on the page."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The app registration that operators sign in to. `allowed` are object ids of users or groups, or app roles."""

    authority: str
    tenant: str
    client_id: str
    redirect_uri: str
    allowed: frozenset[str]


class EntraLogin:
    """Begins and finishes sign-ins. `secret` gives the client secret, empty for a public client."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        registration: Registration,
        secret: Callable[[], Awaitable[str]],
        clock: Callable[[], float],
    ) -> None:
        """Misconfigured if the authority is neither https nor a loopback address."""
        self._session, self._registration, self._secret, self._clock = session, registration, secret, clock
        self._metadata_url = endpoint(f"{registration.authority.rstrip('/')}/.well-known/openid-configuration")
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0
        self._seal = Fernet(Fernet.generate_key())
        self._used: OrderedDict[str, None] = OrderedDict()

    async def begin(self) -> tuple[str, str]:
        """Give the address at Entra, and what the browser keeps meanwhile. Raises Unavailable."""
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        query = {
            "client_id": self._registration.client_id,
            "response_type": "code",
            "response_mode": "query",
            "redirect_uri": self._registration.redirect_uri,
            "scope": SCOPE,
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": _challenge(kept["verifier"]),
            "code_challenge_method": "S256",
        }
        address = await self._endpoint("authorization_endpoint")
        sealed = self._seal.encrypt_at_time(json.dumps(kept).encode(), int(self._clock()))
        return str(address.update_query(query)), sealed.decode()

    async def finish(self, sealed: str, query: Mapping[str, str]) -> str:
        """Give the Entra object id of an operator. Raises Refused, or Unavailable when Entra does not answer.

        `query` is what Entra sent the browser back with. A state is accepted once.
        """
        kept = self._unsealed(sealed)
        if not hmac.compare_digest(kept["state"].encode(), query.get("state", "").encode("utf-8", "replace")):
            raise Refused("state")
        if kept["state"] in self._used:
            raise Refused("state")
        if "code" not in query:
            raise Refused("entra_said_no")
        id_token = await self._redeem(query["code"], kept["verifier"])
        claims = await self._claims(id_token, kept["nonce"])
        self._use_up(kept["state"])
        return self._operator(claims)

    def _unsealed(self, sealed: str) -> dict[str, str]:
        try:
            opened = self._seal.decrypt_at_time(sealed.encode("utf-8", "replace"), SIGN_IN_SECONDS, int(self._clock()))
        except InvalidToken:
            raise Refused("state") from None
        kept: dict[str, str] = json.loads(opened)
        return kept

    def _use_up(self, state: str) -> None:
        self._used[state] = None
        if len(self._used) > USED_STATES:
            self._used.popitem(last=False)

    async def _redeem(self, code: str, verifier: str) -> str:
        secret = await self._secret()
        form = {
            "grant_type": "authorization_code",
            "client_id": self._registration.client_id,
            "code": code,
            "redirect_uri": self._registration.redirect_uri,
            "code_verifier": verifier,
            "scope": SCOPE,
        } | ({"client_secret": secret} if secret else {})
        address = await self._endpoint("token_endpoint")
        answer = await self._ask("POST", address, form)
        id_token = answer.object().get("id_token")
        if not answer.ok or not isinstance(id_token, str):
            raise Refused("code")
        return id_token

    async def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Check an id token as OpenID Connect Core 3.1.3.7 and Entra's own rules ask for, and give its claims."""
        issuer = (await self._described())["issuer"]
        try:
            key = _key(await self._published_keys(), jwt.get_unverified_header(id_token).get("kid"))
            claims = jwt.decode(
                id_token,
                key,
                algorithms=["RS256"],
                audience=self._registration.client_id,
                issuer=issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED, "strict_aud": True},
            )
        except jwt.PyJWTError:
            raise Refused("id_token") from None
        if not hmac.compare_digest(str(claims["nonce"]).encode("utf-8", "replace"), nonce.encode()):
            raise Refused("nonce")
        if str(claims["tid"]).lower() != self._registration.tenant.lower():
            raise Refused("tenant")
        return claims

    def _operator(self, claims: Mapping[str, Any]) -> str:
        oid = str(claims["oid"])
        named = {oid.lower()}
        for kind in ("groups", "roles"):
            values = claims.get(kind)
            named |= {str(value).lower() for value in values} if isinstance(values, list) else set()
        if not named & {entry.lower() for entry in self._registration.allowed}:
            raise Refused("not_allowed")
        return oid

    async def _published_keys(self) -> list[Any]:
        """Read the signing keys anew: sign-ins are rare, and only one that Entra just accepted comes here."""
        answer = await self._ask("GET", await self._endpoint("jwks_uri"))
        keys = answer.object().get("keys")
        if not answer.ok or not isinstance(keys, list):
            raise _unreadable()
        return keys

    async def _endpoint(self, name: str) -> URL:
        try:
            return endpoint(str((await self._described())[name]))
        except Misconfigured:
            raise _unreadable() from None

    async def _described(self) -> dict[str, Any]:
        """Give Entra's description of itself, read once an hour."""
        if self._clock() < self._metadata_until:
            return self._metadata
        answer = await self._ask("GET", self._metadata_url)
        metadata = answer.object()
        wanted = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        if not answer.ok or not all(isinstance(metadata.get(name), str) for name in wanted):
            raise _unreadable()
        self._metadata, self._metadata_until = metadata, self._clock() + METADATA_SECONDS
        return metadata

    async def _ask(self, method: str, address: URL, form: Mapping[str, str] | None = None) -> Answer:
        answer = await call(self._session, method, address, component=COMPONENT, form=form, timeout=TIMEOUT)
        if answer.status >= 500 or answer.status == 429:
            raise Unavailable(f"status {answer.status}", code=f"entra_{answer.status}", component=COMPONENT)
        return answer


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _key(keys: list[Any], kid: Any) -> jwt.PyJWK:
    found = next((key for key in keys if isinstance(key, dict) and kid and key.get("kid") == kid), None)
    if found is None or found.get("kty") != "RSA":
        raise Refused("id_token")
    return jwt.PyJWK(found, algorithm="RS256")


def _unreadable() -> Unavailable:
    return Unavailable("the description of the sign-in cannot be read", code="entra_metadata", component=COMPONENT)
