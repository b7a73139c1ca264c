"""Draws a few things of an archive by chance, and compares them with what their APIs give now."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from archive import layout
from archive.ledger import Ledger
from archive.message_text import body_text, message_text
from archive.page import Page
from archive.reading import Archive, id_of_conversation
from archive.reread import THREADS, given_up, reread
from archive.run import Upstreams
from archive.state import State
from bridge import exact_json

Result = Literal["same", "changed", "deleted", "different", "gone", "unread"]
"""`changed`: after the export, and all that was archived is still there. `deleted`: a ticket that was deleted or spam
when it was archived; such a one can be listed and not read. `unread`: the account does not let us."""

FINE: tuple[Result, ...] = ("same", "changed", "deleted")
Row = TypeVar("Row")
_SIGNED = re.compile(r"""(https?://[^\s"'<>?]+)\?[^\s"'<>]*""")
MOST = 50
"""Differences of one thing that are named."""


@dataclass(slots=True)
class Whole:
    """A conversation with its messages, or a ticket with its conversations."""

    value: Mapping[str, Any]
    parts: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn. `group` is the list that it was drawn from."""

    group: Literal["conversations", "unlinked", "tickets"]
    kind: Literal["conversation", "ticket"]
    id: str


@dataclass(slots=True)
class Compared:
    """One of them beside its source. `differences` are paths into the JSON, without what stands there."""

    drawn: Drawn
    result: Result
    archived: Whole
    now: Whole | None = None
    differences: list[str] = field(default_factory=list)
    reason: str = ""


def draw(archive: Archive, ledger: Ledger, number: int, seed: int) -> list[Drawn]:
    """Draw so many of each list; the same seed draws the same of the same archive. Raises like `Archive.elements`."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    for link in archive.elements(layout.LINKS):
        ledger.add("linked", str(link.value.get("conversation_id")))
    chats = [id_of_conversation(row.value) for row in _some(archive.elements(layout.CONVERSATIONS), number, chance)]
    alone = (row for row in archive.elements(layout.CONVERSATIONS) if not _is_linked(ledger, row.value))
    unlinked = [id_of_conversation(row.value) for row in _some(alone, number, chance)]
    tickets = [str(row.value.get("id")) for row in _some(archive.elements(layout.TICKETS), number, chance)]
    return [
        *(Drawn("conversations", "conversation", key) for key in chats),
        *(Drawn("unlinked", "conversation", key) for key in unlinked if key not in chats),
        *(Drawn("tickets", "ticket", key) for key in tickets),
    ]


def _is_linked(ledger: Ledger, conversation: Mapping[str, Any]) -> bool:
    return ledger.has("linked", id_of_conversation(conversation))


def _some(rows: Iterable[Row], number: int, chance: random.Random) -> list[Row]:
    """Choose so many of a list whose length nobody knows, each with the same chance, in one pass."""
    chosen: list[Row] = []
    for place, row in enumerate(rows):
        if place < number:
            chosen.append(row)
        elif (instead := chance.randrange(place + 1)) < number:
            chosen[instead] = row
    return chosen


def archived(archive: Archive, drawn: list[Drawn]) -> dict[Drawn, Whole]:
    """Read what was drawn from the archive, in two passes through its lists."""
    found: dict[Drawn, Whole] = {}
    for kind, path in (("conversation", layout.CONVERSATIONS), ("ticket", layout.TICKETS)):
        wanted = {one.id: one for one in drawn if one.kind == kind}
        for row in archive.elements(path):
            key = id_of_conversation(row.value) if kind == "conversation" else str(row.value.get("id"))
            if one := wanted.get(key):
                parts = archive.messages(key) if kind == "conversation" else archive.replies(key)
                found[one] = Whole(exact_json.loads(row.raw), [exact_json.loads(part.raw) for part in parts])
    return found


async def read_again(drawn: list[Drawn], upstreams: Upstreams, state: State) -> None:
    """Read what was drawn from its accounts into the state. Raises like `reread`."""

    def begin(page: Page) -> None:
        for one in drawn:
            if one.kind == "conversation":
                page.task("freshchat.conversations", one.id)
            else:
                page.task("freshdesk.ticket", f"{one.id}@")

    await reread(state, upstreams, THREADS, begin)


_KINDS = {"conversation": ("freshchat.conversations", "freshchat.messages", "freshchat.conversations")}
_KINDS["ticket"] = ("freshdesk.tickets", "freshdesk.conversations", "freshdesk.ticket")


def beside(one: Drawn, kept: Whole, state: State) -> Compared:
    """Put what was archived beside what was read again.

    Some conversations cannot be read and their messages can: of those the archive has nothing but the id.
    """
    whole, part, what = _KINDS[one.kind]
    body = state.value("SELECT body FROM item WHERE kind = ? AND id = ?", whole, one.id)
    alone = body is not None and len(kept.value) == 1
    if reason := "" if alone else given_up(state, what, one.id) or ("" if body else "not asked for"):
        hidden = kept.value.get("deleted") is True or kept.value.get("spam") is True
        result: Result = ("deleted" if hidden else "gone") if reason == "gone" else "unread"
        return Compared(one, result, kept, reason=reason)
    parts = state.rows("SELECT body FROM part WHERE kind = ? AND parent = ?", part, one.id)
    return compare(one, kept, Whole(exact_json.loads(body), [exact_json.loads(found) for (found,) in parts]))


def compare(drawn: Drawn, kept: Whole, now: Whole) -> Compared:
    """Compare what was archived with what there is now."""
    differences = [*_differ("", kept.value, now.value), *_part_differences(kept, now)][:MOST]
    if not differences:
        return Compared(drawn, "same", kept, now)
    lost = {str(part.get("id")) for part in kept.parts} - {str(part.get("id")) for part in now.parts}
    changed = not lost and _changed_at(now.value) > _changed_at(kept.value)
    return Compared(drawn, "changed" if changed else "different", kept, now, differences)


def _changed_at(value: Mapping[str, Any]) -> str:
    return str(value.get("updated_time") or value.get("updated_at") or "")


def _part_differences(kept: Whole, now: Whole) -> Iterator[str]:
    before = {str(part.get("id")): part for part in kept.parts}
    after = {str(part.get("id")): part for part in now.parts}
    for key in before.keys() - after.keys():
        yield f"{key}: only in the archive"
    for key in after.keys() - before.keys():
        yield f"{key}: only in the source"
    for key in before.keys() & after.keys():
        yield from (f"{key}{path}" for path in _differ("", before[key], after[key]))


def _differ(path: str, kept: Any, now: Any) -> Iterator[str]:
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in [*kept, *(key for key in now if key not in kept)]:
            yield from _differ(f"{path}.{key}", kept.get(key, _NOTHING), now.get(key, _NOTHING))
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for place, (old, new) in enumerate(zip(kept, now, strict=True)):
            yield from _differ(f"{path}[{place}]", old, new)
    elif type(kept) is not type(now) or _unsigned(kept) != _unsigned(now):
        yield path


_NOTHING = object()


def _unsigned(value: Any) -> Any:
    """Leave out what signs addresses, also those of pictures in a text: it is another one at each reading."""
    return _SIGNED.sub(r"\1", value) if isinstance(value, str) else value


def facts(whole: Whole) -> dict[str, str]:
    """Give what a person compares."""
    parts = sorted(whole.parts, key=_place)
    value = whole.value
    return {
        "subject": str(value.get("subject") or ""),
        "status": str(value.get("status", "")),
        "created": str(value.get("created_time") or value.get("created_at") or ""),
        "changed": _changed_at(value),
        "messages": str(len(parts)),
        "first": _said(parts[0]) if parts else "",
        "last": _said(parts[-1]) if parts else "",
    }


def _place(part: Mapping[str, Any]) -> tuple[str, str]:
    return str(part.get("created_time") or part.get("created_at")), str(part.get("id"))


def _said(part: Mapping[str, Any]) -> str:
    text = body_text(part, "body") if "body" in part else message_text(part)
    return " ".join(text.split())[:200]
