"""`python -m bench.rotation [--rate 200] [--mix 5]`: change the webhook key under load, twice, and count what is lost.

The bridge and the sandbox are real processes, and the keys are changed by the real `bridgectl`. A webhook is validly
signed if its key is live: from when the door says that it knows the key to the call of `keys retire`. Between that call
and the door's taking note, nothing is signed with the retired key; from then on it counts as a forger's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.freshchat.signature import load_key
from bench.material import WebhookKey, webhook
from bench.report import Row, machine, table
from tests.flow.stack import Stack, running

ROTATIONS = 2
CONVERSATIONS = 24
FORGED = 0.05
"""The share of webhooks that are signed with no live key."""
_MARK = re.compile(r"rotation-(\d+)\b")


@dataclass
class Tally:
    """What was sent and what came of it. `keys` counts the validly signed ones by key id."""

    sent: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    forged: Counter[int] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    took_up: list[float] = field(default_factory=list)
    let_go: list[float] = field(default_factory=list)
    verified: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    twice: int = 0
    invented: int = 0
    seconds: float = 0.0


class Signer:
    """A key pair and the id that the bridge gives it."""

    def __init__(self) -> None:
        self.key = WebhookKey()
        self.id = load_key("rsa", self.key.pem).id


class Load:
    """Sends agents' answers at a fixed rate, each signed by one of the `live` keys; some by a forger."""

    def __init__(self, stack: Stack, rate: float, first: Signer) -> None:
        self._stack, self._rate = stack, rate
        self.live, self.forgers = [first], [Signer()]
        self.tally = Tally()
        self._under_way: set[asyncio.Task[None]] = set()
        self._random = random.Random(7)

    async def run(self, conversations: list[str], stop: asyncio.Event) -> None:
        """Send until told to stop, then wait for the last answers."""
        start = time.perf_counter()
        agent, inbox = self._stack.config["agents"][0]["id"], self._stack.config["inboxes"][0]["id"]
        for number in itertools.count():
            if stop.is_set():
                break
            await asyncio.sleep(max(0.0, start + number / self._rate - time.perf_counter()))
            forged = self._random.random() < FORGED
            text = f"forged-{number}" if forged else f"rotation-{self.tally.sent}"
            body = webhook(conversations[number % len(conversations)], text, agent, inbox)
            self._start(self._forge(body) if forged else self._say(body))
        await self.quiet()
        self.tally.seconds = time.perf_counter() - start

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _say(self, body: dict[str, Any]) -> Any:
        self.tally.sent += 1
        signer = self._random.choice(self.live)
        return self._valid(signer, json.dumps(body).encode())

    async def _valid(self, signer: Signer, raw: bytes) -> None:
        status = await self._post(signer, raw)
        self.tally.keys[signer.id] += 1
        if status != 200:
            self.tally.refused[status] += 1

    async def _forge(self, body: dict[str, Any]) -> None:
        signer = self._random.choice(self.forgers)
        self.tally.forged[await self._post(signer, json.dumps(body).encode())] += 1

    async def _post(self, signer: Signer, raw: bytes) -> int:
        headers = {"Content-Type": "application/json", "X-Freshchat-Signature": signer.key.sign(raw)}
        return (await self._stack.raw("/freshchat/webhook", raw, headers))[0]

    async def quiet(self) -> None:
        """Wait for the answers to what is under way now."""
        if self._under_way:
            await asyncio.wait(set(self._under_way))


class Operator:
    """Changes keys as docs/runbooks/webhook-keys.md says."""

    def __init__(self, stack: Stack, load: Load, mix: float) -> None:
        self._stack, self._load, self._mix = stack, load, mix
        self._read = 0
        self._at_door: list[str] = []

    async def rotate(self) -> None:
        """Add a key, let both sign, promote it, let both sign, and retire the old one."""
        load, [old], new = self._load, self._load.live, Signer()
        file = self._stack.folder / f"{new.id}.pem"
        file.write_text(new.key.pem)
        await self._command("add", "--file", str(file))
        load.tally.took_up.append(await self._until_door(new, knows=True))
        load.live = [old, new]
        await asyncio.sleep(self._mix)
        await self._command("promote", new.id)
        await asyncio.sleep(self._mix)
        load.live = [new]
        await load.quiet()
        await self._until_use_is_known(old)
        await self._command("retire", old.id, code=1)  # it was used within the last hour
        await self._command("retire", old.id, "--force")
        load.tally.let_go.append(await self._until_door(old, knows=False))
        load.forgers.append(old)
        await asyncio.sleep(self._mix)

    async def _command(self, *arguments: str, code: int = 0) -> str:
        got, out, err = await self._stack.bridgectl("keys", *arguments)
        if got != code:
            raise RuntimeError(f"keys {' '.join(arguments)} ended with {got}: {out}{err}")
        return out

    async def _until_use_is_known(self, signer: Signer) -> None:
        async def known() -> bool:
            rows = json.loads(await self._command("list", "--json"))
            return any(row["id"] == signer.id and row["used_at"] for row in rows)

        await self._stack.until(known)

    async def _until_door(self, signer: Signer, *, knows: bool) -> float:
        """Wait until the door's log says that it knows the key, or no more; give the seconds that took."""
        start = time.perf_counter()

        async def so() -> bool:
            self._look()
            return (signer.id in self._at_door) is knows

        await self._stack.until(so, 60)
        return time.perf_counter() - start

    def _look(self) -> None:
        with (self._stack.folder / "bridge.log").open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if b'"webhook_keys"' in line:
                    self._at_door = json.loads(line)["live"]


@asynccontextmanager
async def _stack(folder: Path, first: Signer) -> AsyncIterator[Stack]:
    async with running(folder, bridge=False, TEAMS_REPLY_VIA="bot", BRIDGE_LOG_LEVEL="INFO") as stack:
        stack.extra["FRESHCHAT_WEBHOOK_KEYS"] = first.key.pem.strip().replace("\n", "\\n")
        await stack.post("settings", echo_user_messages=False)
        await stack.start_bridge()
        yield stack


async def rotate(folder: Path, rate: float, mix: float) -> Tally:
    """Run it all; give what came of it."""
    first = Signer()
    async with _stack(folder, first) as stack:
        await asyncio.gather(*(stack.say(f"question {number}") for number in range(CONVERSATIONS)))

        async def opened() -> Any:
            found = [c["conversation_id"] for c in await stack.conversations()]
            return found if len(found) == CONVERSATIONS else None

        conversations, load, stop = await stack.until(opened), Load(stack, rate, first), asyncio.Event()
        running_load = asyncio.create_task(load.run(conversations, stop))
        try:
            operator = Operator(stack, load, mix)
            for _ in range(ROTATIONS):
                await operator.rotate()
        finally:
            stop.set()
            await running_load
        await stack.settled(120)
        await _judge(stack, load.tally)
        return load.tally


async def _judge(stack: Stack, tally: Tally) -> None:
    """Compare what was said with what arrived in Teams, and what each key signed with what the bridge counted."""
    texts = [message["text"] for thread in await stack.threads() for message in thread["messages"]]
    arrived = Counter(int(found[1]) for text in texts if (found := _MARK.search(text)))
    tally.lost = len(set(range(tally.sent)) - set(arrived))
    tally.twice = sum(count > 1 for count in arrived.values())
    tally.invented = sum("forged" in text for text in texts)
    for key_id in tally.keys:
        tally.verified[key_id] = int(await stack.metric("bridge_webhook_key_total", key=key_id))


def rows(tally: Tally) -> list[Row]:
    """Write the table."""
    forged = sum(tally.forged.values())
    taken = forged - tally.forged[401] + tally.invented
    miscounted = sum(tally.verified[key_id] != count for key_id, count in tally.keys.items())
    rate = (tally.sent + forged) / tally.seconds
    zeros = [
        ("refused though signed with a live key", sum(tally.refused.values())),
        ("accepted and lost", tally.lost),
        ("arrived twice", tally.twice),
        (f"forged ({forged:,}) and not answered 401, or said in Teams", taken),
        (f"keys ({len(tally.keys)}) whose count in /metrics is not what they signed", miscounted),
    ]
    head = Row(what="webhooks", value=f"{tally.sent + forged:,} at {rate:.0f}/s, {ROTATIONS} rotations")
    waits = [
        Row(what=what, value=", ".join(f"{s:.1f}" for s in seconds) + " s", target="≤ 60 s", met=max(seconds) <= 60)
        for what, seconds in (("new key taken up after", tally.took_up), ("retired key refused after", tally.let_go))
    ]
    return [head, *(Row(what=w, value=f"{n}", target="0", met=n == 0) for w, n in zeros), *waits]


def main() -> int:
    """Run from the command line; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.rotation", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="webhooks per second")
    parser.add_argument("--mix", type=float, default=5.0, help="seconds of each phase")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rotation-", ignore_cleanup_errors=True) as folder:
        found = rows(asyncio.run(rotate(Path(folder), arguments.rate, arguments.mix)))
    print("\n".join(f"{name}: {value}" for name, value in machine().items()), end="\n\n")
    print(table(found))
    return int(any(row.met is False for row in found))


if __name__ == "__main__":
    sys.exit(main())
