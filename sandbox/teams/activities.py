"""The activities that Teams sends, in the shapes seen on the wire; functions from facts to data."""

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.wire import JsonObject
from sandbox.world import Person, World


@dataclass(frozen=True, slots=True)
class Said:
    """What a person typed, where."""

    person: Person
    scope: str
    place_id: str
    root: str | None
    message_id: str
    text: str
    mention: bool
    markup: str | None = None
    people: tuple[Person, ...] = ()
    attachments: tuple[JsonObject, ...] = field(default=())
    #: Pictures pasted where Graph hosts them: content type and bytes.
    pasted: tuple[tuple[str, bytes], ...] = field(default=())

    @property
    def conversation_id(self) -> str:
        return f"{self.place_id};messageid={self.root}" if self.root else self.place_id


def message(world: World, service_url: str, said: Said) -> JsonObject:
    """A message activity; the mentions of other people must occur in the text as @key or @name."""
    activity = {"type": "message", "id": said.message_id, **_times(said.person), **_frame(world, service_url, said)}
    text, entities = _mentioned(world, said)
    activity |= {"textFormat": "plain", "text": text, "locale": said.person.locale}
    # a shared file of a channel or group chat is a stub in the HTML copy; only Graph shows the reference itself
    attachments = [a for a in said.attachments if a.get("contentType") != "reference"]
    if said.scope != "personal" or said.markup:
        attachments.append({"contentType": "text/html", "content": rich_copy(world, said)})
    if attachments:
        activity["attachments"] = attachments
    activity["entities"] = [*entities, _client_info(said.person)]
    activity["channelData"] = channel_data(world, said.scope, said.place_id)
    return activity


def rich_copy(world: World, said: Said) -> str:
    """The HTML that activities carry: the Teams client's own markup, with mentions as spans."""
    return f"<div>{_composed(world, said, _span, _ASM_PICTURE)}</div>"


def stored_copy(world: World, said: Said) -> str:
    """The HTML that Graph shows for the same message, with mentions as <at>."""
    return _composed(world, said, _at, _HOSTED_PICTURE)


def graph_mentions(world: World, said: Said) -> list[JsonObject]:
    """The mentions of a message as Graph lists them, numbered like the <at> tags; here people have Entra ids."""
    mentioned: list[JsonObject] = []
    if said.mention:
        bot = {"id": world.app_id, "displayName": world.bot_name, "applicationIdentityType": "bot"}
        mentioned.append({"application": bot, "user": None})
    for person in said.people:
        user = {"id": person.aad_id, "displayName": person.name, "userIdentityType": "aadUser"}
        mentioned.append({"application": None, "user": user})
    return [
        {"id": number, "mentionText": (who["user"] or who["application"])["displayName"], "mentioned": who}
        for number, who in enumerate(mentioned)
    ]


#: A pasted picture in the Teams client's own markup: bots cannot read from that address.
_ASM_PICTURE = (
    '<img itemtype="http://schema.skype.com/AMSImage" src="https://api.asm.example/v1/objects/{}/views/imgo" '
    'width="250" height="250" alt="image">'
)
_HOSTED_PICTURE = '<img src="../hostedContents/{}/$value" width="250" height="250" alt="image">'


def _composed(world: World, said: Said, mark: Callable[[int, str], str], picture: str) -> str:
    body = said.markup if said.markup is not None else html.escape(said.text, quote=False).replace("\n", "<br>")
    prefix = f"{mark(0, world.bot_name)} " if said.mention else ""
    for number, person in enumerate(said.people, start=int(said.mention)):
        body = _replace_name(body, person, mark(number, person.name))
    body += "".join(f"<p>{picture.format(number)}</p>" for number in range(len(said.pasted)))
    files = "".join(f'<attachment id="{a["id"]}"></attachment>' for a in said.attachments if "id" in a)
    return f"<div>{prefix}{body}</div>{files}"


def channel_data(world: World, scope: str, place_id: str) -> JsonObject:
    """channelData; a plain channel message does not carry the team's Graph id."""
    tenant = {"tenant": {"id": world.tenant}}
    if scope != "channel":
        return tenant
    team = world.team.thread_id
    return {
        "teamsChannelId": place_id,
        "teamsTeamId": team,
        "channel": {"id": place_id},
        "team": {"id": team},
        **tenant,
    }


def installation(world: World, service_url: str, said: Said, event_id: str, action: str) -> JsonObject:
    """installationUpdate: the app was added to or removed from a team, a chat, or a person's list."""
    data: JsonObject = {"tenant": {"id": world.tenant}, "source": {"name": "message"}}
    entities = [{"type": "clientInfo", "locale": said.person.locale}]
    if said.scope == "channel":
        data |= _team_data(world) | {"settings": {"selectedChannel": {"id": said.place_id}}}
        data["channel"] = {"id": said.place_id}
    frame = _frame(world, service_url, said)
    event = {"type": "installationUpdate", "action": action, "id": event_id, **_times(said.person)}
    return {**event, **frame, "entities": entities, "locale": said.person.locale, "channelData": data}


def bot_membership(world: World, service_url: str, said: Said, event_id: str, action: str) -> JsonObject:
    """conversationUpdate: the bot became a member, or stopped being one."""
    added = action.startswith("add")
    data: JsonObject = {"tenant": {"id": world.tenant}}
    if said.scope == "channel":
        data |= {"eventType": "teamMemberAdded" if added else "teamMemberRemoved", **_team_data(world)}
    event = {"type": "conversationUpdate", "id": event_id, **_times(said.person)}
    members = {"membersAdded" if added else "membersRemoved": [{"id": world.bot_id}]}
    return {**event, **members, **_frame(world, service_url, said), "channelData": data}


def _team_data(world: World) -> JsonObject:
    team = world.team
    return {"team": {"id": team.thread_id, "name": team.name, "aadGroupId": team.aad_group_id}}


def _frame(world: World, service_url: str, said: Said) -> JsonObject:
    """Who, where, to whom."""
    conversation: JsonObject = {"isGroup": True} if said.scope != "personal" else {}
    conversation |= {"conversationType": said.scope, "tenantId": world.tenant, "id": said.conversation_id}
    person = said.person
    return {
        "channelId": "msteams",
        "serviceUrl": service_url,
        "from": {"id": person.teams_id, "name": person.name, "aadObjectId": person.aad_id},
        "conversation": conversation,
        "recipient": {"id": world.bot_id, "name": world.bot_name},
    }


def _times(person: Person) -> JsonObject:
    """Teams writes seven digits after the second."""
    now = datetime.now(UTC)
    try:
        local = now.astimezone(ZoneInfo(person.timezone))
    except ZoneInfoNotFoundError:  # a machine without time zone data
        local = now
    offset = local.strftime("%z")
    return {
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z",
        "localTimestamp": local.strftime("%Y-%m-%dT%H:%M:%S.%f") + f"0{offset[:3]}:{offset[3:]}",
        "localTimezone": person.timezone,
    }


def _client_info(person: Person) -> JsonObject:
    return {
        "type": "clientInfo",
        "locale": person.locale,
        "country": person.country,
        "platform": "Web",
        "timezone": person.timezone,
    }


def _mentioned(world: World, said: Said) -> tuple[str, list[JsonObject]]:
    """The text with its mentions as <at>, and one entity for each."""
    text = said.text
    accounts: list[tuple[str, str]] = []
    if said.mention:
        text = f"<at>{world.bot_name}</at> {text}"
        accounts.append((world.bot_id, world.bot_name))
    for person in said.people:
        text = _replace_name(text, person, f"<at>{html.escape(person.name, quote=False)}</at>")
        accounts.append((person.teams_id, person.name))
    return text, list(_entities(accounts))


def _entities(accounts: Iterable[tuple[str, str]]) -> Iterable[JsonObject]:
    for account_id, name in accounts:
        escaped = html.escape(name, quote=False)
        yield {"type": "mention", "text": f"<at>{escaped}</at>", "mentioned": {"id": account_id, "name": name}}


def _replace_name(text: str, person: Person, mark: str) -> str:
    """Put the mark where @Name or @key stands, or in front when neither does."""
    pattern = f"@(?:{re.escape(person.name)}|{re.escape(person.key)})"
    replaced, count = re.subn(pattern, lambda _: mark, text, count=1, flags=re.IGNORECASE)
    return replaced if count else f"{mark} {text}"


def _at(number: int, name: str) -> str:
    return f'<at id="{number}">{html.escape(name, quote=False)}</at>'


def _span(number: int, name: str) -> str:
    kind = "http://schema.skype.com/Mention"
    return f'<span itemscope="" itemtype="{kind}" itemid="{number}">{html.escape(name, quote=False)}</span>'
