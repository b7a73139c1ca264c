"""Replies, sign-in and look-ups against the sandbox's Entra, connector and Graph."""

from __future__ import annotations

import time

import pytest

from adapters.http import HostRule
from adapters.teams.directory import TeamsDirectory
from adapters.teams.graph_reader import GraphReader
from adapters.teams.reply_bot import BotReplies, Connector
from adapters.teams.reply_graph import GraphReplies
from adapters.teams.sign_in import GraphSignIn
from adapters.teams.tokens import ClientCredentials
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Place
from bridge.ports import Card, Reply
from sandbox import Options, Sandbox

# The SDK warns about itself when it is imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:msgraph.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:kiota_abstractions.*"),
]

HELLO = Reply(text="Please power-cycle it & wait 안녕 🙂", author="Grace Park")


def render(reply):
    text = reply.text.replace("&", "&amp;")
    return f"<p><strong>{reply.author}</strong></p><p>{text}</p>"


@pytest.fixture
async def sandbox():
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox:
        yield sandbox


@pytest.fixture
async def control(sandbox, session):
    async def post(path, **body):
        async with session.post(f"{sandbox.url}/_sandbox/{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    return post


@pytest.fixture
async def place(sandbox, control):
    asked = await control(
        "teams/messages", scope="channel", user="ada", channel="general", text="stuck", mention=True, deliver=False
    )
    config = sandbox.config()
    return Place(
        scope="channel",
        conversation_id=asked["conversation_id"],
        service_url=sandbox.service_url,
        team_id=config["team"]["thread_id"],
        channel_id=config["channels"][0]["id"],
        root_id=asked["thread"],
        team_group_id=config["team"]["aad_group_id"],
    )


async def no_pause(_):
    return None


@pytest.fixture
def sign_in(sandbox, session, secrets):
    env = sandbox.env
    return GraphSignIn(
        session, env["GRAPH_OAUTH_URL"], env["GRAPH_CLIENT_ID"], secrets, clock=time.time, sleep=no_pause
    )


@pytest.fixture
async def graph(sandbox, session, sign_in):
    await sign_in.finish(await sign_in.start())
    return GraphReplies(session, sandbox.env["GRAPH_BASE_URL"], sign_in, render, clock=time.time)


@pytest.fixture
def app_tokens(sandbox, session):
    env = sandbox.env

    async def secret():
        return env["MicrosoftAppPassword"]

    def tokens(resource):
        scope = f"{resource}/.default"
        return ClientCredentials(session, env["BOT_OAUTH_URL"], env["MicrosoftAppId"], secret, scope, clock=time.time)

    return tokens


@pytest.fixture
def connector(sandbox, session, app_tokens):
    env, tokens = sandbox.env, app_tokens("https://api.botframework.com")
    hosts = HostRule(env["BOT_SERVICE_URL_ALLOWLIST"].split(","), allow_loopback_http=True)
    return Connector(session, tokens, hosts, clock=time.time)


def thread(sandbox, place):
    return next(t for t in sandbox.teams.render()["threads"] if t["thread"] == place.root_id)["messages"]


async def test_the_service_account_signs_in_and_answers_in_the_thread(sandbox, graph, sign_in, place):
    start = time.time()
    assert (await sign_in.account()).oid == sandbox.config()["service_account"]["aad_id"]
    sent = await graph.post(place, HELLO)
    assert [(m["id"], m["via"]) for m in thread(sandbox, place)[1:]] == [(sent, "graph")]
    assert await graph.find(place, HELLO, start) == [sent]
    assert await graph.find(place, Reply(text="else", author="Grace Park"), start) == []


@pytest.mark.parametrize("kind", ["drop_after", "status_after"])
async def test_a_reply_that_was_posted_without_an_answer_is_found(graph, place, control, kind):
    await control("faults", on="graph", match="POST .*", kind=kind, status=504, times=1)
    start = time.time()
    with pytest.raises(Unavailable) as caught:
        await graph.post(place, HELLO)
    assert caught.value.maybe_done
    assert len(await graph.find(place, HELLO, start)) == 1


async def test_a_revoked_sign_in_is_lost(graph, place, control, sign_in):
    await graph.post(place, HELLO)
    await control("rotate", what="revoke_signin")
    with pytest.raises(Forbidden) as caught:
        await graph.post(place, HELLO)
    assert caught.value.code == "graph_signin_lost"
    assert (await sign_in.status()).problem == "graph_signin_lost"


async def test_a_limit_of_graph_is_told_and_not_repeated(sandbox, graph, place, control):
    await control("faults", on="graph", kind="status", status=429, retry_after=2, times=1)
    with pytest.raises(Throttled) as caught:
        await graph.post(place, HELLO)
    assert caught.value.after == 2
    assert len(thread(sandbox, place)) == 1


async def test_the_bot_answers_in_the_thread_and_in_chats(sandbox, connector, place):
    bot = BotReplies(connector, render)
    sent = await bot.post(place, HELLO)
    assert [(m["id"], m["via"]) for m in thread(sandbox, place)[1:]] == [(sent, "connector")]
    chats = [sandbox.config()["group_chats"][0]["id"], sandbox.config()["users"][0]["personal_chat"]]
    for scope, chat in zip(("groupChat", "personal"), chats, strict=True):
        assert await bot.post(Place(scope=scope, conversation_id=chat, service_url=place.service_url), HELLO)
    with pytest.raises(Rejected):
        await bot.post(Place(scope="personal", conversation_id="a:none", service_url=place.service_url), HELLO)


@pytest.fixture
def seeing_bot(sandbox, session, connector, app_tokens):
    """The bot, with the app package's permission to read."""
    reader = GraphReader(
        session, sandbox.env["GRAPH_BASE_URL"], app_tokens("https://graph.microsoft.com"), clock=time.time
    )
    return BotReplies(connector, render, app_id=sandbox.env["MicrosoftAppId"], reader=reader)


@pytest.fixture(params=["channel", "groupChat"])
def shared_place(request, sandbox, place):
    if request.param == "channel":
        return place
    chat = sandbox.config()["group_chats"][0]["id"]
    return Place(scope="groupChat", conversation_id=chat, service_url=place.service_url)


@pytest.mark.parametrize("kind", ["drop_after", "status_after"])
async def test_what_the_bot_posted_without_an_answer_is_found(seeing_bot, shared_place, control, kind):
    await control("faults", on="connector", match="POST .*/activities", kind=kind, status=502, times=1)
    start = time.time()
    with pytest.raises(Unavailable) as caught:
        await seeing_bot.post(shared_place, HELLO)
    assert caught.value.maybe_done
    assert len(await seeing_bot.find(shared_place, HELLO, start)) == 1
    assert await seeing_bot.find(shared_place, Reply(text="else", author="Grace Park"), start) == []


def card(card_id, text):
    block = {"type": "TextBlock", "id": card_id, "text": text}
    return Card(card_id, {"type": "AdaptiveCard", "version": "1.5", "body": [block]})


async def test_a_card_is_found_by_its_id_and_changed(seeing_bot, shared_place, control, sandbox, session):
    """Not by its text, which it does not have: two cards look the same then."""
    start = time.time()
    first = await seeing_bot.post(shared_place, Reply(text="", card=card("id-1", "one")))
    second = await seeing_bot.post(shared_place, Reply(text="", card=card("id-2", "two")))
    assert await seeing_bot.find(shared_place, Reply(text="", card=card("id-2", "other")), start) == [second] != [first]
    assert await seeing_bot.find(shared_place, Reply(text="", card=card("id-3", "two")), start) == []
    await seeing_bot.update(shared_place, second, card("id-2", "chosen"))
    async with session.get(f"{sandbox.url}/_sandbox/teams/state") as answer:
        threads = (await answer.json())["threads"]
    shown = {m["id"]: m["cards"][0]["body"][0]["text"] for t in threads for m in t["messages"] if m["card"]}
    assert shown == {first: "one", second: "chosen"}


async def test_the_bot_finds_what_it_knows_the_id_of(seeing_bot, shared_place):
    start = time.time()
    sent = await seeing_bot.post(shared_place, HELLO)
    assert await seeing_bot.find(shared_place, HELLO, start) == [sent]


async def test_the_bot_cannot_look_into_a_personal_chat(sandbox, seeing_bot, place):
    chat = sandbox.config()["users"][0]["personal_chat"]
    there = Place(scope="personal", conversation_id=chat, service_url=place.service_url)
    await seeing_bot.post(there, HELLO)
    assert await seeing_bot.find(there, HELLO, time.time()) is None


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_bot_without_the_permission_cannot_look(seeing_bot, shared_place, control, status):
    await control("faults", on="graph", kind="status", status=status, times=2)
    assert await seeing_bot.find(shared_place, HELLO, time.time()) is None


async def test_a_bot_waits_for_graph_but_not_for_ever(seeing_bot, place, control):
    await control("faults", on="graph", kind="status", status=503, times=None)
    with pytest.raises(Unavailable):
        await seeing_bot.find(place, HELLO, time.time())
    assert await seeing_bot.find(place, HELLO, time.time() - 301) is None


async def test_the_bot_renews_a_refused_token(connector, place, control):
    await control("faults", on="connector", kind="status", status=401, times=1)
    assert await BotReplies(connector, render).post(place, HELLO)


async def test_people_and_teams_are_known_to_the_roster(sandbox, connector, place):
    directory = TeamsDirectory(connector)
    ada = sandbox.config()["users"][0]
    person = await directory.person(place, ada["teams_id"])
    assert (person["name"], person["mail"], person["aad_object_id"]) == (ada["name"], ada["mail"], ada["aad_id"])
    assert await directory.person(place, "29:nobody") is None
    bare = Place(scope="channel", conversation_id="x", service_url=place.service_url, team_id=place.team_id)
    assert await directory.team_group_id(bare) == place.team_group_id
