"""Control of everything else: faults, settings, keys, logs, the live timeline, and the way back to the start."""

import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.control.bodies import body_of, refuse
from sandbox.entra import Entra
from sandbox.faults import FaultBook
from sandbox.freshchat.api import ApiKey
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.stream import Stream
from sandbox.tokens import BotTokens
from sandbox.webhooks import WebhookSender
from sandbox.wire import JsonObject, answer

TIMELINE_KEPT = 2000


@dataclass
class Keys:
    """Everything that can be exchanged for something new."""

    bot_tokens: BotTokens
    entra: Entra
    webhooks: WebhookSender
    api_key: ApiKey

    def rotate(self, what: object) -> JsonObject:
        """Exchange one kind of key; the answer holds the new material."""
        makers: dict[str, Callable[[], JsonObject]] = {
            "bot_keys": lambda: {"kid": self.bot_tokens.rotate().kid},
            "webhook_key": lambda: {"public_key": self.webhooks.rotate().freshchat_pem()},
            "api_key": self._new_api_key,
            "bot_secret": lambda: {"bot_secret": self.entra.new_bot_secret()},
            "revoke_signin": lambda: {"revoked": self.entra.revoke_signin()},
        }
        if not isinstance(what, str) or what not in makers:
            refuse(f"what must be one of {', '.join(makers)}")
        return {"what": what, **makers[what]()}

    def _new_api_key(self) -> JsonObject:
        self.api_key.value = f"sandbox.{secrets.token_urlsafe(48)}"
        return {"api_key": self.api_key.value}


class LabControl:
    """The rest of /_sandbox."""

    def __init__(
        self,
        settings: Settings,
        faults: FaultBook,
        log: RequestLog,
        stream: Stream,
        keys: Keys,
        config: Callable[[], JsonObject],
        wipe: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._defaults = Settings(**settings.as_dict())
        self._faults = faults
        self._log = log
        self._stream = stream
        self._keys = keys
        self._config = config
        self._wipe = wipe
        self.timeline: deque[Any] = deque(maxlen=TIMELINE_KEPT)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/config", self.config),
            web.get("/_sandbox/stream", self._stream.serve),
            web.get("/_sandbox/faults", self.list_faults),
            web.post("/_sandbox/faults", self.add_fault),
            web.delete("/_sandbox/faults", self.clear_faults),
            web.delete("/_sandbox/faults/{fault}", self.remove_fault),
            web.get("/_sandbox/settings", self.show_settings),
            web.post("/_sandbox/settings", self.change_settings),
            web.post("/_sandbox/reset", self.reset),
            web.post("/_sandbox/rotate", self.rotate),
            web.get("/_sandbox/requests", self.requests),
            web.get("/_sandbox/requests/counts", self.counts),
            web.post("/_sandbox/timeline", self.add_records),
        ]

    async def config(self, _: web.Request) -> web.Response:
        return answer(self._config())

    async def list_faults(self, _: web.Request) -> web.Response:
        return answer(self._faults.list())

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            return answer({"id": self._faults.add(await body_of(request)).id})
        except ValueError as error:
            refuse(str(error))

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return answer([])

    async def remove_fault(self, request: web.Request) -> web.Response:
        if not self._faults.remove(request.match_info["fault"]):
            refuse("there is no fault with this id", 404)
        return answer(self._faults.list())

    async def show_settings(self, _: web.Request) -> web.Response:
        return answer(self._settings.as_dict())

    async def change_settings(self, request: web.Request) -> web.Response:
        complaint = self._settings.change(await body_of(request))
        if complaint:
            refuse(complaint)
        return answer(self._settings.as_dict())

    async def reset(self, request: web.Request) -> web.Response:
        """Back to the seed world; keys stay, and so do settings unless the body says settings: true."""
        if (await body_of(request)).get("settings"):
            bridge = self._settings.bridge
            self._settings.restore(self._defaults)
            self._settings.bridge = bridge
        self._wipe()
        self.timeline.clear()
        self._stream.send("reset", {})
        return answer({"reset": True})

    async def rotate(self, request: web.Request) -> web.Response:
        rotated = self._keys.rotate((await body_of(request)).get("what"))
        return answer({**rotated, "env": self._config()["env"]})

    async def requests(self, request: web.Request) -> web.Response:
        """The last requests of one service, or of all in order of time."""
        on = request.query.get("on")
        if on is not None and on not in self._log.services():
            refuse(f"on must be one of {', '.join(self._log.services())}")
        bodies = request.query.get("bodies") in ("1", "true")
        return answer(self._log.list(on, bodies))

    async def counts(self, _: web.Request) -> web.Response:
        """How many requests each service has had since the last reset, also beyond the kept ones."""
        return answer(self._log.counts())

    async def add_records(self, request: web.Request) -> web.Response:
        """Log records of the bridge, one or a list, for the live timeline."""
        try:
            records = json.loads(await request.read())
        except ValueError:
            refuse("the body must be a JSON object or a list of them")
        records = records if isinstance(records, list) else [records]
        if not all(isinstance(record, dict) for record in records):
            refuse("the body must be a JSON object or a list of them")
        for record in records:
            self.timeline.append(record)
            self._stream.send("timeline", record)
        return answer({"added": len(records)})
