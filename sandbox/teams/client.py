"""Teams as the bridge meets it: activities with real tokens, posted to its messaging endpoint."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from sandbox.courier import Courier, Outcome, Parcel
from sandbox.faults import FaultBook
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.tokens import BotTokens
from sandbox.wire import JsonObject, dumps

#: Teams waits 10 to 15 seconds for the answer to an activity.
TIMEOUT_SECONDS = 15.0
#: How long a reordered activity waits for a later one to pass it.
OVERTAKE_SECONDS = 2.0


class TeamsClient:
    """Posts activities to the bridge."""

    def __init__(self, settings: Settings, tokens: BotTokens, faults: FaultBook, log: RequestLog) -> None:
        self._settings = settings
        self._tokens = tokens
        self._faults = faults
        self._courier = Courier("teams", log)
        self._overtaken: dict[str, asyncio.Event] = {}

    async def post(
        self,
        activity: JsonObject | str,
        token: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Send one activity, a text as it is; `token` holds wishes for the JWT, `headers` replace or add."""
        parcel = self._parcel(activity, token or {}, headers or {})
        kind, conversation = _facts(activity)
        fault = self._faults.take("teams", "POST /api/messages", f"POST /api/messages {kind}")
        if fault is not None and fault.kind == "lose":
            return Outcome(0, "lost: a fault was ordered")
        if fault is not None and fault.kind == "reorder":
            await self._wait_to_be_overtaken(conversation, fault.delay_seconds or OVERTAKE_SECONDS)
        if fault is not None and fault.kind == "bad_signature":
            parcel = replace(parcel, headers={**parcel.headers, **_spoilt(parcel.headers)})
        outcome = await self._courier.post(parcel, fault)
        if conversation in self._overtaken and (fault is None or fault.kind != "reorder"):
            self._overtaken.pop(conversation).set()
        return outcome

    async def stop(self) -> None:
        await self._courier.stop()

    def _parcel(self, activity: JsonObject | str, token: JsonObject, headers: Mapping[str, str]) -> Parcel:
        made = self._tokens.made("" if isinstance(activity, str) else str(activity.get("serviceUrl", "")), token)
        body = activity.encode() if isinstance(activity, str) else dumps(activity)
        authorization = {"Authorization": f"Bearer {made}"} if made else {}
        all_headers = {"Content-Type": "application/json; charset=utf-8", **authorization, **headers}
        return Parcel(f"{self._settings.bridge}/api/messages", body, all_headers, TIMEOUT_SECONDS)

    async def _wait_to_be_overtaken(self, conversation: str, seconds: float) -> None:
        event = self._overtaken.setdefault(conversation, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            self._overtaken.pop(conversation, None)


def _facts(activity: JsonObject | str) -> tuple[str, str]:
    """Type and conversation id, for faults; a broken activity has neither."""
    if isinstance(activity, str):
        return "", ""
    conversation = activity.get("conversation")
    return str(activity.get("type")), str(conversation.get("id")) if isinstance(conversation, dict) else ""


def _spoilt(headers: Mapping[str, str]) -> dict[str, str]:
    """The token with two characters of its signature exchanged for others."""
    token = headers.get("Authorization", "")
    return {"Authorization": token[:-12] + ("AB" if token[-12:-10] != "AB" else "CD") + token[-10:]}
