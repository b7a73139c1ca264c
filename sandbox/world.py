"""The people, places and inboxes that exist before anything happens."""

import base64
import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

DEFAULT_TENANT = "3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11"
APP_ID = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10"
APP_PASSWORD = "sandbox-secret"  # noqa: S105  a published constant of the sandbox


@dataclass(frozen=True, slots=True)
class Person:
    """A Teams user: the Entra side and the pairwise id that this bot sees."""

    key: str
    name: str
    given_name: str
    surname: str
    aad_id: str
    teams_id: str
    upn: str
    mail: str
    department: str
    job_title: str
    locale: str
    country: str
    timezone: str
    personal_chat: str

    def names(self) -> tuple[str, ...]:
        full_name = f"{self.given_name} {self.surname}"
        return (self.key, self.aad_id, self.teams_id, self.upn, self.mail, self.name, full_name, self.given_name)


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of the team or a group chat; `members` are keys of people, nobody named means everybody."""

    key: str
    name: str
    id: str
    members: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        return (self.key, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Team:
    """The one team; its thread id is the id of its General channel, which is useless for Graph."""

    name: str
    aad_group_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A Freshchat agent."""

    key: str
    id: str
    name: str
    first_name: str
    last_name: str
    email: str
    org_id: str

    def names(self) -> tuple[str, ...]:
        return (self.key, self.id, self.email, self.name)


@dataclass(frozen=True, slots=True)
class Inbox:
    """A Freshchat channel ("topic"); messages into a disabled one are refused."""

    key: str
    id: str
    name: str
    enabled: bool
    internal_id: str

    def names(self) -> tuple[str, ...]:
        return (self.key, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """A Freshchat agent group."""

    id: str
    name: str


@dataclass(frozen=True)
class World:
    """Everything that a reset keeps."""

    tenant: str
    team: Team
    channels: tuple[Place, ...]
    group_chats: tuple[Place, ...]
    users: tuple[Person, ...]
    service_account: Person
    agents: tuple[Agent, ...]
    inboxes: tuple[Inbox, ...]
    groups: tuple[Group, ...]
    graph_client_id: str
    account_id: str
    freshchat_app_id: str
    api_key: str
    webhook_token: str
    app_id: str = APP_ID
    app_password: str = APP_PASSWORD
    bot_name: str = "Desk"
    people_by_id: dict[str, Person] = field(default_factory=dict)

    @property
    def bot_id(self) -> str:
        """The bot as an account in a conversation."""
        return f"28:{self.app_id}"

    def everyone(self) -> tuple[Person, ...]:
        """The users and the service account."""
        return (*self.users, self.service_account)

    def members(self, chat_id: str) -> tuple[Person, ...]:
        """The people in a group chat."""
        named = next((chat.members for chat in self.group_chats if chat.id == chat_id), ())
        return tuple(user for user in self.users if not named or user.key in named)


class Named(Protocol):
    """Whatever can be asked for by one of several names."""

    def names(self) -> tuple[str, ...]: ...


NamedT = TypeVar("NamedT", bound=Named)


def find(things: Iterable[NamedT], name: object) -> NamedT | None:
    """The thing that answers to this key, id, mail or name; case and punctuation do not matter."""
    wanted = _plain(str(name))
    if not wanted:
        return None
    return next((thing for thing in things if any(_plain(own) == wanted for own in thing.names())), None)


def _plain(name: str) -> str:
    return re.sub(r"[^\w]", "", name).replace("_", "").lower()


def build_world(tenant: str = DEFAULT_TENANT, seed: str | None = None, crowd: bool = False) -> World:
    """The seed world; ids are the same for the same seed, and there is one well-known world without a seed.

    A crowd is three more people and a second group chat, which all five are in.
    """
    make = _IdMaker(seed or "desk")
    general = Place("general", "General", f"19:{make.token('general', 32)}@thread.tacv2")
    it_help = Place("it-help", "IT help", f"19:{make.token('it-help', 32)}@thread.tacv2")
    chats = [Place("facilities-chat", "Ada, Min-jun and Desk", f"19:{make.token('chat', 32)}@thread.v2")]
    service = _person(
        make, "service", ("Support Desk", "Support", "Desk"), ("Service Desk", "Service account"), "en-US"
    )
    users = [
        _person(make, "ada", ("Ada Fenn", "Ada", "Fenn"), ("Facilities", "Office manager"), "en-US"),
        _person(make, "minjun", ("Min-jun Kim (김민준)", "Min-jun", "Kim"), ("경영지원팀", "시설 담당"), "ko-KR"),
    ]
    if crowd:
        chats = [replace(chats[0], members=tuple(user.key for user in users)), _everybodys_chat(make)]
        users += _crowd(make)
    return World(
        tenant=tenant,
        team=Team("Facilities", make.uuid("team"), general.id),
        channels=(general, it_help),
        group_chats=tuple(chats),
        users=tuple(users),
        service_account=service,
        agents=(_agent(make, "grace", "Grace", "Park", 1), _agent(make, "tom", "Tom", "Weber", 2)),
        inboxes=(
            Inbox("teams-support", make.uuid("inbox-1"), "Teams support", True, "3000001"),
            Inbox("it-help", make.uuid("inbox-2"), "IT help", True, "3000002"),
            Inbox("old-widget", make.uuid("inbox-3"), "Old widget", False, "3000003"),
        ),
        groups=(Group(make.uuid("group-1"), "First line"), Group(make.uuid("group-2"), "IT specialists")),
        graph_client_id=make.uuid("graph-client"),
        account_id=make.uuid("account"),
        freshchat_app_id=make.uuid("freshchat-app"),
        api_key=make.api_key("api-key"),
        webhook_token=make.token("webhook-token", 40),
        people_by_id=_by_id((*users, service)),
    )


def _everybodys_chat(make: "_IdMaker") -> Place:
    return Place("everybody", "Everybody and Desk", f"19:{make.token('chat-2', 32)}@thread.v2")


def _crowd(make: "_IdMaker") -> list[Person]:
    return [
        _person(make, "lena", ("Lena Ortiz", "Lena", "Ortiz"), ("Finance", "Accountant"), "en-US"),
        _person(make, "seoyeon", ("Seo-yeon Park (박서연)", "Seo-yeon", "Park"), ("영업팀", "팀장"), "ko-KR"),
        _person(make, "samir", ("Samir Haddad", "Samir", "Haddad"), ("Production", "Shift lead"), "en-US"),
    ]


class _IdMaker:
    """Ids that follow from a seed and a label."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def uuid(self, label: str) -> str:
        return str(uuid.UUID(bytes=self._digest(label)[:16], version=4))

    def token(self, label: str, digits: int) -> str:
        return self._digest(label).hex()[:digits]

    def pairwise(self, label: str) -> str:
        return "1" + base64.urlsafe_b64encode(self._digest(label) + self._digest(label + "+")).decode().rstrip("=")

    def api_key(self, label: str) -> str:
        """Three dotted parts like the JWT that a real account's API settings show."""
        parts = (base64.urlsafe_b64encode(self._digest(f"{label}{n}") * 3).decode().rstrip("=") for n in range(3))
        return "sandbox." + ".".join(parts)

    def _digest(self, label: str) -> bytes:
        return hashlib.sha256(f"{self._seed}/{label}".encode()).digest()


def _person(make: _IdMaker, key: str, names: tuple[str, str, str], job: tuple[str, str], locale: str) -> Person:
    name, given, surname = names
    mailbox = f"{given}.{surname}".lower() + "@fenn.example"
    country = locale.partition("-")[2]
    return Person(
        key=key,
        name=name,
        given_name=given,
        surname=surname,
        aad_id=make.uuid(f"aad-{key}"),
        teams_id=f"29:{make.pairwise(f'user-{key}')}",
        upn=mailbox,
        mail=mailbox,
        department=job[0],
        job_title=job[1],
        locale=locale,
        country=country,
        timezone={"KR": "Asia/Seoul"}.get(country, "America/New_York"),
        personal_chat=f"a:{make.pairwise(f'chat-{key}')}",
    )


def _agent(make: _IdMaker, key: str, first: str, last: str, number: int) -> Agent:
    return Agent(
        key=key,
        id=make.uuid(f"agent-{key}"),
        name=f"{first} {last}",
        first_name=first,
        last_name=last,
        email=f"{first}.{last}@desk.example".lower(),
        org_id=str(2_000_000_000_000_000_000 + number),
    )


def _by_id(people: Iterable[Person]) -> dict[str, Person]:
    """Every spelling the connector and Graph accept for a person: Entra id, pairwise id, UPN, mail."""
    return {
        name.lower(): person for person in people for name in (person.aad_id, person.teams_id, person.upn, person.mail)
    }
