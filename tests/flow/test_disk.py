"""A real small disk under the stores: filled up, read-only, or more messages than may wait, while both doors are used.

Refused honestly, nothing accepted is lost or told twice, no crash, and it goes on by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word
from test_doors_freshchat import Account, public
from test_storage import activity, bearer, limit, store_size

pytestmark = pytest.mark.asyncio(loop_scope="function")

BODY = "x" * 2000


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small file system there."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this user cannot mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, mode: str) -> None:
    """Make it read-only (`ro`) or writable again (`rw`)."""
    subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is; give the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


class Traffic:
    """Somebody writes in one Teams thread, and its agent answers, one message after the other, whatever the answer.

    `said` and `answered` are what the doors took, in order; `refused` counts by door what they did not take.
    """

    def __init__(self, account: Account, thread: str, first: str) -> None:
        self._account, self._thread = account, thread
        self.said, self.answered = [first], list[str]()
        self.refused = {"teams": 0, "freshchat": 0}
        self._stopping = False

    async def say(self) -> bool:
        """Write once as the person; tell whether it was taken."""
        text = f"{word()} {BODY}"
        answer = await self._account.stack.post(
            "teams/messages", user="ada", channel="general", text=text, thread=self._thread
        )
        return self._count("teams", answer["status"], text, self.said)

    async def answer(self) -> bool:
        """Answer once as the agent; tell whether it was taken."""
        text = word()
        body = self._account.body(text)
        status, headers, _ = await self._account.stack.raw(self._account.path, body, self._account.sign(body))
        assert status == 200 or headers["Retry-After"].isdigit()
        return self._count("freshchat", status, text, self.answered)

    def _count(self, door: str, status: int, text: str, taken: list[str]) -> bool:
        assert status in (200, 503)
        if status == 200:
            taken.append(text)
        else:
            self.refused[door] += 1
        return bool(status == 200)

    @asynccontextmanager
    async def going_on(self, pause: float = 0.02) -> AsyncIterator[None]:
        """Use both doors all the time."""
        stopping = asyncio.Event()

        async def again_and_again(once: Callable[[], Awaitable[object]]) -> None:
            while not stopping.is_set():
                await once()
                await asyncio.sleep(pause)

        tasks = [asyncio.create_task(again_and_again(once)) for once in (self.say, self.answer)]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)

    async def refused_more(self, than: dict[str, int]) -> None:
        """Wait until both doors have refused more than that."""

        async def more() -> bool:
            return all(self.refused[door] > than[door] for door in than)

        await self._account.stack.until(more)

    async def all_arrives(self, conversation: str) -> None:
        """Check that what was taken arrives once and in order, and that nothing else does."""
        stack = self._account.stack
        await stack.until(lambda: self._arrived(conversation), 60)
        await stack.settled(60)
        assert await self._found(conversation) == (self.said, self.answered)

    async def _arrived(self, conversation: str) -> bool:
        said, answered = await self._found(conversation)
        return len(said) >= len(self.said) and len(answered) >= len(self.answered)

    async def _found(self, conversation: str) -> tuple[list[str], list[str]]:
        stack = self._account.stack
        state = next(c for c in await stack.conversations() if c["conversation_id"] == conversation)
        thread = next(t for t in await stack.threads() if t["thread"] == self._thread)
        shown = [m["text"] for m in thread["messages"] if any(a in m["text"] for a in self.answered)]
        return texts(state, "user"), [next(a for a in self.answered if a in text) for text in shown]


@asynccontextmanager
async def used(tmp_path: Path, **extra: str) -> AsyncIterator[tuple[Account, Traffic, str]]:
    """Run the bridge with a key of ours for the webhook door, and one thread with its conversation."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with running(tmp_path, bridge=False, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.5", **extra) as stack:
        ours = public(key).decode().strip().replace("\n", "\\n")
        stack.extra["FRESHCHAT_WEBHOOK_KEYS"] = f"{stack.config['env']['FRESHCHAT_WEBHOOK_KEYS']};{ours}"
        await stack.start_bridge()
        first, reply = word(), word()
        said = await stack.say(first)
        conversation = (await conversation_with(stack, first))["conversation_id"]
        await stack.answer(conversation, reply)
        await thread_with(stack, reply)
        await stack.settled()
        genuine = next(r["body"] for r in await stack.get("requests?on=webhook&bodies=1") if reply in r["body"])
        account = Account(stack, key, genuine.encode())
        yield account, Traffic(account, said["thread"], first), conversation


async def both_doors_refuse(account: Account) -> None:
    """Check the answers themselves: 503, and when to come again."""
    stack, body = account.stack, account.body(word())
    answers = [
        await stack.raw("/api/messages", json.dumps(activity(stack)), await bearer(stack)),
        await stack.raw(account.path, body, account.sign(body)),
    ]
    assert [(status, headers["Retry-After"].isdigit()) for status, headers, _ in answers] == [(503, True)] * 2
    assert (await stack.raw("/healthz", None, {}, "GET"))[0] == 200, "a restart would not help"
    assert (await stack.raw("/readyz", None, {}, "GET"))[0] == 503


def actions(stack: Stack, name: str) -> list[dict[str, Any]]:
    """List the log records of one action."""
    return [record for record in stack.log() if record.get("action") == name]


async def test_a_disk_that_fills_up_while_both_doors_are_used(tmp_path: Path) -> None:
    """Twice, and each time it goes on as soon as there is room."""
    with small_disk(tmp_path / "data", 32) as disk:
        async with used(tmp_path) as (account, traffic, conversation):
            pid = account.stack.bridge_pid
            async with traffic.going_on():
                for _ in range(2):
                    before, taken = dict(traffic.refused), len(traffic.said)
                    ballast = fill(disk)
                    await traffic.refused_more(before)
                    await both_doors_refuse(account)
                    ballast.unlink()

                    async def taken_again(taken: int = taken) -> bool:
                        return len(traffic.said) > taken + 5

                    await account.stack.until(taken_again)
            await traffic.all_arrives(conversation)
            assert (await account.stack.raw("/readyz", None, {}, "GET"))[0] == 200
            os.kill(pid, 0)
            assert "Traceback" not in (tmp_path / "bridge.log").read_text(encoding="utf-8")


async def test_deliveries_under_way_when_writes_begin_to_fail(tmp_path: Path) -> None:
    """What was sent but could not be written down is not sent again, and nobody waits for a lease to run out."""
    async with used(tmp_path) as (account, traffic, conversation):
        stack = account.stack
        for service in ("freshchat", "connector"):
            await stack.fault(service, "delay", delay_ms=700, times=None)
        for _ in range(3):
            assert await traffic.say()
            assert await traffic.answer()

        async def under_way() -> bool:
            sent = await stack.get("requests?on=freshchat"), await stack.get("requests?on=connector")
            return all(len(requests) > 3 for requests in sent)

        await stack.until(under_way)
        room_for_log = (tmp_path / "bridge.log").stat().st_size + 50_000
        assert store_size(stack) > room_for_log, "the store cannot write anything"
        limit(stack, room_for_log)
        await both_doors_refuse(account)

        async def noticed() -> bool:
            both = {r["direction"] for r in actions(stack, "queue_unavailable")} == {"to-freshchat", "to-teams"}
            return both and len(actions(stack, "release_failed")) >= 2

        await stack.until(noticed)
        limit(stack, -1)
        await stack.clear_faults()
        await stack.until(lambda: traffic._arrived(conversation), 20)  # less than the 30 s of a lease
        await traffic.all_arrives(conversation)

        async def back() -> bool:
            return len(actions(stack, "queue_available")) == 2

        await stack.until(back)
        assert len(actions(stack, "queue_unavailable")) == 2, "each direction says it once, not each of its workers"


async def test_a_disk_that_is_read_only_at_the_start(tmp_path: Path) -> None:
    """The process starts, says 503, and works off what had been accepted once the disk can be written to."""
    with small_disk(tmp_path / "data", 64) as disk:
        async with used(tmp_path) as (account, traffic, conversation):
            stack = account.stack
            for service in ("freshchat", "connector"):
                await stack.fault(service, "status", status=503, times=None)
            for _ in range(3):
                assert await traffic.say()
                assert await traffic.answer()
            assert await stack.stop_bridge() == 0
            remount(disk, "ro")
            await stack.clear_faults()
            await stack.start_bridge()
            await both_doors_refuse(account)
            async with traffic.going_on():
                await traffic.refused_more({"teams": 0, "freshchat": 0})
                remount(disk, "rw")
                taken = len(traffic.said)

                async def taken_again() -> bool:
                    return len(traffic.said) > taken

                await stack.until(taken_again)
            await traffic.all_arrives(conversation)
            assert (await stack.raw("/readyz", None, {}, "GET"))[0] == 200
            assert "Traceback" not in (tmp_path / "bridge.log").read_text(encoding="utf-8")


async def test_more_messages_than_may_wait(tmp_path: Path) -> None:
    """Each direction for itself; it takes more as soon as some are delivered."""
    async with used(tmp_path, BRIDGE_QUEUE_LIMIT="4") as (account, traffic, conversation):
        stack = account.stack
        await stack.fault("freshchat", "status", status=503, times=None)
        assert [await traffic.say() for _ in range(6)] == [True] * 4 + [False] * 2
        assert await traffic.answer(), "the other direction is not full"
        await stack.fault("connector", "status", status=503, times=None)

        async def full() -> bool:
            return not await traffic.answer()

        await stack.until(full)
        status, headers, _ = await stack.raw("/api/messages", json.dumps(activity(stack)), await bearer(stack))
        assert (status, headers["Retry-After"].isdigit()) == (503, True)
        await stack.clear_faults()
        await stack.until(traffic.say)
        await stack.until(traffic.answer)
        await traffic.all_arrives(conversation)
