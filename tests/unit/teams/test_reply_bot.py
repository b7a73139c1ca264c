"""Replies through the connector: where they go, what each answer means, and that no token leaves for a wrong host."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate

import pytest

from adapters.http import HostRule
from adapters.teams.reply_bot import BotReplies, Connector
from bridge.errors import BridgeError, Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ports import Member, Reply
from cards import agent_reply
from tests.unit.freshchat.upstream import DROP

NOW = 1_767_600_000.0
CHANNEL = "19:b71c@thread.tacv2"
HELLO = Reply(text="Hello & welcome", author="Grace")


class Tokens:
    """Gives token-1, and after each refusal the next one."""

    def __init__(self):
        self.number = 1

    async def token(self):
        return f"token-{self.number}"

    def invalidate(self, token=None):
        assert token == f"token-{self.number}"
        self.number += 1


@pytest.fixture
def hosts():
    return HostRule(["smba.trafficmanager.net", "127.0.0.1"], allow_loopback_http=True)


@pytest.fixture
def replies(session, hosts, clock):
    connector = Connector(session, Tokens(), hosts, clock=clock)
    return BotReplies(connector, lambda reply: f"<b>{reply.author}</b> {reply.text.replace('&', '&amp;')}")


def channel(upstream, root="1767225600123", **more):
    url = f"{upstream.url}/emea/tenant/"
    return Place(scope="channel", conversation_id=f"{CHANNEL};messageid=1", service_url=url, channel_id=CHANNEL,
                 root_id=root, **more)  # fmt: skip


async def test_a_reply_goes_into_its_thread(replies, upstream):
    path = "/emea/tenant/v3/conversations/19%3Ab71c%40thread.tacv2%3Bmessageid%3D1767225600123/activities"
    upstream.on(f"POST {path}", (201, {"id": "1767225999001"}))
    assert await replies.post(channel(upstream), HELLO) == "1767225999001"
    (asked,) = upstream.asked
    assert asked.json == {"type": "message", "textFormat": "xml", "text": "<b>Grace</b> Hello &amp; welcome"}
    assert asked.headers["Authorization"] == "Bearer token-1"


async def test_each_mention_in_a_reply_is_an_entity_with_the_text_that_stands_for_it(session, hosts, clock, upstream):
    """The connector finds mentions by their text; who is not known stays text."""
    bot = BotReplies(Connector(session, Tokens(), hosts, clock=clock), agent_reply.render)
    path = "/emea/tenant/v3/conversations/19%3Ab71c%40thread.tacv2%3Bmessageid%3D1767225600123/activities"
    upstream.on(f"POST {path}", (201, {"id": "1"}))
    ada = Member("ada@x.example", "Ada & Co", "29:ada", "aad-ada")
    text = "<p><at>Ada@x.example</at>, <at>bo@x.example</at></p>"
    await bot.post(channel(upstream), Reply(text=text, is_html=True, mentions=(ada,)))
    (asked,) = upstream.asked
    assert asked.json == {
        "type": "message",
        "textFormat": "xml",
        "text": "<p><at>Ada &amp; Co</at>, @bo@x.example</p>",
        "entities": [
            {
                "type": "mention",
                "text": "<at>Ada &amp; Co</at>",
                "mentioned": {"id": "29:ada", "name": "Ada & Co"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("scope", "conversation", "path"),
    [("personal", "a:1Qm/0 x", "a%3A1Qm%2F0%20x"), ("groupChat", "19:5a0f@thread.v2", "19%3A5a0f%40thread.v2")],
)
async def test_a_chat_is_named_by_its_conversation(replies, upstream, scope, conversation, path):
    upstream.on(f"POST /v3/conversations/{path}/activities", (201, {"id": "7"}))
    place = Place(scope=scope, conversation_id=conversation, service_url=upstream.url)
    assert await replies.post(place, HELLO) == "7"


@pytest.mark.parametrize("root", [None, "", "0", "12a", "²"])
async def test_a_thread_without_a_root_is_refused(replies, upstream, root):
    with pytest.raises(Rejected) as caught:
        await replies.post(channel(upstream, root), HELLO)
    assert caught.value.code == "bad_place"
    assert upstream.asked == []


async def test_a_reply_that_starts_a_thread_is_posted_to_the_channel(replies, upstream):
    """Also if its place names one."""
    upstream.on("POST /emea/tenant/v3/conversations/19%3Ab71c%40thread.tacv2/activities", (201, {"id": "9"}))
    assert await replies.post(channel(upstream, None), replace(HELLO, starts=True)) == "9"


FOREIGN = [
    "https://evil-smba.trafficmanager.net/",
    "https://smba.trafficmanager.net.evil.com/",
    "https://smba.trafficmanager.net@evil.com/",
    "https://evil.trafficmanager.net/",
    "http://smba.trafficmanager.net/",
    "http://127.0.0.2:1/",
    "",
]


@pytest.mark.parametrize("url", FOREIGN)
async def test_no_token_leaves_for_a_host_that_is_not_listed(session, hosts, clock, url):
    class NoTokens:
        async def token(self):
            raise AssertionError("a token was fetched")

    replies = BotReplies(Connector(session, NoTokens(), hosts, clock=clock), str)
    with pytest.raises(Rejected) as caught:
        await replies.post(Place(scope="personal", conversation_id="a:1", service_url=url), HELLO)
    assert caught.value.code == "service_url_refused"


def error(code):
    return {"error": {"code": code, "message": "Ada Fenn said no"}}


STATUSES = [
    # status, error code, our error, our code, may it have been done
    (400, "BadArgument", Rejected, "connector_BadArgument", False),
    (403, "BotNotInConversationRoster", Rejected, "connector_BotNotInConversationRoster", False),
    (403, "BotDisabledByAdmin", Rejected, "connector_BotDisabledByAdmin", False),
    (404, "ConversationNotFound", Rejected, "connector_ConversationNotFound", False),
    (413, "MessageSizeTooBig", Rejected, "connector_MessageSizeTooBig", False),
    (412, "PreconditionFailed", Unavailable, "connector_PreconditionFailed", False),
    (500, "ServiceError", Unavailable, "connector_ServiceError", True),
    (502, "", Unavailable, "connector_502", True),
    (503, "Odd Word", Unavailable, "connector_503", True),
    (504, "", Unavailable, "connector_504", True),
    (302, "", Forbidden, "connector_302", False),
]


@pytest.mark.parametrize(("status", "word", "kind", "code", "maybe"), STATUSES)
async def test_each_status_has_one_meaning(replies, upstream, status, word, kind, code, maybe):
    upstream.on("POST .*", (status, error(word)))
    with pytest.raises(BridgeError) as caught:
        await replies.post(channel(upstream), HELLO)
    found = caught.value
    assert (type(found), found.code, found.maybe_done, found.component) == (kind, code, maybe, "connector")
    assert len(upstream.asked) == 1
    assert "Ada" not in str(found)


@pytest.mark.parametrize(("value", "after"), [("3", 3.0), (formatdate(NOW + 5, usegmt=True), 5.0), (None, None)])
async def test_a_429_says_how_long_to_wait(replies, upstream, value, after):
    upstream.on("POST .*", (429, error("Throttled"), {"Retry-After": value} if value else {}))
    with pytest.raises(Throttled) as caught:
        await replies.post(channel(upstream), HELLO)
    assert caught.value.after == after


async def test_after_a_429_nobody_asks_for_that_channel_before_its_time(replies, upstream):
    """Neither the same thread nor another one of the channel; a chat is another conversation."""
    upstream.on("POST .*", (201, {"id": "9"}))
    upstream.on("POST .*tacv2.*", (429, error("Throttled"), {"Retry-After": "30"}))
    with pytest.raises(Throttled) as asked:
        await replies.post(channel(upstream), HELLO)
    for root in ("1767225600123", "1767225600999"):
        with pytest.raises(Throttled) as caught:
            await replies.post(channel(upstream, root), HELLO)
        assert (caught.value.code, caught.value.ours, caught.value.maybe_done) == ("connector_pace", True, False)
        assert 25 < caught.value.after <= 30
    assert not asked.value.ours
    place = Place(scope="groupChat", conversation_id="19:5a0f@thread.v2", service_url=channel(upstream).service_url)
    assert await replies.post(place, HELLO) == "9"
    assert len(upstream.asked) == 2


async def test_a_refused_token_is_renewed_once(replies, upstream):
    upstream.on("POST .*", (201, {"id": "9"}))
    upstream.on("POST .*", (401, error("Unauthorized")), times=1)
    assert await replies.post(channel(upstream), HELLO) == "9"
    assert [asked.headers["Authorization"] for asked in upstream.asked] == ["Bearer token-1", "Bearer token-2"]


async def test_a_bot_that_stays_refused_holds_the_queue(replies, upstream):
    upstream.on("POST .*", (401, error("BotNotRegistered")))
    with pytest.raises(Forbidden) as caught:
        await replies.post(channel(upstream), HELLO)
    assert caught.value.code == "connector_BotNotRegistered"
    assert len(upstream.asked) == 2


async def test_a_reply_without_an_answer_may_have_been_sent_and_nobody_can_look(replies, upstream):
    for answer in (DROP,):
        upstream.on("POST .*", answer)
        with pytest.raises(Unavailable) as caught:
            await replies.post(channel(upstream), HELLO)
        assert caught.value.maybe_done is True
    assert await replies.find(channel(upstream), HELLO, NOW) is None


async def test_ping_asks_for_a_token(session, hosts, clock):
    class NoTokens:
        async def token(self):
            raise Forbidden("no", code="entra_invalid_client", component="entra")

    with pytest.raises(Forbidden):
        await BotReplies(Connector(session, NoTokens(), hosts, clock=clock), str).ping()


@pytest.mark.parametrize("answer", [(200, {}), (202, b"")])
async def test_a_reply_that_was_taken_without_an_id_is_not_sent_again(replies, upstream, answer):
    upstream.on("POST .*", answer)
    assert await replies.post(channel(upstream), HELLO) == ""
