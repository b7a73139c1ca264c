"""Control of the cards in Teams: press a button as a person."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.control.bodies import body_of, chosen, count, refuse
from sandbox.ids import Ids
from sandbox.teams.client import TeamsClient
from sandbox.teams.state import Message, TeamsState, Thread
from sandbox.wire import JsonObject, answer
from sandbox.world import Person, World


class PressControl:
    """The call POST /_sandbox/teams/press."""

    def __init__(
        self, world: World, ids: Ids, teams: TeamsState, client: TeamsClient, service_url: Callable[[], str]
    ) -> None:
        self._world = world
        self._ids = ids
        self._teams = teams
        self._client = client
        self._service_url = service_url

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/_sandbox/teams/press", self.press)]

    async def press(self, request: web.Request) -> web.Response:
        """Press the button `title` of the card in `message`; `inputs` fill its fields, `data` forges what it has."""
        body = await body_of(request)
        thread, message = self._message(body)
        action = self._action(message, str(body.get("title") or ""))
        carried = body["data"] if isinstance(body.get("data"), dict) else action.get("data") or {}
        action = {**action, "data": {**carried, **(body.get("inputs") or {})}}
        person = chosen(self._world.everyone(), body.get("user"), "user")
        activity = self._activity(thread, str(body.get("reply_to") or message.id), person, action)
        started = time.perf_counter()
        outcomes = [await self._client.post(activity) for _ in range(count(body, "times"))]
        last = outcomes[-1]
        ms = round((time.perf_counter() - started) * 1000, 2)
        return answer({"status": last.status, "body": last.body, "ms": ms, "statuses": [o.status for o in outcomes]})

    def _message(self, body: JsonObject) -> tuple[Thread, Message]:
        thread = self._teams.thread(str(body.get("conversation_id")))
        message = thread.find(str(body.get("message"))) if thread else None
        if thread is None or message is None or message.deleted:
            refuse("no such message in this conversation", 404)
        return thread, message

    def _action(self, message: Message, title: str) -> JsonObject:
        actions = [action for card in message.cards for action in _actions(card)]
        found = next((action for action in actions if action.get("title") == title), None)
        if found is None and title:
            refuse(f"no button is called {title!r}; there are {', '.join(str(a.get('title')) for a in actions)}", 404)
        return found or {"type": "Action.Execute", "verb": "choose"}

    def _activity(self, thread: Thread, reply_to: str, person: Person, action: JsonObject) -> JsonObject:
        """The activity: unlike what is typed it has no team in its channelData, and no text."""
        conversation: JsonObject = {"isGroup": True} if thread.scope != "personal" else {}
        conversation |= {"conversationType": thread.scope, "tenantId": self._world.tenant, "id": thread.conversation_id}
        return {
            **self._kind(action),
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z",
            "channelId": "msteams",
            "serviceUrl": self._service_url(),
            "from": {"id": person.teams_id, "name": person.name, "aadObjectId": person.aad_id},
            "conversation": conversation,
            "recipient": {"id": self._world.bot_id, "name": self._world.bot_name},
            "replyToId": reply_to,
            "locale": person.locale,
            "channelData": {"tenant": {"id": self._world.tenant}},
        }

    def _kind(self, action: JsonObject) -> JsonObject:
        """Action.Execute is an invoke that waits for its answer, Action.Submit a message with a value."""
        if action.get("type") == "Action.Submit":
            return {"type": "message", "id": self._ids.message_id(), "value": action["data"]}
        value = {"action": action, "trigger": "manual"}
        return {"type": "invoke", "name": "adaptiveCard/action", "id": f"f:{self._ids.hex(16)}", "value": value}


def _actions(element: Any) -> Iterator[JsonObject]:
    """All actions of a card that call the bot."""
    if isinstance(element, list):
        for one in element:
            yield from _actions(one)
    elif isinstance(element, dict):
        if element.get("type") in ("Action.Execute", "Action.Submit"):
            yield element
        for value in element.values():
            yield from _actions(value)
