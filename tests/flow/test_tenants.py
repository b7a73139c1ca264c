"""One bridge, two customers: each tenant's questions and answers stay in its own Freshchat account."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from stack import Stack, nothing_happens, running, texts
from test_conversation import word
from test_doors_freshchat import public, signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

A, B = "3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11", "b0b0b0b0-7a41-4c0b-9e55-8b2d1a9f0c22"
STRANGER = "cccccccc-7a41-4c0b-9e55-8b2d1a9f0c33"

TENANTS = """
[[tenant]]
id = "{a}"
name = "alpha"
freshchat = {{ url = "{a_url}/v2", inbox = "{inbox}", api_key = "secret:ALPHA_KEY", webhook_keys = "secret:ALPHA_HOOK", webhook_token = "secret:ALPHA_PATH" }}

[[tenant.route]]
channel = "{it_help}"
inbox = "{it_inbox}"
group = "{group}"
tags = ["it", "urgent"]
attributes = {{ cf_site = "Seoul" }}

[[tenant]]
id = "{b}"
name = "beta"
channel_messages = "mention"
freshchat = {{ url = "{b_url}/v2", inbox = "{inbox}", api_key = "secret:BETA_KEY", webhook_keys = "secret:BETA_HOOK", webhook_token = "secret:BETA_PATH" }}
"""  # noqa: E501


@dataclass
class Two:
    """Sandbox A plays Teams for both tenants and Freshchat for tenant A; sandbox B plays Freshchat for tenant B."""

    a: Stack
    b: Stack
    keys: dict[str, rsa.RSAPrivateKey]

    async def write(self, tenant: str, text: str, *, named: bool = True) -> dict[str, Any]:
        """Write in a tenant's Teams; ids of people and channels are the same in both."""
        said = activity(self.a, tenant, text, named=named)
        return await self.a.post("teams/activity", activity=said) | {"id": said["id"]}

    async def asked(self, stack: Stack, text: str) -> dict[str, Any]:
        """Wait for the one conversation with this text in an account."""

        async def found() -> Any:
            return [c for c in await stack.conversations() if text in "".join(texts(c, "user"))]

        conversations = await stack.until(found)
        assert len(conversations) == 1
        return dict(conversations[0])


def activity(stack: Stack, tenant: str, text: str, *, named: bool = True) -> dict[str, Any]:
    """Make a channel message, a thread's first one, that mentions the bot or does not."""
    ada, general, bot = stack.config["users"][0], stack.config["channels"][0]["id"], stack.config["bot"]
    message = str(time.time_ns() // 1_000_000)
    place = {"conversationType": "channel", "isGroup": True, "tenantId": tenant, "id": f"{general};messageid={message}"}
    mention = {"type": "mention", "text": "<at>Desk</at>", "mentioned": {"id": bot["id"], "name": "Desk"}}
    return {
        "type": "message",
        "id": message,
        "timestamp": "2026-01-01T00:00:00.0000000Z",
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": place,
        "recipient": {"id": bot["id"]},
        "text": f"<at>Desk</at> {text}" if named else text,
        "entities": [mention] if named else [],
        "channelData": {"tenant": {"id": tenant}, "team": {"id": stack.config["team"]["thread_id"]}},
    }


def elsewhere(said: dict[str, Any], channel: str) -> dict[str, Any]:
    """Give the place of the same message in another channel."""
    return said["conversation"] | {"id": f"{channel};messageid={said['id']}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    """Both sandboxes draw the same ids, so that nothing is kept apart by luck."""
    options = ["--seed", "twins"]
    async with (
        running(tmp_path_factory.mktemp("a"), bridge=False, sandbox=options, TEAMS_REPLY_VIA="bot") as a,
        running(tmp_path_factory.mktemp("b"), bridge=False, sandbox=[*options, "--tenant", B]) as b,
    ):
        await b.post("rotate", what="api_key")
        b.config = await b.get("config")
        await b.post("settings", bridge=a.bridge_url, webhook_retry_seconds=0.05)
        keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("ALPHA", "BETA")}
        for name, one in (("ALPHA", a), ("BETA", b)):
            env, ours = one.config["env"], public(keys[name]).decode().strip().replace("\n", "\\n")
            a.extra |= {
                f"{name}_KEY": env["FRESHCHAT_API_KEY"],
                f"{name}_HOOK": f"{env['FRESHCHAT_WEBHOOK_KEYS']};{ours}",
                f"{name}_PATH": env["FRESHCHAT_WEBHOOK_TOKEN"],
            }
        inboxes, channels = a.config["inboxes"], a.config["channels"]
        file = a.folder / "tenants.toml"
        file.write_text(
            TENANTS.format(
                a=A.upper(),  # the case of an Entra id means nothing
                b=B,
                a_url=a.url,
                b_url=b.url,
                inbox=inboxes[0]["id"],
                it_inbox=inboxes[1]["id"],
                it_help=channels[1]["id"],
                group=a.config["groups"][1]["id"],
            ),
            encoding="utf-8",
        )
        a.extra |= {"BRIDGE_TENANTS_FILE": str(file), "BRIDGE_RETRY_WAIT": "0.1"}
        for name in [n for n in a.config["env"] if n.startswith("FRESHCHAT_") and n != "FRESHCHAT_HOST_ALLOWLIST"]:
            del a.config["env"][name]
        code, out, err = await a.bridgectl("tenants", "check", "--json")
        assert code == 0, (out, err)
        await a.start_bridge()
        yield Two(a, b, keys)


async def test_each_tenant_has_its_own_account(two: Two) -> None:
    """The same person in the same place with the same ids, in two tenants: nothing crosses, and answers find home."""
    for_a, for_b, answer_a, answer_b = word(), word(), word(), word()
    assert (await two.write(A, for_a))["status"] == 200
    at_a = await two.asked(two.a, for_a)
    assert (await two.write(B, for_b))["status"] == 200
    at_b = await two.asked(two.b, for_b)
    assert at_a["conversation_id"] == at_b["conversation_id"], "the accounts do give out the same ids"
    assert at_a["messages"][0]["id"] == at_b["messages"][0]["id"]
    assert for_b not in json.dumps(await two.a.conversations())
    assert for_a not in json.dumps(await two.b.conversations())

    await two.b.answer(at_b["conversation_id"], answer_b)
    await two.a.answer(at_a["conversation_id"], answer_a)
    for question, answer in ((for_a, answer_a), (for_b, answer_b)):

        async def threads(answer: str = answer) -> Any:
            return [t for t in await two.a.threads() if answer in json.dumps(t)]

        [home] = await two.a.until(threads)
        assert question in home["messages"][0]["text"]
        assert sum(answer in m["text"] for m in home["messages"]) == 1
        assert not [m for m in home["messages"] if (answer_a if answer == answer_b else answer_b) in m["text"]]


async def test_same_message_id_in_both_tenants_is_two_messages(two: Two) -> None:
    """The dedupe key is the tenant's own: an id that tenant A has used is still new in tenant B."""
    text = word()
    said = activity(two.a, A, text)
    for tenant in (A, B, A, B):
        same = said | {
            "conversation": said["conversation"] | {"tenantId": tenant},
            "channelData": said["channelData"] | {"tenant": {"id": tenant}},
        }
        assert (await two.a.post("teams/activity", activity=same))["status"] == 200
    for stack in (two.a, two.b):
        conversation = await two.asked(stack, text)
        assert sum(text in t for t in texts(conversation)) == 1
    await two.a.settled()


async def test_channel_is_routed_to_its_inbox_with_tags_and_attributes(two: Two) -> None:
    """The row of the mapping decides inbox, group and properties; other places go to the default inbox."""
    general, routed = word(), word()
    await two.write(A, general)
    said = activity(two.a, A, routed)
    said["conversation"] = elsewhere(said, two.a.config["channels"][1]["id"])
    await two.a.post("teams/activity", activity=said)
    usual, special = await two.asked(two.a, general), await two.asked(two.a, routed)
    inboxes = two.a.config["inboxes"]
    assert (usual["channel_id"], special["channel_id"]) == (inboxes[0]["id"], inboxes[1]["id"])
    assert special["properties"].items() >= {"cf_tags": "it, urgent", "cf_site": "Seoul"}.items()
    assert not {"cf_tags", "cf_site"} & usual["properties"].keys()
    answer = word()
    await two.a.answer(special["conversation_id"], answer)

    async def answered() -> bool:
        return answer in json.dumps(await two.a.threads())

    await two.a.until(answered)


async def test_mention_only_is_one_tenants_choice(two: Two) -> None:
    """Without a mention, tenant A opens a conversation and tenant B does not; a linked thread goes on in both."""
    silent_a, silent_b, opened, more = word(), word(), word(), word()
    await two.write(A, silent_a, named=False)
    await two.asked(two.a, silent_a)
    await two.write(B, silent_b, named=False)
    first = await two.write(B, opened)
    await two.asked(two.b, opened)
    follow_up = activity(two.a, B, more, named=False)
    general = two.a.config["channels"][0]["id"]
    follow_up["conversation"] |= {"id": f"{general};messageid={first['id']}"}
    await two.a.post("teams/activity", activity=follow_up)
    assert texts(await two.asked(two.b, more), "user") == [opened, more]
    await two.a.settled()
    assert silent_b not in json.dumps(await two.b.conversations())


async def test_third_tenant_is_403_and_stores_nothing(two: Two) -> None:
    """A genuine Teams token of a tenant that is no customer."""
    async with nothing_happens(two.a):
        said = activity(two.a, STRANGER, word())
        assert (await two.a.post("teams/activity", activity=said, record=False))["status"] == 403


async def test_webhook_opens_only_its_own_accounts_door(two: Two) -> None:
    """Account A's genuine webhook at B's door or at nobody's, and one signed by B at A's door: nothing is stored."""
    question, answer = word(), word()
    await two.write(A, question)
    conversation = await two.asked(two.a, question)
    await two.a.answer(conversation["conversation_id"], answer)
    await two.a.settled()
    log = await two.a.get("requests?on=webhook&bodies=1")
    genuine = next(r["body"] for r in log if answer in r["body"]).encode()
    token = two.a.extra["ALPHA_PATH"]
    assert token == two.a.extra["BETA_PATH"], "only the signature tells the accounts apart"
    by_a, by_b = (
        {"Content-Type": "application/json", "X-Freshchat-Signature": signature(two.keys[name], genuine)}
        for name in ("ALPHA", "BETA")
    )
    async with nothing_happens(two.a):
        for door in ("alpha", A):
            status, _, text = await two.a.raw(f"/freshchat/webhook/{door}/{token}", genuine, by_a)
            assert (status, json.loads(text)) == (200, {"status": "duplicate"})
            assert (await two.a.raw(f"/freshchat/webhook/{door}/{token}", genuine, by_b))[0] == 401
        for door, status in (("beta", 401), (B, 401), ("gamma", 403), (STRANGER, 403)):
            assert (await two.a.raw(f"/freshchat/webhook/{door}/{token}", genuine, by_a))[0] == status, door
        assert (await two.a.raw("/freshchat/webhook/alpha/wrong", genuine, by_a))[0] == 401
        assert (await two.a.raw("/freshchat/webhook", genuine, by_a))[0] == 403, "it does not say whose it is"


async def test_agent_of_one_account_cannot_write_into_the_others_thread(two: Two) -> None:
    """B's account, rightly signed, names a conversation of A: nothing is said in A's thread."""
    question, evil = word(), word()
    await two.write(A, question)
    conversation = await two.asked(two.a, question)
    message = {
        "id": "11111111-1111-4111-8111-111111111111",
        "conversation_id": conversation["conversation_id"],
        "channel_id": "an inbox that is not mapped",
        "actor_type": "agent",
        "actor_id": two.b.config["agents"][0]["id"],
        "message_type": "normal",
        "message_parts": [{"text": {"content": evil}}],
        "created_time": "2026-01-01T00:00:00.000Z",
    }
    assert conversation["conversation_id"] not in json.dumps(await two.b.conversations())
    event = {
        "actor": {"actor_type": "agent", "actor_id": message["actor_id"]},
        "action": "message_create",
        "action_time": message["created_time"],
        "data": {"message": message},
    }
    assert (await two.b.post("freshchat/webhook", body=event))["status"] == [200]
    await two.a.settled()
    assert evil not in json.dumps(await two.a.threads())
    assert any(r.get("reason") == "other_inbox" for r in two.a.log())


async def test_a_queue_that_one_tenant_floods_has_room_for_the_other(two: Two) -> None:
    """Tenant A's account is away: the door refuses A beyond half of the limit, the log says so, and B gets through."""
    await two.a.settled()
    await two.a.stop_bridge()
    two.a.extra["BRIDGE_QUEUE_LIMIT"] = "8"
    await two.a.start_bridge()
    await two.a.fault("freshchat", "status", status=503, times=None)
    assert [(await two.write(A, word()))["status"] for _ in range(6)] == [200] * 4 + [503] * 2
    text = word()
    assert (await two.write(B, text))["status"] == 200
    await two.asked(two.b, text)
    refused = [record for record in two.a.log() if record["action"] == "not_stored"]
    assert {(record["tenant"], record["direction"]) for record in refused} == {(A, "to-freshchat")}
    await two.a.clear_faults()

    async def room() -> bool:
        return bool((await two.write(A, word()))["status"] == 200)

    await two.a.until(room)
    await two.a.settled()
