"""The Freshchat door: verify, take the keys, queue the raw body, answer.

Freshchat gives up on an answer after about 3 s and on an event after a few retries, so 200 means "on disk", and
everything else happens in delivery. Only a body that is verified is parsed; one that is authentic but cannot be
understood is queued all the same, where it becomes a dead letter that can be replayed after a fix.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.freshchat.signature import BadBody, NotAuthentic, VerifiedBody, Verifier
from adapters.freshchat.translate import Keys, keys
from bridge import ids
from bridge.errors import Rejected, StoreFull, Unavailable
from bridge.events import Ignored
from bridge.intake import Intake
from bridge.telemetry import Telemetry

MAX_BODY = 1024 * 1024
READ_SECONDS = 10.0
"""A body that trickles in slower than this is given up; Freshchat itself waits 3 s for the whole answer."""

SIGNATURE = "X-Freshchat-Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One Freshchat account as its door knows it.

    `tokens` are the live secret parts of the webhook path, a second factor beside the signature.
    """

    tenant_id: str
    verifier: Verifier
    tokens: tuple[str, ...] = ()


class _Refused(Exception):
    """The request ends here with this answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_DONE: Final = {word: f'{{"status":"{word}"}}'.encode() for word in ("stored", "duplicate", "ignored")}
_ERRORS: Final = {
    # The texts do not say which of token and signature was wrong.
    400: b'{"error":"bad request"}',
    401: b'{"error":"not authentic"}',
    403: b'{"error":"forbidden"}',
    408: b'{"error":"too slow"}',
    413: b'{"error":"too large"}',
    415: b'{"error":"unsupported media type"}',
    503: b'{"error":"cannot store now"}',
}


class FreshchatWebhook:
    """Takes webhooks for all accounts of this process."""

    def __init__(
        self,
        resolve: Callable[[str | None], Account | None],
        intake: Intake,
        telemetry: Telemetry,
        key_used: Callable[[str, str], None] | None = None,
    ) -> None:
        """`resolve` gives the account of a tenant, or for None the account of the only tenant.

        `key_used(tenant, key id)` is told of each body that was verified; it must be quick.
        """
        self._resolve, self._intake, self._telemetry = resolve, intake, telemetry
        self._key_used = key_used or telemetry.key_used

    def routes(self) -> list[web.RouteDef]:
        """Give the two published routes; other methods are answered 405 by the router."""
        handler: Handler = self.handle
        return [
            web.post("/freshchat/webhook", handler),
            web.post("/freshchat/webhook/{tenant}/{token}", handler),
        ]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one webhook. Bad input never ends in a 500."""
        try:
            account = self._account(request)
            token = _which_token(request, account)
            raw = await _read(request)
            body = self._verified(account, raw, request)
            if token is not None:
                self._telemetry.path_token_used(account.tenant_id, token)
            outcome = await self._store(account, body)
        except _Refused as refused:
            return self._refuse(refused)
        return web.Response(body=_DONE[outcome], headers=_HEADERS)

    def _account(self, request: web.Request) -> Account:
        if not _is_json(request.headers.get("Content-Type", "")):
            raise _Refused(415, "content_type")
        if (request.content_length or 0) > MAX_BODY:
            raise _Refused(413, "length")
        account = self._resolve(request.match_info.get("tenant"))
        if account is None:
            raise _Refused(403, "tenant")
        return account

    def _verified(self, account: Account, raw: bytes, request: web.Request) -> VerifiedBody:
        try:
            body = account.verifier.verify(raw, request.headers.get(SIGNATURE))
        except NotAuthentic:
            self._telemetry.warning("webhook_not_authentic", tenant=account.tenant_id, **_evidence(raw, request))
            raise _Refused(401, "signature") from None
        self._key_used(account.tenant_id, body.key_id)
        return body

    async def _store(self, account: Account, body: VerifiedBody) -> str:
        tenant, found = account.tenant_id, _keys(body, account.tenant_id)
        if isinstance(found, Ignored):
            self._telemetry.accepted("to-teams", f"ignored_{found.reason}")
            return "ignored"
        try:
            new = await self._intake.store(
                "to-teams", tenant, found.idempotency_key, found.session, found.kind, body.raw
            )
        except (StoreFull, Unavailable):
            raise _Refused(503, "store") from None
        return "stored" if new else "duplicate"

    def _refuse(self, refused: _Refused) -> web.Response:
        self._telemetry.refused("to-teams", refused.status, refused.reason)
        headers = _HEADERS | ({"Retry-After": "5"} if refused.status == 503 else {})
        response = web.Response(status=refused.status, body=_ERRORS[refused.status], headers=headers)
        if refused.status in (408, 413):
            response.force_close()  # the rest of the body is not worth reading
        return response


def _which_token(request: web.Request, account: Account) -> int | None:
    """Tell which live token the path holds, by its place among them; None where none is needed, or none given.

    All are compared whichever it is, so that the time tells nothing.
    """
    given = request.match_info.get("token")
    if given is None or not account.tokens:
        return None
    same = [_same(given, token) for token in account.tokens]
    if True not in same:
        raise _Refused(401, "token")
    return same.index(True)


def _keys(body: VerifiedBody, tenant: str) -> Keys | Ignored:
    """Take the keys; what is authentic but not understood gets keys of its own, made from its bytes."""
    try:
        return keys(body.parse(), tenant)
    except BadBody:
        raise _Refused(400, "json") from None
    except Rejected:
        digest = hashlib.sha256(body.raw).hexdigest()[:32]
        key = ids.freshchat_key(ids.FreshchatKey("", digest, "unknown"))
        return Keys(key, ids.conversation_key(tenant, ""), "unknown")


async def _read(request: web.Request) -> bytes:
    """Read the whole body, at most MAX_BODY, whatever its Content-Length claims."""
    try:
        if request.content.is_eof():  # all of it came together with the head, as nearly always
            raw = request.content.read_nowait()
        else:
            async with asyncio.timeout(READ_SECONDS):
                raw = await _read_on(request)
    except TimeoutError:
        raise _Refused(408, "slow") from None
    except (web.RequestPayloadError, ValueError, OSError):
        raise _Refused(400, "body") from None
    if len(raw) > MAX_BODY:
        raise _Refused(413, "length")
    return raw


async def _read_on(request: web.Request) -> bytes:
    """Read while it comes, until it is more than MAX_BODY."""
    body = bytearray()
    while len(body) <= MAX_BODY and (chunk := await request.content.readany()):
        body += chunk
    return bytes(body)


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {p.partition("=")[2].strip("\"' ") for p in parameters if p.startswith("charset")}
    return kind == "application/json" and charsets <= {"utf-8", "utf8", "us-ascii"}


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _evidence(raw: bytes, request: web.Request) -> dict[str, Any]:
    """Tell what support needs to find out why a signature failed, and nothing of what was said."""
    return {
        "length": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "ascii": raw.isascii(),
        "version": _word(request.headers.get("X-Freshchat-Payload-Version", "")),
        "retry": _word(request.headers.get("X-Retry-Count", "")),
    }


def _word(value: str) -> str:
    """Give a header's value for the log if it is one short word: a stranger can write anything there."""
    return value if re.fullmatch(r"[\w.-]{0,20}", value, re.ASCII) else "?"
