"""Control of the Freshchat side: act as an agent, send any webhook, look at the conversations."""

from aiohttp import web

from sandbox.control.bodies import body_of, chosen, count, file_of, refuse
from sandbox.files import FileShelf
from sandbox.freshchat.desk import Desk, Words
from sandbox.freshchat.parts import text_of
from sandbox.freshchat.signed_links import KINDS, SignedLinks
from sandbox.freshchat.state import Conversation, FreshchatState
from sandbox.webhooks import WebhookSender, as_body
from sandbox.wire import JsonObject, answer
from sandbox.world import Agent, World

ACTORS = ("agent", "bot", "system", "user")


class FreshchatControl:
    """The calls below /_sandbox/freshchat."""

    def __init__(
        self,
        world: World,
        state: FreshchatState,
        desk: Desk,
        webhooks: WebhookSender,
        files: FileShelf,
        links: SignedLinks,
    ) -> None:
        self._world = world
        self._state = state
        self._desk = desk
        self._webhooks = webhooks
        self._files = files
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_sandbox/freshchat/reply", self.reply),
            web.post("/_sandbox/freshchat/assign", self.assign),
            web.post("/_sandbox/freshchat/resolve", self.resolve),
            web.post("/_sandbox/freshchat/reopen", self.reopen),
            web.post("/_sandbox/freshchat/webhook", self.webhook),
            web.get("/_sandbox/freshchat/state", self.show),
            web.get("/_sandbox/webhooks", self.report),
        ]

    async def reply(self, request: web.Request) -> web.Response:
        """Somebody on the Freshchat side writes; `times` repeats the webhook, not the message; `ago` dates it back.

        `files` follow the text. Within `parts`, one with `base64` or `text` in it is a file too; `link_seconds` is how
        long its link works, `hidden_reads` how many lists of messages do not have it yet.
        """
        body = await body_of(request)
        conversation = self._conversation(body)
        actor_type = body.get("actor_type") or "agent"
        if actor_type not in ACTORS:
            refuse(f"actor_type must be one of {', '.join(ACTORS)}")
        parts = self._parts(body)
        if not body.get("parts") and not text_of(parts):
            refuse("text, parts or files are needed")
        actor_id = self._actor_id(actor_type, body, conversation)
        words = Words(parts, actor_type, actor_id, str(body.get("type") or "normal"), source="web")
        words.ago = count(body, "ago", limit=10**7) if "ago" in body else 0
        if body.get("reply_parts"):
            words.reply_parts = body["reply_parts"]
        return answer({"id": self._desk.say(conversation, words, count(body, "times"))["id"]})

    def _parts(self, body: JsonObject) -> list[JsonObject]:
        text = body.get("text")
        parts = body.get("parts") or ([{"text": {"content": str(text)}}] if text else [])
        files = body.get("files") or []
        if not isinstance(parts, list) or not isinstance(files, list):
            refuse("parts and files must be lists")
        return [*map(self._with_link, parts), *(self._stored(_kind(file), file) for file in files)]

    def _with_link(self, part: JsonObject) -> JsonObject:
        """A part with a file in it becomes one with a link to it."""
        kind = next((kind for kind in KINDS if isinstance(part, dict) and isinstance(part.get(kind), dict)), "")
        value = part[kind] if kind else {}
        return self._stored(kind, value) if {"base64", "text"} & value.keys() else part

    def _stored(self, kind: str, value: JsonObject) -> JsonObject:
        file = self._files.add(*file_of(value))
        seconds = count(value, "link_seconds", limit=10**7) if "link_seconds" in value else None
        return self._links.part(kind, file, seconds, count(value, "hidden_reads") if "hidden_reads" in value else 0)

    async def assign(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        conversation, agent = self._conversation(body), self._agent(body)
        self._desk.assign(conversation, agent, agent, None)
        return answer(conversation.render())

    async def resolve(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        conversation = self._conversation(body)
        self._desk.resolve(conversation, self._agent(body))
        return answer(conversation.render())

    async def reopen(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        conversation = self._conversation(body)
        self._desk.reopen(conversation, "agent", self._agent(body).id)
        return answer(conversation.render())

    async def webhook(self, request: web.Request) -> web.Response:
        """Post any body to the webhook address; a text goes out byte for byte."""
        body = await body_of(request)
        if "body" not in body:
            refuse("body is needed")
        raw, signature = as_body(body["body"]), body.get("signature")
        outcomes = [await self._webhooks.send_raw(raw, signature) for _ in range(count(body, "times"))]
        return answer({"status": [o.status for o in outcomes], "body": outcomes[-1].body if outcomes else ""})

    async def show(self, _: web.Request) -> web.Response:
        return answer(self._state.render())

    async def report(self, _: web.Request) -> web.Response:
        return answer(self._webhooks.report())

    def _conversation(self, body: JsonObject) -> Conversation:
        conversation = self._state.conversations.get(str(body.get("conversation_id")))
        if conversation is None:
            refuse("no conversation has this conversation_id", 404)
        return conversation

    def _agent(self, body: JsonObject) -> Agent:
        return chosen(self._world.agents, body.get("agent"), "agent")

    def _actor_id(self, actor_type: str, body: JsonObject, conversation: Conversation) -> str:
        if actor_type == "agent":
            return self._agent(body).id
        return conversation.user_ids[0] if actor_type == "user" else ""


def _kind(file: JsonObject) -> str:
    """The part that a file is sent as; audio is a video, as agents' apps send it."""
    kind = str(file.get("content_type") if isinstance(file, dict) else "").partition("/")[0]
    return {"image": "image", "video": "video", "audio": "video"}.get(kind, "file")
