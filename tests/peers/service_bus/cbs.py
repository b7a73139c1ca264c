"""Claims: what a token proves. Shared access signatures and bearer tokens (JWT) are really checked, also their expiry.

The peer is given what the service knows: key names with keys and rights, and the public keys of token issuers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import jwt

from .messages import now

SEND, LISTEN, MANAGE = "Send", "Listen", "Manage"
ALL_RIGHTS = frozenset({SEND, LISTEN, MANAGE})
AUDIENCES = ("https://servicebus.azure.net", "https://servicebus.azure.net/")
_SAS = "SharedAccessSignature "


class Unauthorized(Exception):
    """The token proves nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: rights on everything below a path, until then (epoch seconds)."""

    path: str
    rights: frozenset[str]
    until: float

    def covers(self, path: str, right: str | None) -> bool:
        """Tell whether it gives a right (None: any) on a path; the connection forgets it when its time is over."""
        below = not self.path or path == self.path or path.startswith(self.path + "/")
        return below and (right is None or right in self.rights)


@dataclass(slots=True)
class SharedKey:
    """A shared access policy."""

    key: str
    rights: frozenset[str] = ALL_RIGHTS


@dataclass(slots=True)
class Authority:
    """Whom the namespace trusts. `principals` maps a JWT's `oid` to rights; an empty map gives everybody all rights."""

    shared_keys: dict[str, SharedKey] = field(default_factory=dict)
    jwt_keys: list[Any] = field(default_factory=list)
    audiences: Sequence[str] = AUDIENCES
    principals: dict[str, frozenset[str]] = field(default_factory=dict)

    def check(self, token: str, audience: str) -> Grant:
        """Check a token for an audience. Raises Unauthorized."""
        if token.startswith(_SAS):
            return self._shared_access(token, path_of(audience))
        return self._bearer(token, path_of(audience))

    def _shared_access(self, token: str, path: str) -> Grant:
        fields = dict(part.partition("=")[::2] for part in token.removeprefix(_SAS).split("&"))
        policy = self.shared_keys.get(unquote(fields.get("skn", "")))
        if policy is None:
            raise Unauthorized("InvalidSignature: there is no such key name")
        signed = f"{fields.get('sr', '')}\n{fields.get('se', '')}".encode()
        wanted = base64.b64encode(hmac.new(policy.key.encode(), signed, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(wanted.encode(), unquote(fields.get("sig", "")).encode()):
            raise Unauthorized("InvalidSignature: the token has an invalid signature")
        until = float(fields["se"]) if fields.get("se", "").isdigit() else 0.0
        if until <= now():
            raise Unauthorized("ExpiredToken: the token is expired")
        scope = path_of(unquote(fields.get("sr", "")))
        if scope and path != scope and not path.startswith(scope + "/"):
            raise Unauthorized("InvalidAudience: the token is for another resource")
        return Grant(path, policy.rights, until)

    def _bearer(self, token: str, path: str) -> Grant:
        for key in self.jwt_keys:
            try:
                claims = jwt.decode(
                    token, key, ["RS256", "ES256"], audience=list(self.audiences), options={"require": ["exp", "aud"]}
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise Unauthorized(f"InvalidToken: {error}") from error
            everybody = ALL_RIGHTS if not self.principals else frozenset[str]()
            return Grant(path, self.principals.get(claims.get("oid", ""), everybody), float(claims["exp"]))
        raise Unauthorized("InvalidSignature: no trusted key signed this token")


def path_of(address: str) -> str:
    """Give the path of an address in any of the forms clients use, lower case: `sb://host:1/Queue/` is `queue`."""
    _, scheme, rest = address.partition("://")
    path = rest.partition("/")[2] if scheme else address
    return path.partition("?")[0].strip("/").lower()


def shared_access_signature(resource: str, key_name: str, key: str, until: float) -> str:
    """Make a token, for tests that speak to the peer without an SDK."""
    scope = quote(resource, safe="")
    digest = hmac.new(key.encode(), f"{scope}\n{int(until)}".encode(), hashlib.sha256).digest()
    return f"{_SAS}sr={scope}&sig={quote(base64.b64encode(digest), safe='')}&se={int(until)}&skn={key_name}"
