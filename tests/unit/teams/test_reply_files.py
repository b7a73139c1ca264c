"""Replies with files: which pictures each transport shows, in what form, and how they are found again."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.http import HostRule
from adapters.teams.pictures import BOT_BYTES, BOT_SIDE, GRAPH_BYTES
from adapters.teams.reply_bot import BotReplies, Connector
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.sign_in import SignedIn
from bridge.events import Place
from bridge.ports import Picture, Reply
from cards import agent_reply, file_reply

# The SDK warns about itself when it is imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:msgraph.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:kiota_abstractions.*"),
]

NOW = 1_767_600_000.0
LABEL = "a & <b>.png (5 B)"
URL = "https://bridge.example/files/x?a=1&b=2"
LINK = file_reply.linked(LABEL, URL, "until then")
PICTURE = Picture(mime="image/png", content=b"\x89PNG\xff", url=URL, width=10, height=20)
SHOWN = Reply(text=LINK, is_html=True, label=LABEL, picture=PICTURE)


class SignIn:
    """Signed in as oid-1."""

    async def token(self):
        return "token"

    async def account(self):
        return SignedIn(oid="oid-1", tid="t", name="Desk")


class Asked:
    """Where replies are posted to, and what Graph lists there."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.place = Place(
            scope="groupChat", conversation_id="19:c", service_url=f"{upstream.url}/emea/", team_group_id="g"
        )
        self.graph = "/v1.0/chats/19%3Ac/messages"
        upstream.on(f"POST {self.graph}", (201, {"id": "1"}))
        upstream.on("POST /emea/v3/conversations/19%3Ac/activities", (201, {"id": "1"}))

    @property
    def body(self):
        return self.upstream.asked[-1].json


@pytest.fixture
def asked(upstream):
    return Asked(upstream)


@pytest.fixture
def graph(session, upstream, clock):
    return GraphReplies(session, f"{upstream.url}/v1.0", SignIn(), agent_reply.render, clock=clock)


@pytest.fixture
def bot(session, clock):
    hosts = HostRule(["127.0.0.1"], allow_loopback_http=True)
    return BotReplies(Connector(session, SignIn(), hosts, clock=clock), agent_reply.render)


async def test_graph_holds_the_picture(graph, asked):
    """In the request, as base64, below its name."""
    await graph.post(asked.place, SHOWN)
    (hosted,) = asked.body["hostedContents"]
    assert base64.b64decode(hosted["contentBytes"]) == PICTURE.content
    assert (hosted["contentType"], hosted["@microsoft.graph.temporaryId"]) == ("image/png", "1")
    name = "a &amp; &lt;b&gt;.png (5 B)"
    assert asked.body["body"]["content"] == (
        f'<p>{name}</p><p><img src="../hostedContents/1/$value" alt="{name}"/></p>'
    )


async def test_the_bot_names_the_pictures_address(bot, asked):
    """Alone: of words beside it Teams would make a message without an id."""
    await bot.post(asked.place, SHOWN)
    attachment = {"contentType": "image/png", "contentUrl": URL, "name": LABEL}
    assert asked.body == {"type": "message", "attachments": [attachment]}


LARGEST = [
    ("bot", {"content": bytes(BOT_BYTES), "width": BOT_SIDE, "height": BOT_SIDE}, True),
    ("bot", {"content": bytes(BOT_BYTES + 1)}, False),
    ("bot", {"width": BOT_SIDE + 1}, False),
    ("bot", {"height": BOT_SIDE + 1}, False),
    ("graph", {"content": bytes(GRAPH_BYTES), "width": 5000, "height": 5000}, True),
    ("graph", {"content": bytes(GRAPH_BYTES + 1)}, False),
]


@pytest.mark.parametrize(("via", "change", "is_shown"), LARGEST)
async def test_a_larger_picture_is_a_link(bot, graph, asked, via, change, is_shown):
    replies = {"bot": bot, "graph": graph}[via]
    await replies.post(asked.place, replace(SHOWN, picture=replace(PICTURE, **change)))
    text = asked.body["text"] if "text" in asked.body else asked.body.get("body", {}).get("content", "")
    assert ("https://bridge.example" in text) is not is_shown


def message(number, content="", user="oid-1", attachments=()):
    return {
        "id": str(number),
        "createdDateTime": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "from": {"user": {"id": user}},
        "body": {"contentType": "html", "content": content},
        "attachments": [{"name": name, "content": None} for name in attachments],
    }


ROWS = [
    message(1, file_reply.hosted(LABEL).replace("../hostedContents/1", "https://graph.example/x/hostedContents/aWQ9")),
    message(2, '<p>a &amp; &lt;b&gt;.png\n (5&nbsp;B)</p><p><img src="y" alt="image"></p>'),
    message(3, LINK),
    message(4, attachments=[LABEL]),
    message(5, "<p>a &amp; b.png (5 B)</p>", attachments=["b.png"]),
    message(6, LINK, user="oid-2"),
]


async def test_a_file_is_found_by_its_label_in_any_form(graph, asked, upstream):
    """Whatever Teams made of the markup, and whether it was a picture or a link; nobody else's."""
    upstream.on(f"GET {asked.graph}", {"value": ROWS})
    for reply in (SHOWN, Reply(text="", label=LABEL)):
        assert await graph.find(asked.place, reply, NOW) == ["1", "2", "3", "4"]
