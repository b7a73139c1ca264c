"""A peer for managed identity: the endpoints of virtual machines (IMDS) and of App Service and Container Apps.

It issues tokens signed with a key of its own; `Issuer.check` is what other peers are given to check them with. Clients
find it by `AZURE_POD_IDENTITY_AUTHORITY_HOST` (IMDS) or by `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
`python -m tests.peers.managed_identity [--port N]` runs it alone; `GET /_keys` then gives the public keys (JWKS).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from .http_peer import Fault, HttpPeer, run

TENANT = "7c2f1b52-6a7d-4a0e-9a9b-2f0d5b1f3c11"
IMDS_PATH = "metadata/identity/oauth2/token"
APP_SERVICE_PATH = "msi/token"


class Issuer:
    """Signs tokens as Entra does (v1 form, RS256) and checks its own."""

    def __init__(self, tenant: str = TENANT, clock: Callable[[], float] = time.time) -> None:
        self.tenant, self._clock = tenant, clock
        self.name = f"https://sts.windows.net/{tenant}/"
        self.key_id = secrets.token_hex(8)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, audience: str, *, oid: str, app_id: str = "", seconds: float = 3600, **claims: Any) -> str:
        """Sign a token for an audience."""
        now = int(self._clock())
        body = {
            "aud": audience,
            "iss": self.name,
            "iat": now,
            "nbf": now,
            "exp": now + int(seconds),
            "oid": oid,
            "sub": oid,
            "tid": self.tenant,
            "appid": app_id,
            "ver": "1.0",
        }
        return jwt.encode(body | claims, self._key, algorithm="RS256", headers={"kid": self.key_id})

    def check(self, token: str, audiences: tuple[str, ...]) -> Mapping[str, Any]:
        """Give the claims of a token that we signed for one of these audiences. Raises ValueError."""
        wanted = [form for audience in audiences for form in (audience.rstrip("/"), audience.rstrip("/") + "/")]
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=wanted,
                issuer=self.name,
                options={"require": ["exp", "nbf", "iat", "aud", "iss", "oid", "tid"]},
            )
        except jwt.InvalidTokenError as error:
            raise ValueError(str(error)) from None
        return claims

    def jwks(self) -> dict[str, Any]:
        """Give the public key as Entra publishes its own."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": self.key_id, "use": "sig"}]}


class ManagedIdentityPeer(HttpPeer):
    """One machine with a system-assigned identity and any user-assigned ones.

    `identities` maps client ids to object ids. `seconds` is how long tokens live.
    """

    def __init__(
        self,
        issuer: Issuer | None = None,
        *,
        identities: Mapping[str, str] | None = None,
        system_assigned: bool = True,
        seconds: float = 24 * 3600,
        port: int = 0,
    ) -> None:
        super().__init__(port=port)
        self.issuer = issuer or Issuer()
        self.identities = dict(identities or {})
        self.system = (str(uuid.uuid4()), str(uuid.uuid4())) if system_assigned else None
        self.seconds = seconds
        self.secret = secrets.token_urlsafe(24)

    def imds_environment(self) -> dict[str, str]:
        """Give the variables that lead azure-identity to the IMDS form."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.url}

    def app_service_environment(self) -> dict[str, str]:
        """Give the variables that App Service and Container Apps set."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/{APP_SERVICE_PATH}", "IDENTITY_HEADER": self.secret}

    def operation(self, request: web.Request) -> str:
        """Name the form that is asked."""
        names = {IMDS_PATH: "imds", APP_SERVICE_PATH: "app-service", "_keys": "keys"}
        return names.get(request.match_info["path"], "unknown")

    async def serve(self, request: web.Request, operation: str) -> web.StreamResponse:
        """Issue a token, or say why not, in the form that is asked."""
        if operation == "keys":
            return web.json_response(self.issuer.jwks())
        if operation == "unknown" or request.method != "GET":
            return web.Response(status=404)
        return self._imds(request) if operation == "imds" else self._app_service(request)

    def refusal(self, fault: Fault) -> web.Response:
        """Write an ordered failure in the form that both endpoints use."""
        return _problem(fault.status, fault.code or "server_error", "as ordered", fault.headers)

    def _imds(self, request: web.Request) -> web.Response:
        if request.headers.get("Metadata") != "true" or "X-Forwarded-For" in request.headers:
            return _problem(400, "bad_request_102", "Required metadata header not specified")
        if request.query.get("api-version") != "2018-02-01":
            return _problem(400, "bad_request", "api-version is missing or not known")
        granted = self._grant(request)
        if isinstance(granted, web.Response):
            return granted
        # IMDS writes every number as text.
        return web.json_response({name: str(value) for name, value in granted.items()})

    def _app_service(self, request: web.Request) -> web.Response:
        if not secrets.compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), self.secret):
            return _problem(401, "unauthorized", "X-IDENTITY-HEADER is missing or wrong")
        if request.query.get("api-version") != "2019-08-01":
            return _problem(400, "invalid_request", "api-version is missing or not known")
        granted = self._grant(request)
        return granted if isinstance(granted, web.Response) else web.json_response(granted)

    def _grant(self, request: web.Request) -> dict[str, Any] | web.Response:
        resource = request.query.get("resource")
        if not resource:
            return _problem(400, "invalid_resource", "resource is missing")
        client_id = request.query.get("client_id")
        if client_id is None and self.system is not None:
            client_id, oid = self.system
        elif client_id in self.identities:
            oid = self.identities[client_id]
        else:
            return _problem(400, "invalid_request", "Identity not found")
        token = self.issuer.token(resource, oid=oid, app_id=client_id, seconds=self.seconds)
        now = int(time.time())
        return {
            "access_token": token,
            "client_id": client_id,
            "expires_on": now + int(self.seconds),
            "not_before": now,
            "resource": resource,
            "token_type": "Bearer",
        }


def _problem(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": code, "error_description": text}, status=status, headers=headers)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A managed identity peer for tests.")
    parser.add_argument("--port", type=int, default=0)
    peer = ManagedIdentityPeer(port=parser.parse_args().port)
    asyncio.run(run(peer, header=peer.secret))


if __name__ == "__main__":
    main()
