"""The steps of the story: each does something on one side and looks at what comes of it on the other."""

import json
from collections.abc import Awaitable, Callable

from sandbox.scenario import samples
from sandbox.scenario.hands import CHANNEL, PERSONAL, Hands, actions, titles
from sandbox.scenario.stage import NotSeen, by_users, files_in
from sandbox.scenario.words import LINES
from sandbox.wire import JsonObject

STARS = "★★★★★"


class Story(Hands):
    """The steps, in their order."""

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """All steps in order, by name."""
        return (
            ("welcome", self.welcome),
            ("ask", self.ask),
            ("who", self.who),
            ("assign", self.assign),
            ("answer", self.answer),
            ("picture", self.picture),
            ("note", self.note),
            ("choose", self.choose),
            ("react", self.react),
            ("edit", self.edit),
            ("delete", self.delete),
            ("infected", self.infected),
            ("status", self.status),
            ("resolve", self.resolve),
            ("rate", self.rate),
            ("again", self.again),
            ("other", self.other),
            ("private", self.private),
        )

    async def welcome(self) -> None:
        """The app is removed and added again, because it greets each place once."""
        place = {"scope": "groupChat", "user": self._cast.main["key"]}
        chat = (await self._stage.get("config"))["group_chats"][0]["id"]
        await self._stage.post("teams/install", **place, action="remove")
        before = len(await self._stage.in_thread(chat))
        await self._stage.post("teams/install", **place, action="add")
        await self._seen_in(chat, "a greeting", lambda said: said["card"], before)

    async def ask(self) -> None:
        """A question in a channel, with a picture."""
        picture = samples.screenshot()
        files = [samples.as_file("screenshot.png", "image/png", picture)]
        said = await self._say("question", **CHANNEL, files=files)
        self._played.thread, self._played.root = said["conversation_id"], said["thread"]
        opened = await self._opened("question")
        self._played.conversation = opened["conversation_id"]
        sent = await self._told(opened["conversation_id"], "the picture", lambda one: bool(files_in(one)))
        if await self._stage.bytes_of(files_in(sent)[0][1]["url"]) != picture:
            raise NotSeen("the picture as it was sent")

    async def who(self) -> None:
        """What the agents see of the person and the place."""
        main = self._cast.main

        async def known() -> bool:
            found = await self._stage.in_conversation(self._played.conversation)
            own = {one["name"]: one["value"] for one in found["user"]["properties"]}
            told = {"cf_sentiment", "cf_teams_link"} <= set(found["properties"])
            person = (found["user"]["email"], own.get("title"))
            return bool(told and person == (main["mail"], main["job_title"]))

        await self._stage.until("mail, title, mood and link", known)

    async def assign(self) -> None:
        """The conversation gets an agent."""
        before = len(await self._stage.in_thread(self._played.thread))
        await self._as_agent("assign")
        await self._seen("who takes care", lambda said: self._cast.agent["name"] in said["text"], before)

    async def answer(self) -> None:
        """Bold words, a list, code and a mention."""
        await self._as_agent("reply", text=self.line("answer"))
        marks = ("<strong>", "<code>", "<at id")
        await self._seen("the formatted answer", lambda said: all(mark in said["html"] for mark in marks))

    async def picture(self) -> None:
        """Words and a picture."""
        files = [samples.as_file("panel.png", "image/png", samples.panel())]
        await self._as_agent("reply", text=self.line("picture"), files=files)
        await self._seen("the words", lambda said: self.line("picture") in said["text"])
        await self._seen("the picture", _has_picture)

    async def note(self) -> None:
        """Something that only agents may read; `private` looks for it once more."""
        await self._as_agent("reply", text=self.line("note"), type="private")

        async def sent() -> bool:
            return bool((await self._stage.get("webhooks"))["pending"] == 0)

        await self._stage.until("the webhook of the note", sent)
        await self.private()

    async def choose(self) -> None:
        """A card with two buttons; the second press of one has no effect."""
        offers = [{"quick_reply_button": {"label": self.line(name)}} for name in ("yes", "no")]
        replies = [{"collection": {"sub_parts": offers}}]
        await self._as_agent("reply", text=self.line("offer"), reply_parts=replies)
        yes = self.line("yes")
        shown = await self._seen("the buttons", lambda said: yes in titles(said))
        self._played.card = shown["id"]
        data = next(one["data"] for one in actions(shown["cards"]) if one.get("title") == yes)
        await self._press(shown["id"], title=yes)
        await self._told(self._played.conversation, "the choice", lambda one: one["text"] == yes)
        await self._seen("the card without buttons", lambda said: said["id"] == shown["id"] and not titles(said))
        await self._press(shown["id"], data=data, times=2)
        told = by_users(await self._stage.in_conversation(self._played.conversation))
        if sum(one["text"] == yes for one in told) != 1:
            raise NotSeen("one choice only")

    async def react(self) -> None:
        """A thumb for the card, which the bot itself posted."""
        message = {"conversation_id": self._played.thread, "message": self._played.card}
        await self._stage.post("teams/react", **message, user=self._cast.main["key"], reaction="like")
        await self._told(self._played.conversation, "the reaction", lambda one: "👍" in one["text"])

    async def edit(self) -> None:
        """A reply in the thread, then other words for it."""
        message = await self._reply("typed")
        await self._stage.post("teams/edit", **message, text=self.line("corrected"))
        await self._told(self._played.conversation, "the new words", lambda one: self.line("corrected") in one["text"])

    async def delete(self) -> None:
        """A reply in the thread that should not have been written."""
        message = await self._reply("regretted")
        before = len(by_users(await self._stage.in_conversation(self._played.conversation)))
        await self._stage.post("teams/delete", **message)
        await self._told(self._played.conversation, "a notice of the deletion", lambda _: True, before)

    async def infected(self) -> None:
        """A file that the rules keep out, or one that only the scanner can."""
        name, data = ("driver.txt", samples.eicar()) if self._infected else ("driver.exe", samples.a_program())
        said = await self._say("file", **PERSONAL, files=[samples.as_file(name, "application/octet-stream", data)])
        opened = await self._opened("file")
        await self._told(opened["conversation_id"], "a word about the file", lambda one: name in one["text"])
        chat, before = said["conversation_id"], await self._position(said)
        told = await self._seen_in(chat, "a word to the sender", lambda one: name in one["text"], before)
        if self._infected and self.line("malware") not in told["text"]:
            raise NotSeen("malware as the reason; does the bridge scan (CLAMD_ADDRESS)?")
        found = await self._stage.in_conversation(opened["conversation_id"])
        if any(files_in(one) for one in found["messages"]):
            raise NotSeen("a conversation without the file")

    async def status(self) -> None:
        """A command in the personal chat."""
        said = await self._say("status", **PERSONAL)
        before = await self._position(said)
        await self._seen_in(said["conversation_id"], "an answer to the command", lambda _: True, before)
        told = by_users(await self._stage.in_conversation(self._played.opened[-1]))
        if any(one["text"].endswith(self.line("status")) for one in told):
            raise NotSeen("a command that no agent sees")

    async def resolve(self) -> None:
        """The end of the channel's conversation."""
        before = len(await self._stage.in_thread(self._played.thread))
        await self._as_agent("resolve")
        asked = await self._seen("the rating card", lambda said: STARS in titles(said), before)
        self._played.card = asked["id"]
        await self._seen("a line about the end", lambda said: not said["card"], before)

    async def rate(self) -> None:
        """Five stars and a comment."""
        await self._press(self._played.card, title=STARS, inputs={"comment": self.line("comment")})

        async def rated() -> bool:
            rating = (await self._stage.in_conversation(self._played.conversation))["csat"] or {}
            return bool((rating.get("rating"), rating.get("comment")) == (len(STARS), self.line("comment")))

        await self._stage.until("the rating", rated)
        await self._seen("thanks on the card", lambda said: said["id"] == self._played.card and not titles(said))

    async def again(self) -> None:
        """A message after the end."""
        await self._say("again", **CHANNEL, thread=self._played.root)
        opened = await self._opened("again")
        if opened["conversation_id"] == self._played.conversation:
            raise NotSeen("a new conversation")
        await self._as_agent("reply", opened["conversation_id"], text=self.line("reply"))
        await self._seen("the answer in the same thread", lambda said: self.line("reply") in said["text"])

    async def other(self) -> None:
        """The other person, in the other language."""
        lines = LINES["ko" if self._lang == "en" else "en"]
        words, reply = (lines[name].format(number=self._number) for name in ("question", "picture"))
        said = await self._stage.post("teams/messages", **PERSONAL, user=self._cast.other["key"], text=words)
        opened = await self._stage.until(f"“{words}”", lambda: self._stage.conversation(words))
        self._played.opened.append(opened["conversation_id"])
        await self._as_agent("reply", opened["conversation_id"], text=reply)
        await self._seen_in(said["conversation_id"], "the answer", lambda one: reply in one["text"])
        threads = (await self._stage.get("teams/state"))["threads"]
        holding = [one for one in threads if any(reply in message["text"] for message in one["messages"])]
        if len(holding) != 1:
            raise NotSeen("the answer in one place only")

    async def private(self) -> None:
        """The note is nowhere in Teams."""
        if self.line("note") in json.dumps(await self._stage.get("teams/state"), ensure_ascii=False):
            raise NotSeen("a note that stays with the agents")


def _has_picture(said: JsonObject) -> bool:
    kinds = [str(one["contentType"]) for one in said.get("attachments", ())]
    return "hostedContents" in said["html"] or any(kind.startswith("image/") for kind in kinds)
