"""Freshchat read as an export walks it: users by window, their conversations, messages; and what is odd about them."""

from urllib.parse import quote

import pytest

EVER = "created_from=2000-01-01T00:00:00.000Z"


def whole(text):
    return quote(text, safe="")


def found(answer):
    return [row["id"] for row in answer.body["conversations"]] if answer.status == 200 else []


async def test_users_are_listed_by_windows_of_creation(hands):
    everyone = await hands.chat_list(f"/users?{EVER}", "users")
    assert list(dict.fromkeys(user["id"] for user in everyone)) == list(hands.truth.ids("users"))
    edge = everyone[len(everyone) // 2]["created_time"]
    early = await hands.chat_list(f"/users?{EVER}&created_to={edge}", "users")
    late = await hands.chat_list(f"/users?created_from={edge}", "users")
    assert [u["id"] for u in early] == [u["id"] for u in everyone if u["created_time"] <= edge]
    assert [u["id"] for u in late] == [u["id"] for u in everyone if u["created_time"] >= edge]
    down = await hands.chat_list(f"/users?{EVER}&sort_order=desc", "users")
    assert [u["id"] for u in down] == [u["id"] for u in everyone][::-1]


async def test_users_changed_since_a_time(hands):
    everyone = await hands.chat_list(f"/users?{EVER}", "users")
    edge = everyone[-5]["updated_time"]
    changed = await hands.chat_list(f"/users?updated_from={edge}", "users")
    assert [u["id"] for u in changed] == [u["id"] for u in everyone if u["updated_time"] >= edge]


async def test_a_page_of_users_has_at_most_fifty_with_counts_and_links(hands):
    body = (await hands.chat(f"/users?{EVER}&items_per_page=100")).body
    assert len(body["users"]) == body["pagination"]["items_per_page"] == 50
    assert body["links"]["next_page"]["href"].startswith("/v2/users?")
    assert (await hands.chat("/users")).status == 400
    assert (await hands.chat("/users?created_from=yesterday")).status == 400


async def test_some_users_are_listed_twice(hands):
    everyone = [user["id"] for user in await hands.chat_list(f"/users?{EVER}", "users")]
    assert len(everyone) > len(set(everyone))


async def test_each_user_can_be_read_alone_by_whatever_id(hands):
    users = await hands.chat_list(f"/users?{EVER}", "users")
    assert any("@" in user["id"] for user in users)
    assert any("김" in user["id"] for user in users)
    for user in users[:60]:
        assert (await hands.chat(f"/users/{whole(user['id'])}")).body == user
    for nobody in ("unknown", "old.user+999999@fenn.example", "old.user+1@fenn.example"):
        assert (await hands.chat(f"/users/{whole(nobody)}")).status == 404


async def test_users_who_were_deleted_or_merged_are_found_by_nothing_but_their_conversations(hands):
    listed = {user["id"] for user in await hands.chat_list(f"/users?{EVER}", "users")}
    records = [(await hands.chat(f"/conversations/{whole(i)}")).body for i in hands.truth.ids("readable")]
    lost = {record["user_id"] for record in records if "user_id" in record} - listed
    assert len(lost) > 10
    for user_id in lost:
        assert (await hands.chat(f"/users/{whole(user_id)}")).status == 404
        assert (await hands.chat(f"/users/{whole(user_id)}/conversations")).status == 404


async def test_way_a_finds_what_the_truth_says_and_not_all(hands):
    ids, vanished = set(), 0
    for user in await hands.chat_list(f"/users?{EVER}", "users"):
        answer = await hands.chat(f"/users/{whole(user['id'])}/conversations")
        vanished += answer.status == 404
        ids.update(found(answer))
    assert ids == set(hands.truth.ids("conversations", frozenset({"users"})))
    assert ids < set(hands.truth.ids("conversations"))
    assert vanished > 0


async def test_some_conversations_are_listed_under_two_users(hands):
    seen = []
    for user in {user["id"] for user in await hands.chat_list(f"/users?{EVER}", "users")}:
        seen += found(await hands.chat(f"/users/{whole(user)}/conversations"))
    assert len(seen) > len(set(seen))


async def test_conversations_of_a_user_come_in_one_answer_or_if_so_switched_in_pages(hands):
    users = [user["id"] for user in await hands.chat_list(f"/users?{EVER}", "users")]
    for user in users:
        path = f"/users/{whole(user)}/conversations"
        if len(found(await hands.chat(path))) > 2:
            break
    assert set((await hands.chat(f"{path}?items_per_page=2")).body) == {"conversations"}
    everything = found(await hands.chat(path))
    await hands.switch(user_conversations_paged=True)
    body = (await hands.chat(f"{path}?items_per_page=2")).body
    assert [row["id"] for row in body["conversations"]] == everything[:2]
    assert body["links"]["next_page"]["href"].startswith("/v2/users/")


async def test_every_readable_conversation_is_read_with_all_its_messages(hands):
    messages = same = 0
    for conversation_id in hands.truth.ids("readable"):
        record = await hands.chat(f"/conversations/{whole(conversation_id)}")
        assert (record.status, record.body["conversation_id"]) == (200, conversation_id)
        rows = await hands.messages(conversation_id)
        times = [row["created_time"] for row in rows]
        assert times == sorted(times, reverse=True), "newest first"
        assert len({row["id"] for row in rows}) == len(rows)
        assert {row["conversation_id"] for row in rows} <= {conversation_id}
        messages += len(rows)
        same += len(times) > len(set(times))
    assert messages == hands.truth.counts()["messages"]
    assert same, "messages of the same millisecond"


async def test_conversations_that_are_gone_are_404_with_their_messages(hands):
    gone = list(hands.truth.ids("gone"))
    assert gone
    for conversation_id in gone:
        assert (await hands.chat(f"/conversations/{whole(conversation_id)}")).status == 404
        assert await hands.messages(conversation_id) is None
    for nothing in ("unknown", "00000000-0000-4000-8000-000000000000", gone[0].upper()):
        assert (await hands.chat(f"/conversations/{nothing}")).status == 404


async def test_ids_have_old_forms_too_and_two_differ_only_in_case(hands):
    ids = set(hands.truth.ids("readable"))
    assert any(i.endswith("_feedback") and len(i) > 64 for i in ids)
    assert any("-" not in i for i in ids)
    pairs = [i for i in ids if i != i.lower() and i.lower() in ids]
    assert pairs
    for i in (pairs[0], pairs[0].lower()):
        assert (await hands.chat(f"/conversations/{i}")).body["conversation_id"] == i


async def test_a_huge_thread_goes_over_many_pages(hands):
    sizes = [len(await hands.messages(i)) for i in list(hands.truth.ids("readable"))[:30]]
    assert max(sizes) == 130
    assert 0 in sizes


async def test_messages_have_every_odd_shape(hands):
    rows = [row for i in list(hands.truth.ids("readable"))[:120] for row in await hands.messages(i)]
    kinds = {key for row in rows for part in row.get("message_parts", ()) for key in part}
    assert {"text", "file", "image", "collection", "template_content", "hologram"} <= kinds
    assert {row.get("message_type") for row in rows} == {"normal", "private", "system", None}
    assert any("msg_parts" in row and "message_parts" not in row for row in rows)
    texts = [part["text"]["content"] for row in rows for part in row.get("message_parts", ()) if "text" in part]
    assert any("\x00" in text for text in texts)
    assert any("한" in text for text in texts)
    assert any("👩🏽‍🚒" in text for text in texts)
    agents = {agent["id"] for agent in (await hands.chat("/agents")).body["agents"]}
    assert {row["actor_id"] for row in rows if row["actor_type"] == "agent"} - agents, "an agent who has left"


async def test_odd_numbers_and_missing_members_of_conversations(hands):
    raw = [(await hands.chat(f"/conversations/{whole(i)}")).raw for i in hands.truth.ids("readable")]
    assert any(b'"wait_seconds":0.10' in text and b'"ratio":1e-7' in text for text in raw)
    assert any(b"12345678901234567890123" in text for text in raw)
    assert any(b'"created_time"' not in text for text in raw)


async def test_get_conversations_is_a_404_on_most_accounts_and_one_more_source_on_others(hands):
    assert (await hands.chat("/conversations")).status == 404
    await hands.switch(conversations_listed=True)
    rows = await hands.chat_list("/conversations", "conversations")
    assert [row["conversation_id"] for row in rows] == list(hands.truth.ids("conversations", frozenset({"list"})))


@pytest.mark.parametrize(("path", "name"), [("/agents", "agents"), ("/groups", "groups"), ("/channels", "channels")])
async def test_lists_of_the_directory(hands, path, name):
    assert (await hands.chat(path)).body[name]


async def test_the_account_and_its_fields(hands):
    assert (await hands.chat("/accounts/configuration")).body["account_id"]
    assert isinstance((await hands.chat("/conversations/fields")).body, list)


async def test_files_of_messages_are_signed_and_need_no_key(serve):
    hands = await serve(conversations=300, tickets=0)
    seen = {}
    for conversation_id in hands.truth.ids("readable"):
        for row in await hands.messages(conversation_id):
            for part in row.get("message_parts", ()):
                described = part.get("file") or part.get("image")
                if described and "url" in described:
                    answer = await hands.call("GET", described["url"])
                    seen.setdefault(answer.status, described["url"])
    assert set(seen) == {200, 403, 404}, "there, at first stale, missing"
    refused = await hands.call("GET", seen[200], headers={"Authorization": "Bearer x"})
    assert refused.status == 400


async def test_the_key_is_needed(hands):
    assert (await hands.call("GET", f"/v2/users?{EVER}")).status == 401


async def test_limits_are_shown_and_kept(serve):
    hands = await serve(freshchat_rate=2, window_seconds=0.4)
    first = await hands.chat(f"/users?{EVER}")
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("2", "1")
    assert (await hands.chat("/users/unknown")).headers["X-RateLimit-Remaining"] == "0"
    refused = await hands.chat("/agents")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert int(refused.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert (await hands.let_in(lambda: hands.chat("/agents"))).status == 200
    windows = (await hands.call("GET", "/_sandbox/archive/windows")).body
    assert [window["used"] for window in windows["freshchat"]] == [2, 1]
    assert windows["freshchat"][1]["began"] - windows["freshchat"][0]["began"] >= 0.4
    assert windows["freshdesk"] == []
