"""The helpdesk over real HTTP: what is sent, what each answer means, and what reading back finds."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.freshchat.rest import base_url
from adapters.http import HostRule
from bridge.errors import BridgeError, Forbidden, Misconfigured, Rejected, Throttled, Unavailable
from bridge.moments import iso
from bridge.ports import ConversationClosed, NewConversation, Person, Sent
from tests.unit.freshchat.upstream import DROP, HANG, Upstream

NOW = 1_767_600_000.0
HOSTS = HostRule(["freshchat.com", "127.0.0.1"], allow_loopback_http=True)
ADA = Person(reference_id="teams:ab", name="Ada  Fenn", mail="ada@example.com", properties={"department": "QA"})
NEW = NewConversation(inbox_id="in-1", user_id="u-1", text="stuck", properties={"cf_source": "teams"})
SECRET = "k-" + "s" * 40


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def desk(upstream, clock):
    async def key():
        return SECRET

    async with http.session() as session:
        yield FreshchatHelpdesk(session, upstream.url, key, HOSTS, clock=clock, timeout=0.3)


BASES = {
    "acme.freshchat.com": "https://acme.freshchat.com/v2",
    " acme.freshchat.com/v2/ ": "https://acme.freshchat.com/v2",
    "https://acme.freshchat.com": "https://acme.freshchat.com/v2",
    "https://acme.freshchat.com/v2": "https://acme.freshchat.com/v2",
    "http://127.0.0.1:4100/v2": "http://127.0.0.1:4100/v2",
    "http://127.0.0.1:4100/": "http://127.0.0.1:4100/v2",
    "https://127.0.0.1:8443/fresh%20chat": "https://127.0.0.1:8443/fresh%20chat/v2",
}


@pytest.mark.parametrize(("text", "url"), BASES.items())
def test_the_host_is_read_as_people_write_it(text, url):
    assert str(base_url(text, HOSTS)) == url


@pytest.mark.parametrize(
    "text", ["", "http://acme.freshchat.com", "acme.example.com", "https://acme.freshchat.com/?x=1"]
)
def test_a_host_that_is_not_freshchats_stops_the_start(text):
    with pytest.raises(Misconfigured):
        base_url(text, HOSTS)


# --- statuses -------------------------------------------------------------------------------------------------------

BODY = {"code": 400, "status": "INVALID_VALUE", "message": "private words of Ada"}
TRACE = {"X-Trace-ID": "00-abc-01"}
STATUSES = [
    # status, error, code, may it have been done
    (400, Rejected, "freshchat_400", False),
    (401, Forbidden, "freshchat_401", False),
    (403, Forbidden, "freshchat_403", False),
    (404, Rejected, "freshchat_404", False),
    (405, Rejected, "freshchat_405", False),
    (408, Unavailable, "freshchat_408", True),
    (409, Rejected, "freshchat_409", False),
    (413, Rejected, "freshchat_413", False),
    (422, Rejected, "freshchat_422", False),
    (429, Throttled, "freshchat_429", False),
    (500, Unavailable, "freshchat_500", True),
    (502, Unavailable, "freshchat_502", True),
    (503, Unavailable, "freshchat_503", True),
    (504, Unavailable, "freshchat_504", True),
    (302, Forbidden, "freshchat_wrong_host", False),
]


async def test_a_conversation_that_is_gone_is_closed(upstream, desk):
    upstream.on("POST .*", (404, BODY))
    with pytest.raises(ConversationClosed):
        await desk.post_message("c-1", "u-1", "hello")


@pytest.mark.parametrize(("status", "kind", "code", "maybe"), STATUSES)
async def test_each_status_has_one_meaning(upstream, desk, status, kind, code, maybe):
    upstream.on("POST .*", (status, BODY, TRACE))
    with pytest.raises(BridgeError) as caught:
        await desk.post_note("c-1", "hello")
    error = caught.value
    assert (type(error), error.code, error.maybe_done, error.component) == (kind, code, maybe, "freshchat")
    assert len(upstream.asked) == 1, "repeating is the worker's decision"
    assert "Ada" not in str(error) and SECRET not in str(error)
    if code != "freshchat_wrong_host":
        assert str(error) == f"{status} INVALID_VALUE trace 00-abc-01"


async def test_a_read_that_fails_was_never_done(upstream, desk):
    for answer in ((503, BODY), DROP, HANG):
        upstream.on("GET .*", answer)
        with pytest.raises(Unavailable) as caught:
            await desk.find_message("c-1", "u-1", "hello", NOW)
        assert caught.value.maybe_done is False


@pytest.mark.parametrize("answer", [DROP, HANG])
async def test_a_message_without_an_answer_may_have_been_sent(upstream, desk, answer):
    upstream.on("POST .*", answer)
    with pytest.raises(Unavailable) as caught:
        await desk.post_message("c-1", "u-1", "hello")
    assert caught.value.maybe_done is True


WAITS = {
    "seconds": ({"Retry-After": "7"}, 7.0),
    "date": ({"Retry-After": formatdate(NOW + 30, usegmt=True)}, 30.0),
    "reset": ({"X-RateLimit-Reset": str(int(NOW + 12))}, 12.0),
    "retry-after first": ({"Retry-After": "3", "X-RateLimit-Reset": str(int(NOW + 12))}, 3.0),
    "reset in the past": ({"X-RateLimit-Reset": str(int(NOW - 12))}, 0.0),
    "odd": ({"Retry-After": "soon", "X-RateLimit-Reset": "never"}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "after"), WAITS.values(), ids=WAITS.keys())
async def test_a_429_says_how_long_to_wait(upstream, desk, headers, after):
    upstream.on("POST .*", (429, BODY, headers))
    with pytest.raises(Throttled) as caught:
        await desk.post_message("c-1", "u-1", "hello")
    assert caught.value.after == after


async def test_after_a_429_the_account_is_left_alone(upstream, desk):
    upstream.on("POST .*", (429, BODY, {"Retry-After": "20"}))
    for code in ("freshchat_429", "freshchat_pace"):
        with pytest.raises(Throttled) as caught:
            await desk.post_message("c-1", "u-1", "hello")
        assert caught.value.code == code and 19 < caught.value.after <= 20
    assert len(upstream.asked) == 1


HTML = b"<!doctype html><title>Portal</title>"


@pytest.mark.parametrize("answer", [HTML, (201, HTML), (404, HTML), (405, b"\n<html>")])
async def test_a_host_that_answers_html_is_the_wrong_one(upstream, desk, answer):
    upstream.on(".*", answer)
    for act in (desk.ping(), desk.ensure_user(ADA), desk.open_conversation(NEW)):
        with pytest.raises(Forbidden, match="wrong host") as caught:
            await act
        assert caught.value.code == "freshchat_wrong_host"


# --- sending --------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_opened_in_the_documented_shape(upstream, desk):
    upstream.on("POST /v2/conversations", (200, {"conversation_id": "c-1", "messages": [{"id": "m-1"}]}))
    assert await desk.open_conversation(NEW) == Sent(id="m-1", conversation_id="c-1")
    (asked,) = upstream.asked
    assert asked.json == {
        "channel_id": "in-1",
        "users": [{"id": "u-1"}],
        "messages": [
            {
                "message_parts": [{"text": {"content": "stuck"}}],
                "message_type": "normal",
                "actor_type": "user",
                "actor_id": "u-1",
            }
        ],
        "status": "new",
        "properties": {"cf_source": "teams"},
    }
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["Content-Type"] == "application/json"


async def test_a_group_is_named_only_if_there_is_one(upstream, desk):
    upstream.on("POST .*", {"conversation_id": "c-1", "messages": [{"id": "m-1"}]})
    await desk.open_conversation(NewConversation(inbox_id="i", user_id="u", text="t", group_id="g-1"))
    assert upstream.asked[0].json["assigned_group_id"] == "g-1"


FAILED = [{"id": "m-1", "status": "Failed"}, {"id": "m-1", "error_code": 5, "error_message": "no"}]


@pytest.mark.parametrize("message", FAILED)
async def test_a_message_that_failed_inside_a_2xx_is_refused(upstream, desk, message):
    upstream.on("POST .*/messages", message)
    upstream.on("POST /v2/conversations", {"conversation_id": "c-1", "messages": [message]})
    for act in (desk.post_message("c-1", "u-1", "x"), desk.open_conversation(NEW), desk.post_note("c-1", "x")):
        with pytest.raises(Rejected) as caught:
            await act
        assert caught.value.code == "freshchat_failed"


@pytest.mark.parametrize("answer", [{}, [], {"id": 5}, {"conversation_id": "c-1"}, (204, b""), (202, b"")])
async def test_a_2xx_without_an_id_is_unclear(upstream, desk, answer):
    upstream.on("POST .*", answer)
    for act in (desk.post_message("c-1", "u-1", "x"), desk.open_conversation(NEW)):
        with pytest.raises(Unavailable) as caught:
            await act
        assert caught.value.maybe_done is True


async def test_a_message_is_sent_as_the_user(upstream, desk):
    upstream.on("POST /v2/conversations/c%2F1/messages", (202, {"id": "m-2", "status": "", "error_message": ""}))
    assert await desk.post_message("c/1", "u-1", "안녕\nline") == Sent(id="m-2", conversation_id="c/1")
    assert upstream.asked[0].json == {
        "message_parts": [{"text": {"content": "안녕\nline"}}],
        "message_type": "normal",
        "actor_type": "user",
        "actor_id": "u-1",
        "user_id": "u-1",
    }


async def test_a_note_is_private_and_the_bots(upstream, desk):
    upstream.on("POST .*", {"id": "m-3"})
    await desk.post_note("c-1", "could not deliver")
    assert upstream.asked[0].json == {
        "message_parts": [{"text": {"content": "could not deliver"}}],
        "message_type": "private",
        "actor_type": "bot",
    }


async def test_a_closed_conversation_is_told_apart(upstream, desk):
    body = {"code": 400, "status": "INVALID_VALUE", "message": "Conversation is not the latest conversation of user"}
    upstream.on("POST .*", (400, body))
    with pytest.raises(ConversationClosed):
        await desk.post_message("c-1", "u-1", "x")
    with pytest.raises(Rejected):
        await desk.post_note("c-1", "x")


async def test_no_key_no_call(upstream):
    for key in ("", "  ", "a b", "a\r\nX: y", "열쇠"):

        async def source(key=key):
            return key

        async with http.session() as session:
            desk = FreshchatHelpdesk(session, upstream.url, source, HOSTS, clock=lambda: NOW)
            with pytest.raises(Forbidden) as caught:
                await desk.ping()
            assert caught.value.code == "freshchat_no_key"
    assert upstream.asked == []


# --- users ----------------------------------------------------------------------------------------------------------

OTHER_USER = {"id": "u-0", "reference_id": "teams:other"}
ADA_USER = {"id": "u-1", "reference_id": "teams:ab"}


async def test_a_known_user_is_found_among_rows_that_do_not_match(upstream, desk):
    upstream.on("GET /v2/users", {"users": [OTHER_USER, {"id": "u-9"}, ADA_USER]})
    assert await desk.ensure_user(ADA) == "u-1"
    assert upstream.asked[0].query["reference_id"] == "teams:ab"
    assert len(upstream.asked) == 1


async def test_an_unknown_user_is_created(upstream, desk):
    upstream.on("GET /v2/users", {"users": [OTHER_USER]})
    upstream.on("POST /v2/users", (201, ADA_USER))
    assert await desk.ensure_user(ADA) == "u-1"
    assert upstream.asked[1].json == {
        "reference_id": "teams:ab",
        "first_name": "Ada",
        "last_name": "Fenn",
        "email": "ada@example.com",
        "properties": [{"name": "department", "value": "QA"}],
    }


async def test_a_user_of_whom_little_is_known_is_created_too(upstream, desk):
    upstream.on("GET /v2/users", {"users": []})
    upstream.on("POST /v2/users", ADA_USER)
    await desk.ensure_user(Person(reference_id="teams:ab", name="김민준"))
    assert upstream.asked[1].json == {"reference_id": "teams:ab", "first_name": "김민준"}


async def test_a_user_created_by_another_replica_is_looked_up_again(upstream, desk):
    upstream.on("GET /v2/users", {"users": [ADA_USER]})
    upstream.on("GET /v2/users", {"users": []}, times=1)
    upstream.on("POST /v2/users", (409, BODY))
    assert await desk.ensure_user(ADA) == "u-1"


async def test_a_user_that_conflicts_but_is_not_there_is_tried_again_later(upstream, desk):
    upstream.on("GET /v2/users", {"users": []})
    upstream.on("POST /v2/users", (409, BODY))
    with pytest.raises(Unavailable):
        await desk.ensure_user(ADA)


async def test_the_same_person_in_two_threads_is_created_once(upstream, desk):
    upstream.on("GET /v2/users", {"users": []})
    upstream.on("POST /v2/users", ADA_USER)
    assert await asyncio.gather(*(desk.ensure_user(ADA) for _ in range(5))) == ["u-1"] * 5
    assert len(upstream.asked_for("POST .*")) == 1


# --- reading back ---------------------------------------------------------------------------------------------------


def message(number, text, at, actor="user", actor_id="u-1", **more):
    parts = [{"text": {"content": text}}]
    return {
        "id": f"m-{number}", "message_parts": parts, "actor_type": actor, "actor_id": actor_id,
        "created_time": iso(at), **more,
    }  # fmt: skip


class Conversation:
    """Answers a conversation's messages newest first, three a page, with links."""

    def __init__(self, *messages, link=True):
        self.messages, self.link = list(messages), link

    def __call__(self, asked):
        if asked.method == "POST":
            text = asked.json["message_parts"][0]["text"]["content"]
            self.messages.append(message(len(self.messages) + 1, text, NOW))
            return DROP
        page = int(asked.query.get("page", 1))
        rows = self.messages[::-1][3 * page - 3 : 3 * page]
        more = self.link and len(self.messages) > 3 * page
        href = f"{asked.path}?page={page + 1}&items_per_page=50"
        return {"messages": rows} | ({"link": {"rel": "next_page", "href": href}} if more else {})


async def test_a_message_whose_answer_was_lost_is_found_again(upstream, desk):
    upstream.on(".* /v2/conversations/c-1/messages", Conversation(message(1, "hello", NOW - 500)))
    with pytest.raises(Unavailable) as caught:
        await desk.post_message("c-1", "u-1", "hello\r\nyou ")
    assert caught.value.maybe_done
    assert await desk.find_message("c-1", "u-1", "hello\nyou", NOW) == [Sent(id="m-2", conversation_id="c-1")]


MIXED = [
    message(1, "same", NOW - 900),
    message(2, "same", NOW - 30),
    message(3, "same", NOW, actor="agent"),
    message(4, "same", NOW, actor_id="u-2"),
    message(5, "other", NOW),
    message(6, " same\r\n", NOW + 1),
    message(7, "Same", NOW + 1),
    {"id": "m-8", "actor_type": "user", "actor_id": "u-1", "message_parts": [{"image": {"url": "x"}}, 5]},
    message(9, "same", NOW + 2),
]


@pytest.mark.parametrize("link", [True, False])
async def test_reading_back_gives_exactly_this_users_text_oldest_first(upstream, desk, link):
    upstream.on("GET /v2/conversations/c-1/messages", Conversation(*MIXED, link=link))
    found = await desk.find_message("c-1", "u-1", "same", NOW)
    assert [sent.id for sent in found] == ["m-2", "m-6", "m-9"]
    assert upstream.asked[0].query["from_time"] == iso(NOW - 60)


async def test_a_page_that_shifts_while_it_is_read_counts_no_message_twice(upstream, desk):
    first = {"messages": [message(3, "x", NOW), message(2, "x", NOW)], "link": {"href": "/v2/next?page=2"}}
    upstream.on("GET /v2/conversations/c-1/messages", first)
    upstream.on("GET /v2/next", {"messages": [message(2, "x", NOW), message(1, "x", NOW)]})
    assert [sent.id for sent in await desk.find_message("c-1", "u-1", "x", NOW)] == ["m-1", "m-2", "m-3"]


async def test_paging_stops_where_the_past_begins(upstream, desk):
    old = [message(n, "x", NOW - 5000) for n in range(50)]
    upstream.on("GET /v2/conversations/c-1/messages", Conversation(*old, message(99, "x", NOW)))
    assert len(await desk.find_message("c-1", "u-1", "x", NOW)) == 1
    assert len(upstream.asked) == 1


FOREIGN = ["https://evil.example.com/v2/x", "//evil.example.com/x", "http://127.0.0.1:1/v2/x", "https://127.0.0.1/"]


@pytest.mark.parametrize("href", FOREIGN)
async def test_a_link_to_another_host_is_not_followed(upstream, desk, href):
    upstream.on("GET .*", {"messages": [message(1, "x", NOW)], "link": {"href": href}})
    with pytest.raises(Unavailable) as caught:
        await desk.find_message("c-1", "u-1", "x", NOW)
    assert caught.value.code == "freshchat_bad_link"
    assert len(upstream.asked) == 1


async def test_links_that_go_in_circles_end(upstream, desk):
    counter = iter(range(1000))

    def page(asked):
        following = "b" if asked.path.endswith("a") else "a"
        return {"messages": [message(next(counter), "x", NOW)], "link": {"href": f"/v2/{following}"}}

    upstream.on("GET .*", page)
    with pytest.raises(Unavailable) as caught:
        await desk.find_message("c-1", "u-1", "x", NOW)
    assert caught.value.code == "freshchat_bad_link"
    assert len(upstream.asked) == 3


async def test_a_conversation_whose_answer_was_lost_is_found_again(upstream, desk):
    rows = {
        "c-old": (NOW - 4000, [message(1, "stuck", NOW - 4000), message(2, "stuck", NOW)]),
        "c-other": (NOW - 5, [message(3, "else", NOW - 5), message(4, "stuck", NOW)]),
        "c-late": (NOW + 9, [message(7, "stuck", NOW + 9)]),
        "c-new": (NOW, [message(0, "hi", NOW - 1, actor="system"), message(5, "stuck\r\n", NOW), message(6, "a", NOW)]),
    }
    upstream.on("GET /v2/users/u-1/conversations", {"conversations": [{"id": c} for c in [*rows, "c-gone", "c-new"]]})
    for conversation, (created, messages) in rows.items():
        upstream.on(f"GET /v2/conversations/{conversation}", {"created_time": iso(created)})
        upstream.on(f"GET /v2/conversations/{conversation}/messages", Conversation(*messages))
    found = await desk.find_conversation("u-1", "stuck", NOW)
    assert found == [Sent(id="m-5", conversation_id="c-new"), Sent(id="m-7", conversation_id="c-late")]
    assert not upstream.asked_for("GET .*/c-old/messages"), "what is old is not read"


async def test_looking_for_a_conversation_fails_as_a_whole(upstream, desk):
    upstream.on("GET /v2/users/u-1/conversations", {"conversations": [{"id": "c-1"}, {"id": "c-2"}]})
    upstream.on("GET /v2/conversations/.*", (503, BODY))
    with pytest.raises(Unavailable):
        await desk.find_conversation("u-1", "stuck", NOW)


# --- agents and ping ------------------------------------------------------------------------------------------------


async def test_an_agents_name_is_asked_once_in_half_an_hour(upstream, desk, clock):
    upstream.on("GET /v2/agents/a-1", {"id": "a-1", "first_name": "Grace ", "last_name": "Park"})
    assert await asyncio.gather(*(desk.agent_name("a-1") for _ in range(5))) == ["Grace Park"] * 5
    clock.now += 1790
    assert await desk.agent_name("a-1") == "Grace Park"
    assert len(upstream.asked) == 1
    clock.now += 20
    await desk.agent_name("a-1")
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("answer", [(404, BODY), (401, BODY), (500, BODY), DROP, HTML, {}, [], {"first_name": 5}])
async def test_a_name_that_cannot_be_had_is_none_for_a_minute(upstream, desk, clock, answer):
    upstream.on("GET /v2/agents/.*", answer)
    assert await desk.agent_name("a-1") is None
    calls = len(upstream.asked)
    assert [await desk.agent_name("a-1") for _ in range(3)] == [None] * 3
    assert len(upstream.asked) == calls
    clock.now += 61
    upstream.on("GET /v2/agents/a-1", {"first_name": "Grace", "last_name": None})
    assert await desk.agent_name("a-1") == "Grace"


async def test_a_name_never_raises(desk):
    assert await desk.agent_name("\ud800") is None
    assert await desk.agent_name("") is None


async def test_names_are_bounded(upstream, desk, monkeypatch):
    monkeypatch.setattr("adapters.freshchat.client.MAX_NAMES", 3)
    upstream.on("GET /v2/agents/.*", lambda asked: {"first_name": asked.path[-3:]})
    for number in (*range(100, 106), 105, 100):
        assert await desk.agent_name(f"a-{number}") == str(number)
    assert len(upstream.asked) == 7, "the newest three are kept"


async def test_ping_asks_for_the_account(upstream, desk):
    upstream.on("GET /v2/accounts/configuration", {"app_id": "a"})
    await desk.ping()
    upstream.on("GET /v2/accounts/configuration", [])
    with pytest.raises(Forbidden):
        await desk.ping()
    upstream.on("GET /v2/accounts/configuration", (401, BODY))
    with pytest.raises(Forbidden):
        await desk.ping()
