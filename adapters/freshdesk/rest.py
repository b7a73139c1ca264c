"""Freshdesk's REST API v2, read side: one account, one place where statuses become our errors.

Errors tell the status and Freshdesk's own code word, never a body: it can quote what a person wrote.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from adapters.http import Answer, HostRule, call, retry_after
from adapters.replies import LONGEST, Reply, exactly
from adapters.share import Share
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable

COMPONENT = "freshdesk"
LISTS = re.compile(r"(tickets|contacts)$")
"""Calls that have a limit of their own, which no header tells."""
LIST_LIMITS = ((50, 50), (200, 20), (400, 100), (700, 200), (1000, 300), (2000, 400))
"""Calls per minute of an account, and of each of those lists (reference, section 3)."""


def base_url(domain: str, url: str, hosts: HostRule) -> URL:
    """Give the account's API; Misconfigured if the key may not be sent there.

    `url` replaces `https://<domain>.freshdesk.com`; `domain` may be the word alone or the whole host.
    """
    domain = domain.strip().rstrip("/")
    text = url.strip().rstrip("/") or (domain if "." in domain else f"{domain}.freshdesk.com")
    try:
        base = hosts.check(text if "://" in text else f"https://{text}")
    except ValueError as reason:
        raise Misconfigured(f"the Freshdesk address cannot be used: {reason}") from None
    path = base.raw_path.rstrip("/")
    return base.with_path(path if path.endswith("/api/v2") else f"{path}/api/v2", encoded=True).with_query(None)


class FreshdeskSource:
    """Reads one account (`archive.ports.Source`)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: URL,
        api_key: Callable[[], Awaitable[str]],
        pace: Callable[[], Share],
        *,
        timeout: float = 30.0,
    ) -> None:
        """`pace` makes one for the account, and one for each class of calls with a limit of its own."""
        self._session, self._base, self._api_key, self._timeout = session, base, api_key, timeout
        self._pace = pace()
        self._classes = {"tickets": pace(), "contacts": pace()}

    @property
    def host(self) -> str:
        """The account's host."""
        return self._base.raw_host or ""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Read; `path` is below `/api/v2`."""
        answer = await self._call("GET", path, query, None)
        return Reply(_json(answer), 'rel="next"' in answer.headers.get("Link", ""))

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask for an export."""
        return Reply(_json(await self._call("POST", path, None, body)))

    async def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> Answer:
        url = self._base.with_path(f"{self._base.raw_path}/{path}", encoded=True)
        headers = {"Authorization": await self.authorization(), "Accept": "application/json"}
        own = self._classes.get(path)
        for pace in (own, self._pace):
            if pace is not None:
                await pace.turn()
        answer = await call(
            self._session,
            method,
            url.with_query(query) if query else url,
            component=COMPONENT,
            headers=headers,
            send=body,
            timeout=self._timeout,
            longest=LONGEST,
        )
        self._note(answer, own)
        if not answer.ok:
            raise error_of(answer, time.time())
        return answer

    async def authorization(self) -> str:
        """Give the header of the account's key."""
        key = (await self._api_key()).strip()
        if not re.fullmatch(r"[!-~]+", key):
            raise Forbidden("there is no usable API key", code="freshdesk_no_key", component=COMPONENT)
        return "Basic " + base64.b64encode(f"{key}:X".encode()).decode()

    def _note(self, answer: Answer, own: Share | None) -> None:
        limit, left = (_number(answer.headers, f"X-RateLimit-{name}") for name in ("Total", "Remaining"))
        if answer.status == 429:
            list_alone = own is not None and (left or 0) > 0
            (own if list_alone and own else self._pace).refused(retry_after(answer.headers, time.time()))
            return
        used = _number(answer.headers, "X-RateLimit-Used-CurrentRequest")
        self._pace.went(limit, left, None, 1.0 if used is None else used)
        if limit is not None:
            for pace in self._classes.values():
                pace.limited(list_limit(limit))


def list_limit(total: float) -> float:
    """Give the limit of a list for an account's whole limit."""
    return next((own for whole, own in LIST_LIMITS if total <= whole), total / 5)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    value = headers.get(name, "").strip()
    return float(value) if re.fullmatch(r"\d{1,15}(\.\d+)?", value) else None


def _json(answer: Answer) -> Any:
    if not answer.body.strip():
        return None
    try:
        return exactly(answer)
    except ValueError:
        raise _wrong_host(answer) from None


def _wrong_host(answer: Answer) -> Forbidden:
    return Forbidden(
        f"the host answers {answer.status} with something else than JSON: is it the wrong host?",
        code="freshdesk_wrong_host",
        component=COMPONENT,
    )


def error_of(answer: Answer, now: float) -> BridgeError:
    """Map a status that is not 2xx. The one table of this vendor."""
    status, word = answer.status, answer.object().get("code")
    word = word if isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word) else ""
    text, code = f"{status} {word}".strip(), f"freshdesk_{status}"
    if status in (401, 403):
        return _forbidden(word, text, code)
    if status == 429:
        return Throttled(text, code=code, component=COMPONENT, after=retry_after(answer.headers, now))
    if status >= 500 or status == 408:
        return Unavailable(text, code=code, component=COMPONENT)
    if 300 <= status < 400:
        return _wrong_host(answer)
    return Rejected(text, code=code, component=COMPONENT)


def _forbidden(word: str, text: str, code: str) -> BridgeError:
    """Tell what is not in the account's plan from what the key may not see, and that from a key that is refused."""
    if word == "require_feature":
        return Rejected(text, code="freshdesk_feature", component=COMPONENT)
    locked = word in ("password_lockout", "password_expired", "account_suspended")
    return Forbidden(text, code=f"freshdesk_{word}" if locked else code, component=COMPONENT)
