"""Pre-signed links, and the S3-like host behind them: no key may come along, and late is too late."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings

KEYS_KEPT = 100_000
_FORM = "%Y%m%dT%H%M%SZ"
_SECRET = b"the sandbox signs for itself"


@dataclass(frozen=True, slots=True)
class Content:
    """What lies behind a link."""

    name: str
    content_type: str
    body: bytes


class S3Links:
    """Makes links below `/s3/` of the files' host, and checks them."""

    def __init__(
        self, origin: Callable[[], str], settings: ArchiveSettings, now: Callable[[], float] = time.time
    ) -> None:
        self._origin = origin
        self._settings = settings
        self._now = now
        self._given: OrderedDict[str, None] = OrderedDict()

    def url(self, key: str, name: str, stale_first: bool = False) -> str:
        """A link to a key; a stale one has expired already, and the next one to the same key works."""
        seconds = self._settings.link_seconds
        late = seconds + 3600 if stale_first and self._first(key) else 0
        return self.at(f"/s3/{quote(key, safe='')}/original/{_slug(name)}", late)

    def at(self, path: str, late: float = 0) -> str:
        """A link to a path of the files' host, made so many seconds ago."""
        query = _query(path, self._now() - late, self._settings.link_seconds)
        return f"{self._origin()}{path}?{urlencode(query)}"

    def refusal(self, request: web.Request) -> web.Response | None:
        """The answer to a request that may not read: 400 when it brings a key, 403 when unsigned, changed or late."""
        if "Authorization" in request.headers:
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        began, seconds = request.query.get("X-Amz-Date", ""), request.query.get("X-Amz-Expires", "")
        signature = request.query.get("X-Amz-Signature", "")
        if not hmac.compare_digest(signature.encode(), _signature(request.rel_url.raw_path, began, seconds).encode()):
            return _xml(403, "SignatureDoesNotMatch", "The request signature does not match")
        if self._now() >= _moment(began) + float(seconds):
            return _xml(403, "AccessDenied", "Request has expired")
        return None

    def _first(self, key: str) -> bool:
        if not self._settings.stale_links or key in self._given:
            return False
        self._given[key] = None
        if len(self._given) > KEYS_KEPT:
            self._given.popitem(last=False)
        return True


class S3Host:
    """Serves what the links point to."""

    def __init__(self, links: S3Links, content: Callable[[str], Content | None]) -> None:
        self._links = links
        self._content = content

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/s3/{key}/original/{name}", self.serve)]

    async def serve(self, request: web.Request) -> web.Response:
        """The bytes, or S3's XML about why not."""
        refusal = self._links.refusal(request)
        if refusal is not None:
            return refusal
        content = self._content(request.match_info["key"])
        if content is None:
            return _xml(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"Content-Type": content.content_type, "X-Content-Type-Options": "nosniff"}
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(content.name)}"
        return web.Response(body=content.body, headers=headers)


def _query(path: str, began: float, seconds: float) -> dict[str, str]:
    date = datetime.fromtimestamp(began, UTC).strftime(_FORM)
    return {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "SANDBOX/s3/aws4_request",
        "X-Amz-Date": date,
        "X-Amz-Expires": f"{seconds:g}",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": _signature(path, date, f"{seconds:g}"),
    }


def _signature(path: str, date: str, seconds: str) -> str:
    return hmac.new(_SECRET, f"{path}\n{date}\n{seconds}".encode(), hashlib.sha256).hexdigest()


def _moment(date: str) -> float:
    return datetime.strptime(date, _FORM).replace(tzinfo=UTC).timestamp()


def _slug(name: str) -> str:
    """A path segment that no client takes apart; the real name is in the object that carries the link."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name[:60]).strip(".")
    return quote(safe or "file")


def _xml(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(text=text, status=status, content_type="application/xml")
