"""Reading that the app was added to a team, a chat or a person's list, or removed: raw activity in, event out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from bots import activity
from bots.activity import BadActivity, Keys
from bots.raw import Raw, list_at, text_at
from bridge import ids
from bridge.errors import Rejected
from bridge.events import Event, Ignored, Place, Sender, validate
from bridge.ids import TeamsKey

Change = Literal["added", "removed"]

_ACTIONS: Mapping[str, Change] = {"add": "added", "remove": "removed"}
"""Of an installationUpdate. `add-upgrade` and `remove-upgrade` change nothing for those who are there."""


def change_of(raw: Raw) -> Change | None:
    """Tell what happened to the app; None for other members, renamed channels, upgrades and whatever may come.

    Teams tells it twice: as an installationUpdate, and as a conversationUpdate with the bot as a member.
    """
    if text_at(raw, "type") == "installationUpdate":
        return _ACTIONS.get(text_at(raw, "action") or "")
    bot = text_at(raw, "recipient", "id")
    for name, change in (("membersAdded", "added"), ("membersRemoved", "removed")):
        if bot and any(text_at(member, "id") == bot for member in list_at(raw, name)):
            return "added" if change == "added" else "removed"
    return None


def read_install_keys(raw: Raw) -> Keys | None:
    """Make the keys of an installation; None if it is none, or lacks what they are made of: nobody waits for it."""
    if change_of(raw) is None:
        return None
    try:
        return _read(raw)[0]
    except BadActivity:
        return None


def to_install(raw: Raw) -> Event:
    """Translate an installation. Raises BadActivity when it lacks what its keys are made of."""
    keys, place, sender = _read(raw)
    locales = (text_at(one, "locale") for one in list_at(raw, "entities") if text_at(one, "type") == "clientInfo")
    locale = sender.locale or next(filter(None, locales), None)
    return validate(
        Event(
            idempotency_key=keys.idempotency,
            tenant_id=keys.tenant,
            direction="inbound",
            kind="install",
            timestamp=activity.time_of(raw),
            sender=replace(sender, locale=locale),
            message_id=text_at(raw, "id") or "",
            thread_key=keys.session,
            user_hash=ids.aad_hash(sender.aad_object_id or sender.id),
            place=place,
            custom_attributes={"install": change_of(raw) or ""},
        )
    )


def _read(raw: Raw) -> tuple[Keys, Place, Sender]:
    place, sender, message = activity.place_of(raw), activity.person_of(raw), text_at(raw, "id")
    tenant = activity.tenant_of(raw)
    if tenant is None or not message:
        raise BadActivity("tenant or id is missing")
    base = ids.split_conversation(place.conversation_id)[0]
    place = replace(place, conversation_id=base, root_id=None)  # a whole channel, none of its threads
    key = TeamsKey(place.team_id, base, None, message, "install")
    session = ids.thread_key(activity.thread_of(tenant, place, sender))
    return Keys(tenant, ids.teams_key(key), session, "install"), place, sender


def to_event(raw: Raw, bot_app_id: str) -> Event | Ignored:
    """Translate whatever the door has stored. Raises Rejected(`not_understood`) when it cannot be understood."""
    if change_of(raw) is None:
        return activity.to_event(raw, bot_app_id)
    try:
        return to_install(raw)
    except BadActivity as error:
        raise Rejected(str(error), code="not_understood", component="teams") from None
