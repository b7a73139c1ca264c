"""Rows 1 and 2: how many messages a second one door takes, in one process on one core.

The door is the bridge itself (`app.py --role web`): full check of the caller, keys, durable commit, counters, log.
Door and baseline take turns on the same core, so that what else the machine does hits both.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import replay
from bench.material import WebhookKey, webhook, webhook_request
from bench.numbers import spread
from bench.processes import Child, cores
from bench.report import Row
from bench.sandbox import SandboxProcess, mark

CONVERSATIONS = 200
CONNECTIONS = 32


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    door: int
    baseline: int
    repeats: int
    warm: int = 200


FRESHCHAT_SIZES = {True: Size(1_000, 1_000, 1), False: Size(8_000, 8_000, 3)}
TEAMS_SIZES = {True: Size(1_000, 60, 1, 30), False: Size(8_000, 300, 3)}
"""By `quick`."""


@contextmanager
def bridge_door(folder: Path, sandbox: SandboxProcess, **extra: str) -> Iterator[tuple[int, Child]]:
    """Run the bridge's doors alone; gives their port and process."""
    env = sandbox.bridge_env(folder / "data", TEAMS_REPLY_VIA="bot", **extra)
    script = str(Path(__file__).parents[1] / "app.py")
    with Child([script, "--role", "web"], folder / "door.log", core=cores()[0], env=env) as child:
        child.ready()
        yield sandbox.bridge_port, child


@contextmanager
def _baseline(folder: Path, arguments: Sequence[str]) -> Iterator[tuple[int, Child]]:
    with Child(["-m", *arguments], folder / "baseline.log", core=cores()[0]) as child:
        yield int(child.ready()["port"]), child


class Duel:
    """A door and its baseline, loaded in turns."""

    def __init__(self, folder: Path, size: Size, make: Callable[[int], list[bytes]]) -> None:
        """`make(n)` gives n requests that were never given before."""
        self._folder, self._size, self._make = folder, size, make
        self._reports: dict[str, list[dict[str, Any]]] = {"door": [], "baseline": []}

    def fight(self, servers: dict[str, tuple[int, Child]]) -> None:
        """Measure A B A B A B."""
        counts = {"door": self._size.door, "baseline": self._size.baseline}
        requests = {
            name: [self._make(n + self._size.warm) for _ in range(self._size.repeats)] for name, n in counts.items()
        }
        for turn in range(self._size.repeats):
            for name, (port, child) in servers.items():
                report = replay(
                    self._folder / "job.bin",
                    requests[name][turn],
                    port,
                    core=cores()[1],
                    watch=child.pid,
                    warm=self._size.warm,
                    connections=CONNECTIONS,
                )
                self._reports[name].append(report)

    def row(self, what: str, name: str, wanted: float | None = None) -> Row:
        """Tell who is how fast."""
        door, baseline = (spread([r["count"] / r["seconds"] for r in self._reports[k]]) for k in ("door", "baseline"))
        ratio = door.median / baseline.median
        return Row(
            what=what,
            value=f"{door.text()} messages/s",
            baseline=f"{baseline.text()} messages/s, {name}",
            ratio=ratio,
            target=f"≥ {wanted:g} × baseline" if wanted else "",
            met=ratio >= wanted if wanted else None,
            notes=tuple(self._notes()),
            numbers={"door_per_s": door.median, "baseline_per_s": baseline.median},
        )

    def _notes(self) -> Iterator[str]:
        costs = [spread([r["server_cpu"] / r["count"] for r in self._reports[k]]).median for k in ("door", "baseline")]
        if all(costs):
            yield f"ratio by CPU per message, which other load on the machine disturbs less: {costs[1] / costs[0]:.2f}"
        for name, reports in self._reports.items():
            client = spread([100 * r["busy"] for r in reports])
            if any(r["server_cpu"] for r in reports):
                cpu = spread([1e6 * r["server_cpu"] / r["count"] for r in reports])
                busy = spread([100 * r["server_cpu"] / r["seconds"] for r in reports])
                yield f"{name}: {cpu.text()} µs of CPU per message, server {busy.text()} % busy"
            answers = spread([1000 * r["answer_seconds"][int(0.99 * r["count"])] for r in reports])
            limit = "the client was not the limit" if client.high < 60 else "THE CLIENT MAY HAVE BEEN THE LIMIT"
            yield f"{name}: p99 of the answer {answers.text(1)} ms; client {client.text()} % busy: {limit}"


def freshchat_door(folder: Path, quick: bool) -> Row:
    """Row 1."""
    key, size = WebhookKey(), FRESHCHAT_SIZES[quick]
    conversations = [str(uuid.uuid4()) for _ in range(CONVERSATIONS)]
    (folder / "key.pem").write_text(key.pem)

    def make(count: int) -> list[bytes]:
        bodies = (webhook(conversations[n % CONVERSATIONS], mark("door", n), "agent-1", "") for n in range(count))
        return [webhook_request(key, body) for body in bodies]

    duel = Duel(folder, size, make)
    arguments = ["bench.baselines.freshchat", "--key", str(folder / "key.pem"), "--database", str(folder / "base.db")]
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxProcess(folder, cores()[1]))
        door = stack.enter_context(bridge_door(folder, sandbox, FRESHCHAT_WEBHOOK_KEYS=key.pem))
        duel.fight({"door": door, "baseline": stack.enter_context(_baseline(folder, arguments))})
    return duel.row("1 Freshchat door", "minimal handler", 0.6)


def teams_door(folder: Path, quick: bool) -> Row:
    """Row 2."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxProcess(folder, cores()[1]))
        world, env = sandbox.teams(), sandbox.config["env"]
        numbers = iter(range(10_000_000))
        duel = Duel(
            folder,
            TEAMS_SIZES[quick],
            lambda count: [
                world.request(n, n % CONVERSATIONS, mark("door", n))
                for n, _ in zip(numbers, range(count), strict=False)
            ],
        )
        arguments = [
            "bench.baselines.teams",
            "--app-id",
            env["MicrosoftAppId"],
            "--password",
            env["MicrosoftAppPassword"],
            "--tenant",
            env["MicrosoftAppTenantId"],
            "--metadata-url",
            env["BOT_OPENID_METADATA_URL"],
        ]
        duel.fight(
            {
                "door": stack.enter_context(bridge_door(folder, sandbox)),
                "baseline": stack.enter_context(_baseline(folder, arguments)),
            }
        )
    return duel.row("2 Teams door", "stock CloudAdapter", 20)
