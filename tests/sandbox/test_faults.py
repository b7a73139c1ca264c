"""Faults: each kind on what is served and on what is sent, how often, for which requests."""

import asyncio
import time

import aiohttp
import pytest

from sandbox.faults import FaultBook
from sandbox.ids import Ids


async def order(api, **fault):
    return (await api.control("faults", fault))["id"]


async def users(api):
    return (await api.control("freshchat/state"))["users"]


def create(api, reference="r"):
    return api.freshchat("POST", "/users", {"reference_id": reference})


async def test_status_answers_the_error_without_doing_the_work(api):
    await order(api, on="freshchat", kind="status", status=429, retry_after=7)
    answer = await create(api)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert answer.body["code"] == 429
    assert await users(api) == []
    assert (await create(api)).status == 201, "a fault strikes once unless it says otherwise"


async def test_status_after_does_the_work_and_answers_the_error(api):
    await order(api, on="freshchat", kind="status_after", status=504)
    assert (await create(api)).status == 504
    assert len(await users(api)) == 1


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_after", 1)])
async def test_drop_closes_the_connection_before_or_after_the_work(api, kind, done):
    await order(api, on="freshchat", kind=kind)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(api)
    assert len(await users(api)) == done
    log = await api.control("requests?on=freshchat")
    assert (log[0]["status"], bool(log[0]["fault"])) == (0, True)


async def test_timeout_holds_the_connection_and_then_closes_it(api):
    await order(api, on="freshchat", kind="timeout", delay_ms=150)
    started = time.perf_counter()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(api)
    assert time.perf_counter() - started >= 0.15
    assert await users(api) == []


async def test_a_caller_may_give_up_on_a_timeout(api):
    await order(api, on="freshchat", kind="timeout")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(create(api), 0.1)


async def test_delay_answers_late(api):
    await order(api, on="freshchat", kind="delay", delay_ms=120)
    started = time.perf_counter()
    assert (await create(api)).status == 201
    assert time.perf_counter() - started >= 0.12


@pytest.mark.parametrize(
    ("body", "content_type"), [({"odd": 1}, "application/json"), ("<html>busy</html>", "text/html")]
)
async def test_the_body_of_an_error_can_be_chosen(api, body, content_type):
    await order(api, on="freshchat", kind="status", status=502, body=body)
    answer = await create(api)
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.body in (body, b"<html>busy</html>")


@pytest.mark.parametrize(
    ("on", "path", "code"),
    [("graph", "/v1.0/me", "TooManyRequests"), ("connector", "/connector/x/v3/conversations/y/members", "Throttled")],
)
async def test_each_service_errs_in_its_own_words(api, on, path, code):
    await order(api, on=on, kind="status", status=429)
    assert (await api.call("GET", path)).body["error"]["code"] == code


async def test_match_skip_and_times(api):
    fault = await order(api, on="freshchat", kind="status", status=503, match="^POST /v2/users$", skip=1, times=2)
    assert (await api.freshchat("GET", "/agents")).status == 200
    assert [(await create(api, f"r{n}")).status for n in range(5)] == [201, 503, 503, 201, 201]
    (listed,) = await api.control("faults")
    assert (listed["id"], listed["hits"], listed["seen"]) == (fault, 2, 3)


async def test_forever_until_deleted(api):
    fault = await order(api, on="freshchat", kind="status", status=500, times=None)
    assert [(await create(api)).status for _ in range(5)] == [500] * 5
    await api.control(f"faults/{fault}", method="DELETE")
    assert (await create(api)).status == 201
    assert (await api.call("DELETE", f"/_sandbox/faults/{fault}")).status == 404


async def test_all_faults_can_be_deleted(api):
    for on in ("freshchat", "webhook"):
        await order(api, on=on, kind="delay")
    assert await api.control("faults", method="DELETE") == []
    assert await api.control("faults") == []


def test_probability_strikes_about_as_often_as_it_says():
    book = FaultBook(Ids("seed"))
    book.add({"on": "graph", "kind": "delay", "probability": 0.25, "times": None})
    book.add({"on": "token", "kind": "delay", "probability": 0, "times": None})
    struck = sum(book.take("graph", "GET /") is not None for _ in range(2000))
    assert 400 < struck < 600
    assert all(book.take("token", "GET /") is None for _ in range(100))


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"on": "freshchat"},
        {"on": "nothing", "kind": "status"},
        {"on": "freshchat", "kind": "lose"},
        {"on": "webhook", "kind": "explode"},
        {"on": "graph", "kind": "status", "status": 99},
        {"on": "graph", "kind": "status", "status": "x"},
        {"on": "graph", "kind": "status", "times": -1},
        {"on": "graph", "kind": "status", "times": 1.5},
        {"on": "graph", "kind": "delay", "delay_ms": -1},
        {"on": "graph", "kind": "delay", "probability": "often"},
        {"on": "graph", "kind": "delay", "match": "("},
        {"on": "graph", "kind": "delay", "match": 5},
        {"on": "graph", "kind": "delay", "hits": 5},
    ],
)
async def test_a_wrong_fault_is_refused_in_words(api, wish):
    answer = await api.call("POST", "/_sandbox/faults", json=wish)
    assert answer.status == 400
    assert answer.body["error"]


async def replies(api, *texts):
    conversation_id, _ = await api.conversation(text="first")
    for text in texts:
        await api.control("freshchat/reply", {"conversation_id": conversation_id, "text": text})
    return conversation_id


def contents(bridge):
    return [w.json["data"]["message"]["message_parts"][0]["text"]["content"] for w in bridge.webhooks()]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "lose"}, ["b"]),
        ({"kind": "duplicate"}, ["a", "a", "b"]),
        ({"kind": "reorder"}, ["b", "a"]),
        ({"kind": "status", "status": 503}, ["a", "b"]),
        ({"kind": "drop_before"}, ["a", "b"]),
        ({"kind": "drop_after"}, ["a", "a", "b"]),
        ({"kind": "status_after"}, ["a", "a", "b"]),
        ({"kind": "delay", "delay_ms": 30}, ["a", "b"]),
        ({"kind": "timeout", "delay_ms": 30}, ["a", "b"]),
    ],
)
async def test_webhooks_go_wrong_as_ordered(api, bridge, until, fault, expected):
    await api.control("settings", {"echo_user_messages": False})
    await order(api, on="webhook", **fault)
    await replies(api, "a", "b")
    await until(lambda: api.sandbox.webhooks.pending == 0)
    assert contents(bridge) == expected


async def test_a_bad_signature_is_sent_once_and_then_a_good_one(api, bridge, until):
    await api.control("settings", {"echo_user_messages": False})
    await order(api, on="webhook", kind="bad_signature")
    bridge.statuses = [401]
    await replies(api, "a")
    await until(lambda: api.sandbox.webhooks.pending == 0)
    bad, good = (webhook.headers["X-Freshchat-Signature"] for webhook in bridge.webhooks())
    body = bridge.webhooks()[0].body
    assert good == api.sandbox.webhooks.key.signature(body)
    assert bad != good


async def test_a_webhook_fault_can_name_the_action(api, bridge, until):
    await order(api, on="webhook", kind="lose", match="conversation_resolution", times=None)
    conversation_id = await replies(api, "a")
    await api.control("freshchat/resolve", {"conversation_id": conversation_id})
    await until(lambda: api.sandbox.webhooks.pending == 0)
    assert [webhook.json["action"] for webhook in bridge.webhooks()] == ["message_create", "message_create"]


async def test_a_reordered_webhook_with_nothing_behind_it_comes_late(api, bridge, until):
    await api.control("settings", {"echo_user_messages": False})
    await order(api, on="webhook", kind="reorder", delay_ms=50)
    await replies(api, "a")
    await until(lambda: api.sandbox.webhooks.pending == 0)
    assert contents(bridge) == ["a"]


@pytest.mark.parametrize(
    ("fault", "status", "received"),
    [
        ({"kind": "lose"}, 0, 0),
        ({"kind": "duplicate"}, 200, 2),
        ({"kind": "drop_before"}, 0, 0),
        ({"kind": "drop_after"}, 0, 1),
        ({"kind": "status", "status": 502}, 502, 0),
        ({"kind": "status_after", "status": 504}, 504, 1),
        ({"kind": "timeout", "delay_ms": 30}, 0, 0),
        ({"kind": "delay", "delay_ms": 30}, 200, 1),
        ({"kind": "bad_signature"}, 200, 1),
    ],
)
async def test_activities_go_wrong_as_ordered(api, bridge, fault, status, received):
    await order(api, on="teams", **fault)
    answer = await api.control("teams/messages", {"user": "ada", "text": "x"})
    assert (answer["status"], len(bridge.activities())) == (status, received)
    if fault["kind"] == "bad_signature":
        good = api.sandbox.bot_tokens.usual(api.sandbox.service_url)
        sent = bridge.activities()[0].headers["Authorization"].removeprefix("Bearer ")
        assert sent != good
        assert sent.rpartition(".")[0] == good.rpartition(".")[0]


async def test_an_activity_is_overtaken_by_the_next_one(api, bridge):
    root = (await api.control("teams/messages", {"user": "ada", "text": "0"}))["thread"]
    await order(api, on="teams", kind="reorder")
    post = [api.control("teams/messages", {"user": "ada", "text": text, "thread": root}) for text in ("1", "2")]
    await asyncio.gather(post[0], post[1])
    assert [activity.json["text"] for activity in bridge.activities()] == ["0", "2", "1"]


async def test_latency_slows_every_service(api):
    await api.control("settings", {"latency_ms": 100})
    started = time.perf_counter()
    await api.freshchat("GET", "/agents")
    assert time.perf_counter() - started >= 0.1


async def link_of_a_file(api, bridge):
    """Share a file in a personal chat; give the path of its link."""
    files = [{"name": "a.txt", "text": "0123456789"}]
    await api.control("teams/messages", {"user": "ada", "scope": "personal", "text": "see", "files": files})
    url = bridge.activities()[-1].json["attachments"][0]["content"]["downloadUrl"]
    return url.removeprefix(api.sandbox.url)


async def test_links_of_files_can_fail_too(api, bridge):
    path = await link_of_a_file(api, bridge)
    await order(api, on="files", kind="status", status=302, location="http://10.0.0.1/x")
    answer = await api.call("GET", path)
    assert (answer.status, answer.headers["Location"]) == (302, "http://10.0.0.1/x")
    assert (await api.call("GET", path)).body == b"0123456789"
    assert [row["status"] for row in await api.control("requests?on=files")] == [302, 200]


async def test_a_drip_gives_one_byte_after_the_other(api, bridge):
    path = await link_of_a_file(api, bridge)
    await order(api, on="files", kind="drip", delay_ms=30)
    started = time.perf_counter()
    assert (await api.call("GET", path)).body == b"0123456789"
    assert time.perf_counter() - started >= 0.25
    await order(api, on="files", kind="drip", delay_ms=60_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.call("GET", path), 0.2)
    assert (await api.call("GET", path)).body == b"0123456789", "who has gone holds nobody up"
