"""The Bot Connector: how the bot speaks, edits, deletes, and asks who is there."""

import time

from aiohttp import web

from sandbox.ids import Ids
from sandbox.settings import Settings
from sandbox.teams import limits
from sandbox.teams.bot_activity import attachments_of, html_of, posted_activity, refuse
from sandbox.teams.state import Message, TeamsState, Thread
from sandbox.tokens import CONNECTOR, AccessTokens, TokenError
from sandbox.wire import JsonObject, answer, as_object, read_object
from sandbox.world import Person, World

PAGE_MINIMUM, PAGE_MAXIMUM = 50, 500


class Connector:
    """The REST interface below every serviceUrl."""

    def __init__(self, world: World, settings: Settings, ids: Ids, teams: TeamsState, access: AccessTokens) -> None:
        self._world = world
        self._settings = settings
        self._ids = ids
        self._teams = teams
        self._access = access
        self._limits = limits.Limits()

    def routes(self) -> list[web.RouteDef]:
        base = "/connector/{tenant}/v3"
        one = f"{base}/conversations/{{conversation}}"
        return [
            web.post(f"{one}/activities", self.send),
            web.post(f"{one}/activities/{{activity}}", self.send),
            web.put(f"{one}/activities/{{activity}}", self.update),
            web.delete(f"{one}/activities/{{activity}}", self.delete),
            web.post(f"{base}/conversations", self.create),
            web.get(f"{one}/members", self.members),
            web.get(f"{one}/pagedmembers", self.paged_members),
            web.get(f"{one}/members/{{member}}", self.member),
            web.get(f"{base}/teams/{{team}}", self.team),
            web.get(f"{base}/teams/{{team}}/conversations", self.team_channels),
        ]

    async def send(self, request: web.Request) -> web.Response:
        """Post an activity into a conversation; the plain and the reply form do the same."""
        self._authorize(request)
        activity = await posted_activity(request)
        conversation_id = request.match_info["conversation"]
        place_id = self._check_place(conversation_id)
        if activity["type"] != "message":
            return answer({"id": self._ids.message_id()}, 201)
        if conversation_id == place_id and self._teams.scope_of(place_id) == "channel":
            return answer({"id": self._new_root(place_id, activity).id}, 201)
        return answer(self._post(self._thread(conversation_id), activity), 201)

    async def update(self, request: web.Request) -> web.Response:
        """Replace one of the bot's own messages."""
        self._authorize(request)
        activity = await posted_activity(request)
        thread, message = self._own_message(request)
        message.html = html_of(activity)
        message.attachments = attachments_of(activity)
        message.edited = time.time()
        self._teams.touched(thread)
        return answer({"id": message.id})

    async def delete(self, request: web.Request) -> web.Response:
        """Remove one of the bot's own messages."""
        self._authorize(request)
        thread, message = self._own_message(request)
        message.html, message.attachments = "", []
        message.deleted = time.time()
        self._teams.touched(thread)
        return web.Response(status=200)

    async def create(self, request: web.Request) -> web.Response:
        """Start a channel thread, or find the personal chat with a user."""
        self._authorize(request)
        wanted = await read_object(request)
        if wanted is None:
            refuse(400, "BadSyntax", "The body must be a JSON object.")
        channel_data = as_object(wanted.get("channelData"))
        if "channel" in channel_data:
            channel_id = str(as_object(channel_data["channel"]).get("id"))
            return answer(self._start_thread(channel_id, wanted), 201)
        return answer(self._personal_chat(channel_data, wanted), 201)

    async def members(self, request: web.Request) -> web.Response:
        self._authorize(request)
        return answer([self._account(person) for person in self._roster(request)])

    async def paged_members(self, request: web.Request) -> web.Response:
        """Members in pages; Teams raises a page size below 50 and cuts one above 500."""
        self._authorize(request)
        people = self._roster(request)
        asked = request.query.get("pageSize", "")
        size = min(max(int(asked) if asked.isdigit() else PAGE_MAXIMUM, PAGE_MINIMUM), PAGE_MAXIMUM)
        token = request.query.get("continuationToken", "")
        start = int(token) if token.isdigit() else 0
        page: JsonObject = {"members": [self._account(person) for person in people[start : start + size]]}
        if start + size < len(people):
            page["continuationToken"] = str(start + size)
        return answer(page)

    async def member(self, request: web.Request) -> web.Response:
        """One member by 29: id, Entra id or UPN."""
        self._authorize(request)
        wanted = request.match_info["member"].lower()
        person = self._world.people_by_id.get(wanted)
        if person is None or person not in self._roster(request):
            refuse(404, "MemberNotFoundInConversation", "The user is not part of the conversation.")
        return answer(self._account(person))

    async def team(self, request: web.Request) -> web.Response:
        """The team behind a thread id; the way to its Graph id."""
        self._authorize(request)
        self._check_team(request)
        team = self._world.team
        return answer(
            {
                "id": team.thread_id,
                "name": team.name,
                "aadGroupId": team.aad_group_id,
                "channelCount": len(self._world.channels),
                "memberCount": len(self._world.everyone()),
                "type": "standard",
            }
        )

    async def team_channels(self, request: web.Request) -> web.Response:
        """The channels; General comes without a name, as in Teams."""
        self._authorize(request)
        self._check_team(request)
        general = self._world.team.thread_id
        rows = ({"id": c.id} if c.id == general else {"id": c.id, "name": c.name} for c in self._world.channels)
        return answer({"conversations": list(rows)})

    def _authorize(self, request: web.Request) -> None:
        try:
            caller = self._access.check(request.headers.get("Authorization"), (CONNECTOR,))
        except TokenError as error:
            refuse(401, "Unauthorized", str(error))
        if caller.app_id != self._world.app_id or request.match_info["tenant"] != self._world.tenant:
            refuse(401, "BotNotRegistered", "The bot is not registered for this tenant.")

    def _check_place(self, conversation_id: str) -> str:
        """The channel or chat the bot may write to now; otherwise a refusal."""
        place_id = conversation_id.partition(";messageid=")[0]
        if self._teams.scope_of(place_id) is None:
            refuse(404, "ConversationNotFound", "Conversation not found.")
        if not self._teams.installed(place_id):
            refuse(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        self._keep(*limits.send(place_id))
        return place_id

    def _keep(self, *kept: limits.Limit) -> None:
        wait = self._limits.refuse(*kept) if self._settings.enforce_limits else None
        if wait is not None:
            refuse(429, "Throttled", "Too many requests.", {"Retry-After": str(wait)})

    def _thread(self, conversation_id: str) -> Thread:
        """The thread with this id; one that nobody started is refused unless the settings are lenient."""
        thread = self._teams.thread(conversation_id)
        if thread is not None:
            return thread
        place_id, _, root = conversation_id.partition(";messageid=")
        if self._settings.strict_threads or not root.isdigit():
            refuse(404, "ConversationNotFound", "Conversation not found.")
        return self._teams.open(place_id, root)

    def _post(self, thread: Thread, activity: JsonObject) -> JsonObject:
        """Add the message. Text with attachments becomes two messages and no id comes back, as Teams does it."""
        text, attachments = html_of(activity), attachments_of(activity)
        author = self._teams.bot()
        if text and attachments:
            self._teams.add(thread, author, text, "connector")
            self._teams.add(thread, author, "", "connector", attachments=attachments)
            return {}
        return {"id": self._teams.add(thread, author, text, "connector", attachments=attachments).id}

    def _own_message(self, request: web.Request) -> tuple[Thread, Message]:
        conversation_id = request.match_info["conversation"]
        self._check_place(conversation_id)
        thread = self._thread(conversation_id)
        message = thread.find(request.match_info["activity"])
        if message is None or message.deleted:
            refuse(404, "ActivityNotFoundInConversation", "The activity is not part of the conversation.")
        if message.author.kind != "bot":
            refuse(403, "NotEnoughPermissions", "The message belongs to somebody else.")
        return thread, message

    def _start_thread(self, channel_id: str, wanted: JsonObject) -> JsonObject:
        activity = wanted.get("activity")
        if not isinstance(activity, dict):
            refuse(400, "BadArgument", "A new thread needs an activity.")
        if self._teams.scope_of(channel_id) != "channel":
            refuse(404, "ConversationNotFound", "Conversation not found.")
        self._check_place(channel_id)
        message = self._new_root(channel_id, activity)
        return {"id": f"{channel_id};messageid={message.id}", "activityId": message.id}

    def _new_root(self, channel_id: str, activity: JsonObject) -> Message:
        text, attachments = html_of(activity), attachments_of(activity)
        return self._teams.start_thread(channel_id, self._teams.bot(), text, "connector", attachments=attachments)[1]

    def _personal_chat(self, channel_data: JsonObject, wanted: JsonObject) -> JsonObject:
        members = wanted.get("members")
        tenant = as_object(channel_data.get("tenant")).get("id") or wanted.get("tenantId")
        if tenant != self._world.tenant or not isinstance(members, list) or len(members) != 1:
            refuse(400, "BadArgument", "A personal chat needs the tenant and exactly one member.")
        person = self._world.people_by_id.get(str(as_object(members[0]).get("id")).lower())
        if person is None:
            refuse(403, "BotNotInConversationRoster", "The user is not known to the bot.")
        self._check_place(person.personal_chat)
        thread = self._thread(person.personal_chat)
        activity = wanted.get("activity")
        created: JsonObject = {"id": thread.conversation_id}
        if isinstance(activity, dict):
            created["activityId"] = self._post(thread, activity).get("id")
        return created

    def _roster(self, request: web.Request) -> tuple[Person, ...]:
        place_id = request.match_info["conversation"].partition(";")[0]
        scope = self._teams.scope_of(place_id)
        if scope is None:
            refuse(404, "ConversationNotFound", "Conversation not found.")
        if not self._teams.installed(place_id):
            refuse(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        self._keep(*limits.roster(place_id))
        person = self._teams.person_in(place_id)
        if person is not None:
            return (person,)
        return self._world.everyone() if scope == "channel" else self._world.members(place_id)

    def _check_team(self, request: web.Request) -> None:
        if request.match_info["team"] != self._world.team.thread_id:
            refuse(404, "TeamNotFound", "The team was not found.")

    def _account(self, person: Person) -> JsonObject:
        """A roster entry; the Entra id is called objectId here, not aadObjectId as in activities."""
        return {
            "id": person.teams_id,
            "name": person.name,
            "objectId": person.aad_id,
            "givenName": person.given_name,
            "surname": person.surname,
            "email": person.mail,
            "userPrincipalName": person.upn,
            "tenantId": self._world.tenant,
            "userRole": "user",
        }
