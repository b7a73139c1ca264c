"""Files that agents send: which parts they become, how their links run out, and what the store behind them refuses."""

from __future__ import annotations

import base64

import pytest

PDF = {"name": "a b.pdf", "content_type": "application/pdf", "base64": base64.b64encode(b"%PDF").decode()}


async def sent(api, **reply):
    """Send; give the parts as the webhook brings them, and a reader of the parts as they are listed."""
    conversation, _ = await api.conversation()
    sent_id = (await api.control("freshchat/reply", {"conversation_id": conversation, **reply}))["id"]

    async def listed():
        answer = await api.freshchat("GET", f"/conversations/{conversation}/messages")
        return next(m for m in answer.body["messages"] if m["id"] == sent_id)["message_parts"]

    state = await api.control("freshchat/state")
    shown = next(c for c in state["conversations"] if c["conversation_id"] == conversation)["messages"][-1]
    return shown["parts"], listed


async def get(api, url, **headers):
    assert url.startswith(api.sandbox.url)
    return await api.call("GET", url.removeprefix(api.sandbox.url), headers=headers)


@pytest.mark.parametrize(
    ("kind", "part"), [("image/png", "image"), ("video/mp4", "video"), ("audio/ogg", "video"), ("text/plain", "file")]
)
async def test_a_file_follows_the_words_as_a_part_of_its_type(api, kind, part):
    parts, _ = await sent(api, text="Hi", files=[{**PDF, "content_type": kind}])
    assert parts[0] == {"text": {"content": "Hi"}} and list(parts[1]) == [part]
    answer = await get(api, parts[1][part]["url"])
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"%PDF", kind)


async def test_the_store_refuses_a_second_authentication_and_a_changed_link(api):
    parts, _ = await sent(api, files=[PDF])
    url = parts[0]["file"]["url"]
    assert (await get(api, url, Authorization="Bearer x")).status == 400
    assert (await get(api, f"{url}0")).status == 403
    assert (await get(api, url.replace("Expires=1", "Expires=9"))).status == 403


async def test_a_link_runs_out_and_the_list_of_messages_has_another(api):
    parts, listed = await sent(api, parts=[{"file": {**PDF, "link_seconds": 0}}, {"text": {"content": "Hi"}}])
    assert (await get(api, parts[0]["file"]["url"])).status == 403
    fresh = (await listed())[0]["file"]
    assert (await get(api, fresh["url"])).status == 200
    assert fresh["name"] == "a b.pdf" and fresh["file_size_in_bytes"] == 4


async def test_an_address_can_be_late(api):
    parts, listed = await sent(api, parts=[{"image": {**PDF, "hidden_reads": 2}}])
    assert "url" not in parts[0]["image"]
    assert ["url" in (await listed())[0]["image"] for _ in range(3)] == [False, False, True]


async def test_nothing_at_all_is_refused(api):
    conversation, _ = await api.conversation()
    for body in ({}, {"parts": "x"}, {"files": [{"name": "a"}, 5]}, {"files": [{"base64": "x"}]}):
        answer = await api.call("POST", "/_sandbox/freshchat/reply", json={"conversation_id": conversation, **body})
        assert answer.status == 400, body
