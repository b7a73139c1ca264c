"""The Freshchat API: users, conversations, messages, uploads, directory, and every refusal."""

import io
import json
from datetime import datetime

import aiohttp
import pytest


async def state(api):
    return await api.control("freshchat/state")


async def test_a_user_is_created_found_changed_and_read(api, quoted):
    fields = {
        "reference_id": "teams:1",
        "email": "ada+x@fenn.example",
        "first_name": "김",
        "properties": [{"name": "a", "value": 1}],
    }
    created = await api.freshchat("POST", "/users", fields)
    user_id = created.body["id"]
    assert created.status == 201
    for query in ("reference_id=teams:1", f"email={quoted('ADA+x@fenn.example')}", "first_name=" + quoted("김")):
        found = (await api.freshchat("GET", f"/users?{query}")).body
        assert [user["id"] for user in found["users"]] == [user_id]
        assert found["pagination"]["total_items"] == 1
    changed = await api.freshchat(
        "PUT", f"/users/{user_id}", {"properties": [{"name": "b", "value": "2"}], "phone": "+1"}
    )
    assert changed.body["properties"] == [{"name": "b", "value": "2"}], "the list is replaced, not merged"
    assert (await api.freshchat("GET", f"/users/{user_id}")).body == changed.body
    assert (await api.freshchat("POST", "/users/fetch", {"ids": [user_id, "unknown"]})).body == [changed.body]


async def test_users_come_in_pages_of_at_most_fifty(api):
    for number in range(3):
        await api.user(reference_id=f"r{number}")
    path = "/users?created_from=2000-01-01T00:00:00.000Z&items_per_page=2"
    first = (await api.freshchat("GET", path)).body
    second = (await api.freshchat("GET", first["links"]["next_page"]["href"].removeprefix("/v2"))).body
    assert [u["reference_id"] for u in first["users"] + second["users"]] == ["r0", "r1", "r2"]
    assert first["pagination"] == {"current_page": 1, "items_per_page": 2, "total_items": 3, "total_pages": 2}
    assert "next_page" not in second["links"]
    assert (await api.freshchat("GET", path.replace("page=2", "page=9999"))).body["pagination"]["items_per_page"] == 50
    newest = (await api.freshchat("GET", path + "&sort_order=desc")).body["users"][0]
    assert newest["reference_id"] == "r2"


async def test_a_user_is_not_found_by_the_times_it_was_not_created(api):
    await api.user()
    assert (await api.freshchat("GET", "/users?created_to=2000-01-01T00:00:00Z")).body["users"] == []


async def test_a_second_user_with_the_same_reference_is_a_conflict(api):
    await api.user(reference_id="same")
    answer = await api.freshchat("POST", "/users", {"reference_id": "same"})
    assert (answer.status, answer.body["status"]) == (409, "CONFLICT")


async def test_a_conversation_starts_with_its_messages(api):
    user_id = await api.user()
    body = api.opening(user_id, "안녕하세요 🙂", properties={"priority": "High", "cf_source": "teams"})
    answer = await api.freshchat("POST", "/conversations", body)
    conversation = answer.body
    assert answer.status == 200
    assert conversation["status"] == "new"
    assert conversation["properties"] == {"priority": "High", "cf_source": "teams"}
    assert conversation["messages"][0]["message_parts"] == [{"text": {"content": "안녕하세요 🙂"}}]
    read = (await api.freshchat("GET", f"/conversations/{conversation['conversation_id']}")).body
    assert "messages" not in read
    assert read["conversation_id"] == conversation["conversation_id"]
    listed = (await api.freshchat("GET", f"/users/{user_id}/conversations")).body
    assert listed == {"conversations": [{"id": conversation["conversation_id"]}]}


async def test_messages_come_newest_first_with_links_and_no_counts(api, words):
    conversation_id, user_id = await api.conversation(text="0")
    for number in range(1, 5):
        await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id, str(number)))
    texts, path = [], f"/conversations/{conversation_id}/messages?page=1&items_per_page=2"
    while path:
        page = (await api.freshchat("GET", path)).body
        assert "pagination" not in page
        texts += [message["message_parts"][0]["text"]["content"] for message in page["messages"]]
        path = page.get("link", {}).get("href", "").removeprefix("/v2")
    assert texts == ["4", "3", "2", "1", "0"]


async def test_messages_since_a_time(api, words):
    conversation_id, user_id = await api.conversation()
    sent = (await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id))).body
    path = f"/conversations/{conversation_id}/messages?from_time="
    assert sent["id"] in [m["id"] for m in (await api.freshchat("GET", path + sent["created_time"])).body["messages"]]
    assert (await api.freshchat("GET", path + "2999-01-01T00:00:00.000Z")).body == {"messages": []}


@pytest.mark.parametrize("kind", ["agent", "bot", "system", "private"])
async def test_others_than_the_user_may_post(api, words, kind):
    conversation_id, _ = await api.conversation()
    actor = "agent" if kind == "private" else kind
    actor_id = api.sandbox.world.agents[0].id if actor == "agent" else ""
    body = words(actor_id, "note", actor, message_type="private" if kind == "private" else "normal")
    sent = (await api.freshchat("POST", f"/conversations/{conversation_id}/messages", body)).body
    shown = (await state(api))["conversations"][0]["messages"][-1]
    assert (sent["actor_type"], sent["message_type"]) == (actor, body["message_type"])
    assert (shown["id"], shown["type"], shown["text"]) == (sent["id"], body["message_type"], "note")


async def resolved(api, user_id=None):
    conversation_id, user_id = await api.conversation(user_id)
    await api.freshchat("PUT", f"/conversations/{conversation_id}", {"status": "resolved"})
    return conversation_id, user_id


async def test_a_post_to_the_newest_resolved_conversation_reopens_it(api, bridge, words, until):
    conversation_id, user_id = await resolved(api)
    answer = await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id))
    assert answer.status == 200
    assert (await api.freshchat("GET", f"/conversations/{conversation_id}")).body["status"] == "new"
    await until(lambda: len(bridge.webhooks()) == 4)
    actions = [webhook.json["action"] for webhook in bridge.webhooks()]
    assert actions == ["message_create", "conversation_resolution", "conversation_reopen", "message_create"]
    first, last = (bridge.webhooks()[n].json["data"]["message"]["interaction_id"] for n in (0, 3))
    assert first != last, "a reopening starts a new interaction"


async def test_a_post_to_an_older_resolved_conversation_is_refused(api, words):
    old, user_id = await resolved(api)
    await api.conversation(user_id)
    answer = await api.freshchat("POST", f"/conversations/{old}/messages", words(user_id))
    assert (answer.status, answer.body["status"]) == (400, "INVALID_VALUE")
    assert "not the latest conversation" in answer.body["message"]


async def test_an_older_conversation_that_is_open_takes_messages(api, words):
    old, user_id = await api.conversation()
    await api.conversation(user_id)
    assert (await api.freshchat("POST", f"/conversations/{old}/messages", words(user_id))).status == 200


async def test_the_setting_refuses_every_post_to_a_resolved_conversation(api, words):
    conversation_id, user_id = await resolved(api)
    await api.control("settings", {"not_latest": True})
    answer = await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id))
    assert "not the latest conversation" in answer.body["message"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "resolved"}, {"status": "resolved"}),
        (
            {"status": "assigned", "assigned_agent_id": "{agent}"},
            {"status": "assigned", "assigned_agent_id": "{agent}"},
        ),
        ({"assigned_agent_id": "{agent}"}, {"status": "assigned", "assigned_agent_id": "{agent}"}),
        ({"status": "new", "assigned_group_id": "{group}"}, {"status": "new", "assigned_group_id": "{group}"}),
        ({"properties": {"cf_x": "1"}}, {"status": "new", "properties": {"cf_x": "1"}}),
        ({"status": "waiting on customer"}, {"status": "waiting on customer"}),
    ],
)
async def test_a_conversation_is_changed(api, change, expected):
    world = api.sandbox.world
    conversation_id, _ = await api.conversation()

    def named(fields):
        ids = {"{agent}": world.agents[0].id, "{group}": world.groups[0].id}
        return {name: ids.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}

    answer = await api.freshchat("PUT", f"/conversations/{conversation_id}", named(change))
    assert answer.status == 200
    assert named(expected).items() <= answer.body.items()


async def test_a_conversation_is_taken_back_and_reopened(api):
    conversation_id, _ = await api.conversation()
    path = f"/conversations/{conversation_id}"
    await api.freshchat("PUT", path, {"assigned_agent_id": api.sandbox.world.agents[0].id})
    taken_back = (await api.freshchat("PUT", path, {"assigned_agent_id": ""})).body
    assert (taken_back["assigned_agent_id"], taken_back["status"]) == ("", "new")
    await api.freshchat("PUT", path, {"status": "resolved"})
    assert (await api.freshchat("PUT", path, {"status": "new"})).body["status"] == "new"


USER = "{user}"
TEXT_PART = {"text": {"content": "x"}}
REFUSALS = [
    ("POST", "/users", {"first_name": "A"}, 400, "INVALID_VALUE"),
    ("POST", "/users", {"email": "a@x.example", "properties": {"a": 1}}, 400, "INVALID_VALUE"),
    ("POST", "/users", {"email": 5}, 400, "INVALID_VALUE"),
    ("POST", "/users", [], 400, "INVALID_VALUE"),
    ("GET", "/users", None, 400, "INVALID_VALUE"),
    ("GET", "/users?page=2", None, 400, "INVALID_VALUE"),
    ("GET", "/users?created_from=soon", None, 400, "INVALID_VALUE"),
    ("GET", "/users/unknown", None, 404, "USER_NOT_FOUND"),
    ("PUT", "/users/unknown", {"first_name": "A"}, 404, "USER_NOT_FOUND"),
    ("PUT", f"/users/{USER}", {"properties": {"a": "b"}}, 400, "INVALID_VALUE"),
    ("GET", "/users/unknown/conversations", None, 404, "USER_NOT_FOUND"),
    ("POST", "/users/fetch", {"ids": "x"}, 400, "INVALID_VALUE"),
    ("GET", "/conversations", None, 404, "NOT_FOUND"),
    ("DELETE", f"/users/{USER}", None, 405, "METHOD_NOT_ALLOWED"),
    ("GET", "/conversations/unknown", None, 404, "CONVERSATION_NOT_FOUND"),
    ("PUT", "/conversations/unknown", {"status": "new"}, 404, "CONVERSATION_NOT_FOUND"),
    ("GET", "/conversations/unknown/messages", None, 404, "CONVERSATION_NOT_FOUND"),
    ("POST", "/conversations/unknown/messages", {}, 404, "CONVERSATION_NOT_FOUND"),
    ("PUT", "/conversations/{c}", {"status": "open"}, 400, "INVALID_VALUE"),
    ("PUT", "/conversations/{c}", {"status": "assigned"}, 400, "INVALID_VALUE"),
    ("PUT", "/conversations/{c}", {"assigned_agent_id": "unknown"}, 400, "AGENT_NOT_FOUND"),
    ("PUT", "/conversations/{c}", {"assigned_group_id": "unknown"}, 400, "GROUP_NOT_FOUND"),
    ("PUT", "/conversations/{c}", {"properties": []}, 400, "INVALID_VALUE"),
    ("POST", "/csat/{c}", {}, 400, "INVALID_VALUE"),
    ("POST", "/csat/unknown", {"rating": 5}, 404, "CONVERSATION_NOT_FOUND"),
    ("GET", "/conversations/{c}/messages?from_time=soon", None, 400, "INVALID_VALUE"),
    ("GET", "/agents/unknown", None, 404, "AGENT_NOT_FOUND"),
    ("GET", "/nowhere", None, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "word"), REFUSALS)
async def test_refusals(api, method, path, body, status, word):
    conversation_id, user_id = await api.conversation()
    path = path.format(user=user_id, c=conversation_id)
    answer = await api.freshchat(method, path, body)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(answer.body) == {"code", "status", "message"}
    assert (answer.status, answer.body["code"], answer.body["status"]) == (status, status, word)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel_id": None}, "channel_id is required"),
        ({"channel_id": "unknown"}, "channel_id is not valid"),
        ({"channel_id": "{disabled}"}, "channel is disabled"),
        ({"users": None}, "users[0].id is required"),
        ({"users": []}, "users[0].id is required"),
        ({"users": [{}]}, "users[0].id is required"),
        ({"users": [{"id": "unknown"}]}, "user not found"),
        ({"messages": []}, "messages must be a non-empty list"),
        ({"messages": None}, "messages must be a non-empty list"),
        ({"messages": ["x"]}, "a message must be an object"),
        ({"properties": []}, "Conversation payload not valid"),
        ({"properties": {"priority": "high"}}, "priority is not valid"),
        ({"assigned_group_id": "unknown"}, "group not found"),
        ({"assigned_agent_id": "unknown"}, "agent not found"),
    ],
)
async def test_a_wrong_conversation_is_refused_and_nothing_is_kept(api, change, message):
    user_id = await api.user()
    if change.get("channel_id") == "{disabled}":
        change = {"channel_id": api.sandbox.world.inboxes[2].id}
    answer = await api.freshchat("POST", "/conversations", api.opening(user_id, **change))
    assert (answer.status, answer.body["message"]) == (400, message)
    assert (await state(api))["conversations"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"message_parts": None}, "message_parts must be a non-empty list"),
        ({"message_parts": []}, "message_parts must be a non-empty list"),
        ({"message_parts": {"text": {"content": "x"}}}, "message_parts must be a non-empty list"),
        ({"message_parts": ["x"]}, "each message part must be an object with exactly one key"),
        ({"message_parts": [{**TEXT_PART, "image": {}}]}, "each message part must be an object with exactly one key"),
        ({"message_parts": [{"poem": {}}]}, "message part poem is not valid"),
        ({"message_parts": [{"text": "x"}]}, "message part text is not valid"),
        ({"message_parts": [{"text": {"content": " "}}]}, "TEXT_EMPTY_CONTENT"),
        ({"message_parts": [{"image": {"fileHash": "x"}}]}, "IMAGE_EMPTY_CONTENT"),
        ({"message_parts": [{"file": {"fileHash": "x"}}]}, "FILE_NOT_FOUND"),
        ({"message_parts": [{"file": {"name": "x"}}]}, "FILE_EMPTY_CONTENT"),
        ({"actor_type": None}, "actor_type is not valid"),
        ({"actor_type": "robot"}, "actor_type is not valid"),
        ({"actor_id": "someone-else"}, "user is not part of the conversation"),
        ({"actor_type": "agent", "actor_id": "unknown"}, "agent not found"),
        ({"message_type": "secret"}, "message_type is not valid"),
        ({"message_type": "private"}, "a private message needs an agent or a bot"),
    ],
)
async def test_a_wrong_message_is_refused(api, words, change, message):
    conversation_id, user_id = await api.conversation()
    answer = await api.freshchat("POST", f"/conversations/{conversation_id}/messages", {**words(user_id), **change})
    assert (answer.status, answer.body) == (400, {"code": 400, "status": "INVALID_VALUE", "message": message})


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/agents"), ("POST", "/v2/users"), ("GET", "/v2/conversations/x")]
)
async def test_a_bad_key_is_refused_everywhere(api, header, method, path):
    answer = await api.call(method, path, headers={"Authorization": header} if header else {})
    assert (answer.status, answer.body["status"]) == (401, "UNAUTHENTICATED")


async def test_an_exchanged_key_works_and_the_old_one_does_not(api):
    old = api.sandbox.api_key.value
    new = await api.control("rotate", {"what": "api_key"})
    assert new["api_key"] == new["env"]["FRESHCHAT_API_KEY"] == api.sandbox.api_key.value != old
    assert (await api.freshchat("GET", "/agents")).status == 200
    assert (await api.call("GET", "/v2/agents", headers={"Authorization": f"Bearer {old}"})).status == 401


@pytest.mark.parametrize(
    ("content_type", "raw", "status"),
    [("text/plain", b"{}", 415), ("application/x-www-form-urlencoded", b"a=b", 415), ("application/json", b"{", 400)],
)
async def test_a_body_that_is_not_json_is_refused(api, content_type, raw, status):
    answer = await api.freshchat("POST", "/users", headers={"Content-Type": content_type}, data=raw)
    assert answer.status == answer.body["code"] == status


def form(field, name, content_type, data):
    written = aiohttp.FormData(quote_fields=False)
    written.add_field(field, io.BytesIO(data), filename=name, content_type=content_type)
    return written


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x03 \x00\x00\x02X"


async def test_a_file_goes_up_as_a_hash_and_comes_back_with_a_url(api, words):
    conversation_id, user_id = await api.conversation()
    up = (
        await api.freshchat("POST", "/files/upload", data=form("file", "보고서.pdf", "application/pdf", b"%PDF"))
    ).body
    assert (up["file_name"], up["file_size"], up["file_extension_type"]) == ("보고서.pdf", 4, "pdf")
    assert "url" not in up
    part = {"file": {"fileHash": up["file_hash"], "fileSource": "FRESHCHAT", "name": "보고서.pdf"}}
    path = f"/conversations/{conversation_id}/messages"
    sent = (await api.freshchat("POST", path, {**words(user_id), "message_parts": [part]})).body
    file = sent["message_parts"][0]["file"]
    assert (file["name"], file["file_size_in_bytes"], file["content_type"]) == ("보고서.pdf", 4, "application/pdf")
    assert (await api.call("GET", file["url"].removeprefix(api.sandbox.url))).body == b"%PDF"


async def test_an_image_goes_up_as_a_url(api):
    up = (await api.freshchat("POST", "/images/upload", data=form("image", "a.png", "image/png", PNG))).body
    assert (up["width"], up["height"], up["content_type"]) == (800, 600, "image/png")
    assert up["thumbnail"]["url"]
    image = await api.call("GET", up["url"].removeprefix(api.sandbox.url))
    assert (image.body, image.headers["X-Content-Type-Options"]) == (PNG, "nosniff")


@pytest.mark.parametrize(
    ("path", "field", "content_type", "status"),
    [("/files/upload", "image", "image/png", 400), ("/images/upload", "file", "image/png", 400),
     ("/images/upload", "image", "text/plain", 400)],
)  # fmt: skip
async def test_a_wrong_upload_is_refused(api, path, field, content_type, status):
    assert (await api.freshchat("POST", path, data=form(field, "a", content_type, b"x"))).status == status


async def test_an_upload_that_is_no_form_or_too_large_is_refused(api):
    assert (await api.freshchat("POST", "/files/upload", {})).status == 415
    huge = form("file", "a", "application/pdf", b"0" * (25 * 1024 * 1024 + 1))
    assert (await api.freshchat("POST", "/files/upload", data=huge)).status == 413


async def test_the_directory(api):
    agents = (await api.freshchat("GET", "/agents?items_per_page=1")).body
    channels = (await api.freshchat("GET", "/channels")).body["channels"]
    assert (len(agents["agents"]), agents["pagination"]["total_pages"]) == (1, 2)
    assert (await api.freshchat("GET", f"/agents/{agents['agents'][0]['id']}")).body["first_name"] == "Grace"
    assert [channel["enabled"] for channel in channels] == [True, True, False]
    assert len((await api.freshchat("GET", "/groups")).body["groups"]) == 2
    assert (await api.freshchat("GET", "/accounts/configuration")).body["app_id"]
    fields = (await api.freshchat("GET", "/conversations/fields")).body
    assert fields[0]["name"] == "priority"


async def test_a_rating_is_accepted_and_shown(api):
    conversation_id, _ = await api.conversation()
    assert (await api.freshchat("POST", f"/csat/{conversation_id}", {"stars": 4})).status == 202
    assert (await state(api))["conversations"][0]["csat"] == {"stars": 4}


async def test_the_state_shows_what_a_page_needs(api):
    user_id = await api.user(first_name="민준", last_name="김", email="m@fenn.example")
    conversation_id, _ = await api.conversation(user_id, "hello")
    await api.control("freshchat/assign", {"conversation_id": conversation_id, "agent": "tom"})
    await api.control("freshchat/reply", {"conversation_id": conversation_id, "agent": "tom", "text": "hi"})
    shown = (await state(api))["conversations"][0]
    assert (shown["status"], shown["assigned_agent"]["name"], shown["user"]["name"]) == (
        "assigned",
        "Tom Weber",
        "민준 김",
    )
    assert [(m["actor_name"], m["text"], m["type"]) for m in shown["messages"]] == [
        ("민준 김", "hello", "normal"),
        ("Tom Weber", "hi", "normal"),
    ]


async def test_an_answer_can_be_dated_back(api):
    conversation_id, _ = await api.conversation()
    for ago in (600, 0):
        await api.control("freshchat/reply", {"conversation_id": conversation_id, "text": "hi", "ago": ago})
    times = [m["created_time"] for m in (await state(api))["conversations"][0]["messages"][-2:]]
    first, second = (datetime.fromisoformat(time).timestamp() for time in times)
    assert second - first == pytest.approx(600, abs=10)
    refused = await api.call(
        "POST", "/_sandbox/freshchat/reply", json={"conversation_id": conversation_id, "text": "hi", "ago": "long"}
    )
    assert refused.status == 400


async def test_json_is_raw_utf8(api):
    user_id = await api.user(first_name="김")
    async with api.session.get(
        f"{api.sandbox.url}/v2/users/{user_id}", headers={"Authorization": f"Bearer {api.sandbox.api_key.value}"}
    ) as response:
        raw = await response.read()
    assert "김".encode() in raw
    assert json.loads(raw)["first_name"] == "김"
