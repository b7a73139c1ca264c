"""What people do with messages that are there already: edits, deletions, reactions, presses of buttons, files shown."""

import base64

import pytest

CARD = "application/vnd.microsoft.card.adaptive"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def said(api, **body):
    answer = await api.control("teams/messages", {"user": "ada", "text": "the printer is stuck", **body})
    return {"conversation_id": answer["conversation_id"], "message": answer["id"], "user": "ada"}


async def message(api, where):
    threads = (await api.control("teams/state"))["threads"]
    (thread,) = [t for t in threads if t["conversation_id"] == where["conversation_id"]]
    return next(m for m in thread["messages"] if m["id"] == where["message"])


async def botsays(api, where, activity):
    """The bot posts into a thread; give where its message is."""
    answer = await api.connector("POST", f"/conversations/{where['conversation_id']}/activities", activity)
    assert answer.status == 201
    return {**where, "message": answer.body["id"]}


async def test_an_edit_is_shown_and_told_with_its_mention_and_without_the_team(api, bridge):
    where = await said(api, mention=True)
    assert (await api.control("teams/edit", {**where, "text": "solved <b>"}))["status"] == 200
    activity = bridge.activities()[1].json
    assert (activity["type"], activity["id"]) == ("messageUpdate", where["message"])
    assert activity["text"] == "<at>Desk</at> solved <b>"
    assert activity["channelData"] == {"eventType": "editMessage", "tenant": {"id": api.sandbox.world.tenant}}
    shown = await message(api, where)
    assert (shown["typed"], shown["edited"]) == ("solved <b>", True)
    assert "solved &lt;b&gt;" in shown["html"]


async def test_a_deletion_tells_no_text_and_can_be_taken_back(api, bridge):
    where = await said(api, scope="personal")
    await api.control("teams/delete", where)
    deleted = bridge.activities()[1].json
    assert (deleted["type"], deleted["channelData"]["eventType"]) == ("messageDelete", "softDeleteMessage")
    assert "text" not in deleted and "timestamp" not in deleted
    assert (await message(api, where))["deleted"]
    assert (await api.call("POST", "/_sandbox/teams/edit", json={**where, "text": "x"})).status == 409
    await api.control("teams/restore", where)
    restored = bridge.activities()[2].json
    assert (restored["type"], restored["text"]) == ("messageUpdate", "the printer is stuck")
    assert restored["channelData"]["eventType"] == "undeleteMessage"
    assert "deleted" not in await message(api, where)


async def test_people_change_their_own_messages_only(api, bridge):
    where = {**await said(api), "user": "minjun"}
    for call in ("edit", "delete", "restore"):
        assert (await api.call("POST", f"/_sandbox/teams/{call}", json={**where, "text": "x"})).status == 403
    missing = {**where, "message": "1"}
    assert (await api.call("POST", "/_sandbox/teams/react", json=missing)).status == 404
    assert len(bridge.activities()) == 1


async def test_the_bot_hears_of_reactions_to_its_own_messages_only(api, bridge):
    where = await said(api, scope="personal")
    assert (await api.control("teams/react", {**where, "reaction": "heart"}))["status"] is None
    assert (await message(api, where))["reactions"] == {"heart": ["ada"]}
    answer = await botsays(api, where, {"type": "message", "text": "done"})
    assert (await api.control("teams/react", answer))["added"] is True
    told = bridge.activities()[1].json
    assert (told["type"], told["replyToId"]) == ("messageReaction", answer["message"])
    assert told["reactionsAdded"] == [{"type": "like"}]
    assert (await api.control("teams/react", answer))["added"] is False
    assert bridge.activities()[2].json["reactionsRemoved"] == [{"type": "like"}]
    assert "reactions" not in await message(api, answer)
    assert (await api.call("POST", "/_sandbox/teams/react", json={**answer, "reaction": "x"})).status == 400


async def test_a_submit_button_is_a_message_with_a_value(api, bridge):
    button = {"type": "Action.Submit", "title": "Fine", "data": {"stars": "4"}}
    card = {"contentType": CARD, "content": {"type": "AdaptiveCard", "actions": [button]}}
    where = await botsays(api, await said(api, scope="personal"), {"type": "message", "attachments": [card]})
    await api.control("teams/press", {**where, "title": "Fine", "inputs": {"comment": "quick"}})
    pressed = bridge.activities()[1].json
    assert (pressed["type"], pressed["value"]) == ("message", {"stars": "4", "comment": "quick"})
    assert pressed["replyToId"] == where["message"] and "text" not in pressed


@pytest.mark.parametrize("scope", ["channel", "groupChat", "personal"])
async def test_shared_files_can_be_looked_at_where_they_were_shared(api, scope):
    files = [
        {"name": "shot.png", "content_type": "image/png", "base64": base64.b64encode(PNG).decode()},
        {"name": "page.html", "content_type": "text/html", "text": "<script>1</script>"},
    ]
    where = await said(api, scope=scope, files=files)
    picture, page = (await message(api, where))["attachments"]
    path = f"/_sandbox/teams/shown?conversation={where['conversation_id']}&message={where['message']}"
    shown = await api.call("GET", path, params={**query(path), "url": picture["contentUrl"]})
    assert (shown.status, shown.headers["Content-Type"], shown.body) == (200, "image/png", PNG)
    saved = await api.call("GET", path, params={**query(path), "url": page["contentUrl"]})
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert (saved.headers["Content-Type"], saved.body) == ("application/octet-stream", b"<script>1</script>")
    other = await said(api, scope=scope)
    elsewhere = {"conversation": other["conversation_id"], "message": other["message"], "url": picture["contentUrl"]}
    assert (await api.call("GET", "/_sandbox/teams/shown", params=elsewhere)).status == 404


def query(path):
    return dict(pair.split("=", 1) for pair in path.partition("?")[2].split("&"))


async def test_a_picture_that_the_bot_names_is_fetched_from_the_bridge_only(api, bridge):
    urls = [f"{bridge.url}/files/1", "http://127.0.0.1:9/files/1", f"{bridge.url}@{bridge.url[7:]}/files/2"]
    attachments = [{"contentType": "image/png", "contentUrl": url} for url in urls]
    where = await botsays(api, await said(api, scope="personal"), {"type": "message", "attachments": attachments})
    got = [await api.call("GET", "/_sandbox/teams/shown", params=asked(where, url=url)) for url in urls]
    assert [one.status for one in got] == [200, 404, 404]
    assert [one.path for one in bridge.requests[1:]] == ["/files/1"]


def asked(where, **more):
    return {"conversation": where["conversation_id"], "message": where["message"], **more}


async def test_a_hosted_picture_is_shown_by_its_name(api):
    root = await said(api)
    world, thread = api.sandbox.world, root["message"]
    content = {"@microsoft.graph.temporaryId": "1", "contentBytes": base64.b64encode(PNG).decode()}
    body = {
        "body": {"contentType": "html", "content": '<img src="../hostedContents/1/$value">'},
        "hostedContents": [{**content, "contentType": "image/png"}],
    }
    path = f"/teams/{world.team.aad_group_id}/channels/{world.channels[0].id}/messages/{thread}/replies"
    where = {**root, "message": (await api.graph("POST", path, body)).body["id"]}
    shown = await api.call("GET", "/_sandbox/teams/shown", params=asked(where, hosted="1"))
    assert (shown.status, shown.body) == (200, PNG)
    assert (await api.call("GET", "/_sandbox/teams/shown", params=asked(where, hosted="2"))).status == 404
