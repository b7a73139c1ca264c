"""Reading Teams' files: against the sandbox, and what a server that we do not know is never given."""

from __future__ import annotations

import base64
import json
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from adapters.downloads import Downloads, download_session
from adapters.http import HostRule
from adapters.teams.files import TeamsFiles
from adapters.teams.graph_files import GraphFiles
from adapters.teams.tokens import ClientCredentials
from bots.activity import to_event
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.events import Event, Place, Sender, SharedFile
from sandbox import Options, Sandbox

PDF = b"%PDF-1.7 a plan"
ADA = Sender(kind="user", id="29:ada")


class Tokens:
    """Gives one token after the other; those named are refused by the token service itself."""

    def __init__(self, *tokens):
        self.tokens, self.invalid = list(tokens), []

    async def token(self):
        if isinstance(self.tokens[0], Exception):
            raise self.tokens[0]
        return self.tokens[0]

    def invalidate(self, token):
        self.invalid.append(token)
        if len(self.tokens) > 1:
            self.tokens.pop(0)


@pytest.fixture
async def downloads():
    async with download_session() as made:
        yield made


@pytest.fixture
async def sandbox():
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox:
        yield sandbox


def source(session, downloads, base, bot, app, hosts=("127.0.0.1",)):
    """Make a source with these tokens of the bot and of the app."""
    rule = HostRule(hosts, allow_loopback_http=True)
    links = Downloads(downloads, rule, seconds=5)
    graph = GraphFiles(session, base, app, downloads, links, seconds=5)
    return TeamsFiles(links, Downloads(downloads, rule, seconds=5), bot, graph)


@pytest.fixture
def of_sandbox(sandbox, session, downloads):
    """Make the source with real tokens of the sandbox's Entra."""

    async def secret():
        return sandbox.env["MicrosoftAppPassword"]

    def tokens(scope):
        env = sandbox.env
        return ClientCredentials(session, env["BOT_OAUTH_URL"], env["MicrosoftAppId"], secret, scope, clock=time.time)

    bot, app = tokens("https://api.botframework.com/.default"), tokens("https://graph.microsoft.com/.default")
    return source(session, downloads, f"{sandbox.url}/v1.0", bot, app)


@pytest.fixture
def send(sandbox, session):
    """Send a message in the sandbox; give the event that the bridge would make of it."""

    async def send(**said):
        url = f"{sandbox.url}/_sandbox"
        async with session.post(f"{url}/settings", json={"bridge": f"{url}/timeline"}) as response:
            assert response.status == 200
        bodies = f"{url}/requests?on=teams&bodies=1"
        async with session.post(f"{url}/teams/messages", json={"user": "ada", "text": "x"} | said) as response:
            assert response.status == 200, await response.text()
        async with session.get(bodies) as response:
            raw = (await response.json())[-1]["body"]
        event = to_event(json.loads(raw), sandbox.env["MicrosoftAppId"])
        assert isinstance(event, Event)
        if event.place.scope != "channel":
            return event
        return replace(event, place=replace(event.place, team_group_id=sandbox.world.team.aad_group_id))

    return send


def given(name, content, kind="application/pdf", **more):
    return {"name": name, "content_type": kind, "base64": base64.b64encode(content).decode()} | more


async def everything(files, event, max_bytes=10_000):
    found = await files.find(event)
    return [await whole(files, event, file, max_bytes) for file in found]


async def whole(files, event, file, max_bytes=10_000):
    async with aclosing(files.read(event, file, max_bytes)) as pieces:
        return b"".join([piece async for piece in pieces])


PERSONAL = {"scope": "personal", "files": [given("shot.png", b"picture", "image/png"), given("plan.pdf", PDF)]}
CHANNEL = {"scope": "channel", "files": [given("plan.pdf", PDF), given("shot.png", b"picture", "image/png", inline=1)]}


@pytest.mark.parametrize("said", [PERSONAL, CHANNEL, CHANNEL | {"scope": "groupChat"}], ids=lambda s: s["scope"])
async def test_every_scope(said, send, of_sandbox):
    """Pictures, then files, with the permissions that the sandbox's app has."""
    event = await send(**said)
    assert await everything(of_sandbox, event) == [b"picture", PDF]


async def test_a_message_that_is_gone(send, of_sandbox):
    """Graph does not know it: rejected, and not for want of a permission."""
    event = await send(**CHANNEL)
    with pytest.raises(Rejected) as refused:
        await of_sandbox.find(replace(event, message_id="1"))
    assert refused.value.code == "file_gone"


async def test_too_large_is_known_before_it_is_read(send, of_sandbox):
    """Graph tells the size of a file."""
    event = await send(scope="channel", files=[given("plan.pdf", PDF)])
    (file,) = await of_sandbox.find(event)
    assert (file.name, file.page) == ("plan.pdf", file.url)
    with pytest.raises(Rejected) as refused:
        await whole(of_sandbox, event, file, max_bytes=3)
    assert refused.value.code == "file_too_large"


# --- whom which token is given to


def event_at(service_url, scope="personal"):
    place = Place(scope=scope, conversation_id="19:x@thread.v2", service_url=service_url)
    return Event(
        idempotency_key="teams:-/x/-/1:create",
        tenant_id="t1",
        direction="inbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=ADA,
        message_id="1",
        place=place,
    )


def on_connector(url):
    return SharedFile(way="connector", url=url)


@pytest.fixture
def connect(session, downloads, upstream):
    """Make a source whose Graph and connector are the scripted upstream."""

    def connect(bot=None, app=None):
        bot, app = bot or Tokens("bot-token"), app or Tokens("app-token")
        return source(session, downloads, f"{upstream.url}/v1.0", bot, app)

    return connect


async def test_the_bots_token_goes_to_its_connector_only(connect, upstream):
    """A picture elsewhere is read without a token, though its host is allowed."""
    upstream.on("GET /.*", (200, "x"))
    own, other = event_at(f"{upstream.url}/emea/"), event_at("http://localhost:1/emea/")
    for event in (own, other):
        await whole(connect(), event, on_connector(f"{upstream.url}/v3/attachments/1/views/original"))
    assert [one.headers.get("Authorization") for one in upstream.asked] == ["Bearer bot-token", None]


@pytest.mark.parametrize("url", ["https://evil.example/x", "http://10.0.0.1/x", "file:///etc/passwd", "x", ""])
@pytest.mark.parametrize("way", ["link", "connector"])
async def test_other_hosts_are_not_asked(url, way, connect, upstream):
    """Whatever an activity names."""
    with pytest.raises(Rejected) as refused:
        await whole(connect(), event_at(url or upstream.url), SharedFile(way=way, url=url))
    assert refused.value.code == "file_bad_address"


async def test_a_refused_token_is_renewed_once(connect, upstream):
    """Then it is the token's fault, not the file's."""
    upstream.on("GET /.*", (200, "x"))
    upstream.on("GET /.*", (401, {}), times=1)
    tokens = Tokens("old", "new")
    file, event = on_connector(f"{upstream.url}/v3/1"), event_at(upstream.url)
    assert await whole(connect(bot=tokens), event, file) == b'"x"'
    assert tokens.invalid == ["old"]
    upstream.on("GET /.*", (401, {}))
    with pytest.raises(Unavailable) as away:
        await whole(connect(), event, file)
    assert away.value.code == "connector_401"


async def test_a_bot_without_a_token_waits(connect, upstream):
    """A file is no reason to hold everything else."""
    bot = Tokens(Forbidden("401 invalid_client", code="entra_invalid_client", component="entra"))
    with pytest.raises(Unavailable) as away:
        await whole(connect(bot=bot), event_at(upstream.url), on_connector(f"{upstream.url}/v3/1"))
    assert away.value.code == "entra_invalid_client"


ELSEWHERE = SharedFile(way="graph", url="https://fenn.sharepoint.com/plan.pdf")
ANSWERS = [
    ((403, {}), Rejected, "files_not_permitted"),
    ((401, {}), Rejected, "files_not_permitted"),
    ((404, {}), Rejected, "file_gone"),
    ((400, {}), Rejected, "file_refused"),
    ((429, {}, {"Retry-After": "7"}), Throttled, "graph_429"),
    ((503, {}), Unavailable, "graph_503"),
    ((200, {"folder": {}}), Rejected, "file_refused"),
    ((200, {"@microsoft.graph.downloadUrl": "https://evil.example/x"}), Rejected, "file_bad_address"),
    ((200, {"size": 11_000}), Rejected, "file_too_large"),
]


@pytest.mark.parametrize(("answer", "error", "code"), ANSWERS)
async def test_what_graph_says_of_a_file(answer, error, code, connect, upstream):
    """Nothing of it holds the other messages."""
    upstream.on("GET /v1.0/shares/.*", answer)
    with pytest.raises(error) as refused:
        await whole(connect(), event_at(upstream.url), ELSEWHERE)
    assert refused.value.code == code
    share = base64.urlsafe_b64encode(ELSEWHERE.url.encode()).decode().rstrip("=")
    assert upstream.asked[0].path == f"/v1.0/shares/u!{share}/driveItem"


async def test_an_app_that_graph_does_not_know(connect, upstream):
    """As if it had no permission: the words went, the agent gets the link."""
    app = Tokens(Forbidden("401 invalid_client", code="entra_invalid_client", component="entra"))
    with pytest.raises(Rejected) as refused:
        await whole(connect(app=app), event_at(upstream.url), ELSEWHERE)
    assert refused.value.code == "files_not_permitted"


@pytest.mark.parametrize(
    ("status", "code"), [(403, "files_not_permitted"), (401, "files_not_permitted"), (404, "file_gone")]
)
async def test_what_graph_says_of_a_picture(status, code, connect, upstream):
    """A refused token is renewed once there too."""
    upstream.on("GET .*", (status, {}))
    tokens = Tokens("old", "new")
    file = SharedFile(way="graph", url=f"{upstream.url}/v1.0/chats/x/messages/1/hostedContents/1/$value")
    with pytest.raises(Rejected) as refused:
        await whole(connect(app=tokens), event_at(upstream.url), file)
    assert refused.value.code == code
    assert tokens.invalid == (["old", "new"] if status == 401 else [])


async def test_only_what_graph_hosts_is_a_picture(connect, upstream):
    """Neither what a web page hosts nor another path of Graph's, which would be read with our token."""
    good = f"{upstream.url}/v1.0/chats/19%3Ax/messages/1/hostedContents/aWQ=/$value"
    bad = [
        "https://media.giphy.example/x/hostedContents/1/$value",
        "https://evil.example/v1.0/chats/19%3Ax/messages/1/hostedContents/1/$value",
        f"{upstream.url}/v1.0/users/hostedContents",
        f"{upstream.url}/beta/chats/x/hostedContents/1/$value",
        "/v1.0/x/hostedContents/1/$value",
        "http://[/hostedContents/",
        "",
    ]
    markup = "".join(f'<img src="{url}">' for url in (*bad, good, good))
    reference = {"contentType": "reference", "contentUrl": "https://fenn.sharepoint.com/plan.pdf", "name": "plan.pdf"}
    attachments = [
        {"contentType": "messageReference", "contentUrl": None},
        reference,
        reference | {"contentUrl": "javascript:alert(1)"},
        reference | {"contentUrl": None},
        reference | {"contentUrl": "https://fenn.sharepoint.com/a\r\nb"},
        reference | {"contentUrl": "https://fenn.sharepoint.com/Chat Files/계획\ud83d.pdf", "name": "계획\ud83d.pdf"},
        7,
    ]
    upstream.on("GET .*", {"body": {"content": f"\udc00{markup}"}, "attachments": attachments})
    event = event_at(upstream.url, "groupChat")
    found = await connect().find(replace(event, files=(SharedFile(way="graph", url=""),)))
    assert [file.url for file in found[:2]] == [good, "https://fenn.sharepoint.com/plan.pdf"]
    (chat,) = found[2:]
    assert (chat.url, chat.name) == ("https://fenn.sharepoint.com/Chat Files/계획?.pdf", "계획?.pdf")
    assert chat.page == "https://fenn.sharepoint.com/Chat%20Files/계획?.pdf"
    assert upstream.asked[0].path == "/v1.0/chats/19%3Ax%40thread.v2/messages/1"
