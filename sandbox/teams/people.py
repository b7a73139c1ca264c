"""What people do in Teams: they say something, and they add or remove the app."""

import html
import re
import time
from collections.abc import Callable
from dataclasses import replace

from sandbox.courier import Outcome
from sandbox.ids import Ids
from sandbox.settings import Settings
from sandbox.tasks import TaskGroup
from sandbox.teams import activities
from sandbox.teams.activities import Said
from sandbox.teams.client import TeamsClient
from sandbox.teams.html import plain
from sandbox.teams.state import Message, TeamsState, Thread
from sandbox.wire import JsonObject, as_object
from sandbox.world import World


class People:
    """Records what is said and lets the bridge know, as far as Teams would."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        ids: Ids,
        teams: TeamsState,
        client: TeamsClient,
        tasks: TaskGroup,
        service_url: Callable[[], str],
    ) -> None:
        self._world = world
        self._settings = settings
        self._ids = ids
        self._teams = teams
        self._client = client
        self._tasks = tasks
        self._service_url = service_url

    def record(self, said: Said) -> Said:
        """Put the words into the thread; the result knows its message id and, in a channel, its root."""
        author = self._teams.author(said.person)
        shown = activities.stored_copy(self._world, said)
        files = [a for a in said.attachments if a.get("contentType") != "text/html"]
        mentions = activities.graph_mentions(self._world, said)
        message_id = said.message_id or self._ids.message_id()
        root = (said.root or message_id) if said.scope == "channel" else None
        thread = self._teams.open(said.place_id, root)
        pasted = {str(number): picture for number, picture in enumerate(said.pasted)}
        more = {"attachments": files, "mentions": mentions, "typed": said.text, "hosted": pasted}
        self._teams.add(thread, author, shown, "user", message_id=message_id, **more)
        return replace(said, message_id=message_id, root=root)

    def note(self, activity: JsonObject) -> None:
        """Record a ready-made activity, so that answers to it find their thread and Graph shows the same."""
        place_id, _, root = str(as_object(activity.get("conversation")).get("id")).partition(";messageid=")
        person = self._world.people_by_id.get(str(as_object(activity.get("from")).get("id")).lower())
        message_id, text = str(activity.get("id") or self._ids.message_id()), plain(str(activity.get("text") or ""))
        scope = self._teams.scope_of(place_id)
        if scope is None or person is None:
            return
        thread = self._teams.open(place_id, root or message_id)
        known = thread.find(message_id)
        if known is not None:
            self._change(thread, known, str(activity.get("type")), text)
        elif activity.get("type") == "message" and (text or activity.get("attachments")):
            # the press of a card's button has neither: it has a value and shows nothing
            self.record(Said(person, scope, place_id, thread.root, message_id, text, False))

    def _change(self, thread: Thread, message: Message, kind: str, text: str) -> None:
        """Follow an edit or a deletion by the user."""
        if kind == "messageUpdate":
            message.html, message.edited = html.escape(text, quote=False), time.time()
        elif kind == "messageDelete":
            message.deleted = time.time()
        self._teams.touched(thread)

    def hears(self, said: Said) -> bool:
        """Whether Teams hands the message to the bot: in a channel or group chat only mentions, unless RSC is on."""
        return said.scope == "personal" or said.mention or self._settings.rsc

    def activity(self, said: Said) -> JsonObject:
        """The activity for what was said."""
        return activities.message(self._world, self._service_url(), said)

    async def deliver(self, activity: JsonObject) -> Outcome:
        """Post an activity to the bridge."""
        return await self._client.post(activity)

    def echo_graph_post(self, thread: Thread, message: Message) -> None:
        """A message posted through Graph is a user's message, so with RSC the bot gets it too."""
        person = message.author.person
        if person is None or not self._settings.rsc or not self._teams.installed(thread.place_id):
            return
        text = plain(message.html)
        markup = re.sub(r'<at id="\d+">(.*?)</at>', r"\1", message.html)
        said = Said(person, thread.scope, thread.place_id, thread.root, message.id, text, False, markup=markup)
        self._tasks.start(self.deliver(self.activity(said)))

    async def install(self, said: Said, action: str) -> list[Outcome]:
        """Add or remove the app; Teams sends two events for it."""
        self._teams.set_installed(said.place_id, action.startswith("add"))
        where = replace(said, place_id=self._world.team.thread_id, root=None) if said.scope == "channel" else said
        url = self._service_url()
        update = activities.installation(self._world, url, where, f"f:{self._ids.hex(16)}", action)
        membership = activities.bot_membership(self._world, url, where, f"f:{self._ids.hex(16)}", action)
        return [await self._client.post(update), await self._client.post(membership)]
