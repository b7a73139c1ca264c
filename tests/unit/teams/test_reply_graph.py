"""Replies through Graph: posted once, read back when the answer was lost, and never with a token for another host."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate

import pytest

from adapters.buckets import Buckets
from adapters.teams.graph_reader import MAX_PAGES, said
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.sign_in import SignedIn
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ports import Member, Reply
from cards import agent_reply
from tests.unit.freshchat.upstream import DROP

# The SDK warns about itself when it is imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:msgraph.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:kiota_abstractions.*"),
]

NOW = 1_767_600_000.0
HELLO = Reply(text="Hi 안녕", author="Grace")
PLACE = Place(
    scope="channel",
    conversation_id="19:b71c@thread.tacv2;messageid=17",
    service_url="https://smba.trafficmanager.net/emea/",
    team_group_id="5d2e",
    channel_id="19:b71c@thread.tacv2",
    root_id="1767225600123",
)
CHAT = Place(scope="groupChat", conversation_id="19:5a0f@thread.v2", service_url="x")
REPLIES = "/v1.0/teams/5d2e/channels/19%3Ab71c%40thread.tacv2/messages/1767225600123/replies"


class SignIn:
    """Signed in as oid-1; after each refused token it has the next one."""

    def __init__(self):
        self.number, self.fault = 1, None

    async def token(self):
        if self.fault:
            raise self.fault
        return f"token-{self.number}"

    async def account(self):
        await self.token()
        return SignedIn(oid="oid-1", tid="t", name="Desk")

    def invalidate(self, token):
        assert token == f"token-{self.number}"
        self.number += 1


def render(reply):
    return f"<p><strong>{reply.author}</strong></p><p>{reply.text}</p>"


@pytest.fixture
def sign_in():
    return SignIn()


@pytest.fixture
def replies(session, upstream, sign_in, clock):
    return GraphReplies(session, f"{upstream.url}/v1.0", sign_in, render, clock=clock)


async def test_a_reply_is_posted_into_its_thread(replies, upstream):
    upstream.on(f"POST {REPLIES}", (201, {"id": "1767225999001", "body": {"content": "x"}}))
    assert await replies.post(PLACE, HELLO) == "1767225999001"
    (asked,) = upstream.asked
    assert asked.json == {"body": {"contentType": "html", "content": "<p><strong>Grace</strong></p><p>Hi 안녕</p>"}}
    assert asked.headers["Authorization"] == "Bearer token-1"
    assert asked.headers["Content-Type"] == "application/json"


async def test_each_mention_in_a_reply_is_listed_with_its_entra_id(session, upstream, sign_in, clock):
    """Graph wants exactly one mention per `<at>`; who is not known stays text."""
    graph = GraphReplies(session, f"{upstream.url}/v1.0", sign_in, agent_reply.render, clock=clock)
    upstream.on(f"POST {REPLIES}", (201, {"id": "1"}))
    ada = Member("ada@x.example", "Ada & Co", "29:ada", "aad-ada")
    text = "<p><at>Ada@x.example</at>, <at>bo@x.example</at>: <at>ada@x.example</at></p>"
    await graph.post(PLACE, Reply(text=text, is_html=True, mentions=(ada,)))
    (asked,) = upstream.asked
    assert asked.json["body"]["content"] == (
        '<p><at id="0">Ada &amp; Co</at>, @bo@x.example: <at id="1">Ada &amp; Co</at></p>'
    )
    user = {"id": "aad-ada", "displayName": "Ada & Co", "userIdentityType": "aadUser"}
    assert [(one["id"], one["mentionText"]) for one in asked.json["mentions"]] == [(0, "Ada & Co"), (1, "Ada & Co")]
    assert all(one["mentioned"]["user"] | user == one["mentioned"]["user"] for one in asked.json["mentions"])


async def test_a_group_chat_is_posted_to_as_a_chat(replies, upstream):
    upstream.on("POST /v1.0/chats/19%3A5a0f%40thread.v2/messages", (201, {"id": "7"}))
    assert await replies.post(CHAT, HELLO) == "7"


@pytest.mark.parametrize(
    "change", [{"scope": "personal"}, {"team_group_id": None}, {"root_id": None}], ids=["personal", "team", "root"]
)
async def test_a_place_that_graph_cannot_reach_is_refused(replies, upstream, change):
    facts = {name: getattr(PLACE, name) for name in PLACE.__slots__} | change
    with pytest.raises(Rejected):
        await replies.post(Place(**facts), HELLO)
    assert upstream.asked == []


def error(code):
    return {"error": {"code": code, "message": "Ada Fenn said no", "innerError": {}}}


REQUEST = {"request-id": "0f8b5a3e-3c1d-4b1e"}
STATUSES = [
    # status, error, code, may it have been done
    (400, Rejected, "graph_400", False),
    (403, Forbidden, "graph_forbidden", False),
    (404, Rejected, "graph_404", False),
    (412, Rejected, "graph_412", False),
    (413, Rejected, "graph_413", False),
    (500, Unavailable, "graph_500", True),
    (502, Unavailable, "graph_502", True),
    (503, Unavailable, "graph_503", True),
    (504, Unavailable, "graph_504", True),
]


async def test_published_limits_are_kept_before_anything_is_sent(session, upstream, sign_in, clock):
    """One call a second for a channel, whatever the thread and whether it reads or writes; a chat has its own."""
    buckets = Buckets("graph", learn=False)
    replies = GraphReplies(session, f"{upstream.url}/v1.0", sign_in, render, clock=clock, buckets=buckets)
    upstream.on("POST .*", (201, {"id": "7"}))
    upstream.on("GET .*", (200, {"value": []}))
    threads = [replace(PLACE, root_id=f"{1767225600000 + n}") for n in range(5)]
    found = await asyncio.gather(*(replies.post(one, HELLO) for one in threads[:4]), return_exceptions=True)
    assert found[:2] == ["7", "7"]
    assert [(error.code, error.ours) for error in found[2:]] == [("graph_pace", True)] * 2
    with pytest.raises(Throttled):
        await replies.find(threads[4], HELLO, NOW)
    assert await replies.post(CHAT, HELLO) == "7"
    assert len(upstream.asked) == 3


async def test_a_429_closes_the_channel_for_reading_too(replies, upstream):
    upstream.on("POST .*", (429, error("TooManyRequests"), {"Retry-After": "30"}))
    for ours in (False, True):
        with pytest.raises(Throttled) as caught:
            await replies.post(PLACE, HELLO)
        assert caught.value.ours == ours
    with pytest.raises(Throttled):
        await replies.find(PLACE, HELLO, NOW)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("status", "kind", "code", "maybe"), STATUSES)
async def test_each_status_has_one_meaning_and_is_not_repeated_here(replies, upstream, status, kind, code, maybe):
    upstream.on("POST .*", (status, error("NoNo"), REQUEST))
    with pytest.raises(BridgeError) as caught:
        await replies.post(PLACE, HELLO)
    found = caught.value
    assert (type(found), found.code, found.maybe_done, found.component) == (kind, code, maybe, "graph")
    assert str(found) == f"{status} NoNo request 0f8b5a3e-3c1d-4b1e"
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    "answer", [(502, b"<html>Bad gateway"), (504, b""), DROP, (200, {}), (201, b"<html>"), (204, b"")]
)
async def test_an_unclear_answer_may_have_posted(replies, upstream, answer):
    upstream.on("POST .*", answer)
    with pytest.raises(Unavailable) as caught:
        await replies.post(PLACE, HELLO)
    assert caught.value.maybe_done is True
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("location", ["https://evil.example.com/", "/v1.0/elsewhere"])
async def test_a_redirect_is_not_followed(replies, upstream, location):
    upstream.on("POST .*", (302, {}, {"Location": location}))
    with pytest.raises(Forbidden):
        await replies.post(PLACE, HELLO)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("value", "after"), [("30", 30.0), (formatdate(NOW + 5, usegmt=True), 5.0), (None, None)])
async def test_a_429_says_how_long_to_wait(replies, upstream, value, after):
    upstream.on("POST .*", (429, error("TooManyRequests"), {"Retry-After": value} if value else {}))
    with pytest.raises(Throttled) as caught:
        await replies.post(PLACE, HELLO)
    assert caught.value.after == after
    assert len(upstream.asked) == 1


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'}


@pytest.mark.parametrize("headers", [{}, CHALLENGE])
async def test_a_refused_token_is_renewed_once(replies, upstream, headers):
    upstream.on("POST .*", (201, {"id": "9"}))
    upstream.on("POST .*", (401, error("InvalidAuthenticationToken"), headers), times=1)
    assert await replies.post(PLACE, HELLO) == "9"
    assert [asked.headers["Authorization"] for asked in upstream.asked] == ["Bearer token-1", "Bearer token-2"]


async def test_an_account_that_stays_refused_holds_the_queue(replies, upstream):
    upstream.on("POST .*", (401, error("InvalidAuthenticationToken")))
    with pytest.raises(Forbidden) as caught:
        await replies.post(PLACE, HELLO)
    assert caught.value.code == "graph_401"
    assert len(upstream.asked) == 2


async def test_nothing_is_sent_while_nobody_is_signed_in(replies, upstream, sign_in):
    sign_in.fault = Forbidden("x", code="graph_signin_lost", component="graph")
    for act in (replies.post(PLACE, HELLO), replies.find(PLACE, HELLO, NOW), replies.ping()):
        with pytest.raises(Forbidden):
            await act
    assert upstream.asked == []


# --- reading back ---------------------------------------------------------------------------------------------------


def message(number, html, at=NOW, user="oid-1"):
    created = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sender = {"application": None, "user": {"id": user}} if user else None
    return {
        "id": str(number),
        "createdDateTime": created,
        "from": sender,
        "body": {"contentType": "html", "content": html},
    }


STORED = '<p><b>Grace</b>\n</p>\n<div><p>Hi&nbsp;<span style="x">안녕</span>\u200b</p></div>'


async def test_a_reply_whose_answer_was_lost_is_found_again(replies, upstream):
    kept = []

    def lose(asked):
        kept.append(message(5, asked.json["body"]["content"]))
        return DROP

    upstream.on(f"POST {REPLIES}", lose)
    upstream.on(f"GET {REPLIES}", lambda _: {"value": kept})
    with pytest.raises(Unavailable) as caught:
        await replies.post(PLACE, HELLO)
    assert caught.value.maybe_done
    assert await replies.find(PLACE, HELLO, NOW) == ["5"]


async def test_reading_back_gives_exactly_our_replies_oldest_first(replies, upstream):
    rows = [
        message(8, STORED, NOW + 3),
        message(7, STORED, NOW + 2, user="oid-2"),
        message(6, STORED, NOW + 2, user=None),
        message(5, "<p>Grace</p><p>Hi 안녕!</p>"),
        message(4, render(HELLO), NOW - 59),
        message(3, STORED, NOW - 61),
        {"id": "2", "from": 5, "body": [], "createdDateTime": None},
        "junk",
    ]
    upstream.on(f"GET {REPLIES}", {"value": rows})
    assert await replies.find(PLACE, HELLO, NOW) == ["4", "8"]
    assert upstream.asked[0].query == {"$top": "50"}


async def test_a_chat_is_read_back_too(replies, upstream):
    upstream.on("GET /v1.0/chats/19%3A5a0f%40thread.v2/messages", {"value": [message(1, STORED)]})
    assert await replies.find(CHAT, HELLO, NOW) == ["1"]


def paged(upstream, pages):
    def page(asked):
        number = int(asked.query.get("$skiptoken", 0))
        link = f"{upstream.url}{asked.path}?$skiptoken={number + 1}"
        return {"value": pages[number]} | ({"@odata.nextLink": link} if number + 1 < len(pages) else {})

    return page


async def test_pages_are_read_up_to_the_past(replies, upstream):
    pages = [[message(9, STORED, NOW + 9)], [message(5, STORED), message(4, "x", NOW - 999)], [message(3, STORED)]]
    upstream.on(f"GET {REPLIES}", paged(upstream, pages))
    assert await replies.find(PLACE, HELLO, NOW) == ["5", "9"]
    assert len(upstream.asked) == 2


async def test_pages_that_come_oldest_first_are_read_to_their_end(replies, upstream):
    pages = [[message(1, "x", NOW - 999), message(2, "x", NOW - 998)], [message(3, STORED)]]
    upstream.on(f"GET {REPLIES}", paged(upstream, pages))
    assert await replies.find(PLACE, HELLO, NOW) == ["3"]


async def test_a_thread_too_long_to_be_read_is_not_guessed_at(replies, upstream):
    upstream.on(f"GET {REPLIES}", paged(upstream, [[message(n, "x")] for n in range(50)]))
    with pytest.raises(Unavailable) as caught:
        await replies.find(PLACE, HELLO, NOW)
    assert caught.value.code == "graph_long_thread"
    assert len(upstream.asked) == MAX_PAGES


@pytest.mark.parametrize("link", ["https://evil.example.com/v1.0/x", "http://127.0.0.1:1/v1.0/x", "http://[", "x"])
async def test_a_link_to_another_host_is_not_followed(replies, upstream, link):
    upstream.on("GET .*", {"value": [message(1, "x")], "@odata.nextLink": link})
    with pytest.raises(Unavailable) as caught:
        await replies.find(PLACE, HELLO, NOW)
    assert caught.value.code == "graph_bad_link"
    assert len(upstream.asked) == 1


async def test_an_account_that_may_post_but_not_read_cannot_look(replies, upstream):
    upstream.on("GET .*", (403, error("Forbidden")))
    assert await replies.find(PLACE, HELLO, NOW) is None


async def test_a_look_that_fails_is_told(replies, upstream):
    upstream.on("GET .*", (503, error("ServiceUnavailable")))
    with pytest.raises(Unavailable) as caught:
        await replies.find(PLACE, HELLO, NOW)
    assert caught.value.maybe_done is False


SAME = [
    ("<p>a</p><p>b</p>", "<p>a</p>\n\n<p>b</p>\n"),
    ("a<br>b", "<div>a<br/>b</div>"),
    ("<strong>a</strong>b", "<b>a</b>b"),
    ("x &lt;b&gt; &amp; y", "<p>x &lt;b&gt; &#38; y</p>"),
    ("ok 🙂", '<p>ok <emoji id="smile" alt="🙂" title="Smile"></emoji></p>'),
    ("ok 🙂", '<p>ok <img itemtype="x/Emoji" alt="🙂" src="y"></p>'),
    ("a  b", "a&nbsp;b"),
]
DIFFERENT = [("a b", "ab"), ("<p>a</p><p>b</p>", "ab"), ("&lt;b&gt;", "<b>"), ("a", "A")]


@pytest.mark.parametrize(("sent", "stored"), SAME)
def test_what_is_read_is_compared_not_its_markup(sent, stored):
    assert said(sent) == said(stored)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_words_stay_different(one, other):
    assert said(one) != said(other)


# --- loading --------------------------------------------------------------------------------------------------------


def test_the_sdk_is_loaded_only_when_it_is_needed():
    code = "import sys, adapters.teams.reply_graph; sys.exit('msgraph' in sys.modules or 'httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_warming_up_leaves_the_loop_free_and_loads_once(replies, upstream):
    upstream.on("POST .*", (201, {"id": "1"}))
    await asyncio.gather(replies.warm_up(), replies.post(PLACE, HELLO), replies.post(PLACE, HELLO))
    assert len(upstream.asked) == 2


def test_a_graph_host_without_tls_stops_the_start(session, sign_in, clock):
    with pytest.raises(Misconfigured):
        GraphReplies(session, "http://graph.example.com/v1.0", sign_in, render, clock=clock)
