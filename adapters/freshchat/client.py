"""One Freshchat account as our helpdesk: users, conversations, messages, and reading back what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp

from adapters.freshchat import portraits, shapes
from adapters.freshchat.rest import COMPONENT, FreshchatRest, messages_path, unclear
from adapters.freshchat.service import ServiceCalls
from adapters.freshchat.uploads import FreshchatUploads
from adapters.http import HostRule
from adapters.pace import Once, Pace
from bridge.errors import Forbidden, Rejected, Unavailable
from bridge.ids import is_reference
from bridge.moments import epoch, iso
from bridge.ports import ConversationClosed, NewConversation, Person, Portrait, ReadBack, Said, Sent

OVERLAP = 60.0
"""Seconds read back before the moment in question: `from_time` may exclude, and clocks differ."""
NAME_SECONDS, NO_NAME_SECONDS = 1800.0, 60.0
MAX_NAMES = 2000
MAX_FOREIGN = 5000
"""Conversations remembered to be of other widgets: an agent's next words there cost no look-up."""
LOOKUP_TIMEOUT = 5.0
AT_ONCE = 8
"""Conversations read at the same time when looking for one that may have been opened."""


class FreshchatHelpdesk(ServiceCalls):
    """Implements `bridge.ports.Helpdesk`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: Callable[[], Awaitable[str]],
        hosts: HostRule,
        *,
        clock: Callable[[], float],
        timeout: float = 20.0,
        pace: Pace | None = None,
    ) -> None:
        """`url` is the account's host, with or without scheme and `/v2`. Misconfigured if `hosts` does not allow it."""
        rest = FreshchatRest(session, url, api_key, hosts, clock=clock, timeout=timeout, pace=pace)
        super().__init__(rest, clock)
        self._names: dict[str, tuple[float, str | None]] = {}
        self._naming: Once[str | None] = Once()
        self._foreign: dict[str, None] = {}
        self._users: Once[str] = Once()
        self.files = FreshchatUploads(self._rest, self._messages_since)

    # --- users

    async def ensure_user(self, person: Person) -> str:
        """Find the user by `reference_id` or create it; return its id. Safe to repeat and to do in parallel."""
        return await self._users.get(person.reference_id, lambda: self._ensure_user(person))

    async def _ensure_user(self, person: Person) -> str:
        found = await self._find_user(person.reference_id)
        if found is not None:
            return found
        try:
            return await self._create_user(person)
        except Rejected as refused:
            if refused.code != "freshchat_409":  # somebody else created it meanwhile
                raise
        found = await self._find_user(person.reference_id)
        if found is None:
            raise Unavailable("409, but the user is not there yet", code="freshchat_409", component=COMPONENT)
        return found

    async def _create_user(self, person: Person) -> str:
        """Create it, rather without its properties than not at all."""
        try:
            return shapes.id_of(await self._rest.post("users", shapes.new_user(person)), "id")
        except Rejected as refused:
            if refused.code != "freshchat_400" or not person.properties:
                raise
        plain = replace(person, properties={})
        return shapes.id_of(await self._rest.post("users", shapes.new_user(plain)), "id")

    async def update_user(self, user_id: str, person: Person) -> bool:
        """Write what differs from what the user has; tell whether anything did."""
        path = f"users/{quote(user_id, safe='')}"
        user = await self._rest.get(path)
        changed = shapes.changed_user(user if isinstance(user, dict) else {}, person)
        if changed:
            await self._rest.put(path, changed)
        return bool(changed)

    async def set_portrait(self, user_id: str, portrait: Portrait) -> None:
        """Show the picture for the user from now on."""
        await portraits.show(self._rest, user_id, portrait)

    async def _find_user(self, reference_id: str) -> str | None:
        """Look a user up; the filter can return rows that do not match, seen on live accounts."""
        answer = await self._rest.get("users", {"reference_id": reference_id, "items_per_page": "50"})
        for user in shapes.rows_of(answer, "users"):
            if user.get("reference_id") == reference_id and isinstance(user.get("id"), str):
                return str(user["id"])
        return None

    # --- sending

    async def open_conversation(self, new: NewConversation) -> Sent:
        """Create a conversation with its first message, as the user."""
        body: dict[str, Any] = {
            "channel_id": new.inbox_id,
            "users": [{"id": new.user_id}],
            "messages": [shapes.new_message(new.text, "user", new.user_id)],
            "status": "new",
            "properties": dict(new.properties),  # an object here, though an array of pairs for users
        }
        if new.group_id:
            body["assigned_group_id"] = new.group_id
        answer = await self._rest.post("conversations", body)
        conversation_id = shapes.id_of(answer, "conversation_id")
        messages = shapes.rows_of(answer, "messages")
        if not messages:
            raise unclear()
        return shapes.sent_of(messages[0], conversation_id)

    async def post_message(self, conversation_id: str, user_id: str, text: str) -> Sent:
        """Append a message as the user. Raises ConversationClosed when a new conversation is needed."""
        body = {**shapes.new_message(text, "user", user_id), "user_id": user_id}
        return shapes.sent_of(await self._rest.append(conversation_id, body), conversation_id)

    async def post_note(self, conversation_id: str, text: str) -> Sent:
        """Append a private note that only agents see, as the account's bot (which has no actor id)."""
        body = {**shapes.new_message(text, "bot", None), "message_type": "private"}
        try:
            return shapes.sent_of(await self._rest.post(messages_path(conversation_id), body), conversation_id)
        except ConversationClosed:
            raise Rejected("400, the conversation takes no notes", code="freshchat_400", component=COMPONENT) from None

    # --- reading back

    async def find_message(self, conversation_id: str, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: the user's messages with exactly this text since then, oldest first."""
        return await self._find(conversation_id, lambda message: shapes.is_from(message, user_id), text, since)

    async def find_note(self, conversation_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: private notes with exactly this text since then, oldest first."""
        return await self._find(conversation_id, lambda message: message.get("message_type") == "private", text, since)

    async def _find(
        self, conversation_id: str, fits: Callable[[dict[str, Any]], bool], text: str, since: float
    ) -> Sequence[Sent]:
        return [
            Sent(id=message["id"], conversation_id=conversation_id)
            for message in await self._messages_since(conversation_id, since)
            if fits(message) and shapes.says(message, text)
        ]

    async def find_conversation(self, user_id: str, text: str, since: float) -> Sequence[Sent]:
        """Read back: conversations of the user opened since then whose first message has this text."""
        rows = shapes.rows_of(await self._rest.get(f"users/{quote(user_id, safe='')}/conversations"), "conversations")
        ids = list(dict.fromkeys(str(row["id"]) for row in rows if isinstance(row.get("id"), str)))
        found: list[tuple[float, Sent]] = []
        for start in range(0, len(ids), AT_ONCE):
            batch = (self._opened(conversation, user_id, text, since) for conversation in ids[start : start + AT_ONCE])
            for one in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(one, BaseException):
                    raise one
                if one is not None:
                    found.append(one)
        return [sent for _, sent in sorted(found, key=lambda pair: pair[0])]

    async def _opened(self, conversation_id: str, user_id: str, text: str, since: float) -> tuple[float, Sent] | None:
        """Tell the first message of a conversation, if it was opened since then with this text."""
        try:
            conversation = await self._rest.get(f"conversations/{quote(conversation_id, safe='')}")
        except Rejected:
            return None  # listed, but not readable: deleted, or of a kind that the API does not show
        created = epoch(conversation.get("created_time")) if isinstance(conversation, dict) else None
        if created is not None and created < since - OVERLAP:
            return None
        said = [m for m in await self._messages_since(conversation_id, since) if m.get("actor_type") == "user"]
        if not said or not shapes.is_from(said[0], user_id) or not shapes.says(said[0], text):
            return None
        return created or since, Sent(id=said[0]["id"], conversation_id=conversation_id)

    async def text_of(self, conversation_id: str, message_id: str, since: float) -> str | None:
        """Read a message that was written since then; None if it is not there."""
        message = await self.message(conversation_id, message_id, since)
        return None if message is None else shapes.text_of(message)

    async def message(self, conversation_id: str, message_id: str, since: float) -> dict[str, Any] | None:
        """Give a message that was written since then as Freshchat lists it; None if it is not there."""
        messages = await self._messages_since(conversation_id, since)
        return next((message for message in messages if message["id"] == message_id), None)

    async def headers_for(self, url: str) -> Mapping[str, str]:
        """Give what reading this address needs: the API key below the API's own path, nothing anywhere else."""
        return await self._rest.headers_for(url)

    async def read_back(self, conversation_id: str, since: float) -> ReadBack:
        """Read what was said in a conversation since then, by whomever, and whether it is resolved."""
        messages = await self._messages_since(conversation_id, since)
        conversation = await self._rest.get(f"conversations/{quote(conversation_id, safe='')}")
        known = conversation if isinstance(conversation, dict) else {}
        return ReadBack(
            said=[Said(shapes.as_webhook(one, conversation_id), shapes.time_of(one) or since) for one in messages],
            status=shapes.status_of(known),
            changed_at=epoch(known.get("updated_time")),
        )

    async def _messages_since(self, conversation_id: str, since: float) -> list[dict[str, Any]]:
        """Read messages since then, oldest first and each once: the list comes newest first and shifts."""
        start = since - OVERLAP
        found: dict[str, dict[str, Any]] = {}
        async for page in self._rest.pages(messages_path(conversation_id), {"from_time": iso(start)}):
            rows = [row for row in shapes.rows_of(page, "messages") if isinstance(row.get("id"), str)]
            new = [row for row in rows if row["id"] not in found]
            found.update((row["id"], row) for row in new)
            if not new or (shapes.time_of(rows[-1]) or start) < start:
                break
        # the list comes newest first: of one millisecond, what was listed last was said first
        fresh = [m for m in reversed(found.values()) if (shapes.time_of(m) or start) >= start]
        return sorted(fresh, key=lambda m: shapes.time_of(m) or start)

    async def is_from_teams(self, conversation_id: str) -> bool:
        """Tell whether a conversation's user is one that `ensure_user` made; True where that cannot be told."""
        if conversation_id in self._foreign:
            return False
        try:
            conversation = await self._rest.get(f"conversations/{quote(conversation_id, safe='')}")
            user = conversation.get("user_id") if isinstance(conversation, dict) else None
            if not isinstance(user, str) or not user:
                return True  # any field but the id may be missing (reference, section 4.2)
            found = await self._rest.get(f"users/{quote(user, safe='')}")
        except Rejected:
            return False  # gone: nobody waits for it
        ours = not isinstance(found, dict) or is_reference(found.get("reference_id"))
        if not ours:
            self._foreign[conversation_id] = None
            while len(self._foreign) > MAX_FOREIGN:
                del self._foreign[next(iter(self._foreign))]
        return ours

    # --- the rest

    async def address_of(self, conversation_id: str) -> str | None:
        """Tell where agents read a conversation (https); None if it is not told."""
        try:
            return shapes.address_of(await self._rest.get(f"conversations/{quote(conversation_id, safe='')}"))
        except Rejected:
            return None

    async def agent_name(self, agent_id: str) -> str | None:
        """Tell an agent's display name (cached); None if it cannot be had. Never raises."""
        known = self._names.get(agent_id)
        if known is not None and known[0] > self._clock():
            return known[1]
        return await self._naming.get(agent_id, lambda: self._look_up(agent_id)) if agent_id else None

    async def _look_up(self, agent_id: str) -> str | None:
        try:
            agent = await self._rest.get(f"agents/{quote(agent_id, safe='')}", timeout=LOOKUP_TIMEOUT)
            name = shapes.full_name(agent) if isinstance(agent, dict) else None
        except Exception:  # a name is never worth a failed delivery; the next look-up is a minute away
            name = None
        self._names.pop(agent_id, None)
        while len(self._names) >= MAX_NAMES:
            del self._names[next(iter(self._names))]
        self._names[agent_id] = (self._clock() + (NAME_SECONDS if name else NO_NAME_SECONDS), name)
        return name

    async def inboxes(self) -> Mapping[str, bool]:
        """List the account's inboxes (channel ids), each with whether it is enabled; a disabled one takes nothing."""
        return {row["id"]: row.get("enabled") is not False for row in await self._all("channels")}

    async def conversation_fields(self) -> Mapping[str, frozenset[str] | None] | None:
        """Tell the properties that a conversation may have, each with the only values it takes (None: any text).

        None if it cannot be told. Never raises.
        """
        try:
            fields = await self._rest.get("conversations/fields", timeout=LOOKUP_TIMEOUT)
        except Exception:  # a list of fields is never worth a failed delivery
            return None
        rows = shapes.rows_of({"fields": fields}, "fields")  # a bare list here
        return {row["name"]: shapes.values_of(row) for row in rows if isinstance(row.get("name"), str)} or None

    async def groups(self) -> frozenset[str]:
        """List the ids of the account's agent groups."""
        return frozenset(row["id"] for row in await self._all("groups"))

    async def _all(self, name: str) -> list[dict[str, Any]]:
        """Read a list to its end: the last page by its own count, or the first that brings nothing new."""
        found: dict[str, dict[str, Any]] = {}
        async for page in self._rest.pages(name, {}):
            new = {row["id"]: row for row in shapes.rows_of(page, name) if isinstance(row.get("id"), str)}
            if not new.keys() - found.keys():
                break
            found |= new
            paging = page.get("pagination")
            if isinstance(paging, dict) and paging.get("current_page") == paging.get("total_pages"):
                break
        return list(found.values())

    async def ping(self) -> None:
        """Raise if the account cannot be used now: unreachable, token refused, or a host that is not the API."""
        answer = await self._rest.get("accounts/configuration", timeout=LOOKUP_TIMEOUT)
        if not isinstance(answer, dict):
            raise Forbidden(
                "no account configuration: is it the wrong host?", code="freshchat_wrong_host", component=COMPONENT
            )
