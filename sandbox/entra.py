"""Entra's token and device-code endpoints."""

import secrets
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web

from sandbox.ids import Ids
from sandbox.settings import Settings
from sandbox.sign_in import SignIns
from sandbox.tokens import CONNECTOR, GRAPH, AccessTokens
from sandbox.wire import JsonObject, Refusal, answer, origin_of
from sandbox.world import World

APP_ROLES = ["ChannelMessage.Read.Group", "ChatMessage.Read.Chat", "User.Read.All", "Files.Read.All"]
CONSENTED = [
    "ChannelMessage.Send",
    "ChannelMessage.ReadWrite",
    "ChannelMessage.Read.All",
    "ChatMessage.Send",
    "Chat.ReadWrite",
    "Files.ReadWrite.All",
    "User.Read",
    "User.ReadBasic.All",
]
_SIGN_IN_SCOPES = ("openid", "profile", "email", "offline_access")
KEPT_CODES = 1000
ValueT = TypeVar("ValueT")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class DeviceCode:
    """One sign-in that a person completes elsewhere."""

    user_code: str
    client_id: str
    scopes: list[str]
    expires: float
    polls: int = 0
    state: str = "pending"


@dataclass(frozen=True)
class RefreshToken:
    """One link of a rotating chain."""

    client_id: str
    scopes: list[str]
    session: int


class Entra:
    """The token service of one tenant."""

    def __init__(self, world: World, settings: Settings, ids: Ids, access: AccessTokens) -> None:
        self._world = world
        self._settings = settings
        self._ids = ids
        self._access = access
        self.bot_secret = world.app_password
        self._codes: OrderedDict[str, DeviceCode] = OrderedDict()
        self._refresh: OrderedDict[str, RefreshToken] = OrderedDict()
        self.sign_ins = SignIns(world, access)
        self._grants = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh_token,
            "authorization_code": self._authorization_code,
            DEVICE_GRANT: self._device_code,
            # the older name, which some clients still send
            "device_code": self._device_code,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/entra/{tenant}/oauth2/v2.0/token", self.token),
            web.post("/entra/{tenant}/oauth2/v2.0/devicecode", self.device_authorization),
            web.get("/entra/device", self.device_page),
            web.post("/entra/device", self.approve_device),
            *self.sign_ins.routes(),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Every grant comes to this one address."""
        form = await _form(request)
        self._check_tenant(request)
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise _refuse(400, "unsupported_grant_type", "AADSTS70003: the grant type is not supported.")
        return answer(grant(form), headers={"Cache-Control": "no-store"})

    async def device_authorization(self, request: web.Request) -> web.Response:
        """Start a device-code sign-in."""
        form = await _form(request)
        self._check_tenant(request)
        client_id = self._known_client(form)
        code = DeviceCode(
            user_code=self._ids.hex(9).upper(),
            client_id=client_id,
            scopes=_scopes(form),
            expires=time.time() + self._settings.device_code_seconds,
        )
        device_code = secrets.token_urlsafe(48)
        _keep(self._codes, device_code, code)
        page = f"{origin_of(request)}/entra/device"
        return answer(
            {
                "user_code": code.user_code,
                "device_code": device_code,
                "verification_uri": page,
                "expires_in": self._settings.device_code_seconds,
                "interval": 1,
                "message": f"To sign in, open {page} and enter the code {code.user_code}.",
            }
        )

    async def device_page(self, _: web.Request) -> web.Response:
        """Where a person types the code."""
        return _page("<form method=post>Code <input name=user_code autofocus> <button>Sign in</button></form>")

    async def approve_device(self, request: web.Request) -> web.Response:
        """Approve the sign-in of a user code; `decision=decline` refuses it."""
        form = await _form(request)
        wanted = form.get("user_code", "").strip().upper()
        for code in self._codes.values():
            if code.user_code == wanted and code.state == "pending":
                code.state = "declined" if form.get("decision") == "decline" else "approved"
                return _page(f"<p>The sign-in is {code.state}. You can close this page.</p>")
        return _page("<p>No sign-in waits for this code.</p>", 400)

    def revoke_signin(self) -> int:
        """End the service account's session; returns how many refresh tokens died with it."""
        ended = sum(token.session == self._access.session for token in self._refresh.values())
        self._access.revoke()
        return ended

    def new_bot_secret(self) -> str:
        """Give the bot's registration a new client secret; the old one is gone, tokens got with it live on."""
        self.bot_secret = f"sandbox.{secrets.token_urlsafe(30)}"
        return self.bot_secret

    def _client_credentials(self, form: Mapping[str, str]) -> JsonObject:
        client_id = self._known_client(form)
        self._check_secret(form, required=True)
        audience = form.get("scope", "").removesuffix("/.default")
        if audience not in (CONNECTOR, GRAPH) or not form.get("scope", "").endswith("/.default"):
            raise _refuse(400, "invalid_scope", "AADSTS70011: the scope of the request is not valid.")
        seconds = self._settings.access_token_seconds
        token = self._access.for_app(audience, client_id, APP_ROLES if audience == GRAPH else [], seconds)
        return _token_answer(token, seconds)

    def _authorization_code(self, form: Mapping[str, str]) -> JsonObject:
        client_id = self._known_client(form)
        self._check_secret(form, required=client_id == self._world.app_id)
        return self.sign_ins.redeem(client_id, form)

    def _device_code(self, form: Mapping[str, str]) -> JsonObject:
        client_id = self._known_client(form)
        code = self._codes.get(form.get("device_code", form.get("code", "")))
        if code is None or code.client_id != client_id:
            raise _refuse(400, "bad_verification_code", "AADSTS70018: the device code is not known.")
        self._check_secret(form, required=False)
        self._poll(code)
        return self._signed_in(code.client_id, code.scopes)

    def _poll(self, code: DeviceCode) -> None:
        """Pass when the sign-in is approved; the first poll of a pending code never passes."""
        code.polls += 1
        if code.state == "used":
            raise _refuse(400, "invalid_grant", "AADSTS54005: the code was redeemed before.")
        if code.expires <= time.time():
            raise _refuse(400, "expired_token", "AADSTS70020: the device code has expired.")
        if code.state == "declined":
            raise _refuse(400, "authorization_declined", "AADSTS65004: the user declined the sign-in.")
        if code.state == "pending" and (code.polls == 1 or not self._settings.device_code_auto_approve):
            raise _refuse(400, "authorization_pending", "AADSTS70016: the sign-in is not completed yet.")
        code.state = "used"

    def _refresh_token(self, form: Mapping[str, str]) -> JsonObject:
        client_id = self._known_client(form)
        self._check_secret(form, required=False)
        old = self._refresh.get(form.get("refresh_token", ""))
        if old is None or old.client_id != client_id:
            raise _refuse(400, "invalid_grant", "AADSTS70008: the refresh token is unknown or was used before.")
        if old.session != self._access.session:
            raise _refuse(400, "invalid_grant", "AADSTS50173: the grant was revoked, sign in again.")
        del self._refresh[form["refresh_token"]]
        wanted = _scopes(form) if form.get("scope") else []
        return self._signed_in(client_id, [*wanted, "offline_access"] if wanted else old.scopes)

    def _signed_in(self, client_id: str, scopes: list[str]) -> JsonObject:
        granted = _granted(scopes)
        seconds = self._settings.access_token_seconds
        result = _token_answer(self._access.for_user(client_id, granted, seconds), seconds)
        result["scope"] = " ".join(f"{GRAPH}/{name}" for name in granted)
        if "offline_access" in scopes:
            result["refresh_token"] = secrets.token_urlsafe(96)
            _keep(self._refresh, result["refresh_token"], RefreshToken(client_id, scopes, self._access.session))
        if "openid" in scopes:
            result["id_token"] = self._access.id_token(client_id)
        return result

    def _check_tenant(self, request: web.Request) -> None:
        if request.match_info["tenant"].lower() != self._world.tenant.lower():
            raise _refuse(400, "invalid_request", "AADSTS90002: the tenant was not found.")

    def _known_client(self, form: Mapping[str, str]) -> str:
        client_id = form.get("client_id", "")
        if client_id not in (self._world.app_id, self._world.graph_client_id):
            raise _refuse(400, "unauthorized_client", "AADSTS700016: the application was not found in the directory.")
        return client_id

    def _check_secret(self, form: Mapping[str, str], required: bool) -> None:
        secret = form.get("client_secret")
        if secret is None and not required:
            return
        if secret is None:
            raise _refuse(401, "invalid_client", "AADSTS7000218: the request must contain a client secret.")
        if form.get("client_id") != self._world.app_id or secret != self.bot_secret:
            raise _refuse(401, "invalid_client", "AADSTS7000215: the client secret is not valid.")


def _scopes(form: Mapping[str, str]) -> list[str]:
    return form.get("scope", "").split()


def _granted(scopes: list[str]) -> list[str]:
    """The Graph permissions behind a scope text; .default means everything that was consented."""
    names = [name.removeprefix(f"{GRAPH}/") for name in scopes if name not in _SIGN_IN_SCOPES]
    return CONSENTED if ".default" in names or not names else names


def _token_answer(token: str, seconds: int) -> JsonObject:
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}


def _keep(kept: OrderedDict[str, ValueT], key: str, value: ValueT) -> None:
    """Add to a bounded store; the oldest goes first."""
    kept[key] = value
    if len(kept) > KEPT_CODES:
        kept.popitem(last=False)


async def _form(request: web.Request) -> dict[str, str]:
    """The posted fields; a client may put its id and secret in a Basic header instead."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise _refuse(400, "invalid_request", "AADSTS900144: the body must be a URL-encoded form.")
    posted = await request.post()
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        form |= _basic_credentials(basic)
    return form


def _basic_credentials(basic: str) -> dict[str, str]:
    try:
        client_id, _, secret = b64decode(basic, validate=True).decode("utf-8", "replace").partition(":")
    except ValueError as error:
        raise _refuse(401, "invalid_client", "AADSTS7000215: the Authorization header is malformed.") from error
    return {"client_id": client_id, "client_secret": secret}


def _refuse(status: int, error: str, description: str) -> Refusal:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    number = description[len("AADSTS") :].partition(":")[0]
    body = {"error": error, "error_description": description, "timestamp": now, "error_codes": [int(number)]}
    return Refusal(status, body)


def _page(html: str, status: int = 200) -> web.Response:
    return web.Response(text=f"<!doctype html><title>Sign in</title>{html}", status=status, content_type="text/html")
