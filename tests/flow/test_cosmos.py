"""The whole bridge with its thread map in Cosmos DB: the real process and SDK, and what each message costs there."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from typing import Any

import pytest
import pytest_asyncio
from stack import ROOT, Stack, running, texts

from tests.flow.azure_stack import changed, problems, refusal
from tests.peers.cosmos import CosmosPeer
from tests.peers.http_peer import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

COST = json.loads((ROOT / "tests/fixtures/cosmos_cost.json").read_text(encoding="utf-8"))
QUIET = {
    "TEAMS_REPLY_VIA": "bot",
    "BRIDGE_RECONCILE_SECONDS": "0",
    "BRIDGE_RETRY_WAIT": "0.2",
    "BRIDGE_STATUS_NOTICES": "false",
    "BRIDGE_RETIREMENT_SECONDS": "3600",  # a look now and then would be counted
}
TOLD = "conversation resolved, with its line in Teams"


def settings(peer: CosmosPeer) -> dict[str, str]:
    """Keep the thread map in this account."""
    return {"BRIDGE_THREADS": "azure.cosmos", "AZURE_COSMOS_ENDPOINT": peer.url, "AZURE_COSMOS_KEY": peer.key} | QUIET


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer() -> AsyncIterator[CosmosPeer]:
    async with CosmosPeer() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(peer: CosmosPeer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(tmp_path_factory.mktemp("cosmos"), **settings(peer)) as stack:
        yield stack


async def opened(stack: Stack, question: str) -> tuple[str, str]:
    """Ask in a new thread; give the thread and its conversation."""
    said = await stack.say(question)
    await stack.settled()
    (found,) = [c for c in await stack.conversations() if texts(c, "user")[0].endswith(question)]
    return said["thread"], found["conversation_id"]


async def cost(stack: Stack, peer: CosmosPeer, what: Awaitable[Any]) -> dict[str, Any]:
    """Count the requests and request units of something."""
    counts, charges = Counter(peer.counts), peer.charges.total()
    await what
    await stack.settled()
    return {"requests": dict(peer.counts - counts), "units": round(peer.charges.total() - charges)}


async def resolve(stack: Stack, conversation: str) -> None:
    """End a conversation as an agent."""
    await stack.post("freshchat/resolve", conversation_id=conversation, agent="grace")


async def test_each_message_costs_what_is_written_down(stack: Stack, peer: CosmosPeer) -> None:
    """Point reads and writes only, and no query."""
    thread, conversation = await opened(stack, "who knows the person, the team and the key by now?")
    await stack.answer(conversation, "I do")
    await stack.settled()

    measured = {
        "question that opens a conversation": await cost(stack, peer, stack.say("a new thread")),
        "question that follows": await cost(stack, peer, stack.say("one more", thread=thread)),
        "answer": await cost(stack, peer, stack.answer(conversation, "an answer")),
        "conversation resolved": await cost(stack, peer, resolve(stack, conversation)),
    }
    assert measured == {what: one for what, one in COST.items() if what != TOLD}


async def test_a_status_line_costs_what_is_written_down(stack: Stack, peer: CosmosPeer) -> None:
    """It is a post of its own, with its row of the journal."""
    await stack.stop_bridge()
    stack.extra["BRIDGE_STATUS_NOTICES"] = "true"
    await stack.start_bridge()
    _, conversation = await opened(stack, "who is told that it is over?")
    await stack.answer(conversation, "you are")
    await stack.settled()
    measured = await cost(stack, peer, resolve(stack, conversation))
    await stack.stop_bridge()
    stack.extra["BRIDGE_STATUS_NOTICES"] = "false"
    await stack.start_bridge()
    assert measured == COST[TOLD]


async def test_an_account_that_is_away_makes_messages_late(stack: Stack, peer: CosmosPeer) -> None:
    """Nothing is lost, nothing is doubled, and what was asked first arrives first."""
    thread, conversation = await opened(stack, "before the outage")
    peer.faults.append(Fault(drop="before", count=100_000))
    await stack.say("during the outage 1", thread=thread)
    await stack.say("during the outage 2", thread=thread)

    async def retried() -> bool:
        return any(r.get("action") == "retry" and "cosmos" in str(r.get("code")) for r in stack.log())

    await stack.until(retried)
    peer.faults.clear()
    await stack.settled()
    (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    assert [text[-19:] for text in texts(found, "user")[1:]] == ["during the outage 1", "during the outage 2"]


async def test_the_map_outlives_the_process(stack: Stack) -> None:
    """Another process on the same account carries the thread on."""
    thread, conversation = await opened(stack, "before the restart")
    await stack.stop_bridge()
    await stack.start_bridge()
    await stack.say("after the restart", thread=thread)
    await stack.settled()
    (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    assert texts(found, "user")[-1].endswith("after the restart")


# --- doctor


async def doctor(stack: Stack, *arguments: str, **changed: str) -> dict[str, str]:
    """Say what doctor finds about the account: status by what was looked at."""
    before, stack.extra = stack.extra, stack.extra | changed
    try:
        _, out, err = await stack.bridgectl("doctor", "--json", *arguments)
    finally:
        stack.extra = before
    assert stack.extra["AZURE_COSMOS_KEY"] not in out + err
    return {
        f"{finding['subject']} {finding['seen']}".strip(): finding["status"]
        for finding in json.loads(out)["checks"]
        if finding["check"] == "cosmos"
    }


async def test_doctor_sees_a_good_account(stack: Stack) -> None:
    """And may not look at one offline."""
    containers = {f"container bridge/{name}": "ok" for name in ("links", "threads", "journal", "facts")}
    assert await doctor(stack) == {"account takes writes": "ok"} | containers
    async with CosmosPeer() as unseen:
        where = {"AZURE_COSMOS_ENDPOINT": unseen.url, "AZURE_COSMOS_KEY": unseen.key}
        assert await doctor(stack, "--offline", **where) == {"account --offline": "skipped"}
    assert unseen.counts.total() == 0


async def test_doctor_looks_at_containers_and_makes_none(stack: Stack, peer: CosmosPeer) -> None:
    """What is missing is a problem only where nobody makes it; another shape always is one."""
    assert set((await doctor(stack, AZURE_COSMOS_DATABASE="new")).values()) == {"skipped"}
    assert set((await doctor(stack, AZURE_COSMOS_DATABASE="new", BRIDGE_ENV="production")).values()) == {"problem"}
    assert set(peer.databases) == {"bridge"}
    journal = peer.databases["bridge"]["journal"]
    kept = journal.definition
    journal.definition = kept | {"defaultTtl": 60}
    found = await doctor(stack)
    journal.definition = kept
    said = "container bridge/journal has the default time to live 60, and needs 2592000"
    assert [seen for seen, status in found.items() if status == "problem"] == [said]


# --- what is wrong with the account, or with what we know of it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(peer: CosmosPeer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose bridge does not run."""
    async with running(tmp_path_factory.mktemp("wrong"), bridge=False, **settings(peer)) as stack:
        yield stack


def another_key(peer: CosmosPeer) -> dict[str, str]:
    """Make a database whose links have another partition key."""
    peer.databases["other"] = {name: copy(found) for name, found in peer.databases["bridge"].items()}
    links = peer.databases["other"]["links"]
    links.definition = links.definition | {"partitionKey": {"paths": ["/id"]}}
    return {"AZURE_COSMOS_DATABASE": "other"}


def no_role(peer: CosmosPeer) -> dict[str, str]:
    """Let the account refuse whatever is asked."""
    peer.faults.append(Fault(status=403, substatus=5301, count=1000))
    return {}


def other_clock(peer: CosmosPeer) -> dict[str, str]:
    """Let the account be an hour ahead."""
    peer.skew = 3600.0
    return {}


def given(**changed: str) -> Callable[[CosmosPeer], dict[str, str]]:
    """Change settings only."""
    return lambda _: changed


NOWHERE = {"AZURE_COSMOS_DATABASE": "typo", "BRIDGE_ENV": "production"}
WRONG: list[tuple[Callable[[CosmosPeer], dict[str, str]], str]] = [
    (given(AZURE_COSMOS_ENDPOINT=""), "AZURE_COSMOS_ENDPOINT must be the account's https address"),
    (given(AZURE_COSMOS_ENDPOINT="http://127.0.0.1:1"), "cannot be reached"),
    (given(AZURE_COSMOS_KEY="no key"), "AZURE_COSMOS_KEY is not a key"),
    (given(AZURE_COSMOS_KEY="d3Jvbmc="), "refuses AZURE_COSMOS_KEY"),
    (given(**NOWHERE), "container typo/links is not there"),
    (another_key, "container other/links has the partition key /id, and needs /freshchatConversationId"),
    (no_role, "the role Cosmos DB Built-in Data Contributor"),
    (other_clock, "s behind the account's"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG)
async def test_what_is_wrong_is_said_once(
    idle: Stack, stack: Stack, peer: CosmosPeer, wrong: Callable[[CosmosPeer], dict[str, str]], says: str
) -> None:
    """At the start, and by doctor; without the key."""
    try:
        async with changed(idle, **wrong(peer)):
            said, found = await asyncio.gather(refusal(idle), problems(idle, "cosmos"))
    finally:
        peer.faults.clear()
        peer.skew = 0.0
    assert says in said
    assert any(one in says or says in one for one in found), found
    assert peer.key not in said + str(found)
