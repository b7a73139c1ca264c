"""Control of the Teams side: say something, send any activity, install the app, look at the threads."""

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.control.bodies import body_of, chosen, count, refuse
from sandbox.control.bodies import file_of as _file
from sandbox.courier import Outcome
from sandbox.ids import Ids
from sandbox.teams.activities import Said
from sandbox.teams.client import TeamsClient
from sandbox.teams.people import People
from sandbox.teams.shared_files import SharedFiles
from sandbox.teams.state import TeamsState
from sandbox.tokens import BotTokens
from sandbox.wire import JsonObject, answer
from sandbox.world import World

SCOPES = ("channel", "groupChat", "personal")


class TeamsControl:
    """The calls below /_sandbox/teams."""

    def __init__(
        self,
        world: World,
        ids: Ids,
        teams: TeamsState,
        people: People,
        client: TeamsClient,
        tokens: BotTokens,
        files: SharedFiles,
        service_url: Callable[[], str],
    ) -> None:
        self._world = world
        self._ids = ids
        self._teams = teams
        self._people = people
        self._client = client
        self._tokens = tokens
        self._files = files
        self._service_url = service_url

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_sandbox/teams/messages", self.say),
            web.post("/_sandbox/teams/activity", self.send_activity),
            web.post("/_sandbox/teams/token", self.token),
            web.post("/_sandbox/teams/install", self.install),
            web.get("/_sandbox/teams/state", self.state),
        ]

    async def say(self, request: web.Request) -> web.Response:
        """A user writes a message; `times` posts the same activity again and again."""
        body = await body_of(request)
        times = count(body, "times")
        said = self._people.record(self._said(body))
        outcomes: list[Outcome] = []
        started = time.perf_counter()
        if body.get("deliver", True) and self._people.hears(said):
            activity = self._people.activity(said)
            outcomes = [await self._people.deliver(activity) for _ in range(times)]
        return answer(_report(said, outcomes, started))

    async def send_activity(self, request: web.Request) -> web.Response:
        """Any activity, even a broken one (as text), with any token and headers."""
        body = await body_of(request)
        activity, token = body.get("activity"), body.get("token") or {}
        if not isinstance(activity, (dict, str)) or not isinstance(token, dict):
            refuse("activity must be an object or a text, and token an object")
        if isinstance(activity, dict) and body.get("record", True):
            self._people.note(activity)
        headers = {str(name): str(value) for name, value in (body.get("headers") or {}).items()}
        outcome = await self._client.post(activity, token, headers)
        return answer({"status": outcome.status, "body": outcome.body, "ms": outcome.ms})

    async def token(self, request: web.Request) -> web.Response:
        """A signed token for a test to use itself."""
        return answer({"token": self._tokens.made(self._service_url(), await body_of(request))})

    async def install(self, request: web.Request) -> web.Response:
        """Add the app to a team, a chat or a person's list, or remove it."""
        body = await body_of(request)
        action = str(body.get("action") or "add")
        if action not in ("add", "remove", "add-upgrade", "remove-upgrade"):
            refuse("action must be add, remove, add-upgrade or remove-upgrade")
        outcomes = await self._people.install(self._said({**body, "text": ""}), action)
        return answer({"statuses": [outcome.status for outcome in outcomes], "status": outcomes[-1].status})

    async def state(self, _: web.Request) -> web.Response:
        return answer(self._teams.render())

    def _said(self, body: JsonObject) -> Said:
        """What the body says was said, where, and by whom."""
        scope = body.get("scope") or "channel"
        if scope not in SCOPES:
            refuse(f"scope must be one of {', '.join(SCOPES)}")
        person = chosen(self._world.everyone(), body.get("user"), "user")
        message_id = self._ids.message_id()
        text = body.get("text", "")
        if not isinstance(text, str):
            refuse("text must be a text")
        return Said(
            person=person,
            scope=scope,
            place_id=self._place(body, scope, person.personal_chat),
            root=(str(body["thread"]) if body.get("thread") else message_id) if scope == "channel" else None,
            message_id=message_id,
            text=text,
            mention=bool(body.get("mention", False)) and scope != "personal",
            markup=body.get("html"),
            people=tuple(chosen(self._world.users, name, "user") for name in body.get("mentions") or ()),
            attachments=(*(body.get("attachments") or ()), *self._shared(body, scope)),
            pasted=tuple(_file(file)[1:] for file in body.get("files") or () if _is_pasted(file, scope)),
        )

    def _place(self, body: JsonObject, scope: str, personal_chat: str) -> str:
        if scope == "channel":
            return chosen(self._world.channels, body.get("channel"), "channel").id
        if scope == "groupChat":
            return chosen(self._world.group_chats, body.get("chat"), "group chat").id
        return personal_chat

    def _shared(self, body: JsonObject, scope: str) -> tuple[JsonObject, ...]:
        files = (file for file in body.get("files") or () if not _is_pasted(file, scope))
        return tuple(self._files.share(*_file(file), scope=scope) for file in files)


def _is_pasted(file: Any, scope: str) -> bool:
    """Whether it is a picture within a message that Graph hosts; a personal chat with a bot has none."""
    return scope != "personal" and isinstance(file, dict) and bool(file.get("inline"))


def _report(said: Said, outcomes: list[Outcome], started: float) -> JsonObject:
    """The last status; 0 when the bridge did not answer, null when Teams would not have told it."""
    report: JsonObject = {
        "id": said.message_id,
        "thread": said.root,
        "conversation_id": said.conversation_id,
        "status": outcomes[-1].status if outcomes else None,
        "ms": round((time.perf_counter() - started) * 1000, 2) if outcomes else 0,
    }
    if len(outcomes) > 1:
        report["statuses"] = [outcome.status for outcome in outcomes]
    if outcomes and not outcomes[-1].accepted:
        report["body"] = outcomes[-1].body
    return report
