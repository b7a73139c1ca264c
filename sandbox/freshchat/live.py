"""The conversations of the running sandbox, as reports and lists tell them."""

from collections.abc import Iterator, Sequence

from sandbox.freshchat.archive_data import Spoken
from sandbox.freshchat.state import Conversation, FreshchatState
from sandbox.wire import JsonObject, parse_iso


class LiveChats:
    """`ChatList` of what people and the bridge have written.

    Reports are written in other threads, so it works on copies of lists.
    """

    def __init__(self, state: FreshchatState) -> None:
        self._state = state

    def conversations(self) -> Sequence[JsonObject]:
        return [conversation.record for conversation in self._state.conversations.values()]

    def created(self, start_ms: int, end_ms: int) -> Iterator[JsonObject]:
        return (conversation.record for conversation in self._between(start_ms, end_ms))

    def spoken(self, start_ms: int, end_ms: int) -> Iterator[Spoken]:
        for conversation in list(self._state.conversations.values()):
            for message in list(conversation.messages):
                if start_ms <= _ms(message["created_time"]) <= end_ms:
                    yield Spoken(conversation.record, message)

    def rated(self, start_ms: int, end_ms: int) -> Iterator[tuple[JsonObject, JsonObject]]:
        for conversation in self._between(start_ms, end_ms):
            if conversation.csat is not None:
                yield conversation.record, conversation.csat

    def _between(self, start_ms: int, end_ms: int) -> list[Conversation]:
        everything = list(self._state.conversations.values())
        return [c for c in everything if start_ms <= _ms(c.record["created_time"]) <= end_ms]


def _ms(time: str) -> float:
    return (parse_iso(time) or 0.0) * 1000
