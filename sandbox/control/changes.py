"""Control of messages that are in Teams already: edit, delete, restore, react."""

import time
from collections.abc import Callable

from aiohttp import web

from sandbox.control.bodies import body_of, chosen, refuse
from sandbox.ids import Ids
from sandbox.teams import activities, change_activities
from sandbox.teams.activities import Said
from sandbox.teams.people import People
from sandbox.teams.state import Message, TeamsState, Thread
from sandbox.wire import JsonObject, answer
from sandbox.world import Person, World

#: As the activities name them.
REACTIONS = ("like", "heart", "laugh", "surprised", "sad", "angry")


class ChangeControl:
    """The calls /_sandbox/teams/{edit,delete,restore,react}; all name `conversation_id`, `message` and `user`."""

    def __init__(
        self, world: World, ids: Ids, teams: TeamsState, people: People, service_url: Callable[[], str]
    ) -> None:
        self._world = world
        self._ids = ids
        self._teams = teams
        self._people = people
        self._service_url = service_url

    def routes(self) -> list[web.RouteDef]:
        base = "/_sandbox/teams"
        return [
            web.post(f"{base}/edit", self.edit),
            web.post(f"{base}/delete", self.delete),
            web.post(f"{base}/restore", self.restore),
            web.post(f"{base}/react", self.react),
        ]

    async def edit(self, request: web.Request) -> web.Response:
        """Give one's own message a new `text`; it keeps its mention of the bot and its files."""
        body = await body_of(request)
        thread, message, person = self._own(body)
        text = body.get("text")
        if not isinstance(text, str) or not text.strip():
            refuse("text is needed")
        if message.deleted:
            refuse("the message is deleted", 409)
        message.typed, message.edited = text, time.time()
        said = self._said(thread, message, person)
        message.html = activities.stored_copy(self._world, said)
        return await self._told(thread, said, change_activities.edit(self._world, self._service_url(), said))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete one's own message."""
        thread, message, person = self._own(await body_of(request))
        message.deleted = time.time()
        said = self._said(thread, message, person)
        return await self._told(thread, said, change_activities.deletion(self._world, self._service_url(), said))

    async def restore(self, request: web.Request) -> web.Response:
        """Take the deletion of one's own message back."""
        thread, message, person = self._own(await body_of(request))
        if not message.deleted:
            refuse("the message is not deleted", 409)
        message.deleted = None
        said = self._said(thread, message, person)
        activity = change_activities.edit(self._world, self._service_url(), said, "undeleteMessage")
        return await self._told(thread, said, activity)

    async def react(self, request: web.Request) -> web.Response:
        """Put a `reaction` on any message, or take it off again; bots hear of those to their own messages only."""
        body = await body_of(request)
        thread, message = self._message(body)
        person = chosen(self._world.everyone(), body.get("user"), "user")
        kind = body.get("reaction", REACTIONS[0])
        if kind not in REACTIONS:
            refuse(f"reaction must be one of {', '.join(REACTIONS)}")
        added = _toggle(message, kind, person.key)
        self._teams.touched(thread)
        if message.author.kind != "bot":
            return answer({"id": message.id, "added": added, "status": None})
        said, event_id = self._said(thread, message, person), f"f:{self._ids.hex(16)}"
        url = self._service_url()
        activity = change_activities.reaction(self._world, url, said, event_id, kind, added=added)
        outcome = await self._people.deliver(activity)
        return answer({"id": message.id, "added": added, "status": outcome.status})

    async def _told(self, thread: Thread, said: Said, activity: JsonObject) -> web.Response:
        """Show the change to the page, and tell the bridge if the bot hears what is said there."""
        self._teams.touched(thread)
        status = (await self._people.deliver(activity)).status if self._people.hears(said) else None
        return answer({"id": said.message_id, "conversation_id": said.conversation_id, "status": status})

    def _own(self, body: JsonObject) -> tuple[Thread, Message, Person]:
        thread, message = self._message(body)
        person = chosen(self._world.everyone(), body.get("user"), "user")
        if message.author.person is not person:
            refuse("people change their own messages only", 403)
        return thread, message, person

    def _message(self, body: JsonObject) -> tuple[Thread, Message]:
        thread = self._teams.thread(str(body.get("conversation_id")))
        message = thread.find(str(body.get("message"))) if thread else None
        if thread is None or message is None:
            refuse("no such message in this conversation", 404)
        return thread, message

    def _said(self, thread: Thread, message: Message, person: Person) -> Said:
        return Said(
            person=person,
            scope=thread.scope,
            place_id=thread.place_id,
            root=thread.root,
            message_id=message.id,
            text=message.typed,
            mention=any(one["mentioned"].get("application") for one in message.mentions),
            attachments=tuple(message.attachments) if message.author.person is person else (),
            pasted=tuple(message.hosted.values()),
        )


def _toggle(message: Message, kind: str, user: str) -> bool:
    """Add or remove this person's reaction; tell whether it is there now."""
    users = message.reactions.setdefault(kind, [])
    added = user not in users
    (users.append if added else users.remove)(user)
    if not users:
        del message.reactions[kind]
    return added
