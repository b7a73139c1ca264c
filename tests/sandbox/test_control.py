"""The rest of the control API: configuration, settings, reset, logs, the live stream, the page."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import make_mocked_request

from sandbox import Options, Sandbox, build_app
from sandbox.app import _from_here
from sandbox.stream import QUEUE_LIMIT

ENVIRONMENT = {
    "MicrosoftAppId", "MicrosoftAppPassword", "MicrosoftAppType", "MicrosoftAppTenantId", "BOT_OPENID_METADATA_URL",
    "BOT_OAUTH_URL", "BOT_SERVICE_URL_ALLOWLIST", "GRAPH_BASE_URL", "GRAPH_OAUTH_URL", "GRAPH_CLIENT_ID",
    "FRESHCHAT_API_URL", "FRESHCHAT_API_KEY", "FRESHCHAT_CHANNEL_ID", "FRESHCHAT_WEBHOOK_SCHEME",
    "FRESHCHAT_WEBHOOK_KEYS", "FRESHCHAT_WEBHOOK_TOKEN", "FRESHCHAT_HOST_ALLOWLIST",
    "FRESHDESK_URL", "FRESHDESK_API_KEY", "FRESHDESK_HOST_ALLOWLIST",
}  # fmt: skip


async def test_the_configuration_names_the_world_and_every_variable(api):
    config = await api.control("config")
    assert {"tenant", "app_id", "service_url", "team", "channels", "group_chats", "users", "agents", "inboxes"} <= set(
        config
    )
    assert set(config["env"]) == ENVIRONMENT
    assert all(isinstance(value, str) and value and "\n" not in value for value in config["env"].values())
    assert config["env"]["MicrosoftAppType"] == "SingleTenant"
    assert config["env"]["BOT_SERVICE_URL_ALLOWLIST"] == "127.0.0.1"
    assert [user["key"] for user in config["users"]] == ["ada", "minjun"]
    assert [agent["name"] for agent in config["agents"]] == ["Grace Park", "Tom Weber"]


async def test_settings_are_shown_and_changed(api):
    assert (await api.control("settings", {"rsc": False}))["rsc"] is False
    assert (await api.control("settings"))["rsc"] is False
    refused = await api.call("POST", "/_sandbox/settings", json={"rsc": "no"})
    assert (refused.status, refused.body["error"]) == (400, "setting rsc must be bool")


async def test_a_reset_keeps_the_world_and_the_keys(api):
    before = await api.control("config")
    await api.conversation()
    await api.control("teams/messages", {"text": "x"})
    await api.control("faults", {"on": "graph", "kind": "delay"})
    await api.control("timeline", {"action": "stored"})
    await api.control("settings", {"rsc": False})
    await api.control("reset", {})
    assert await api.control("config") == before
    assert (await api.control("teams/state"))["threads"] == []
    assert await api.control("freshchat/state") == {"users": [], "conversations": []}
    assert await api.control("faults") == await api.control("requests") == []
    assert (await api.control("settings"))["rsc"] is False, "settings stay unless the body asks for them"
    await api.control("reset", {"settings": True})
    assert (await api.control("settings"))["rsc"] is True


async def test_requests_are_logged_per_service_and_with_bodies_only_on_request(api):
    await api.freshchat("POST", "/users", {"reference_id": "김"})
    await api.control("teams/messages", {"text": "x"})
    (entry,) = await api.control("requests?on=freshchat")
    assert {"on", "method", "path", "status", "at", "ms"} == set(entry)
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/v2/users", 201)
    (with_body,) = await api.control("requests?on=freshchat&bodies=1")
    assert json.loads(with_body["body"]) == {"reference_id": "김"}
    assert [e["on"] for e in await api.control("requests")] == ["freshchat", "teams"]
    assert (await api.control("requests/counts"))["freshchat"] == 1
    assert (await api.call("GET", "/_sandbox/requests?on=x")).status == 400


async def test_the_log_is_bounded(api):
    for _ in range(1010):
        api.sandbox.log.add("graph", ("GET", "/"), 200, 0.0)
    assert len(await api.control("requests?on=graph")) == 1000
    assert (await api.control("requests/counts"))["graph"] == 1010


@pytest.mark.parametrize("path", ["rotate", "faults", "teams/activity", "timeline"])
@pytest.mark.parametrize("raw", [b"{", b'"text"'])
async def test_bodies_that_are_no_objects_are_refused(api, path, raw):
    answer = await api.call("POST", f"/_sandbox/{path}", data=raw)
    assert (answer.status, list(answer.body)) == (400, ["error"])


async def test_an_unknown_rotation_is_refused(api):
    assert (await api.call("POST", "/_sandbox/rotate", json={"what": "locks"})).status == 400


@contextlib.asynccontextmanager
async def following(api):
    """Reads events of the live stream, one call each."""
    async with api.session.get(f"{api.sandbox.url}/_sandbox/stream") as response:
        assert response.headers["Content-Type"] == "text/event-stream"

        async def event():
            lines = []
            while line := (await asyncio.wait_for(response.content.readuntil(b"\n"), 3)).rstrip(b"\n"):
                lines.append(line.decode())
            kind, data = lines
            return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

        yield event


async def test_a_new_page_gets_a_snapshot_and_then_what_changes(api):
    await api.control("timeline", {"action": "old", "ts": 1})
    first = await api.control("teams/messages", {"text": "line\nbreak", "deliver": False})
    async with following(api) as event:
        kind, snapshot = await event()
        assert kind == "snapshot"
        assert set(snapshot) == {"config", "teams", "freshchat", "timeline"}
        assert snapshot["timeline"] == [{"action": "old", "ts": 1}]
        assert snapshot["teams"]["threads"][0]["thread"] == first["id"]
        await api.control("teams/messages", {"text": "more", "thread": first["id"], "deliver": False})
        kind, thread = await event()
        assert (kind, thread["thread"], len(thread["messages"])) == ("teams", first["id"], 2)
        conversation_id, _ = await api.conversation()
        kind, conversation = await event()
        assert (kind, conversation["conversation_id"]) == ("freshchat", conversation_id)
        await api.control("timeline", [{"action": "a"}, {"action": "b"}])
        assert [await event(), await event()] == [("timeline", {"action": "a"}), ("timeline", {"action": "b"})]
        await api.control("reset", {})
        assert await event() == ("reset", {})


async def test_many_changes_in_a_moment_become_one_event(api):
    async with following(api) as event:
        await event()
        root = (await api.control("teams/messages", {"text": "0", "deliver": False}))["id"]
        ada = api.sandbox.world.users[0]
        thread = api.sandbox.teams.thread(f"{api.sandbox.world.channels[0].id};messageid={root}")
        for number in range(50):
            api.sandbox.teams.add(thread, api.sandbox.teams.author(ada), str(number), "user")
        kind, shown = await event()
        while len(shown["messages"]) < 51:
            kind, shown = await event()
        assert kind == "teams"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(event(), 0.2)


async def test_a_page_that_cannot_keep_up_gets_a_snapshot(api):
    queue = asyncio.Queue(QUEUE_LIMIT)
    api.sandbox.stream._queues.add(queue)
    try:
        for number in range(QUEUE_LIMIT + 1):
            api.sandbox.stream.send("timeline", {"n": number})
        assert queue.get_nowait().startswith(b"event: snapshot")
        assert queue.empty() or queue.get_nowait().startswith(b"event: timeline")
    finally:
        api.sandbox.stream._queues.discard(queue)


@pytest.mark.parametrize("path", ["/page/missing.js", "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py"])
async def test_only_files_of_the_page_are_served(api, path):
    assert (await api.call("GET", path)).status == 404


@pytest.mark.parametrize(
    ("remote", "allowed"), [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), (None, False)]
)
def test_the_control_api_is_for_this_machine(remote, allowed):
    transport = SimpleNamespace(
        get_extra_info=lambda name, default=None: (remote, 1) if name == "peername" else default
    )
    assert _from_here(make_mocked_request("GET", "/_sandbox/config", transport=transport)) is allowed


@pytest.mark.parametrize(
    ("options", "url", "host"),
    [
        (Options(), "http://127.0.0.1:4100", "127.0.0.1"),
        (Options(host="0.0.0.0"), "http://127.0.0.1:4100", "127.0.0.1"),
        (Options(host="::1"), "http://[::1]:4100", "::1"),
        (Options(public_url="http://sandbox:4100/"), "http://sandbox:4100", "sandbox"),
    ],
)
def test_links_lead_to_where_the_server_can_be_reached(options, url, host):
    sandbox = Sandbox(options)
    assert sandbox.url == url
    assert sandbox.service_url == f"{url}/connector/{sandbox.world.tenant}/"
    assert sandbox.env["FRESHCHAT_HOST_ALLOWLIST"] == host


def test_the_application_can_be_built_for_another_server():
    paths = {route.resource.canonical for route in build_app(Options(page=False)).router.routes()}
    assert "/v2/users" in paths
    assert "/" not in paths
