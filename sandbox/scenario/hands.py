"""What the steps of the story share: its people, what earlier steps left, and looking for effects on both sides."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.scenario.stage import NotSeen, Stage, by_bridge, by_users
from sandbox.scenario.words import LINES, Words
from sandbox.wire import JsonObject

CHANNEL = {"scope": "channel", "channel": "it-help", "mention": True}
PERSONAL = {"scope": "personal"}


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: two people of the sandbox's world and an agent, as its configuration describes them."""

    main: JsonObject
    other: JsonObject
    agent: JsonObject


@dataclass(slots=True)
class Played:
    """What a step leaves for later ones: ids, and the message with the card."""

    thread: str = ""
    root: str = ""
    conversation: str = ""
    card: str = ""
    opened: list[str] = field(default_factory=list)


class Hands:
    """One play of the story; `number` tells its words from those of other plays."""

    def __init__(self, stage: Stage, cast: Cast, lang: str, number: str, *, infected: bool) -> None:
        self._stage = stage
        self._cast = cast
        self._lang = lang
        self._number = number
        self._infected = infected
        self._played = Played()
        self._lines: Words = LINES[lang]

    async def end(self) -> None:
        """Resolve what is open still, so that another play begins afresh."""
        for conversation_id in self._played.opened:
            found = await self._stage.in_conversation(conversation_id)
            if found["status"] != "resolved":
                await self._as_agent("resolve", conversation_id)

    def line(self, name: str) -> str:
        """What is written in this play."""
        return self._lines[name].format(number=self._number, mail=self._cast.main["mail"])

    async def _say(self, line: str, **where: object) -> JsonObject:
        """The main person writes; the bridge must have taken it."""
        said = await self._stage.post("teams/messages", user=self._cast.main["key"], text=self.line(line), **where)
        if said["status"] != 200:
            raise NotSeen(f"a bridge that takes the message (it answered {said['status']})")
        return dict(said)

    async def _reply(self, line: str) -> JsonObject:
        """The main person writes in the thread, and the agents have it; names the message."""
        said = await self._say(line, **CHANNEL, thread=self._played.root)
        await self._told(self._played.conversation, "the reply", lambda one: self.line(line) in one["text"])
        return {"conversation_id": said["conversation_id"], "message": said["id"], "user": self._cast.main["key"]}

    async def _opened(self, line: str) -> JsonObject:
        words = self.line(line)
        opened = await self._stage.until(f"“{words}”", lambda: self._stage.conversation(words))
        self._played.opened.append(opened["conversation_id"])
        return opened

    async def _as_agent(self, call: str, conversation_id: str = "", **body: object) -> None:
        where = {"conversation_id": conversation_id or self._played.conversation, "agent": self._cast.agent["key"]}
        await self._stage.post(f"freshchat/{call}", **where, **body)

    async def _press(self, message: str, **what: object) -> None:
        where = {"conversation_id": self._played.thread, "message": message, "user": self._cast.main["key"]}
        await self._stage.post("teams/press", **where, **what)

    async def _position(self, said: JsonObject) -> int:
        """How many messages there are up to this one."""
        ids = [one["id"] for one in await self._stage.in_thread(said["conversation_id"])]
        return ids.index(said["id"]) + 1

    async def _told(
        self, conversation_id: str, what: str, is_it: Callable[[JsonObject], bool], after: int = 0
    ) -> JsonObject:
        """Wait until the agents have a message from Teams that is this."""

        async def look() -> JsonObject | None:
            told = by_users(await self._stage.in_conversation(conversation_id))
            return next((one for one in told[after:] if is_it(one)), None)

        return await self._stage.until(what, look)

    async def _seen(self, what: str, is_it: Callable[[JsonObject], bool], after: int = 0) -> JsonObject:
        """Wait until the thread of the question has a message from the bridge that is this."""
        return await self._seen_in(self._played.thread, what, is_it, after)

    async def _seen_in(self, chat: str, what: str, is_it: Callable[[JsonObject], bool], after: int = 0) -> JsonObject:
        async def look() -> JsonObject | None:
            said = by_bridge((await self._stage.in_thread(chat))[after:])
            return next((one for one in said if is_it(one)), None)

        return await self._stage.until(what, look)


def actions(cards: object) -> list[JsonObject]:
    """All buttons of cards that call the bot."""
    if isinstance(cards, list):
        return [action for one in cards for action in actions(one)]
    if not isinstance(cards, dict):
        return []
    own = [cards] if cards.get("type") in ("Action.Execute", "Action.Submit") else []
    return own + [action for value in cards.values() for action in actions(value)]


def titles(said: JsonObject) -> list[str]:
    """What the buttons of a message's cards say."""
    return [str(action.get("title")) for action in actions(said.get("cards"))]
