"""What people say, who they are and what opens doors is in no log, metric or list; only `dlq show --body` tells."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from collector import CONNECTION, collecting, to
from stack import Stack, running
from test_conversation import conversation_with, thread_with

pytestmark = pytest.mark.asyncio(loop_scope="function")

SAID = [f"planted-{what}" for what in ("question", "answer", "edit", "note", "refused", "unsaid", "late", "quoted")]
QUESTION, ANSWER, EDIT, NOTE, REFUSED, UNSAID, LATE, QUOTED = SAID


def personal(stack: Stack) -> set[str]:
    """List what identifies a person, on either side (a personal chat's id is the bot's own name for it, and a key)."""
    config = stack.config
    people = [*config["users"], config["service_account"]]
    fields = ("name", "given_name", "surname", "aad_id", "teams_id", "upn", "mail", "job_title")
    found = {person[field] for person in people for field in fields}
    agents = {agent[field] for agent in config["agents"] for field in ("id", "name", "last_name", "email", "org_id")}
    return found | agents | {"김민준", "경영지원팀"}


def secret(stack: Stack) -> set[str]:
    """List what opens a door: keys, passwords, the start of any JWT, any bearer token."""
    names = ("MicrosoftAppPassword", "FRESHCHAT_API_KEY", "FRESHCHAT_WEBHOOK_TOKEN")
    return {stack.config["env"][name] for name in names} | {"eyJ", "Bearer ", "BEGIN RSA"}


async def live(stack: Stack) -> None:
    """Let everything happen that a bridge meets: all scopes, edits, notes, refusals, forgeries, broken calls."""
    ada = stack.config["users"][0]
    for place in ({"scope": "channel", "user": "ada"}, {"scope": "groupChat", "user": "minjun"}, {"scope": "personal"}):
        text = f"{QUESTION} {place['scope']}"
        said = await stack.say(text, **place)
        conversation = (await conversation_with(stack, text))["conversation_id"]
        await stack.answer(conversation, f"{NOTE}", type="private")
        await stack.answer(conversation, f"{ANSWER} {place['scope']}")
        await thread_with(stack, f"{ANSWER} {place['scope']}")
    edit = activity(stack, said, type="messageUpdate", text=EDIT)
    assert (await stack.post("teams/activity", activity=edit))["status"] == 200
    await conversation_with(stack, EDIT)
    # upstreams that quote what they refuse, for good and for a while
    quote = {"code": 400, "status": "INVALID_VALUE", "message": f"{QUOTED} {ada['mail']}"}
    await stack.fault("freshchat", "status", match="POST .*/messages$", status=400, times=1, body=quote)
    await stack.say(REFUSED, scope="personal")
    await stack.fault("freshchat", "status", match="POST .*/messages$", status=503, times=1, body=f"<p>{QUOTED}</p>")
    await stack.say(LATE, scope="personal")
    await conversation_with(stack, LATE)
    error = {"error": {"code": "BadArgument", "message": f"{QUOTED} {ada['name']}"}}
    await stack.fault("connector", "status", match="POST .*/activities$", status=400, times=1, body=error)
    await stack.answer(conversation, UNSAID)

    async def both_dead() -> bool:
        return await stack.metric("bridge_queue_dead") == 2

    await stack.until(both_dead)
    await forge(stack, said)
    await stack.post("rotate", what="revoke_signin")
    await stack.fault("token", "status", status=400, times=2, body={"error": "invalid_grant", "claims": QUOTED})
    channel = next(c for c in await stack.conversations() if f"{QUESTION} channel" in json.dumps(c))
    await stack.answer(channel["conversation_id"], f"{ANSWER} again")
    await thread_with(stack, f"{ANSWER} again")
    await stack.settled()


def activity(stack: Stack, said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Make an activity about something that Ada said in her personal chat."""
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    return {
        "id": said["id"],
        "timestamp": "2026-01-01T00:05:00Z",
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": {"conversationType": "personal", "tenantId": tenant, "id": ada["personal_chat"]},
        "recipient": {"id": stack.config["bot"]["id"]},
        "channelData": {"tenant": {"id": tenant}},
    } | changes


async def forge(stack: Stack, said: dict[str, Any]) -> None:
    """Knock with wrong tokens and wrong signatures, and with a right token and nonsense."""
    sent = activity(stack, said, type="message", text=QUESTION)
    for token in ({"key": "other"}, {"aud": "x"}, {"raw": "eyJhbGciOiJub25lIn0.e30."}):
        assert (await stack.post("teams/activity", activity=sent, token=token, record=False))["status"] == 401
    odd = sent | {"type": "message", "conversation": {"id": QUESTION, "conversationType": QUESTION}}
    assert (await stack.post("teams/activity", activity=odd, record=False))["status"] == 400
    webhook = {"action": "message_create", "data": {"message": {"text": ANSWER}}}
    assert (await stack.post("freshchat/webhook", body=webhook, signature="eyJh"))["status"] == [401]
    path = f"/freshchat/webhook/{stack.config['tenant']}/{stack.config['env']['FRESHCHAT_WEBHOOK_TOKEN']}"
    for header in ({"Authorization": "Bearer " + "eyJ" * 9000}, {"X-Freshchat-Signature": "eyJ" * 9000}):
        assert (await stack.raw(path, b"{}", header))[0] == 400


async def test_nothing_personal_and_no_secret_leaves_the_bridge(tmp_path: Path) -> None:
    """Conversations both ways with failures of all kinds, then a search of everything that the bridge tells."""
    extra = {"BRIDGE_RETRY_WAIT": "0.1", "BRIDGE_LOG_LEVEL": "DEBUG"}
    async with collecting() as collector, running(tmp_path, bridge=False, **extra, **to(collector)) as stack:
        stack.extra["APPLICATIONINSIGHTS_CONNECTION_STRING"] = CONNECTION.format(url=collector.url)
        assert (await stack.bridgectl("graph", "login"))[0] == 0
        await stack.start_bridge()
        await live(stack)
        _, out, _ = await stack.bridgectl("dlq", "list", "--json")
        letters = [letter["id"] for letter in json.loads(out)]
        assert len(letters) == 2
        told = {"dlq list": out, "log": (tmp_path / "bridge.log").read_text(encoding="utf-8")}
        for path in ("/metrics", "/readyz", "/healthz"):
            told[path] = (await stack.raw(path, None, {}, "GET"))[2]
        shows = [("dlq", "show", letter) for letter in letters]
        commands = [*shows, ("config", "--json"), ("graph", "status", "--json")]
        bodies = [(*show, "--body") for show in shows]
        ran = await asyncio.gather(*(stack.bridgectl(*command) for command in (*commands, *bodies)))
        told |= {" ".join(command): out + err for command, (_, out, err) in zip(commands, ran, strict=False)}
        await stack.stop_bridge()  # pushes what is left
        assert collector.named("deliver to-teams", error__type="connector_BadArgument")
        assert collector.named("POST graph")
        assert collector.envelopes
        told["exported"] = "\n".join(collector.told)
        account = "graph status --json"
        told[account] = told[account].replace(stack.config["service_account"]["name"], "")  # its purpose

        planted = {*SAID, *personal(stack), *secret(stack)}
        found = {where: sorted(word for word in planted if word in text) for where, text in told.items()}
        assert not {where: words for where, words in found.items() if words}
        assert all(line.startswith("{") for line in told["log"].splitlines()), "every line of the log is a record"
        shown = "".join(out for _, out, _ in ran[len(commands) :])
        assert REFUSED in shown, "the control: what is asked for is there"
        assert UNSAID in shown
