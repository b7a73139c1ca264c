"""The service account's sign-in, which Graph demands for posting: device code once, then a refresh token for good.

All replicas share one record in the secret store. A refresh token is replaced at each use, so the new one is stored
before its access token is used; a replica that comes too late with the old one finds the new one there.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from adapters.http import Answer, endpoint
from adapters.pace import Once
from adapters.teams.tokens import ask, error_word, granted, lasting, refusal
from bridge.errors import BridgeError, Forbidden, StoreFull, Unavailable
from bridge.ports import SecretSource

COMPONENT = "graph"
SECRET = "graph-signin"  # noqa: S105 - the name of the record
GRAPH = "https://graph.microsoft.com"

SIGN_IN_SCOPES = ("offline_access", "openid", "profile")
SCOPES = (
    "ChannelMessage.Send",  # to post the replies
    # To read a thread back before a second try: without it, a reply whose answer was lost would be posted twice.
    "ChannelMessage.Read.All",
    "User.ReadBasic.All",  # to turn a mail address in an answer into a mention
)
CHAT_SCOPES = ("ChatMessage.Send", "Chat.Read")
"""Added only where group chats are answered by the service account (which must then be a member of the chat)."""


def scopes(reply_via: str) -> tuple[str, ...]:
    """Give the least that the setting needs: chats only where everything shall go through Graph."""
    return (*SCOPES, *CHAT_SCOPES) if reply_via == "graph" else SCOPES


DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LOST = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
RACE_SECONDS = (0.0, 1.0, 2.0)
"""When to look for the token of a faster replica: it may have redeemed ours and be about to store the next."""
LOST_SECONDS = 60.0
"""How long Entra's refusal of a token is believed: asking again takes 3 s, by which each answer would be late."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in: object id, tenant id, display name."""

    oid: str
    tid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is stored; tokens stay out of its repr. `scope` is what Entra granted, in its own words."""

    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: float
    account: SignedIn
    scope: str = ""

    def to_json(self) -> str:
        """Write the stored form."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read the stored form; ValueError if it is not one."""
        try:
            value = json.loads(text)
            return cls(
                refresh_token=str(value["refresh_token"]),
                access_token=str(value["access_token"]),
                expires_at=float(value["expires_at"]),
                account=SignedIn(**value["account"]),
                scope=str(value.get("scope", "")),
            )
        except (KeyError, TypeError, RecursionError):
            raise ValueError("not a sign-in record") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """A sign-in that waits for a person: they open `uri` and type `user_code`."""

    user_code: str
    uri: str
    device_code: str = field(repr=False)
    interval: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """For people: who is signed in, until when the present token lasts, and what is wrong if something is.

    `missing` are scopes that replies need and Entra did not grant.
    """

    account: SignedIn | None = None
    expires_at: float | None = None
    problem: str | None = None
    missing: tuple[str, ...] = ()


class GraphSignIn:
    """Signs the service account in, and keeps it signed in."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        token_url: str,
        client_id: str,
        secrets: SecretSource,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        scopes: tuple[str, ...] = SCOPES,
        resource: str = GRAPH,
        count: Callable[[bool], None] = lambda given: None,
    ) -> None:
        """`token_url` is the full token endpoint, and `resource` the Graph of that cloud.

        `count` is told whether Entra gave a token when it was asked for one.
        """
        self._session = session
        self._token_url = endpoint(token_url)
        self._device_url = self._token_url.with_name("devicecode")
        self._client_id = client_id
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep
        self._count = count
        self._needed = scopes
        self._scope = " ".join([*(f"{resource}/{scope}" for scope in scopes), *SIGN_IN_SCOPES])
        self._record: Record | None = None
        self._refused = ""
        self._lost_token, self._lost_until = "", 0.0
        self._look_again_at = 0.0
        self._unsaved: Record | None = None
        self._once: Once[Record] = Once()

    # --- signing in

    async def start(self) -> DeviceCode:
        """Ask for a code that a person confirms in a browser (RFC 8628)."""
        answer = await ask(self._session, self._device_url, {"client_id": self._client_id, "scope": self._scope})
        if not answer.ok:
            raise refusal(answer, self._clock())
        body = answer.object()
        try:
            return DeviceCode(
                user_code=str(body["user_code"]),
                uri=str(body["verification_uri"]),
                device_code=str(body["device_code"]),
                interval=float(body.get("interval", 5)),
                expires_at=self._clock() + float(body["expires_in"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Unavailable("2xx without a device code", code="entra_no_code", component=COMPONENT) from None

    async def finish(self, code: DeviceCode) -> SignedIn:
        """Wait until the person has confirmed, then store the sign-in. Forbidden if they decline or take too long."""
        form = {"grant_type": DEVICE_GRANT, "client_id": self._client_id, "device_code": code.device_code}
        interval = code.interval
        while self._clock() < code.expires_at:
            await self._sleep(interval)
            try:
                answer = await ask(self._session, self._token_url, form)
            except Unavailable:
                interval += 5  # RFC 8628, 3.5: after a time-out, poll more slowly
                continue
            if answer.ok:
                return (await self._keep(self._granted(answer, None))).account
            interval += self._poll_again(answer)
        raise _lost("graph_signin_expired", "nobody confirmed the code in time")

    def _poll_again(self, answer: Answer) -> float:
        """Tell how much more slowly to poll; raises if polling is over."""
        match error_word(answer):
            case "authorization_pending":
                return 0.0
            case "slow_down" | "temporarily_unavailable":
                return 5.0
            case "expired_token" | "code_expired":
                raise _lost("graph_signin_expired", "nobody confirmed the code in time")
            case "authorization_declined" | "access_denied":
                raise _lost("graph_signin_declined", "the sign-in was declined")
        error = refusal(answer, self._clock())
        if isinstance(error, Unavailable):
            return 5.0
        raise error

    # --- staying signed in

    async def token(self) -> str:
        """Give an access token. Raises Forbidden when nobody is signed in (any more), Throttled or Unavailable."""
        return (await self._valid()).access_token

    async def account(self) -> SignedIn:
        """Tell who is signed in; raises like `token`."""
        return (await self._valid()).account

    async def signed_in(self) -> SignedIn | None:
        """Tell which account is signed in by what is stored, without asking Entra; None if nobody is.

        Asked for every message, so the stored record is looked for once a second at most.
        """
        if self._record is None and self._clock() >= self._look_again_at:
            self._look_again_at = self._clock() + 1.0
            with suppress(BridgeError):
                self._record = await self._stored()
        return self._record.account if self._record else None

    def invalidate(self, token: str) -> None:
        """Do not use this access token again (after a 401)."""
        self._refused = token

    async def status(self) -> Status:
        """Tell people how the sign-in is, by renewing it: only Entra knows whether it was revoked. Never raises."""
        try:
            record = await self._once.get("record", self._renew_anyway)
        except BridgeError as error:
            stored = self._record
            return Status(account=stored.account if stored else None, problem=error.code)
        return Status(account=record.account, expires_at=record.expires_at, missing=self._missing(record.scope))

    def _missing(self, granted: str) -> tuple[str, ...]:
        """Compare; a token answer without `scope` granted what was asked for (RFC 6749, 5.1)."""
        names = {word.rsplit("/", 1)[-1].lower() for word in granted.split()}
        return tuple(scope for scope in self._needed if names and scope.lower() not in names)

    async def _valid(self) -> Record:
        record = self._record
        if record is not None and self._unsaved is None and self._usable(record):
            return record
        return await self._once.get("record", self._renew)

    def _usable(self, record: Record) -> bool:
        return record.access_token != self._refused and self._clock() < record.expires_at

    async def _renew(self) -> Record:
        """Take the stored token if another replica renewed it, else renew it ourselves."""
        if self._unsaved is not None:
            return await self._keep(self._unsaved)
        self._record = record = await self._stored()
        return record if self._usable(record) else await self._refresh(record)

    async def _renew_anyway(self) -> Record:
        """Renew although the present token may last a while."""
        if self._unsaved is not None:
            return await self._keep(self._unsaved)
        self._record = record = await self._stored()
        return await self._refresh(record)

    async def _refresh(self, record: Record) -> Record:
        if record.refresh_token == self._lost_token and self._clock() < self._lost_until:
            raise _lost("graph_signin_lost", "the service account must sign in again")
        for _ in RACE_SECONDS:
            answer = await self._redeem(record)
            if answer.ok:
                return await self._keep(self._granted(answer, record))
            if error_word(answer) not in LOST:
                raise refusal(answer, self._clock())
            newer = await self._newer(record)
            if newer is None:
                break
            if self._usable(newer):
                self._record = newer
                return newer
            record = newer
        self._lost_token, self._lost_until = record.refresh_token, self._clock() + LOST_SECONDS
        raise _lost("graph_signin_lost", "the service account must sign in again")

    async def _newer(self, record: Record) -> Record | None:
        """Look for what a faster replica stored in place of `record`."""
        for wait in RACE_SECONDS:
            await self._sleep(wait)
            stored = await self._stored()
            if stored.refresh_token != record.refresh_token:
                return stored
        return None

    async def _redeem(self, record: Record) -> Answer:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "refresh_token": record.refresh_token,
            "scope": self._scope,
        }
        try:
            answer = await ask(self._session, self._token_url, form)
        except BridgeError:
            self._count(False)
            raise
        self._count(answer.ok)
        return answer

    def _granted(self, answer: Answer, before: Record | None) -> Record:
        token, seconds = granted(answer)
        body = answer.object()
        refresh = body.get("refresh_token") or (before.refresh_token if before else "")
        account = _account(body.get("id_token")) or (before.account if before else None)
        if not isinstance(refresh, str) or not refresh or account is None:
            raise _lost("graph_signin_incomplete", "the sign-in gave no refresh token or no account")
        scope = body.get("scope")
        return Record(
            refresh_token=refresh,
            access_token=token,
            expires_at=self._clock() + lasting(seconds),
            account=account,
            scope=scope if isinstance(scope, str) else "",
        )

    async def _keep(self, record: Record) -> Record:
        """Store, then use. What could not be stored is stored first at the next try: it is the only valid token."""
        self._unsaved = record
        try:
            await self._secrets.put(SECRET, record.to_json(), keep=1)
        except StoreFull:
            raise Unavailable(
                "the sign-in cannot be stored", code="graph_signin_unsaved", component=COMPONENT
            ) from None
        self._unsaved = None
        self._record = record
        return record

    async def _stored(self) -> Record:
        versions = await self._secrets.get(SECRET)
        if not versions:
            raise _lost("graph_not_signed_in", "no service account has signed in")
        try:
            return Record.from_json(versions[0])
        except ValueError:
            raise _lost("graph_not_signed_in", "the stored sign-in cannot be read") from None


def _lost(code: str, text: str) -> Forbidden:
    return Forbidden(text, code=code, component=COMPONENT)


def _account(id_token: Any) -> SignedIn | None:
    """Read who signed in. The token came straight from Entra over TLS, so its signature adds nothing (OIDC 3.1.3.7)."""
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return None
    payload = id_token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return SignedIn(oid=str(claims["oid"]), tid=str(claims["tid"]), name=str(claims.get("name", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
