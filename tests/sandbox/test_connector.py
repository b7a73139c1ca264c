"""The Bot Connector: posting, editing, deleting, who is there, and every refusal."""

import pytest

TEXT = {"type": "message", "text": "please **restart** it"}
WITH_STRANGER = {"members": [{"id": "29:1"}]}


def in_channel(channel, activity):
    """The body that starts a thread in a channel."""
    return {"isGroup": True, "channelData": {"channel": {"id": channel}}, "activity": activity}


async def thread_of(api, **body):
    return (await api.control("teams/messages", {"user": "ada", "text": "help", "deliver": False, **body}))[
        "conversation_id"
    ]


async def last_message(api):
    return (await api.control("teams/state"))["threads"][-1]["messages"][-1]


@pytest.mark.parametrize("scope", ["channel", "groupChat", "personal"])
@pytest.mark.parametrize("form", ["activities", "activities/0a1b"])
async def test_the_bot_posts_into_a_conversation(api, quoted, scope, form):
    conversation = await thread_of(api, scope=scope)
    answer = await api.connector("POST", f"/conversations/{quoted(conversation)}/{form}", TEXT)
    message = await last_message(api)
    assert answer.status == 201
    assert answer.body == {"id": message["id"]}
    assert message["from"] == {"name": "Desk", "kind": "bot", "user": None}
    assert (message["via"], message["html"]) == ("connector", "please <strong>restart</strong> it")


async def test_a_card_shows_as_a_card(api, quoted):
    conversation = await thread_of(api)
    card = {"type": "AdaptiveCard", "version": "1.5", "body": []}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    await api.connector(
        "POST", f"/conversations/{quoted(conversation)}/activities", {"type": "message", "attachments": [attachment]}
    )
    message = await last_message(api)
    assert message["card"] is True
    assert message["cards"] == [card]


async def test_text_with_a_card_becomes_two_messages_and_no_id_comes_back(api, quoted):
    conversation = await thread_of(api)
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": {}}
    answer = await api.connector(
        "POST", f"/conversations/{quoted(conversation)}/activities", {**TEXT, "attachments": [attachment]}
    )
    assert answer.body == {}
    assert len((await api.control("teams/state"))["threads"][0]["messages"]) == 3


async def test_a_mention_names_the_person_even_with_markup_in_the_name(api, quoted):
    conversation = await thread_of(api)
    entity = {"type": "mention", "text": "<at>R&amp;D_x_</at>", "mentioned": {"id": "29:1", "name": "R&D_x_"}}
    activity = {
        "type": "message",
        "text": "<at>R&amp;D_x_</at> _now_",
        "entities": [entity, {"type": "mention", "text": "absent"}],
    }
    await api.connector("POST", f"/conversations/{quoted(conversation)}/activities", activity)
    assert (await last_message(api))["html"] == '<at id="29:1">R&amp;D_x_</at> <em>now</em>'


async def test_typing_shows_nothing(api, quoted):
    conversation = await thread_of(api)
    answer = await api.connector("POST", f"/conversations/{quoted(conversation)}/activities", {"type": "typing"})
    assert answer.status == 201
    assert (await last_message(api))["via"] == "user"


async def test_the_bot_edits_and_deletes_its_own_message(api, quoted):
    path = f"/conversations/{quoted(await thread_of(api))}/activities"
    message_id = (await api.connector("POST", path, TEXT)).body["id"]
    assert (await api.connector("PUT", f"{path}/{message_id}", {**TEXT, "text": "done"})).body == {"id": message_id}
    assert ((await last_message(api))["text"], (await last_message(api))["edited"]) == ("done", True)
    assert (await api.connector("DELETE", f"{path}/{message_id}")).status == 200
    assert (await last_message(api))["deleted"] is True
    assert (await api.connector("PUT", f"{path}/{message_id}", TEXT)).body["error"][
        "code"
    ] == "ActivityNotFoundInConversation"


async def test_the_bot_may_not_edit_a_users_message(api, quoted):
    conversation = await thread_of(api)
    root = conversation.rpartition("=")[2]
    answer = await api.connector("PUT", f"/conversations/{quoted(conversation)}/activities/{root}", TEXT)
    assert (answer.status, answer.body["error"]["code"]) == (403, "NotEnoughPermissions")


async def test_a_new_channel_thread(api):
    channel = api.sandbox.world.channels[1].id
    answer = await api.connector("POST", "/conversations", in_channel(channel, TEXT))
    assert answer.status == 201
    assert answer.body["id"] == f"{channel};messageid={answer.body['activityId']}"
    assert (await last_message(api))["id"] == answer.body["activityId"]


async def test_a_post_to_a_bare_channel_id_starts_a_thread(api, quoted):
    channel = api.sandbox.world.channels[1].id
    answer = await api.connector("POST", f"/conversations/{quoted(channel)}/activities", TEXT)
    assert (await api.control("teams/state"))["threads"][0]["thread"] == answer.body["id"]


async def test_a_personal_chat_is_found_by_its_member(api):
    world = api.sandbox.world
    body = {"members": [{"id": world.users[0].teams_id}], "channelData": {"tenant": {"id": world.tenant}}}
    assert (await api.connector("POST", "/conversations", body)).body["id"] == world.users[0].personal_chat
    answer = await api.connector("POST", "/conversations", {**body, "activity": TEXT})
    assert answer.body["activityId"] == (await last_message(api))["id"]


@pytest.mark.parametrize("spelling", ["teams_id", "aad_id", "upn"])
async def test_a_member_is_found_by_three_spellings(api, quoted, spelling):
    ada = api.sandbox.world.users[0]
    conversation = quoted(api.sandbox.world.team.thread_id)
    member = (
        await api.connector("GET", f"/conversations/{conversation}/members/{quoted(getattr(ada, spelling))}")
    ).body
    assert (member["id"], member["objectId"], member["userPrincipalName"]) == (ada.teams_id, ada.aad_id, ada.upn)
    assert "aadObjectId" not in member


async def test_the_roster_in_one_and_in_pages(api, quoted):
    world = api.sandbox.world
    everyone = (await api.connector("GET", f"/conversations/{quoted(world.team.thread_id)}/members")).body
    paged = (await api.connector("GET", f"/conversations/{quoted(world.team.thread_id)}/pagedmembers?pageSize=1")).body
    chat = (await api.connector("GET", f"/conversations/{quoted(world.users[1].personal_chat)}/members")).body
    assert len(everyone) == 3
    assert paged == {"members": everyone}, "a page size below 50 is raised to 50"
    assert [member["id"] for member in chat] == [world.users[1].teams_id]


async def test_the_team_tells_its_graph_id_and_its_channels(api, quoted):
    world = api.sandbox.world
    team = (await api.connector("GET", f"/teams/{quoted(world.team.thread_id)}")).body
    channels = (await api.connector("GET", f"/teams/{quoted(world.team.thread_id)}/conversations")).body[
        "conversations"
    ]
    assert (team["aadGroupId"], team["name"]) == (world.team.aad_group_id, "Facilities")
    assert channels == [{"id": world.channels[0].id}, {"id": world.channels[1].id, "name": "IT help"}]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/conversations/19:nowhere@thread.tacv2;messageid=1/activities", TEXT, 404, "ConversationNotFound"),
        ("POST", "/conversations/{general};messageid=1/activities", TEXT, 404, "ConversationNotFound"),
        ("POST", "/conversations/{chat}/activities", {"text": "no type"}, 400, "BadArgument"),
        ("POST", "/conversations/{chat}/activities", {"type": "message"}, 400, "BadArgument"),
        ("POST", "/conversations/{chat}/activities", {"type": "message", "attachments": [{}]}, 400, "BadArgument"),
        ("POST", "/conversations/{chat}/activities", ["list"], 400, "BadSyntax"),
        ("POST", "/conversations/{chat}/activities", {**TEXT, "text": "x" * 60_000}, 413, "MessageSizeTooBig"),
        ("PUT", "/conversations/{chat}/activities/1", TEXT, 404, "ActivityNotFoundInConversation"),
        ("DELETE", "/conversations/{chat}/activities/1", None, 404, "ActivityNotFoundInConversation"),
        ("POST", "/conversations", in_channel("19:x", TEXT), 404, "ConversationNotFound"),
        ("POST", "/conversations", {"channelData": {"channel": "x"}}, 400, "BadArgument"),
        ("POST", "/conversations", WITH_STRANGER, 400, "BadArgument"),
        ("POST", "/conversations", {**WITH_STRANGER, "tenantId": "{tenant}"}, 403, "BotNotInConversationRoster"),
        ("GET", "/conversations/{chat}/members/29:nobody", None, 404, "MemberNotFoundInConversation"),
        ("GET", "/conversations/19:nowhere/members", None, 404, "ConversationNotFound"),
        ("GET", "/teams/19:other", None, 404, "TeamNotFound"),
    ],
)  # fmt: skip
async def test_refusals(api, quoted, method, path, body, status, code):
    world = api.sandbox.world
    path = path.format(general=world.channels[0].id, chat=world.group_chats[0].id)
    if isinstance(body, dict) and body.get("tenantId"):
        body = {**body, "tenantId": world.tenant}
    path = "/".join(quoted(part) for part in path.split("/"))
    answer = await api.connector(method, path, body)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert answer.body["error"]["message"]


async def test_pictures_in_data_urls_do_not_count_as_size(api, quoted):
    chat = quoted(api.sandbox.world.group_chats[0].id)
    picture = {"contentType": "image/png", "contentUrl": "data:image/png;base64," + "A" * 120_000}
    answer = await api.connector(
        "POST", f"/conversations/{chat}/activities", {"type": "message", "attachments": [picture]}
    )
    assert answer.status == 201


@pytest.mark.parametrize("kind", ["none", "graph", "garbage", "lower-case nonsense"])
async def test_only_the_bots_own_token_opens_the_connector(api, quoted, kind):
    graph = await api.app_token("https://graph.microsoft.com/.default")
    header = {"none": {}, "graph": {"Authorization": f"Bearer {graph}"}}.get(kind, {"Authorization": f"Bearer {kind}"})
    world = api.sandbox.world
    path = f"/connector/{world.tenant}/v3/conversations/{quoted(world.group_chats[0].id)}/activities"
    answer = await api.call("POST", path, json=TEXT, headers=header)
    assert (answer.status, answer.body["error"]["code"]) == (401, "Unauthorized")


async def test_after_removal_the_bot_is_not_in_the_roster(api, quoted):
    conversation = await thread_of(api)
    path = f"/conversations/{quoted(conversation)}/activities"
    await api.control("teams/install", {"scope": "channel", "action": "remove"})
    answer = await api.connector("POST", path, TEXT)
    assert (answer.status, answer.body["error"]["code"]) == (403, "BotNotInConversationRoster")
    await api.control("teams/install", {"scope": "channel", "action": "add"})
    assert (await api.connector("POST", path, TEXT)).status == 201


async def test_seven_sends_per_second_and_conversation_when_limits_are_enforced(api, quoted):
    """A channel counts as one conversation, whatever the thread."""
    await api.control("settings", {"enforce_limits": True})
    path = f"/conversations/{quoted(await thread_of(api))}/activities"
    thread = f"/conversations/{quoted(await thread_of(api))}/activities"
    chat = f"/conversations/{quoted(api.sandbox.world.users[0].personal_chat)}/activities"
    token = {"Authorization": f"Bearer {await api.app_token('https://api.botframework.com/.default')}"}
    base = f"/connector/{api.sandbox.world.tenant}/v3"
    answers = [await api.call("POST", base + path, json=TEXT, headers=token) for _ in range(8)]
    assert [answer.status for answer in answers] == [201] * 7 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert (await api.call("POST", base + thread, json=TEXT, headers=token)).status == 429
    assert (await api.call("POST", base + chat, json=TEXT, headers=token)).status == 201


async def test_load_drivers_may_invent_threads_when_told_so(api, quoted):
    await api.control("settings", {"strict_threads": False})
    conversation = f"{api.sandbox.world.channels[0].id};messageid=1767225600123"
    answer = await api.connector("POST", f"/conversations/{quoted(conversation)}/activities", TEXT)
    assert answer.status == 201
    assert (await api.control("teams/state"))["threads"][0]["thread"] == "1767225600123"
