"""Edits, deletions and reactions in Teams: what the agent reads, in order, once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import DIRECTIONS, Stack, running, texts
from test_conversation import conversation_with, word

from tests.peers.service_bus import ServiceBusPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {
    "TEAMS_REPLY_VIA": "bot",
    "BRIDGE_RETRY_WAIT": "0.2",
    "BRIDGE_REACTIONS": "on",
    "BRIDGE_DELETES": "redact",
    "BRIDGE_RECONCILE_SECONDS": "0",
}
ALL = "POST .*/v2/(users|conversations).*"
"""Not reads: the pass that reads conversations back goes on beside the tests."""
LONG = 1000
"""Times that a fault strikes: until it is cleared."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wanted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """With reactions and redaction switched on."""
    async with running(tmp_path_factory.mktemp("revisions"), **SETTINGS) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_service_bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """With the queue in Service Bus."""
    async with ServiceBusPeer() as peer:
        for name in DIRECTIONS:
            peer.create_queue(name, requires_session=True, duplicate_detection=600.0, max_delivery_count=2000)
        where = {"BRIDGE_QUEUE": "azure.service_bus", "AZURE_SERVICEBUS_CONNECTION_STRING": peer.connection_string()}
        async with running(tmp_path_factory.mktemp("bus"), **SETTINGS, **where) as stack:
            yield stack


def activity(stack: Stack, said: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
    """Make an activity of Ada's about something that was said in a channel; like Teams, without the team."""
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    event = {"messageUpdate": "editMessage", "messageDelete": "softDeleteMessage"}.get(kind)
    place = {"conversationType": "channel", "isGroup": True, "tenantId": tenant, "id": said["conversation_id"]}
    return {
        "type": kind,
        "id": said["id"],
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": place,
        "recipient": {"id": stack.config["bot"]["id"]},
        "channelData": {"tenant": {"id": tenant}, "eventType": event},
    } | more


async def send(stack: Stack, said: dict[str, Any], kind: str, **more: Any) -> None:
    """Send one; the bridge must have answered 200."""
    sent = await stack.post("teams/activity", activity=activity(stack, said, kind, **more))
    assert sent["status"] == 200, sent


async def edit(stack: Stack, said: dict[str, Any], text: str, minute: int = 0, **more: Any) -> None:
    """Edit what was said, in this minute of a certain hour."""
    await send(stack, said, "messageUpdate", text=text, timestamp=f"2026-01-01T00:{minute:02}:00.1234567Z", **more)


async def delete(stack: Stack, said: dict[str, Any], **more: Any) -> None:
    """Delete what was said; Teams does not tell when."""
    await send(stack, said, "messageDelete", **more)


async def ignored(stack: Stack, why: str) -> float:
    """Count the deliveries that had nothing to carry for this reason."""
    return await stack.metric("bridge_ignored_total", why=why)


async def asked(stack: Stack) -> tuple[dict[str, Any], str]:
    """Ask in a new thread; give what was said and its text."""
    question = word()
    said = await stack.say(question)
    await conversation_with(stack, question)
    await stack.settled()
    return said, question


async def read(stack: Stack, question: str) -> list[str]:
    """List what the agent reads after the question."""
    await stack.settled()
    return texts(await conversation_with(stack, question), "user")[1:]


async def refused(stack: Stack, fault: str, times: int = 1) -> None:
    """Wait until a fault has struck so often."""

    async def struck() -> bool:
        return await hits(stack, fault) >= times

    await stack.until(struck)


async def hits(stack: Stack, fault: str) -> int:
    """Tell how often a fault has struck."""
    return next(int(one["hits"]) for one in await stack.get("faults") if one["id"] == fault)


async def test_each_edit_names_its_original_and_has_a_number(stack: Stack) -> None:
    """Also the second of two, and one that comes late does not put the older text on top."""
    said, question = await asked(stack)
    first, second, late = word(), word(), word()
    before = await ignored(stack, "stale_edit")
    await edit(stack, said, first, 1)
    await edit(stack, said, second, 3)
    await edit(stack, said, late, 2)
    assert await read(stack, question) == [
        f"(edited: edit 1 of “{question}”) {first}",
        f"(edited: edit 2 of “{question}”) {second}",
    ]
    assert await ignored(stack, "stale_edit") == before + 1


async def test_a_deletion_ends_it_until_it_is_taken_back(stack: Stack) -> None:
    """An edit that comes after it says nothing; the restored text does."""
    said, question = await asked(stack)
    again = word()
    before = await ignored(stack, "edit_of_deleted")
    await delete(stack, said)
    await edit(stack, said, word(), 1)
    restored = {"eventType": "undeleteMessage", "tenant": {"id": stack.config["tenant"]}}
    await edit(stack, said, question, 2, channelData=restored)
    await edit(stack, said, again, 3)
    assert await read(stack, question) == [
        f"(A message was deleted in Teams: “{question}”.)",
        f"(restored: “{question}”) {question}",
        f"(edited: edit 1 of “{question}”) {again}",
    ]
    assert await ignored(stack, "edit_of_deleted") == before + 1


async def test_an_old_message_is_named_by_its_time(stack: Stack) -> None:
    """Its text would have to be read from far back."""
    (said, question), text = await asked(stack), word()
    await edit(stack, said | {"id": "1767225600123"}, text)
    assert await read(stack, question) == [f"(edited: edit 1 of the message of 2026-01-01 00:00 UTC) {text}"]


OUTAGES: list[dict[str, Any]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "drop_before"},
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
@pytest.mark.parametrize("where", ["in a new thread", "in a linked thread"])
async def test_an_edit_before_delivery_changes_the_original(stack: Stack, outage: dict[str, Any], where: str) -> None:
    """The agent reads the last text only, once and in its place."""
    thread, question = None, ""
    if where == "in a linked thread":
        root, question = await asked(stack)
        thread = {"thread": root["thread"]}
    original, last, following = word(), word(), word()
    before = await ignored(stack, "edit_in_original")
    fault = await stack.fault("freshchat", match=ALL, times=LONG, **outage)
    said = await stack.say(original, **(thread or {}))
    await refused(stack, fault)
    await stack.say(following, thread=said["thread"])
    await edit(stack, said, word(), 1)
    await edit(stack, said, last, 2)
    await refused(stack, fault, await hits(stack, fault) + 2)  # a try may be on its way with what it said before
    await stack.clear_faults()
    await stack.settled()
    found = texts(await conversation_with(stack, last), "user")
    assert found == [question, last, following][not question :]
    assert await ignored(stack, "edit_in_original") == before + 2


async def test_an_edit_that_waits_survives_a_crash(stack: Stack) -> None:
    """The process that delivers is not the one that took either in."""
    root, question = await asked(stack)
    original, last = word(), word()
    fault = await stack.fault("freshchat", "status", match=ALL, status=503, times=LONG)
    said = await stack.say(original, thread=root["thread"])
    await refused(stack, fault)
    await edit(stack, said, last)
    await stack.kill_bridge()
    await stack.start_bridge()
    await stack.clear_faults()
    assert await read(stack, question) == [last]


async def test_what_an_earlier_try_has_sent_is_found(stack: Stack) -> None:
    """The first post had its effect and its answer was lost: the text is not sent again as edited, the edit follows."""
    root, question = await asked(stack)
    original, last = word(), word()
    blind = await stack.fault("freshchat", "status", match="GET .*/messages.*", status=503, times=LONG)
    lost = await stack.fault("freshchat", "drop_after", match="POST .*/messages$", times=1)
    said = await stack.say(original, thread=root["thread"])
    await asyncio.gather(refused(stack, lost), refused(stack, blind))
    await edit(stack, said, last)
    await stack.clear_faults()
    assert await read(stack, question) == [original, f"(edited: edit 1 of “{original}”) {last}"]


async def test_what_an_earlier_try_has_sent_as_edited_is_found(stack: Stack) -> None:
    """The second version was posted and its answer lost, then a third came."""
    root, question = await asked(stack)
    original, second, third = word(), word(), word()
    down = await stack.fault("freshchat", "status", match="POST .*/messages$", status=429, retry_after=1, times=LONG)
    blind = await stack.fault("freshchat", "status", match="GET .*/messages.*", status=503, times=LONG)
    said = await stack.say(original, thread=root["thread"])
    await refused(stack, down)
    await edit(stack, said, second, 1)
    lost = await stack.fault("freshchat", "drop_after", match="POST .*/messages$", times=LONG)
    async with stack.session.delete(f"{stack.url}/_sandbox/faults/{down}"):
        await asyncio.gather(refused(stack, lost), refused(stack, blind))
    await edit(stack, said, third, 2)
    await stack.clear_faults()
    assert await read(stack, question) == [second, f"(edited: edit 1 of “{second}”) {third}"]


@pytest.mark.parametrize("where", ["in a new thread", "in a linked thread"])
async def test_what_is_deleted_before_delivery_is_not_sent(stack: Stack, where: str) -> None:
    """Nor what was edited before; what follows in the thread is, and so is the text if it is taken back later."""
    thread: dict[str, Any] = {}
    question = ""
    if where == "in a linked thread":
        root, question = await asked(stack)
        thread = {"thread": root["thread"]}
    gone, following = word(), word()
    before = await ignored(stack, "deleted_before_delivery")
    fault = await stack.fault("freshchat", "status", match=ALL, status=503, times=LONG)
    said = await stack.say(gone, **thread)
    await refused(stack, fault)
    await edit(stack, said, word())
    await delete(stack, said)
    await stack.say(following, thread=said["thread"])
    await stack.clear_faults()
    await stack.settled()
    found = texts(await conversation_with(stack, following), "user")
    assert found == [question, following][not question :]
    assert await ignored(stack, "deleted_before_delivery") == before + 1
    restored = {"eventType": "undeleteMessage", "tenant": {"id": stack.config["tenant"]}}
    await edit(stack, said, gone, 2, channelData=restored)
    await stack.settled()
    assert gone in texts(await conversation_with(stack, following), "user")[-1]


async def test_an_edit_before_delivery_with_service_bus(on_service_bus: Stack) -> None:
    """The same promise by the other engine; and a deleted message is not sent there either."""
    stack = on_service_bus
    root, question = await asked(stack)
    original, last, gone = word(), word(), word()
    fault = await stack.fault("freshchat", "status", match=ALL, status=503, times=LONG)
    said = await stack.say(original, thread=root["thread"])
    deleted = await stack.say(gone, thread=root["thread"])
    await refused(stack, fault, 5)  # so the second waited longer than a first try goes unlooked
    await edit(stack, said, last)
    await delete(stack, deleted)
    await stack.clear_faults()
    assert await read(stack, question) == [last]


async def test_redaction_deletes_what_is_stored(wanted: Stack) -> None:
    """The letter of a message that was given up goes, those of others stay, and the notice quotes nothing."""
    root, question = await asked(wanted)
    await wanted.fault("freshchat", "status", match="POST .*/messages$", status=400, times=2)
    stays = await wanted.say(word(), thread=root["thread"])
    goes = await wanted.say(word(), thread=root["thread"])

    async def letters() -> list[str]:
        _, out, _ = await wanted.bridgectl("dlq", "list", "--json")
        return [letter["key"] for letter in json.loads(out)]

    await wanted.until(lambda: _dead(wanted, 2))
    await delete(wanted, goes)
    await delete(wanted, root)
    said = await read(wanted, question)
    left = await letters()
    assert len(left) == 1, left
    assert stays["id"] in left[0]
    assert len(said) == 2
    assert question not in "".join(said)


async def _dead(stack: Stack, number: int) -> bool:
    return await stack.metric("bridge_queue_dead", direction="to-freshchat") == number


async def answered(stack: Stack) -> tuple[dict[str, Any], str, str]:
    """Ask and answer; give what was said, its text, and the id of the answer in Teams."""
    said, question = await asked(stack)
    conversation = await conversation_with(stack, question)
    await stack.answer(conversation["conversation_id"], word())
    await stack.settled()
    (thread,) = [one for one in await stack.threads() if one["thread"] == said["thread"]]
    return said, question, thread["messages"][-1]["id"]


async def test_reactions_by_switch(wanted: Stack) -> None:
    """To an answer of the bot: a small line. To anything else, or taken away: nothing."""
    said, question, answer = await answered(wanted)
    before = await ignored(wanted, "reaction_to_another"), await ignored(wanted, "reaction_removed")
    for number, (message, change) in enumerate(
        [(answer, "reactionsAdded"), (said["id"], "reactionsAdded"), (answer, "reactionsRemoved")]
    ):
        more = {"id": f"f:{word()}{number}", "replyToId": message, change: [{"type": "like"}]}
        await send(wanted, said, "messageReaction", **more)
    ada = wanted.config["users"][0]["name"]
    assert await read(wanted, question) == [f"({ada} reacted 👍)"]
    after = await ignored(wanted, "reaction_to_another"), await ignored(wanted, "reaction_removed")
    assert after == (before[0] + 1, before[1] + 1)


async def test_reactions_are_off_by_default(stack: Stack) -> None:
    """They are counted at the door."""
    said, question, answer = await answered(stack)
    await send(stack, said, "messageReaction", id=f"f:{word()}", replyToId=answer, reactionsAdded=[{"type": "like"}])
    assert await read(stack, question) == []
    assert await stack.metric("bridge_accepted_total", outcome="ignored_reaction") >= 1


async def test_no_text_stays_with_the_bridge(tmp_path: Path) -> None:
    """What was noted of versions is forgotten when they have arrived."""
    async with running(tmp_path, **SETTINGS) as stack:
        root, question = await asked(stack)
        fault = await stack.fault("freshchat", "status", match=ALL, status=503, times=LONG)
        planted = [word(), word(), word()]
        said = await stack.say(planted[0], thread=root["thread"])
        await refused(stack, fault)
        await edit(stack, said, planted[1], 1)
        await stack.clear_faults()
        await stack.settled()
        await edit(stack, said, planted[2], 2)
        assert (await read(stack, question))[0] == planted[1]
        await stack.stop_bridge()
        facts = await asyncio.to_thread(facts_of, tmp_path / "data")
    assert facts
    assert not [text for text in (*planted, question) if text in "".join(facts)]


def facts_of(folder: Path) -> list[str]:
    """List what is kept of messages and of their newest versions."""
    (path,) = folder.glob("*.db")
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT value FROM facts WHERE kind IN ('edit', 'message')")]
    finally:
        connection.close()
