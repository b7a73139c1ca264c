"""Graph: who may write, what a message looks like, paging, people, files, and every refusal."""

import base64
import re

import pytest

HELLO = {"body": {"contentType": "html", "content": "<p>Hi</p>"}}
MENTION = {"id": 0, "mentionText": "A", "mentioned": {}}
GRAPH_SCOPE = "https://graph.microsoft.com/.default"


def body(content, kind="html", **rest):
    return {"body": {"contentType": kind, "content": content}, **rest}


@pytest.fixture
def messages(api, quoted):
    """The path of the messages of the General channel."""
    world = api.sandbox.world
    return f"/teams/{world.team.aad_group_id}/channels/{quoted(world.channels[0].id)}/messages"


async def asked(api, **fields):
    """A user's post; its id is the thread's root."""
    wish = {"user": "ada", "text": "help", "deliver": False, **fields}
    return (await api.control("teams/messages", wish))["id"]


async def test_the_service_account_replies_in_a_thread(api, messages):
    root = await asked(api)
    answer = await api.graph("POST", f"{messages}/{root}/replies", HELLO)
    account = api.sandbox.world.service_account
    (thread,) = (await api.control("teams/state"))["threads"]
    assert answer.status == 201
    assert (answer.body["replyToId"], answer.body["body"]["content"]) == (root, "<p>Hi</p>")
    assert answer.body["from"]["user"]["id"] == account.aad_id
    assert thread["messages"][1]["id"] == answer.body["id"]
    assert thread["messages"][1]["from"] == {"name": "Support Desk", "kind": "service", "user": "service"}
    assert thread["messages"][1]["via"] == "graph"


async def test_a_root_post_and_a_chat_post(api, messages, quoted):
    root = (await api.graph("POST", messages, {**HELLO, "subject": "News"})).body
    chat = api.sandbox.world.group_chats[0].id
    posted = (await api.graph("POST", f"/chats/{quoted(chat)}/messages", HELLO)).body
    assert (root["replyToId"], root["subject"], root["channelIdentity"]["channelId"][:3]) == (None, "News", "19:")
    assert (posted["chatId"], posted["channelIdentity"]) == (chat, None)
    assert (await api.graph("GET", f"/chats/{quoted(chat)}/messages")).body["value"][0]["id"] == posted["id"]


async def test_replies_come_newest_first_in_pages(api, messages):
    root = await asked(api)
    token = (await api.sign_in())["access_token"]
    sent = [
        (await api.graph("POST", f"{messages}/{root}/replies", body(f"<p>{n}</p>"), token)).body["id"] for n in range(5)
    ]
    seen, path = [], f"{messages}/{root}/replies?$top=2"
    while path:
        page = (await api.graph("GET", path, token=token)).body
        assert len(page["value"]) <= 2
        seen += [message["id"] for message in page["value"]]
        path = page.get("@odata.nextLink", "").removeprefix(api.sandbox.url + "/v1.0")
    assert seen == sent[::-1]


async def test_the_roots_of_a_channel_newest_first(api, messages):
    roots = [await asked(api) for _ in range(3)]
    await asked(api, thread=roots[0])
    page = (await api.graph("GET", messages)).body["value"]
    assert [message["id"] for message in page] == roots[::-1]


async def test_a_users_message_names_the_mentioned_by_entra_id(api, messages):
    root = await asked(api, text="ask @minjun", mention=True, mentions=["minjun"])
    message = (await api.graph("GET", f"{messages}/{root}")).body
    minjun = api.sandbox.world.users[1]
    assert [m["id"] for m in message["mentions"]] == [0, 1]
    assert message["mentions"][1]["mentioned"]["user"]["id"] == minjun.aad_id
    assert f'<at id="1">{minjun.name}</at>' in message["body"]["content"]


async def test_the_bots_message_is_an_applications(api, messages, quoted):
    root = await asked(api)
    conversation = f"{api.sandbox.world.channels[0].id};messageid={root}"
    sent = await api.connector(
        "POST", f"/conversations/{quoted(conversation)}/activities", {"type": "message", "text": "x"}
    )
    message = (await api.graph("GET", f"{messages}/{root}/replies/{sent.body['id']}")).body
    assert message["from"]["user"] is None
    assert message["from"]["application"]["id"] == api.sandbox.world.app_id


async def test_edit_delete_and_undo(api, messages):
    root = await asked(api)
    reply = (await api.graph("POST", f"{messages}/{root}/replies", HELLO)).body["id"]
    path = f"{messages}/{root}/replies/{reply}"
    assert (await api.graph("PATCH", path, body("<p>Better</p>"))).status == 204
    edited = (await api.graph("GET", path)).body
    assert edited["body"]["content"] == "<p>Better</p>"
    assert edited["lastEditedDateTime"]
    assert (await api.graph("POST", f"{path}/softDelete")).status == 204
    deleted = (await api.graph("GET", path)).body
    assert (deleted["body"]["content"], bool(deleted["deletedDateTime"])) == ("", True)
    assert (await api.graph("POST", f"{path}/undoSoftDelete")).status == 204
    assert (await api.graph("GET", path)).body["body"]["content"] == "<p>Better</p>"


async def test_scripts_and_event_attributes_are_dropped(api, messages):
    root = await asked(api)
    content = (
        '<p onclick="x()">a<script>evil()</script><a href="javascript:x">b</a><a href="https://e.example">c</a></p>'
    )
    reply = await api.graph("POST", f"{messages}/{root}/replies", body(content))
    assert reply.body["body"]["content"] == '<p>a<a>b</a><a href="https://e.example">c</a></p>'


async def test_text_bodies_are_escaped(api, messages):
    root = await asked(api)
    reply = await api.graph("POST", f"{messages}/{root}/replies", body("1 < 2\nyes", "text"))
    assert reply.body["body"] == {"contentType": "html", "content": "1 &lt; 2<br>yes"}


async def test_a_card_is_posted_as_text_and_shown_as_a_card(api, messages):
    root = await asked(api)
    card = {"id": "c1", "contentType": "application/vnd.microsoft.card.adaptive", "content": '{"type":"AdaptiveCard"}'}
    reply = await api.graph(
        "POST", f"{messages}/{root}/replies", body('<attachment id="c1"></attachment>', attachments=[card])
    )
    (thread,) = (await api.control("teams/state"))["threads"]
    assert reply.body["attachments"][0]["content"] == '{"type": "AdaptiveCard"}'
    assert thread["messages"][1]["cards"] == [{"type": "AdaptiveCard"}]


async def test_an_inline_picture_can_be_read_back(api, messages):
    root = await asked(api)
    hosted = {
        "@microsoft.graph.temporaryId": "1",
        "contentBytes": base64.b64encode(b"PNG").decode(),
        "contentType": "image/png",
    }
    content = '<img src="../hostedContents/1/$value">'
    reply = (await api.graph("POST", f"{messages}/{root}/replies", body(content, hostedContents=[hosted]))).body
    url = reply["body"]["content"].split('"')[1]
    picture = await api.graph("GET", url.removeprefix(api.sandbox.url + "/v1.0"))
    assert (picture.status, picture.headers["Content-Type"], picture.body) == (200, "image/png", b"PNG")


@pytest.mark.parametrize("path", ["{m}", "{m}/{root}/replies", "/chats/{chat}/messages"])
async def test_an_application_may_not_post(api, messages, quoted, path):
    path = path.format(m=messages, root=await asked(api), chat=quoted(api.sandbox.world.group_chats[0].id))
    answer = await api.graph("POST", path, HELLO, await api.app_token(GRAPH_SCOPE))
    assert (answer.status, answer.body["error"]["code"]) == (401, "Unauthorized")
    assert answer.body["error"]["message"].startswith(
        "Message POST is allowed in application-only context only for import"
    )


async def test_an_application_may_read(api, messages):
    root = await asked(api)
    assert (await api.graph("GET", f"{messages}/{root}", token=await api.app_token(GRAPH_SCOPE))).status == 200


async def test_a_sign_in_may_do_only_what_it_asked_for(api, messages):
    root = await asked(api)
    token = (await api.sign_in("https://graph.microsoft.com/ChannelMessage.Read.All"))["access_token"]
    assert (await api.graph("GET", f"{messages}/{root}", token=token)).status == 200
    refused = await api.graph("POST", f"{messages}/{root}/replies", HELLO, token)
    assert (refused.status, refused.body["error"]["code"]) == (403, "Forbidden")


async def test_tokens_must_be_for_graph_and_alive(api):
    await api.control("settings", {"access_token_seconds": 0})
    expired = (await api.sign_in())["access_token"]
    wrong_audience = await api.app_token("https://api.botframework.com/.default")
    for token in (expired, wrong_audience, "garbage"):
        answer = await api.graph("GET", "/me", token=token)
        assert (answer.status, answer.body["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert set(answer.body["error"]["innerError"]) == {"date", "request-id", "client-request-id"}
    assert (await api.call("GET", "/v1.0/me")).status == 401


@pytest.mark.parametrize(
    ("method", "path", "posted", "status", "code"),
    [
        ("POST", "{m}/1/replies", HELLO, 404, "NotFound"),
        ("GET", "{m}/{root}/replies/1", None, 404, "NotFound"),
        ("GET", "{m}/1", None, 404, "NotFound"),
        ("POST", "/teams/{group}/channels/19%3Ax/messages", HELLO, 404, "NotFound"),
        ("POST", "/teams/00000000/channels/19%3Ax/messages", HELLO, 404, "NotFound"),
        ("POST", "/chats/a%3A1x/messages", HELLO, 404, "NotFound"),
        ("PATCH", "{m}/{root}", HELLO, 403, "Forbidden"),
        ("POST", "{m}/{root}/softDelete", None, 403, "Forbidden"),
        ("POST", "{m}/{root}/replies", body("x" * (28 * 1024 + 1)), 413, "RequestEntityTooLarge"),
        ("POST", "{m}/{root}/replies", {}, 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", ["list"], 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body(" "), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", {**HELLO, "from": {}}, 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body('<at id="0">A</at>'), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body("x", mentions=[MENTION]), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body("x", mentions=[{"id": "0"}]), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body('<attachment id="1"></attachment>'), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body("x", attachments=["a"]), 400, "BadRequest"),
        ("POST", "{m}/{root}/replies", body("x", hostedContents=[{"contentBytes": "!"}]), 400, "BadRequest"),
        ("GET", "/users/nobody", None, 404, "Request_ResourceNotFound"),
        ("GET", "/users?$filter=startswith(mail,'a')", None, 400, "Request_UnsupportedQuery"),
        ("GET", "/shares/u!AAAA/driveItem", None, 404, "NotFound"),
        ("GET", "/nowhere", None, 404, "NotFound"),
        ("DELETE", "/me", None, 405, "MethodNotAllowed"),
    ],
)  # fmt: skip
async def test_refusals(api, messages, method, path, posted, status, code):
    path = path.format(m=messages, root=await asked(api), group=api.sandbox.world.team.aad_group_id)
    answer = await api.graph(method, path, posted)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)


async def test_a_card_whose_content_is_no_json_text_is_refused(api, messages):
    card = {"id": "c", "contentType": "application/vnd.microsoft.card.adaptive", "content": {"type": "AdaptiveCard"}}
    content = body('<attachment id="c"></attachment>', attachments=[card])
    answer = await api.graph("POST", f"{messages}/{await asked(api)}/replies", content)
    assert (answer.status, answer.body["error"]["code"]) == (400, "BadRequest")


async def test_with_rsc_the_service_accounts_posts_reach_the_bot(api, bridge, messages, until):
    root = await asked(api)
    reply = (await api.graph("POST", f"{messages}/{root}/replies", HELLO)).body["id"]
    await until(bridge.activities)
    activity = bridge.activities()[0].json
    assert activity["from"]["aadObjectId"] == api.sandbox.world.service_account.aad_id
    assert (activity["id"], activity["text"]) == (reply, "Hi")
    await api.control("settings", {"rsc": False})
    await api.graph("POST", f"{messages}/{root}/replies", HELLO)
    assert len(bridge.activities()) == 1


async def test_one_request_per_second_and_channel_when_limits_are_enforced(api, messages):
    root = await asked(api)
    token = (await api.sign_in())["access_token"]
    await api.control("settings", {"enforce_limits": True})
    answers = [await api.graph("POST", f"{messages}/{root}/replies", HELLO, token) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 429]
    assert (answers[1].headers["Retry-After"], answers[1].body["error"]["code"]) == ("1", "TooManyRequests")


async def test_me_is_the_service_account_and_nobody_for_an_application(api):
    assert (await api.graph("GET", "/me")).body["displayName"] == "Support Desk"
    assert (await api.graph("GET", "/me", token=await api.app_token(GRAPH_SCOPE))).status == 400


@pytest.mark.parametrize("spelling", ["aad_id", "upn"])
async def test_a_user_by_id_or_upn_with_selected_fields(api, quoted, spelling):
    minjun = api.sandbox.world.users[1]
    user = (await api.graph("GET", f"/users/{quoted(getattr(minjun, spelling))}?$select=id,department,jobTitle")).body
    assert user == {"id": minjun.aad_id, "department": "경영지원팀", "jobTitle": "시설 담당"}


async def test_department_must_be_selected(api):
    assert "department" not in (await api.graph("GET", f"/users/{api.sandbox.world.users[0].aad_id}")).body


@pytest.mark.parametrize(
    "query",
    [
        "mail eq 'ada.fenn@fenn.example'",
        "mail eq 'ADA.Fenn@fenn.example'",
        "userPrincipalName eq 'ada.fenn@fenn.example'",
        "proxyAddresses/any(p:p eq 'smtp:ada.fenn@fenn.example')",
    ],
)
async def test_users_by_mail(api, quoted, query):
    found = (await api.graph("GET", f"/users?$filter={quoted(query)}&$select=id")).body["value"]
    assert found == [{"id": api.sandbox.world.users[0].aad_id}]
    assert (await api.graph("GET", f"/users?$filter={quoted(query.replace('enn@', 'enn2@'))}")).body["value"] == []


async def test_a_channel_file_is_reached_through_graph_only(api, bridge, messages):
    wish = {
        "user": "ada",
        "text": "see",
        "files": [{"name": "로그.txt", "content_type": "text/plain", "text": "jam 14"}],
    }
    root = (await api.control("teams/messages", wish))["id"]
    activity = bridge.activities()[0].json
    (reference,) = (await api.graph("GET", f"{messages}/{root}")).body["attachments"]
    share = "u!" + base64.urlsafe_b64encode(reference["contentUrl"].encode()).decode().rstrip("=")
    item = (await api.graph("GET", f"/shares/{share}/driveItem")).body
    redirect = await api.graph("GET", f"/shares/{share}/driveItem/content")
    file = await api.call("GET", redirect.headers["Location"].removeprefix(api.sandbox.url))
    assert [attachment["contentType"] for attachment in activity["attachments"]] == ["text/html"]
    assert f'<attachment id="{reference["id"]}">' in activity["attachments"][0]["content"]
    assert reference["contentType"] == "reference"
    assert item["name"] == "로그.txt"
    assert item["@microsoft.graph.downloadUrl"] == redirect.headers["Location"]
    assert (redirect.status, file.status, file.body) == (302, 200, b"jam 14")


async def test_a_personal_file_has_a_download_link_and_a_picture_needs_the_bots_token(api, bridge):
    files = [{"name": "jam.log", "text": "x"}, {"name": "a.png", "content_type": "image/png", "base64": "iVBORw=="}]
    await api.control("teams/messages", {"user": "ada", "scope": "personal", "text": "see", "files": files})
    log, picture = bridge.activities()[0].json["attachments"]
    assert log["contentType"] == "application/vnd.microsoft.teams.file.download.info"
    assert (await api.call("GET", log["content"]["downloadUrl"].removeprefix(api.sandbox.url))).body == b"x"
    path = picture["contentUrl"].removeprefix(api.sandbox.url)
    token = await api.app_token("https://api.botframework.com/.default")
    assert (await api.call("GET", path)).status == 401
    assert (await api.call("GET", path, headers={"Authorization": f"Bearer {token}"})).body == b"\x89PNG"


@pytest.mark.parametrize("where", [{"scope": "channel"}, {"scope": "groupChat"}])
async def test_a_pasted_picture_is_hosted_content(api, bridge, where):
    """The activity has no address that a bot could read; Graph's copy of the message has one, for readers of it."""
    picture = {"name": "shot.png", "content_type": "image/png", "base64": "iVBORw==", "inline": True}
    await api.control("teams/messages", {"user": "ada", "text": "see", "mention": True, "files": [picture]} | where)
    activity = bridge.activities()[-1].json
    assert [one["contentType"] for one in activity["attachments"]] == ["text/html"]
    assert "AMSImage" in activity["attachments"][0]["content"]
    world, base = api.sandbox.world, activity["conversation"]["id"].partition(";")[0]
    message = (
        f"/teams/{world.team.aad_group_id}/channels/{base}/messages/{activity['id']}"
        if where["scope"] == "channel"
        else f"/chats/{base}/messages/{activity['id']}"
    )
    token = await api.app_token(GRAPH_SCOPE)
    body = (await api.graph("GET", message, token=token)).body["body"]["content"]
    (url,) = re.findall(r'src="([^"]+)"', body)
    assert url == f"{api.sandbox.url}/v1.0{message}/hostedContents/0/$value"
    answer = await api.graph("GET", f"{message}/hostedContents/0/$value", token=token)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/png", b"\x89PNG")
