"""Freshchat's agents, groups, channels and account."""

from aiohttp import web

from sandbox.freshchat.errors import refuse
from sandbox.freshchat.paging import listed
from sandbox.settings import Settings
from sandbox.wire import JsonObject, answer
from sandbox.world import Agent, Group, Inbox, World

_SEEDED = "2026-01-05T08:00:00.000Z"


class DirectoryApi:
    """Calls that only read the seed world."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/agents", self.agents),
            web.get("/v2/agents/{agent}", self.agent),
            web.get("/v2/groups", self.groups),
            web.get("/v2/channels", self.channels),
            web.get("/v2/accounts/configuration", self.configuration),
            web.get("/v2/business-hours/within-bh", self.within_business_hours),
        ]

    async def agents(self, request: web.Request) -> web.Response:
        return answer(listed(request, "agents", [self._agent(agent) for agent in self._world.agents]))

    async def agent(self, request: web.Request) -> web.Response:
        wanted = request.match_info["agent"]
        agent = next((agent for agent in self._world.agents if agent.id == wanted), None)
        if agent is None:
            refuse(404, "AGENT_NOT_FOUND", "agent not found")
        return answer(self._agent(agent))

    async def groups(self, request: web.Request) -> web.Response:
        return answer(listed(request, "groups", [self._group(group) for group in self._world.groups]))

    async def channels(self, request: web.Request) -> web.Response:
        return answer(listed(request, "channels", [_channel(inbox) for inbox in self._world.inboxes]))

    async def within_business_hours(self, _: web.Request) -> web.Response:
        """Whether it is business time now, for every group."""
        return answer({"within_business_hours": self._settings.business_hours})

    async def configuration(self, _: web.Request) -> web.Response:
        """Who the account is; the start-up probe of a client."""
        return answer(
            {
                "organisation_id": "1000000000000000001",
                "organisation_domain": "fenn.desk.example",
                "account_id": self._world.account_id,
                "account_domain": "fenn.desk.example",
                "app_id": self._world.freshchat_app_id,
                "bundle_id": "1",
                "bundle_type": "SUPPORT",
                "plan_type": "SANDBOX",
                "datacenter": "sandbox",
                "web_chat_id": self._world.account_id,
            }
        )

    def _agent(self, agent: Agent) -> JsonObject:
        return {
            "id": agent.id,
            "email": agent.email,
            "first_name": agent.first_name,
            "last_name": agent.last_name,
            "avatar": {},
            "biography": "",
            "groups": [group.id for group in self._world.groups],
            "role_id": "AGENT",
            "role_name": "Agent",
            "license_type": "fulltime",
            "availability_status": "AVAILABLE",
            "agent_status": {"id": "1", "name": "Active"},
            "routing_type": "INTELLIASSIGN",
            "locale": "en-us",
            "timezone": "Europe/Berlin",
            "login_status": True,
            "is_deactivated": False,
            "is_deleted": False,
            "org_contact_id": agent.org_id,
            "created_time": _SEEDED,
            "social_profiles": [],
        }

    def _group(self, group: Group) -> JsonObject:
        agents = [agent.id for agent in self._world.agents]
        return {
            "id": group.id,
            "name": group.name,
            "description": "",
            "routing_type": "INTELLIASSIGN",
            "agents": agents,
        }


def _channel(inbox: Inbox) -> JsonObject:
    welcome = {"message_parts": [{"text": {"content": "."}}], "message_type": "normal"}
    return {
        "id": inbox.id,
        "name": inbox.name,
        "icon": {},
        "tags": [],
        "enabled": inbox.enabled,
        "public": True,
        "source": "FRESHCHAT",
        "locale": "en",
        "updated_time": _SEEDED,
        "welcome_message": welcome,
    }
