"""Who may call Graph for what."""

from aiohttp import web

from sandbox.settings import Settings
from sandbox.teams.graph_errors import APP_ONLY_POST, refuse
from sandbox.teams.limits import Limits, graph
from sandbox.tokens import GRAPH, GRAPH_APP_ID, AccessTokens, Caller, TokenError

SEND_CHANNEL = frozenset({"ChannelMessage.Send", "Group.ReadWrite.All"})
SEND_CHAT = frozenset({"ChatMessage.Send", "Chat.ReadWrite", "Group.ReadWrite.All"})
CHANGE_CHANNEL = frozenset({"ChannelMessage.ReadWrite"})
CHANGE_CHAT = frozenset({"Chat.ReadWrite"})
READ_CHANNEL = frozenset(
    {"ChannelMessage.Read.All", "ChannelMessage.ReadWrite", "ChannelMessage.Read.Group", "Group.ReadWrite.All"}
)
READ_CHAT = frozenset({"Chat.Read", "Chat.ReadWrite", "Chat.Read.All", "ChatMessage.Read", "ChatMessage.Read.Chat"})


class GraphAccess:
    """Checks tokens, permissions and the pace."""

    def __init__(self, settings: Settings, access: AccessTokens) -> None:
        self._settings = settings
        self._access = access
        self._limits = Limits()

    def caller(self, request: web.Request) -> Caller:
        """The caller of any Graph request."""
        try:
            return self._access.check(request.headers.get("Authorization"), (GRAPH, GRAPH_APP_ID))
        except TokenError as error:
            refuse(401, "InvalidAuthenticationToken", str(error))

    def reader(self, request: web.Request, allowed: frozenset[str]) -> Caller:
        """A caller who may read here."""
        caller = self.caller(request)
        _require(caller, allowed)
        return caller

    def user(self, request: web.Request, allowed: frozenset[str]) -> Caller:
        """A signed-in user who may write here; applications may not, whatever their roles are."""
        caller = self.caller(request)
        if caller.user_id is None:
            refuse(401, "Unauthorized", APP_ONLY_POST)
        _require(caller, allowed)
        return caller

    def check_pace(self, place_id: str, team: str | None, reading: bool) -> None:
        """One request per second and channel or chat, four per team, and so on, when limits are enforced."""
        wait = self._limits.refuse(*graph(place_id, team, reading)) if self._settings.enforce_limits else None
        if wait is not None:
            refuse(429, "TooManyRequests", "Too many requests.", {"Retry-After": str(wait)})


def _require(caller: Caller, allowed: frozenset[str]) -> None:
    if caller.permissions.isdisjoint(allowed):
        wanted = ",".join(sorted(allowed))
        refuse(403, "Forbidden", f"Missing permissions on the request. One of these is required: '{wanted}'.")
