"""Web and worker processes on the Azure engine: work is shared, and processes come and go without a trace."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from stack import texts

from tests.flow.azure_stack import AzureStack, Engine, engine, running_on_azure

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUIET = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RECONCILE_SECONDS": "0", "BRIDGE_RETRY_WAIT": "0.2"}
LOCK = 60.0
SOON = 30.0
"""Seconds: what is done by then has not waited for a lock to run out."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azure() -> AsyncIterator[Engine]:
    async with engine(lock_seconds=LOCK, locks_outlive_connections=True) as running_engine:
        yield running_engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def processes(azure: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AzureStack]:
    """Two web and three worker processes."""
    async with running_on_azure(tmp_path_factory.mktemp("roles"), azure, **QUIET) as running_stack:
        yield running_stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(processes: AzureStack) -> AsyncIterator[AzureStack]:
    """The same processes for all tests; what one has ended or spoilt is whole again for the next."""
    yield processes
    await processes.clear_faults()
    await asyncio.gather(*(processes.start(name) for name in processes.names if name not in processes.running()))


async def ask(stack: AzureStack, name: str, threads: int, messages: int) -> dict[str, str]:
    """Write `name t.m` in new threads, side by side; give the threads by the text that opened them."""

    async def one(number: int) -> tuple[str, str]:
        first = f"{name} {number}.0"
        thread = (await stack.say(first))["thread"]
        for message in range(1, messages):
            await stack.say(f"{name} {number}.{message}", thread=thread)
        return first, thread

    return dict(await asyncio.gather(*map(one, range(threads))))


async def asked(stack: AzureStack, name: str) -> dict[str, list[str]]:
    """List by conversation the texts of people that begin with `name`, in order."""
    found = {
        conversation["conversation_id"]: re.findall(rf"{name} \d+\.\d+", " ".join(texts(conversation, "user")))
        for conversation in await stack.conversations()
    }
    return {conversation: words for conversation, words in found.items() if words}


async def all_asked(stack: AzureStack, name: str, threads: int, messages: int, seconds: float = SOON) -> None:
    """Wait until everything has arrived; each thread must be one conversation, whole, in order, and nothing twice."""

    async def there() -> bool:
        return sum(map(len, (await asked(stack, name)).values())) >= threads * messages

    await stack.until(there, seconds)
    await stack.settled(seconds)
    wanted = [[f"{name} {thread}.{message}" for message in range(messages)] for thread in range(threads)]
    assert sorted((await asked(stack, name)).values()) == sorted(wanted)


async def delivered(stack: AzureStack, name: str, direction: str = "to-freshchat") -> float:
    """Tell how much a process has delivered in its present life."""
    return await stack.metric_of(name, "bridge_deliveries_total", direction=direction, outcome="delivered")


async def test_replicas_that_reconcile_at_once_deliver_once(stack: AzureStack) -> None:
    """Each process has its own timer; what all of them find missing is one message for the queue."""
    await ask(stack, "lost", 3, 1)
    await all_asked(stack, "lost", 3, 1)
    lose = await stack.fault("webhook", "lose", times=None)
    for conversation in await asked(stack, "lost"):
        await stack.answer(conversation, f"healed in {conversation}", ago=400)
    await stack.until(lambda: _nothing_pending(stack))
    async with stack.session.delete(f"{stack.url}/_sandbox/faults/{lose}") as answer:
        assert answer.status < 300
    await asyncio.gather(*map(stack.stop, stack.workers))
    for name in stack.workers:
        await stack.launch(name, BRIDGE_RECONCILE_SECONDS="1")
    await asyncio.gather(*map(stack.ready, stack.workers))
    passes = {name: len(_passes(stack, name)) for name in stack.workers}

    async def all_made_passes() -> bool:
        return all(len(_passes(stack, name)) >= passes[name] + 1 for name in stack.workers)

    await stack.until(all_made_passes, 60)
    await stack.settled(60)
    healed = [re.findall(r"healed in (\S+)", m["text"]) for thread in await stack.threads() for m in thread["messages"]]
    found = sorted(word for words in healed for word in words)
    assert found == sorted(await asked(stack, "lost"))
    await asyncio.gather(*map(stack.stop, stack.workers))


def _passes(stack: AzureStack, name: str) -> list[dict[str, Any]]:
    return [record for record in stack.log_of(name) if record.get("action") == "reconciled"]


async def _nothing_pending(stack: AzureStack) -> bool:
    return bool((await stack.get("webhooks"))["pending"] == 0)


async def test_work_is_shared_and_every_thread_is_in_order(stack: AzureStack) -> None:
    """Both ways; every process has a part in it, and nothing is on a disk that they share.

    A worker has 16 links in the line for the next session, so the fortieth thread comes to the third worker.
    """
    threads = await ask(stack, "shared", 40, 3)
    await all_asked(stack, "shared", 40, 3, 60)
    for conversation, words in (await asked(stack, "shared")).items():
        for number in range(2):
            await stack.answer(conversation, f"answer {number} to {words[0]}")
    await stack.settled(60)
    answers = {
        thread["thread"]: re.findall(r"answer (\d) to (shared \d+\.0)", " ".join(m["text"] for m in thread["messages"]))
        for thread in await stack.threads()
    }
    assert {first: answers[thread] for first, thread in threads.items()} == {
        first: [(str(number), first) for number in range(2)] for first in threads
    }
    assert [name for name in stack.workers if not await delivered(stack, name)] == []
    stored = [await stack.metric_of(name, "bridge_accepted_total", outcome="stored") for name in stack.webs]
    assert min(stored) > 0
    assert not list(stack.folder.rglob("*.db"))


async def test_a_role_has_what_it_needs_and_nothing_else(stack: AzureStack) -> None:
    """Doors are at a web process, upstreams are asked by a worker; both say how they are, and count."""

    async def get(name: str, path: str, method: str = "GET") -> tuple[int, str]:
        async with stack.session.request(method, stack.url_of(name) + path) as answer:
            return answer.status, await answer.text()

    for name in stack.names:
        assert (await get(name, "/healthz"))[0] == 200
        status, text = await get(name, "/readyz")
        assert (status, json.loads(text)["status"]) == (200, "ready")
        assert "bridge_queue_waiting" in (await get(name, "/metrics"))[1]
    doors = {name: [(await get(name, path, "POST"))[0] for path in DOORS] for name in stack.names}
    assert {name: 404 in statuses for name, statuses in doors.items()} == {name: "worker" in name for name in doors}
    asked_by = {name: await stack.metric_of(name, "bridge_upstream_calls_total") for name in stack.names}
    keys = {
        name: await stack.metric_of(name, "bridge_upstream_calls_total", component="botframework")
        for name in stack.names
    }
    assert all(asked_by[name] == keys[name] for name in stack.webs), "a web process asks for signing keys only"
    assert not any(keys[name] for name in stack.workers), "which no worker needs"


DOORS = ("/api/messages", "/bot/callback", "/freshchat/webhook")


async def test_five_first_messages_at_once_open_one_conversation(stack: AzureStack, azure: Engine) -> None:
    """Through both web processes, while the workers lose their locks, so that several of them try."""
    await stack.fault("freshchat", "delay", delay_ms=1500, times=2, match="POST .*/conversations$")
    await asyncio.gather(*(stack.say(f"first 0.{n}", scope="personal", user="ada") for n in range(5)))

    async def opening() -> bool:
        return any(fault["hits"] for fault in await stack.get("faults"))

    await stack.until(opening)
    await azure.bus.do("lose-locks", queue="to-freshchat")

    async def there() -> bool:
        return sum(map(len, (await asked(stack, "first")).values())) >= 5

    await stack.until(there, 60)
    await stack.settled(60)
    await stack.clear_faults()
    (words,) = (await asked(stack, "first")).values()
    assert sorted(words) == [f"first 0.{n}" for n in range(5)]


# --- processes come and go


async def test_a_worker_that_is_stopped_hands_its_threads_over(stack: AzureStack) -> None:
    """In the middle of the work; the others go on at once, not when its locks have run out."""
    await stack.fault("freshchat", "delay", delay_ms=200, times=None)
    asking = asyncio.create_task(ask(stack, "handed", 12, 5))

    async def working() -> str | None:
        busy = [name for name in stack.workers if await delivered(stack, name) > before[name]]
        return busy[0] if busy else None

    before = {name: await delivered(stack, name) for name in stack.workers}
    stopped = await stack.until(working)
    assert await stack.stop(stopped) == 0
    await asking
    await all_asked(stack, "handed", 12, 5)
    await stack.clear_faults()
    assert [record["action"] for record in stack.log_of(stopped)][-1] == "stopped"


async def test_what_is_under_way_too_long_is_given_back(stack: AzureStack) -> None:
    """An upstream that hangs does not hold a process up beyond its grace; the message is delivered once, by another."""
    await asyncio.gather(*map(stack.stop, stack.workers))
    await stack.launch("worker0", BRIDGE_GRACE="1")
    await stack.ready("worker0")
    hung = await stack.fault("freshchat", "delay", delay_ms=6000, match="POST .*/conversations$")
    await ask(stack, "given", 1, 3)

    async def under_way() -> bool:
        return any(fault["id"] == hung and fault["hits"] for fault in await stack.get("faults"))

    await stack.until(under_way)
    stopping = asyncio.create_task(stack.stop("worker0"))
    await stack.start("worker1")
    assert await asyncio.wait_for(stopping, 10) == 0
    await all_asked(stack, "given", 1, 3)


async def test_a_web_process_that_is_stopped_loses_nothing_it_has_accepted(stack: AzureStack) -> None:
    """Under load: what was answered 200 arrives once; what was not is the caller's to send again."""

    async def write(number: int) -> tuple[str, int]:
        said = await stack.post(
            "teams/messages", scope="channel", user="ada", channel="general", mention=True, text=f"load {number}.0"
        )
        return f"load {number}.0", said["status"]

    async def load(first: int) -> list[tuple[str, int]]:
        number, done = count(first), []
        while not stopped.is_set():
            done.append(await write(next(number)))
        return done

    async def busy() -> bool:
        return await stack.metric_of("web0", "bridge_accepted_total", outcome="stored") > before

    before = await stack.metric_of("web0", "bridge_accepted_total", outcome="stored")
    stopped = asyncio.Event()
    loading = [asyncio.create_task(load(first)) for first in range(0, 60_000, 10_000)]
    await stack.until(busy)
    assert await stack.stop("web0") == 0
    stopped.set()
    answers = dict(pair for part in await asyncio.gather(*loading) for pair in part)
    await stack.settled(60)
    arrived = [word for words in (await asked(stack, "load")).values() for word in words]
    assert set(answers.values()) <= {200, 0}
    assert {text for text, status in answers.items() if status == 200} <= set(arrived)
    assert len(arrived) == len(set(arrived)), "nothing twice"


async def test_scaled_to_zero_and_back(stack: AzureStack, azure: Engine) -> None:
    """What waits is what the scaler counts, and the first worker that comes begins with it at once."""
    assert await asyncio.gather(*map(stack.stop, stack.workers)) == [0, 0, 0]
    await ask(stack, "zero", 6, 3)
    assert (await azure.queue("to-freshchat"))["active"] == 18
    await stack.start("worker0")
    assert await stack.stop("worker0") == 0, "also when it has only just begun"
    await stack.start("worker1")
    await all_asked(stack, "zero", 6, 3)
    assert (await azure.queue("to-freshchat"))["active"] == 0


async def test_a_retry_that_waits_is_counted_and_a_dead_letter_is_not(stack: AzureStack, azure: Engine) -> None:
    """So the scaler keeps a worker for the first, and none for the second."""
    await stack.fault("freshchat", "status", status=503, times=None, match="POST .*/conversations$")
    await ask(stack, "waits", 1, 1)

    async def retried() -> bool:
        return any(r.get("action") == "retry" for r in stack.log())

    await stack.until(retried)
    queue = await azure.queue("to-freshchat")
    assert (queue["active"] + queue["locked"], queue["dead"]) == (1, 0)
    await stack.clear_faults()
    await stack.fault("freshchat", "status", status=400, times=None, match="POST .*/conversations$")

    async def given_up() -> bool:
        return (await azure.queue("to-freshchat"))["dead"] == 1

    await stack.until(given_up)
    queue = await azure.queue("to-freshchat")
    assert (queue["active"], queue["locked"]) == (0, 0)


# --- without a word


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def short(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AzureStack]:
    """One web and two worker processes, with locks of a few seconds; only the first runs."""
    async with (
        engine(lock_seconds=6.0, locks_outlive_connections=True) as azure,
        running_on_azure(tmp_path_factory.mktemp("short"), azure, web=1, workers=2, bridge=False, **QUIET) as stack,
    ):
        await stack.start_front()
        await stack.start("web0")
        yield stack


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_ends_without_a_word_is_replaced(short: AzureStack, end: signal.Signals) -> None:
    """Killed, or frozen: its threads are free when their locks have run out."""
    await short.start("worker0")
    slow = await short.fault("freshchat", "delay", delay_ms=1500, match="POST .*/messages")
    await ask(short, end.name, 1, 4)

    async def under_way() -> bool:
        return any(fault["id"] == slow and fault["hits"] for fault in await short.get("faults"))

    await short.until(under_way)
    short.process("worker0").send_signal(end)
    await short.start("worker1")
    await all_asked(short, end.name, 1, 4, 60)
    await short.kill("worker0")
    assert await short.stop("worker1") == 0
