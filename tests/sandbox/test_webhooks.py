"""Webhooks: signed over the raw bytes, retried, in order per conversation, and lost after the last try."""

import asyncio
import base64
import re

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


def public_key(text):
    """The key as an administrator would paste it: literal line breaks, a PKCS#1 label, an SPKI body."""
    assert text.startswith("-----BEGIN RSA PUBLIC KEY-----\\n")
    der = base64.b64decode(re.sub(r"-----[^-]+-----|\\n", "", text), validate=True)
    assert der[:4] == b"\x30\x82\x01\x22"
    return serialization.load_der_public_key(der)


def check(api, webhook, body=None):
    signature = base64.b64decode(webhook.headers["X-Freshchat-Signature"], validate=True)
    key = public_key(api.sandbox.env["FRESHCHAT_WEBHOOK_KEYS"])
    key.verify(signature, webhook.body if body is None else body, padding.PKCS1v15(), hashes.SHA256())


async def settled(api, until):
    await until(lambda: api.sandbox.webhooks.pending == 0)


async def reply(api, conversation_id, text="hi", **rest):
    body = {"conversation_id": conversation_id, "agent": "grace", "text": text, **rest}
    return (await api.control("freshchat/reply", body))["id"]


async def test_the_signature_covers_the_raw_bytes(api, bridge, until):
    await api.conversation(text="프린터가 고장났어요 🙂 ü")
    await settled(api, until)
    (webhook,) = bridge.webhooks()
    env = api.sandbox.env
    assert webhook.path == f"/freshchat/webhook/{env['MicrosoftAppTenantId']}/{env['FRESHCHAT_WEBHOOK_TOKEN']}"
    assert "프린터".encode() in webhook.body
    assert len(webhook.headers["X-Freshchat-Signature"]) == 344
    assert (webhook.headers["X-Freshchat-Payload-Version"], webhook.headers["X-Retry-Count"]) == ("2", "0")
    check(api, webhook)
    with pytest.raises(InvalidSignature):
        check(api, webhook, webhook.body + b" ")


async def test_a_users_message_is_echoed_with_the_id_the_api_gave(api, bridge, words, until):
    conversation_id, user_id = await api.conversation()
    sent = (await api.freshchat("POST", f"/conversations/{conversation_id}/messages", words(user_id, "again"))).body
    await settled(api, until)
    event = bridge.webhooks()[-1].json
    assert (event["action"], event["actor"]) == ("message_create", {"actor_type": "user", "actor_id": user_id})
    assert event["data"]["message"] == sent


async def test_echo_can_be_switched_off(api, bridge, until):
    await api.control("settings", {"echo_user_messages": False})
    conversation_id, _ = await api.conversation()
    await reply(api, conversation_id)
    await settled(api, until)
    assert [webhook.json["actor"]["actor_type"] for webhook in bridge.webhooks()] == ["agent"]


@pytest.mark.parametrize(
    ("body", "actor_type", "message_type"),
    [({}, "agent", "normal"), ({"type": "private"}, "agent", "private"), ({"actor_type": "bot"}, "bot", "normal"),
     ({"actor_type": "system"}, "system", "normal"), ({"type": "strange"}, "agent", "strange")],
)  # fmt: skip
async def test_replies_of_every_kind(api, bridge, until, body, actor_type, message_type):
    conversation_id, _ = await api.conversation()
    message_id = await reply(api, conversation_id, **body)
    await settled(api, until)
    message = bridge.webhooks()[-1].json["data"]["message"]
    assert (message["id"], message["actor_type"], message["message_type"]) == (message_id, actor_type, message_type)


async def test_raw_parts_and_repeated_events(api, bridge, until):
    conversation_id, _ = await api.conversation()
    parts = [{"image": {"url": "https://x.example/a.png"}}, {"never_seen": {"a": 1}}]
    await reply(api, conversation_id, text="", parts=parts, times=3)
    await settled(api, until)
    bodies = [webhook.body for webhook in bridge.webhooks()[1:]]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert bridge.webhooks()[-1].json["data"]["message"]["message_parts"] == parts
    assert len((await api.control("freshchat/state"))["conversations"][0]["messages"]) == 2


async def test_assignment_resolution_and_reopening_have_their_shapes(api, bridge, until):
    conversation_id, user_id = await api.conversation()
    agent = api.sandbox.world.agents[0]
    for what in ("assign", "resolve", "reopen"):
        await api.control(f"freshchat/{what}", {"conversation_id": conversation_id, "agent": "grace"})
    await settled(api, until)
    assigned, resolved, reopened = (webhook.json for webhook in bridge.webhooks()[1:])
    assert [e["action"] for e in (assigned, resolved, reopened)] == [
        "conversation_assignment",
        "conversation_resolution",
        "conversation_reopen",
    ]
    assert assigned["data"]["assignment"]["to_agent_id"] == agent.id
    assert assigned["data"]["assignment"]["from_agent_id"] == ""
    assert resolved["data"]["resolve"]["resolver_id"] == agent.id
    assert resolved["data"]["resolve"]["user"]["id"] == user_id
    assert resolved["data"]["resolve"]["conversation"]["status"] == "resolved"
    assert reopened["data"]["reopen"]["conversation"]["status"] == "reopened"
    interactions = {e["data"][name]["interaction_id"] for e, name in ((resolved, "resolve"), (reopened, "reopen"))}
    assert len(interactions) == 2


async def test_a_refused_webhook_is_retried_with_the_same_bytes(api, bridge, until):
    bridge.statuses = [500, 401, 302]
    await api.conversation()
    await settled(api, until)
    assert [webhook.headers["X-Retry-Count"] for webhook in bridge.webhooks()] == ["0", "1", "2", "3"]
    assert len({webhook.body for webhook in bridge.webhooks()}) == 1
    report = await api.control("webhooks")
    assert (report["pending"], report["delivered"], report["failed"]) == (0, 1, 0)
    assert [entry["status"] for entry in report["log"]] == [500, 401, 302, 200]


async def test_after_five_retries_the_event_is_lost(api, bridge, until):
    bridge.statuses = [500] * 6
    conversation_id, _ = await api.conversation()
    await settled(api, until)
    assert len(bridge.webhooks()) == 6
    assert (await api.control("webhooks"))["failed"] == 1
    await reply(api, conversation_id)
    await settled(api, until)
    assert (await api.control("webhooks"))["delivered"] == 1


async def test_a_slow_bridge_counts_as_a_refusal(api, bridge, until):
    await api.control("settings", {"webhook_timeout_seconds": 0.1})
    bridge.delay = 0.3
    await api.conversation()
    await until(lambda: len(bridge.webhooks()) >= 2)
    bridge.delay = 0.0
    await settled(api, until)
    assert (await api.control("webhooks"))["log"][0]["status"] == 0


async def test_events_of_one_conversation_keep_their_order_through_retries(api, bridge, until):
    conversation_id, _ = await api.conversation()
    await settled(api, until)
    bridge.requests.clear()
    bridge.statuses = [500, 200, 503, 500]
    for number in range(8):
        await reply(api, conversation_id, str(number))
    await settled(api, until)
    seen = [webhook.json["data"]["message"]["message_parts"][0]["text"]["content"] for webhook in bridge.webhooks()]
    assert list(dict.fromkeys(seen)) == [str(number) for number in range(8)]


async def test_one_conversation_does_not_wait_for_another(api, bridge, until):
    await api.control("settings", {"webhook_retry_seconds": 60})
    stuck, _ = await api.conversation(text="stuck")
    await until(lambda: len(bridge.webhooks()) == 1)
    bridge.statuses = [500]
    await reply(api, stuck)
    await until(lambda: len(bridge.webhooks()) == 2)
    await api.conversation(text="free")
    await until(lambda: len(bridge.webhooks()) == 3)
    assert api.sandbox.webhooks.pending == 1


async def test_a_reset_drops_what_waits(api, bridge):
    await api.control("settings", {"webhook_retry_seconds": 0.05})
    bridge.statuses = [500]
    await api.conversation()
    await asyncio.sleep(0.02)
    await api.control("reset", {})
    await asyncio.sleep(0.15)
    assert len(bridge.webhooks()) <= 1
    assert api.sandbox.webhooks.report() == {"pending": 0, "delivered": 0, "failed": 0, "log": []}


async def test_a_rotated_key_signs_the_next_webhook(api, bridge, until):
    old = api.sandbox.env["FRESHCHAT_WEBHOOK_KEYS"]
    rotated = await api.control("rotate", {"what": "webhook_key"})
    await api.conversation()
    await settled(api, until)
    assert rotated["env"]["FRESHCHAT_WEBHOOK_KEYS"] == api.sandbox.env["FRESHCHAT_WEBHOOK_KEYS"] != old
    check(api, bridge.webhooks()[0])


async def test_any_webhook_can_be_sent_signed_or_not(api, bridge):
    answer = await api.control("freshchat/webhook", {"body": '{ "action" : "안녕" }', "times": 2})
    assert answer["status"] == [200, 200]
    assert bridge.webhooks()[0].body == '{ "action" : "안녕" }'.encode()
    check(api, bridge.webhooks()[1])
    await api.control("freshchat/webhook", {"body": {"action": "x"}, "signature": "AAAA"})
    assert bridge.webhooks()[2].headers["X-Freshchat-Signature"] == "AAAA"
    assert bridge.webhooks()[2].body == b'{"action":"x"}'


async def test_a_files_url_may_come_later(api, bridge, until):
    await api.control("settings", {"webhook_file_urls": False})
    conversation_id, _ = await api.conversation()
    await reply(api, conversation_id, parts=[{"file": {"name": "a.pdf", "url": "https://x.example/a"}}])
    await settled(api, until)
    assert bridge.webhooks()[-1].json["data"]["message"]["message_parts"] == [{"file": {"name": "a.pdf"}}]
    listed = (await api.freshchat("GET", f"/conversations/{conversation_id}/messages")).body["messages"][0]
    assert listed["message_parts"][0]["file"]["url"] == "https://x.example/a"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("reply", {"conversation_id": "unknown", "text": "x"}, 404),
        ("reply", {"conversation_id": "{c}"}, 400),
        ("reply", {"conversation_id": "{c}", "text": "x", "agent": "nobody"}, 404),
        ("reply", {"conversation_id": "{c}", "text": "x", "actor_type": "robot"}, 400),
        ("reply", {"conversation_id": "{c}", "text": "x", "times": -1}, 400),
        ("assign", {}, 404),
        ("webhook", {}, 400),
    ],
)
async def test_a_wrong_wish_is_refused_in_words(api, path, body, status):
    conversation_id, _ = await api.conversation()
    body = {**body, **({"conversation_id": conversation_id} if body.get("conversation_id") == "{c}" else {})}
    answer = await api.call("POST", f"/_sandbox/freshchat/{path}", json=body)
    assert answer.status == status
    assert answer.body["error"]
