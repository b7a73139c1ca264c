"""What Teams sends: the shapes of activities in each scope, repeats, silence, installation."""

import asyncio

import pytest


async def say(api, **body):
    return await api.control("teams/messages", {"user": "ada", "text": "the printer is stuck", **body})


async def test_a_channel_post_has_the_recorded_shape(api, bridge):
    answer = await say(api, channel="it-help", text="stuck, @minjun saw it", mention=True, mentions=["minjun"])
    world, activity = api.sandbox.world, bridge.activities()[0].json
    channel, ada, minjun = world.channels[1], world.users[0], world.users[1]
    assert answer["status"] == 200
    assert answer["thread"] == answer["id"] == activity["id"]
    assert activity["from"] == {"id": ada.teams_id, "name": "Ada Fenn", "aadObjectId": ada.aad_id}
    assert activity["recipient"] == {"id": f"28:{world.app_id}", "name": "Desk"}
    assert activity["conversation"] == {
        "isGroup": True,
        "conversationType": "channel",
        "tenantId": world.tenant,
        "id": f"{channel.id};messageid={answer['id']}",
    }
    assert activity["conversation"]["id"] == answer["conversation_id"]
    assert activity["text"] == f"<at>Desk</at> stuck, <at>{minjun.name}</at> saw it"
    assert [e["mentioned"]["id"] for e in activity["entities"] if e["type"] == "mention"] == [
        f"28:{world.app_id}",
        minjun.teams_id,
    ]
    assert activity["channelData"]["team"] == {"id": world.team.thread_id}
    assert activity["channelData"]["channel"] == {"id": channel.id}
    assert activity["attachments"][0]["contentType"] == "text/html"
    assert "http://schema.skype.com/Mention" in activity["attachments"][0]["content"]
    assert activity["locale"] == "en-US"


async def test_a_reply_stays_in_its_thread(api, bridge):
    root = await say(api)
    reply = await say(api, user="minjun", thread=root["thread"], text="여기도요")
    assert reply["thread"] == root["id"]
    assert reply["id"] != root["id"]
    assert bridge.activities()[1].json["conversation"]["id"] == root["conversation_id"]
    assert "여기도요".encode() in bridge.activities()[1].body
    (thread,) = (await api.control("teams/state"))["threads"]
    assert [message["from"]["user"] for message in thread["messages"]] == ["ada", "minjun"]


@pytest.mark.parametrize(("scope", "prefix", "is_group"), [("groupChat", "19:", True), ("personal", "a:1", None)])
async def test_a_chat_has_no_root(api, bridge, scope, prefix, is_group):
    answer = await say(api, scope=scope)
    conversation = bridge.activities()[0].json["conversation"]
    assert answer["thread"] is None
    assert conversation["id"].startswith(prefix)
    assert (conversation["conversationType"], conversation.get("isGroup")) == (scope, is_group)
    assert bridge.activities()[0].json["channelData"] == {"tenant": {"id": api.sandbox.world.tenant}}


async def test_each_person_has_an_own_personal_chat(api, bridge):
    for user in ("ada", "minjun"):
        await say(api, scope="personal", user=user)
    first, second = (activity.json["conversation"]["id"] for activity in bridge.activities())
    assert first != second


async def test_the_same_activity_can_come_five_times(api, bridge):
    answer = await say(api, times=5)
    assert answer["statuses"] == [200] * 5
    assert len({activity.body for activity in bridge.activities()}) == 1
    assert len((await api.control("teams/state"))["threads"][0]["messages"]) == 1


async def test_undelivered_messages_are_only_recorded(api, bridge):
    answer = await say(api, deliver=False)
    assert (answer["status"], bridge.requests) == (None, [])
    assert len((await api.control("teams/state"))["threads"]) == 1


@pytest.mark.parametrize(
    ("scope", "mention", "heard"),
    [
        ("channel", False, 0),
        ("channel", True, 1),
        ("groupChat", False, 0),
        ("groupChat", True, 1),
        ("personal", False, 1),
    ],
)
async def test_without_rsc_only_mentions_reach_the_bot(api, bridge, scope, mention, heard):
    await api.control("settings", {"rsc": False})
    await say(api, scope=scope, mention=mention)
    assert len(bridge.activities()) == heard


async def test_messages_can_be_posted_at_the_same_time(api, bridge):
    bridge.delay = 0.2
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(say(api) for _ in range(10)))
    assert asyncio.get_running_loop().time() - started < 1.5
    assert len(bridge.activities()) == 10


async def test_the_bridges_status_is_reported(api, bridge):
    bridge.statuses = [503]
    assert (await say(api))["status"] == 503


async def test_an_absent_bridge_is_status_0(api):
    await api.control("settings", {"bridge": "http://127.0.0.1:9"})
    assert (await say(api))["status"] == 0


async def test_any_activity_goes_out_as_it_is_and_its_answer_comes_back(api, bridge):
    invoke = {"type": "invoke", "name": "adaptiveCard/action", "value": {"x": "é"}}
    answer = await api.control("teams/activity", {"activity": invoke})
    assert (answer["status"], answer["body"]) == (200, '{"seen": 1}')
    assert bridge.activities()[0].json == invoke


async def test_a_broken_body_can_be_sent_as_text(api, bridge):
    await api.control("teams/activity", {"activity": "{not json"})
    assert bridge.activities()[0].body == b"{not json"


async def test_a_ready_made_message_is_recorded_edited_and_deleted(api, bridge):
    await say(api)
    activity = {**bridge.activities()[0].json, "id": "1767225600999", "text": "it says PAPER JAM"}
    for changes in ({}, {"type": "messageUpdate", "text": "it says JAM"}, {"type": "messageDelete"}):
        await api.control("teams/activity", {"activity": {**activity, **changes}})
    (thread,) = (await api.control("teams/state"))["threads"]
    assert [message["text"] for message in thread["messages"]][1:] == ["it says JAM"]
    assert thread["messages"][1]["deleted"] is True


@pytest.mark.parametrize("scope", ["channel", "groupChat", "personal"])
async def test_installing_sends_two_events(api, bridge, scope):
    answer = await api.control("teams/install", {"scope": scope, "user": "ada", "action": "add"})
    update, membership = (activity.json for activity in bridge.activities())
    assert answer["statuses"] == [200, 200]
    assert (update["type"], update["action"]) == ("installationUpdate", "add")
    assert membership["membersAdded"] == [{"id": f"28:{api.sandbox.world.app_id}"}]
    if scope == "channel":
        team = api.sandbox.world.team
        assert membership["conversation"]["id"] == team.thread_id
        assert membership["channelData"]["eventType"] == "teamMemberAdded"
        assert update["channelData"]["team"]["aadGroupId"] == team.aad_group_id


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": "meeting"}, 400),
        ({"user": "nobody"}, 404),
        ({"channel": "nowhere"}, 404),
        ({"times": "x"}, 400),
        ({"text": 5}, 400),
        ({"mentions": ["nobody"]}, 404),
        ({"files": [{"text": "no name"}]}, 400),
        ({"files": [{"name": "a", "base64": "!"}]}, 400),
    ],
)
async def test_a_wrong_wish_is_refused_in_words(api, body, status):
    answer = await api.call("POST", "/_sandbox/teams/messages", json=body)
    assert answer.status == status
    assert isinstance(answer.body["error"], str)
