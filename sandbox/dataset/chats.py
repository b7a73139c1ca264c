"""The Freshchat side of a data set, as the played API asks for it."""

from collections.abc import Iterator, Sequence

from sandbox.dataset.conversations import Conversations
from sandbox.dataset.messages import Messages
from sandbox.dataset.plan import LONGEST_MS, Plan
from sandbox.dataset.users import Users
from sandbox.freshchat.archive_data import Spoken
from sandbox.lazy import Lazy
from sandbox.wire import JsonObject


class Chats:
    """`ChatData` by arithmetic."""

    def __init__(self, plan: Plan, users: Users, conversations: Conversations, messages: Messages) -> None:
        self._plan = plan
        self._users = users
        self._conversations = conversations
        self._messages = messages

    def users(self, low: str | None, high: str | None, updated: bool) -> Sequence[JsonObject]:
        return self._users.between(low, high, updated)

    def user(self, user_id: str) -> JsonObject | None:
        number = self._users.number(user_id)
        return None if number is None else self._users.user(number)

    def conversations_of(self, user_id: str) -> list[str] | None:
        number = self._users.number(user_id)
        if number is None or self._plan.role(number) == "vanishing":
            return None
        return [self._conversations.id(c) for c in self._conversations.of_user(number)]

    def conversation(self, conversation_id: str) -> JsonObject | None:
        number = self._readable(conversation_id)
        return None if number is None else self._conversations.record(number)

    def messages(self, conversation_id: str) -> Sequence[JsonObject] | None:
        number = self._readable(conversation_id)
        if number is None:
            return None
        count = self._plan.messages(number)
        return Lazy(count, lambda i: self._messages.message(number, count - 1 - i))

    def conversations(self) -> Sequence[JsonObject]:
        listed = self._conversations.listed
        return Lazy(len(listed), lambda i: self._conversations.record(listed[i]))

    def created(self, start_ms: int, end_ms: int) -> Iterator[JsonObject]:
        return (self._conversations.record(c) for c in self._reported(start_ms, end_ms))

    def spoken(self, start_ms: int, end_ms: int) -> Iterator[Spoken]:
        for conversation in self._reported(start_ms - LONGEST_MS, end_ms):
            said = [
                message
                for message in range(self._plan.messages(conversation))
                if start_ms <= self._plan.said_ms(conversation, message) <= end_ms
            ]
            if said:
                record = self._conversations.record(conversation)
                yield from (Spoken(record, self._messages.message(conversation, message)) for message in said)

    def rated(self, start_ms: int, end_ms: int) -> Iterator[tuple[JsonObject, JsonObject]]:
        for conversation in self._reported(start_ms, end_ms):
            rating = self._conversations.rating(conversation)
            if rating is not None:
                yield self._conversations.record(conversation), rating

    def _reported(self, start_ms: int, end_ms: int) -> Iterator[int]:
        between = self._plan.conversations_between(start_ms, end_ms)
        return (c for c in between if self._conversations.in_reports(c))

    def _readable(self, conversation_id: str) -> int | None:
        number = self._conversations.number(conversation_id)
        return None if number is None or self._conversations.gone(number) else number
