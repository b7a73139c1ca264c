"""Freshchat's REST API v2: one account, one place where statuses become our errors.

Errors tell the status, Freshchat's own status word and `X-Trace-ID` (their support asks for it), never a body: an
error body can quote what the person wrote.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from adapters.http import MAX_ANSWER, Answer, HostRule, call, retry_after
from adapters.pace import Pace
from adapters.share import Pacing
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable
from bridge.ports import ConversationClosed

COMPONENT = "freshchat"
MAX_PAGES = 200


def base_url(text: str, hosts: HostRule) -> URL:
    """Read the account's host as configured, with or without scheme and `/v2`; Misconfigured if it may not be."""
    text = text.strip().rstrip("/")
    try:
        url = hosts.check(text if "://" in text else f"https://{text}")
    except ValueError as reason:
        raise Misconfigured(f"the Freshchat API URL cannot be used: {reason}") from None
    if url.raw_query_string or url.raw_fragment:
        raise Misconfigured("the Freshchat API URL cannot be used: it has a query")
    path = url.raw_path.rstrip("/")
    return url.with_path(path if path.endswith("/v2") else f"{path}/v2", encoded=True)


def messages_path(conversation_id: str) -> str:
    """Give the path of a conversation's messages, below `/v2`."""
    return f"conversations/{quote(conversation_id, safe='')}/messages"


class FreshchatRest:
    """Calls one account, at its pace."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: Callable[[], Awaitable[str]],
        hosts: HostRule,
        *,
        clock: Callable[[], float],
        timeout: float,
        pace: Pacing | None = None,
        read: Callable[[Answer], Any] = Answer.json,
        longest: int = MAX_ANSWER,
    ) -> None:
        """`read` reads a body as JSON (ValueError if it is not), and a body has at most `longest` bytes."""
        self._session = session
        self._base = base_url(url, hosts)
        self._api_key = api_key
        self._clock = clock
        self._timeout = timeout
        self._pace: Pacing = pace or Pace(COMPONENT)
        self._read, self._longest = read, longest

    @property
    def host(self) -> str:
        """The account's host."""
        return self._base.raw_host or ""

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, timeout: float | None = None) -> Any:
        """Read one thing. `path` is below `/v2`, its parts already quoted."""
        return await self._call("GET", self._url(path, query), timeout=timeout)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make one thing; the answer is an object, or it is unclear whether it was made."""
        value = await self._call("POST", self._url(path, None), body)
        if not isinstance(value, dict):
            raise unclear()
        return value

    async def upload(self, path: str, form: aiohttp.FormData, *, timeout: float) -> dict[str, Any]:
        """Hand a file over; the answer is an object, or it is unclear what became of it."""
        value = await self._call("POST", self._url(path, None), timeout=timeout, form=form)
        if not isinstance(value, dict):
            raise unclear()
        return value

    async def append(self, conversation_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Append a message. Raises ConversationClosed when a new conversation is needed.

        Also where the conversation is gone (404): its thread must not collect dead letters for ever.
        """
        try:
            return await self.post(messages_path(conversation_id), body)
        except Rejected as refused:
            if refused.code != "freshchat_404":
                raise
            raise ConversationClosed("404, the conversation is gone") from None

    async def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Change one thing; an answer without a body is one too."""
        await self._call("PUT", self._url(path, None), body)

    async def pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Read a list page by page, along `link.href`; there may be none, then page by number to the first empty one.

        The caller stops at a page that is empty or brings nothing new. A link to another host, or back to a page
        already seen, is refused: the token would follow it.
        """
        url: URL | None = self._url(path, {"page": "1", "items_per_page": "50", **query})
        seen: set[URL] = set()
        linked = False
        while url is not None:
            if url in seen or len(seen) == MAX_PAGES:
                raise Unavailable("a list does not end", code="freshchat_bad_link", component=COMPONENT)
            seen.add(url)
            page = await self._call("GET", url)
            page = page if isinstance(page, dict) else {}
            yield page
            following = self._next(page)
            linked = linked or following is not None
            url = following if linked else url.update_query(page=str(len(seen) + 1))

    def _next(self, page: dict[str, Any]) -> URL | None:
        link = page.get("link")
        href = link.get("href") if isinstance(link, dict) else None
        if not isinstance(href, str) or not href:
            return None
        try:
            url = self._base.join(URL(href))
            if url.origin() == self._base.origin():
                return url
        except ValueError:
            pass
        raise Unavailable("a link leaves the host", code="freshchat_bad_link", component=COMPONENT)

    def _url(self, path: str, query: Mapping[str, str] | None) -> URL:
        url = self._base.with_path(f"{self._base.raw_path}/{path}", encoded=True)
        return url.with_query(query) if query else url

    async def _call(
        self,
        method: str,
        url: URL,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        form: aiohttp.FormData | None = None,
    ) -> Any:
        signed = await self._signed()
        await self._pace.turn()
        answer = await call(
            self._session,
            method,
            url,
            component=COMPONENT,
            headers={**signed, "Accept": "application/json"},
            send=body,
            body=form,
            timeout=timeout or self._timeout,
            longest=self._longest,
        )
        self._note(answer)
        if not answer.ok:
            raise error_of(answer, method, self._clock())
        return self._json(answer, method)

    def _json(self, answer: Answer, method: str) -> Any:
        """Read a 2xx. A wrong host (portal, web app) answers 200 with its HTML page on every path."""
        try:
            return self._read(answer)
        except ValueError:
            empty = not answer.body.strip()
            if method == "PUT" and empty:
                return None
            if method == "POST" and empty:
                raise unclear() from None
            raise _wrong_host(answer) from None

    async def headers_for(self, url: str) -> dict[str, str]:
        """Give the headers for reading a file: our key is for addresses below the API's own path only.

        A signed address of a file store must have none: S3 answers 400 to two authentications.
        """
        try:
            target = URL(url)
            ours = target.origin() == self._base.origin() and target.raw_path.startswith(f"{self._base.raw_path}/")
        except ValueError:
            return {}
        return await self._signed() if ours else {}

    async def _signed(self) -> dict[str, str]:
        key = (await self._api_key()).strip()
        if not re.fullmatch(r"[!-~]+", key):
            raise Forbidden("there is no usable API key", code="freshchat_no_key", component=COMPONENT)
        return {"Authorization": f"Bearer {key}"}

    def _note(self, answer: Answer) -> None:
        reset = _number(answer.headers, "X-RateLimit-Reset")
        if answer.status == 429:
            self._pace.refused(wait_of(answer, self._clock()))
        else:
            self._pace.went(
                _number(answer.headers, "X-RateLimit-Limit"),
                _number(answer.headers, "X-RateLimit-Remaining"),
                reset - self._clock() if reset is not None else None,
            )


def wait_of(answer: Answer, now: float) -> float | None:
    """Tell how long a 429 asks us to wait: `Retry-After`, else until `X-RateLimit-Reset`."""
    after = retry_after(answer.headers, now)
    reset = _number(answer.headers, "X-RateLimit-Reset")
    if after is None and reset is not None:
        return min(max(reset - now, 0.0), 3600.0)
    return after


def _number(headers: Mapping[str, str], name: str) -> float | None:
    value = headers.get(name, "")
    return float(value) if re.fullmatch(r"\d{1,15}(\.\d+)?", value) else None


def _wrong_host(answer: Answer) -> Forbidden:
    return Forbidden(
        f"the host answers {answer.status} with something else than JSON, such as HTML: is it the wrong host?",
        code="freshchat_wrong_host",
        component=COMPONENT,
    )


def unclear() -> Unavailable:
    """A 2xx that does not tell what was made: look before doing it again."""
    return Unavailable("the answer names no id", code="freshchat_no_id", component=COMPONENT, maybe_done=True)


def error_of(answer: Answer, method: str, now: float) -> BridgeError | ConversationClosed:
    """Map a status that is not 2xx. The one table of this vendor."""
    status, text = answer.status, _told(answer)
    code = f"freshchat_{status}"
    if status == 400 and b"not the latest conversation" in answer.body.lower():
        return ConversationClosed(text)
    if status in (401, 403):  # 403: the token lacks a scope; on Omni also for calls that moved to the organisation
        return Forbidden(text, code=code, component=COMPONENT)
    if status == 429:
        return Throttled(text, code=code, component=COMPONENT, after=wait_of(answer, now))
    if status >= 500 or status == 408:
        return Unavailable(text, code=code, component=COMPONENT, maybe_done=method == "POST")
    if 300 <= status < 400 or (status in (404, 405) and answer.body.lstrip().startswith(b"<")):
        return _wrong_host(answer)
    return Rejected(text, code=code, component=COMPONENT)


def _told(answer: Answer) -> str:
    word = _token(answer.object().get("status"), r"[A-Z][A-Z0-9_]{0,60}")
    trace = _token(answer.headers.get("X-Trace-ID"), r"[\w.:-]{1,80}")
    return " ".join(part for part in (f"{answer.status}", word, f"trace {trace}" if trace else "") if part)


def _token(value: object, pattern: str) -> str:
    return value if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) else ""
