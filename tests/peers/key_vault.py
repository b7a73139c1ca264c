"""A peer that speaks Key Vault's REST interface for secrets (7.x) over HTTPS, for the real SDK to talk to.

The challenge before the first token, a real check of the token, versions that never change but for their attributes and
tags, lists in pages, times in whole seconds as the service gives them, soft delete with recovery and purge, disabled
versions (those outside `nbf` and `exp` can be read), roles. Versions are listed in no useful order, as the service
promises none. `python -m tests.peers.key_vault --folder DIR --keys URL-OF-A-JWKS [--port N]` runs it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from .http_peer import Fault, HttpPeer, TokenCheck, run
from .managed_identity import TENANT
from .tls import Certificate, make_certificate

RESOURCE = "https://vault.azure.net"
MAX_VALUE = 25_000
MAX_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE = 15, 256, 256
PAGE = 25
RETENTION = 90 * 24 * 3600
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_READING, _WRITING = {"get", "list", "list-versions"}, {"set", "update", "delete", "recover"}


@dataclass
class Version:
    """One version of a secret. Only attributes and tags change."""

    id: str
    value: str
    content_type: str | None
    tags: dict[str, str]
    enabled: bool
    not_before: int | None
    expires: int | None
    created: int
    updated: int

    def attributes(self) -> dict[str, Any]:
        """Give the attributes as the service writes them."""
        times = {"nbf": self.not_before, "exp": self.expires}
        known = {name: at for name, at in times.items() if at is not None}
        made = {"created": self.created, "updated": self.updated}
        return {"enabled": self.enabled, **known, **made, "recoveryLevel": "Recoverable+Purgeable"}


@dataclass
class Secret:
    """One secret; its current version is the one that was made last."""

    name: str
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def current(self) -> Version:
        """The version without a version in its address."""
        return list(self.versions.values())[-1]


class Refused(Exception):
    """The service's answer to what it does not do."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.inner = status, code, inner


class KeyVaultPeer(HttpPeer):
    """One vault. `readers` and `writers` are the object ids with these rights (None: everybody).

    `deletion` is how many seconds a deletion takes to show.
    """

    def __init__(
        self,
        tls: Certificate,
        tokens: TokenCheck,
        *,
        readers: set[str] | None = None,
        writers: set[str] | None = None,
        deletion: float = 0.0,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        super().__init__(tls=tls, clock=clock, port=port)
        self._tokens, self.readers, self.writers, self._deletion = tokens, readers, writers, deletion
        self.secrets: dict[str, Secret] = {}
        self.deleted: dict[str, tuple[Secret, float]] = {}

    # --- requests

    def operation(self, request: web.Request) -> str:
        """Name what is asked."""
        method = request.method
        match request.match_info["path"].strip("/").split("/"):
            case ["secrets"]:
                return "list"
            case ["secrets", _, "versions"]:
                return "list-versions"
            case ["secrets", _] if method in ("PUT", "DELETE"):
                return {"PUT": "set", "DELETE": "delete"}[method]
            case ["secrets", _] | ["secrets", _, _] if method in ("GET", "PATCH"):
                return {"GET": "get", "PATCH": "update"}[method]
            case ["deletedsecrets", *rest]:
                return "recover" if rest[1:] == ["recover"] else "purge" if method == "DELETE" else "get-deleted"
        return "unknown"

    async def serve(self, request: web.Request, operation: str) -> web.StreamResponse:
        """Challenge who comes without a token; else check it, its rights and the request, and do it."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return self._challenge("No token was sent.")
        try:
            self._authorize(token, operation)
            if "api-version" not in request.query:
                raise Refused(400, "BadParameter", "api-version is missing")
            return await self._do(request, operation)
        except _Unauthenticated as error:
            return self._challenge(str(error))
        except Refused as refusal:
            return _problem(refusal.status, refusal.code, str(refusal), inner=refusal.inner)

    def refusal(self, fault: Fault) -> web.Response:
        """Write an ordered failure as the service writes its own."""
        codes = {403: "Forbidden", 429: "Throttled", 503: "ServiceUnavailable"}
        code = fault.code or codes.get(fault.status, str(fault.status))
        return _problem(fault.status, code, "as ordered", headers=fault.headers)

    async def _do(self, request: web.Request, operation: str) -> web.Response:
        parts = request.match_info["path"].strip("/").split("/")
        name = parts[1].lower() if len(parts) > 1 else ""
        if name and not _NAME.fullmatch(name):
            raise Refused(400, "BadParameter", "The request URI contains an invalid name")
        match operation:
            case "set":
                return web.json_response(self._set(name, parts[1], await request.json()))
            case "get":
                return web.json_response(self._get(name, parts[2] if len(parts) > 2 else ""))
            case "update":
                return web.json_response(self._update(name, parts[2] if len(parts) > 2 else "", await request.json()))
            case "list":
                return self._page(request, [_item(self._id(s), s.current) for s in self.secrets.values()])
            case "list-versions":
                return self._page(request, self._versions(name))
            case "delete":
                return web.json_response(self._delete(name))
            case "get-deleted" if name:
                return web.json_response(self._get_deleted(name))
            case "recover":
                return web.json_response(self._recover(name))
            case "purge":
                self._get_deleted(name)
                del self.deleted[name]
                return web.Response(status=204)
        raise Refused(501, "NotImplemented", "This peer has no such operation")

    # --- who asks

    def _challenge(self, text: str) -> web.Response:
        where = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{RESOURCE}"'
        return _problem(401, "Unauthorized", text, headers={"WWW-Authenticate": where})

    def _authorize(self, token: str, operation: str) -> None:
        try:
            claims = self._tokens(token, (RESOURCE,))
        except ValueError as error:
            raise _Unauthenticated(f"AKV10032: {error}") from None
        allowed = self.readers if operation in _READING else self.writers
        if allowed is not None and claims["oid"] not in allowed:
            raise Refused(
                403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac"
            )

    # --- secrets

    def _id(self, secret: Secret, version: str = "") -> str:
        return f"{self.url}/secrets/{secret.name}" + (f"/{version}" if version else "")

    def _set(self, name: str, written: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if name in self.deleted:
            text = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused"
            raise Refused(409, "Conflict", text, "ObjectIsDeletedButRecoverable")
        value, tags = body.get("value"), body.get("tags") or {}
        if not isinstance(value, str) or len(value.encode()) > MAX_VALUE:
            raise Refused(400, "BadParameter", "The value of the secret is missing or too long")
        _check_tags(tags)
        given, now = body.get("attributes") or {}, int(self.now())
        made = Version(
            id=uuid.uuid4().hex,
            value=value,
            content_type=body.get("contentType"),
            tags=dict(tags),
            enabled=given.get("enabled", True),
            not_before=given.get("nbf"),
            expires=given.get("exp"),
            created=now,
            updated=now,
        )
        secret = self.secrets.setdefault(name, Secret(written))
        secret.versions[made.id] = made
        return self._bundle(secret, made)

    def _get(self, name: str, version_id: str) -> dict[str, Any]:
        secret, version = self._find(name, version_id)
        if not version.enabled:
            raise Refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return self._bundle(secret, version)  # `nbf` and `exp` stop nobody from reading, as the reference says

    def _update(self, name: str, version_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        secret, version = self._find(name, version_id)
        given = body.get("attributes") or {}
        version.enabled = given.get("enabled", version.enabled)
        version.not_before = given.get("nbf", version.not_before)
        version.expires = given.get("exp", version.expires)
        if body.get("tags") is not None:
            _check_tags(body["tags"])
            version.tags = dict(body["tags"])
        version.content_type = body.get("contentType", version.content_type)
        version.updated = int(self.now())
        bundle = self._bundle(secret, version)
        del bundle["value"]
        return bundle

    def _versions(self, name: str) -> list[dict[str, Any]]:
        secret = self.secrets.get(name)
        if secret is None:
            return []  # the reference names no error for it
        return [_item(self._id(secret, one.id), one) for one in sorted(secret.versions.values(), key=lambda v: v.id)]

    def _delete(self, name: str) -> dict[str, Any]:
        secret, version = self._find(name, "")
        del self.secrets[name]
        self.deleted[name] = secret, self.now() + self._deletion
        return self._deleted_bundle(secret, version)

    def _get_deleted(self, name: str) -> dict[str, Any]:
        if name not in self.deleted or self.now() < self.deleted[name][1]:
            raise Refused(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        secret = self.deleted[name][0]
        return self._deleted_bundle(secret, secret.current)

    def _recover(self, name: str) -> dict[str, Any]:
        self._get_deleted(name)
        secret, _ = self.deleted.pop(name)
        self.secrets[name] = secret
        return _item(self._id(secret), secret.current)

    def _find(self, name: str, version_id: str) -> tuple[Secret, Version]:
        secret = self.secrets.get(name)
        version = None if secret is None else secret.versions.get(version_id) if version_id else secret.current
        if secret is None or version is None:
            raise Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        return secret, version

    def _bundle(self, secret: Secret, version: Version) -> dict[str, Any]:
        return {"value": version.value} | _item(self._id(secret, version.id), version)

    def _deleted_bundle(self, secret: Secret, version: Version) -> dict[str, Any]:
        now = int(self.now())
        where = {"recoveryId": f"{self.url}/deletedsecrets/{secret.name}"}
        when = {"deletedDate": now, "scheduledPurgeDate": now + RETENTION}
        return _item(self._id(secret, version.id), version) | where | when

    def _page(self, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
        size = int(request.query.get("maxresults", PAGE))
        if not 1 <= size <= PAGE:
            raise Refused(400, "BadParameter", f"maxresults is 1 to {PAGE}")
        start = int(base64.urlsafe_b64decode(request.query.get("$skiptoken", "") or b"MA=="))
        following = None
        if len(items) > start + size:
            skip = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            version = request.query["api-version"]
            following = f"{self.url}{request.path}?api-version={version}&$skiptoken={skip}&maxresults={size}"
        return web.json_response({"value": items[start : start + size], "nextLink": following})


class _Unauthenticated(Exception):
    pass


def _item(secret_id: str, version: Version) -> dict[str, Any]:
    facts = {"id": secret_id, "attributes": version.attributes(), "tags": version.tags}
    return facts | ({"contentType": version.content_type} if version.content_type else {})


def _check_tags(tags: Mapping[str, str]) -> None:
    too_long = any(len(name) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE for name, value in tags.items())
    if len(tags) > MAX_TAGS or too_long:
        raise Refused(400, "BadParameter", f"A secret has at most {MAX_TAGS} tags of {MAX_TAG_VALUE} characters")


def _problem(
    status: int, code: str, text: str, *, inner: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": text}
    if inner:
        error["innererror"] = {"code": inner}
    return web.json_response({"error": error}, status=status, headers=headers)


def jwks_check(keys: Mapping[str, Any]) -> TokenCheck:
    """Check tokens with published keys (JWKS), as a peer in a process of its own does."""
    known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys}

    def check(token: str, audiences: tuple[str, ...]) -> Mapping[str, Any]:
        try:
            key = known[jwt.get_unverified_header(token)["kid"]]
            claims: Mapping[str, Any] = jwt.decode(token, key.key, algorithms=["RS256"], audience=list(audiences))
        except (jwt.InvalidTokenError, KeyError) as error:
            raise ValueError(str(error)) from None
        return claims

    return check


async def _alone(folder: Path, port: int, keys_url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(keys_url) as answer:
        keys = json.loads(await answer.text())
    tls = make_certificate(folder)
    await run(KeyVaultPeer(tls, jwks_check(keys), port=port), certificate=str(tls.chain))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A Key Vault peer for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="where the certificate is written")
    parser.add_argument("--keys", required=True, help="where the issuer's public keys are (JWKS)")
    given = parser.parse_args()
    asyncio.run(_alone(given.folder, given.port, given.keys))


if __name__ == "__main__":
    main()
