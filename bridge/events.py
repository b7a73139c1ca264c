"""The canonical message event, and what came with it.

`Event` is what both translators produce and both deliveries consume. `to_json` is its published form; `validate`
checks that against `schema/event.schema.json` (JSON Schema draft-07) on every event that leaves translation.
`place` and `sender` hold what a delivery needs on the platform itself (ids that are personal data), `panel` what can be
pressed, `files` where the source platform keeps the files, `whole` whether the text says everything, `trace` the id
under which it is logged; they are deliberately not part of the published form, nor is what is known of versions:
`changed_at` is when an edit or a deletion was made (empty if not told), `restored` marks who takes a deletion back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import fastjsonschema

from bridge.errors import Rejected
from bridge.ids import Scope
from bridge.panels import Panel

SCHEMA_VERSION = "1.0"

Kind = Literal["create", "edit", "delete", "reaction", "status", "install"]
Status = Literal["assigned", "resolved", "reopened"]


@dataclass(frozen=True, slots=True)
class Mention:
    """A person named in the text: `display` as written, `id` as the source platform knows them."""

    display: str
    id: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in our object store, reachable for a short time at `signed_url`."""

    type: Literal["image", "file"]
    name: str
    signed_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A file of a message, where its platform keeps it; never logged. `way` says how `url` is read.

    `link`: without a token. `connector`: with the bot's. `graph`: an address of Graph, or (empty) all that only Graph
    shows. `page` is where a person who may see it finds it. Of an agent's message, `number` says which of its files it
    is, and `span` where the event's text (of a panel: its words) names it; its `url` may be empty as yet.
    """

    way: Literal["link", "connector", "graph"]
    url: str
    name: str = ""
    page: str = ""
    number: int = 0
    span: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in Teams it happened. `service_url` and `conversation_id` are the connector's, as last received."""

    scope: Scope
    conversation_id: str
    service_url: str
    team_id: str | None = None
    team_group_id: str | None = None
    channel_id: str | None = None
    root_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote it, as the source platform knows them. Personal data: never logged, never in the event's JSON."""

    kind: Literal["user", "agent", "bot", "system"]
    id: str
    name: str | None = None
    aad_object_id: str | None = None
    locale: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a delivery knows of the other versions of a message. Not part of the published form.

    `number` and `original` are for the words of a follow-up: which edit it is, and how it names what it changes.
    `earlier` are texts that earlier tries may have sent instead; `withdrawn`: nothing is to be sent that was not.
    """

    number: int = 0
    original: str = ""
    earlier: tuple[str, ...] = ()
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened on one platform and that the other one may have to hear of."""

    idempotency_key: str
    tenant_id: str
    direction: Literal["inbound", "outbound"]
    kind: Kind
    timestamp: str
    sender: Sender
    text: str = ""
    message_id: str = ""
    thread_key: str | None = None
    conversation_id: str | None = None
    inbox_id: str | None = None
    user_hash: str | None = None
    place: Place | None = None
    status: Status | None = None
    names_bot: bool = False
    mentions: tuple[Mention, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    files: tuple[SharedFile, ...] = ()
    tags: tuple[str, ...] = ()
    custom_attributes: Mapping[str, str] = field(default_factory=dict)
    panel: Panel | None = None
    whole: bool = True
    trace: str = ""
    changed_at: str = ""
    restored: bool = False
    revision: Revision | None = None

    @property
    def source(self) -> Literal["teams", "freshchat"]:
        """The platform it comes from."""
        return "teams" if self.direction == "inbound" else "freshchat"

    def to_json(self) -> dict[str, Any]:
        """Give the published form, without empty optional fields."""
        place = self.place
        context = {
            "teamId": place and (place.team_group_id or place.team_id),
            "channelId": place and place.channel_id,
            "threadId": place and place.root_id,
            "conversationId": self.conversation_id,
            "user": _filled({"aadUserIdHash": self.user_hash}),
        }
        event: dict[str, Any] = {
            "version": SCHEMA_VERSION,
            "idempotencyKey": self.idempotency_key,
            "tenantId": self.tenant_id,
            "direction": self.direction,
            "source": self.source,
            "kind": self.kind,
            "context": _filled(context),
            "content": {
                "text": self.text,
                "mentions": [{"type": "user", "display": m.display, "id": m.id} for m in self.mentions],
                "attachments": [{"type": a.type, "name": a.name, "signedUrl": a.signed_url} for a in self.attachments],
            },
            "routing": {"tags": list(self.tags), "customAttributes": dict(self.custom_attributes)},
            "timestamp": self.timestamp,
        }
        return event | ({"status": self.status} if self.status else {})


@dataclass(frozen=True, slots=True)
class Ignored:
    """A proper outcome: nothing has to be carried, because of `reason` (a stable word that is counted)."""

    reason: str


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def schema() -> dict[str, Any]:
    """Read the published JSON Schema of the event."""
    text = (files("bridge") / "schema" / "event.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def _validator() -> Callable[[dict[str, Any]], Any]:
    compiled: Callable[[dict[str, Any]], Any] = fastjsonschema.compile(schema())
    return compiled


def validate(event: Event) -> Event:
    """Return the event if its JSON keeps the schema, else raise Rejected with the path that does not."""
    try:
        _validator()(event.to_json())
    except fastjsonschema.JsonSchemaValueException as error:
        raise Rejected(
            f"event does not keep its schema at {'.'.join(str(p) for p in error.path)} ({error.rule})",
            code="bad_event",
            component="translate",
        ) from None
    return event
