"""Messages through the bridge on the Azure engine with 1, 2 and 3 workers, and through the embedded one by turns.

Nothing is pinned to a core: there are more processes than cores. So a figure says what this machine carries with the
peers and the sandbox on it, and the CPU per message says what each process takes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.azure_stack import Fleet, Peers, busy_seconds
from bench.material import WebhookKey, webhook, webhook_request
from bench.numbers import percentile, spread
from bench.pipeline import THREADS, Pipeline, Way
from bench.pipeline import Size as PipelineSize
from bench.processes import cpu_seconds
from bench.report import Row
from bench.sandbox import SandboxProcess, mark

Kind = Literal["question", "answer", "lone question", "lone answer"]
KINDS: dict[Kind, str] = {
    "question": f"Teams → Freshchat, {THREADS} threads",
    "answer": f"Freshchat → Teams, {THREADS} threads",
    "lone question": "Teams → Freshchat, one message per thread",
    "lone answer": "Freshchat → Teams, one message per thread",
}
RATE = 20.0


@dataclass(frozen=True)
class Size:
    """How much is measured: messages in shared threads and in threads of their own, rounds, messages at 20/s."""

    messages: int
    alone: int
    rounds: int
    paced: int
    workers: tuple[int, ...]


SIZES = {True: Size(200, 40, 1, 40, (1, 2)), False: Size(600, 200, 3, 300, (1, 2, 3))}
"""By `quick`."""


@dataclass(frozen=True)
class Run:
    """One flood: messages per second, milliseconds of CPU per message by process, and how busy the machine was."""

    per_s: float
    cpu_ms: dict[str, float]
    busy: float | None


class Traffic(Pipeline):
    """Questions in shared threads or each in its own, and answers to both."""

    def __init__(self, folder: Path, sandbox: SandboxProcess, fleet: Fleet, key: WebhookKey) -> None:
        super().__init__(folder, PipelineSize(THREADS, 1, 0, RATE), sandbox, fleet.front, key)
        self._shared: list[str] = []
        question, answer = self.ways["to_freshchat"], self.ways["to_teams"]
        self.kinds: dict[Kind, Way] = {
            "question": question,
            "answer": Way(answer.name, answer.service, lambda s, n: self._answers_in(self._shared, s, n), answer.look),
            "lone question": Way(question.name, question.service, self._questions_alone, question.look),
            "lone answer": Way(
                answer.name, answer.service, lambda s, n: self._answers_in(self._lone(), s, n), answer.look
            ),
        }

    def open(self) -> None:
        """Open the conversations of the shared threads."""
        self.flood(self.kinds["question"], "open")
        self._shared = self._sandbox.conversations()

    def _lone(self) -> list[str]:
        shared = set(self._shared)
        return [one for one in self._sandbox.conversations() if one not in shared][::-1]

    def _questions_alone(self, series: str, count: int) -> list[bytes]:
        first, self._number = self._number, self._number + count
        return [self._world.request(first + n, THREADS + first + n, mark(series, n)) for n in range(count)]

    def _answers_in(self, conversations: Sequence[str], series: str, count: int) -> list[bytes]:
        agent, inbox = self._sandbox.config["agents"][0]["id"], self._sandbox.config["inboxes"][0]["id"]
        bodies = (webhook(conversations[n % len(conversations)], mark(series, n), agent, inbox) for n in range(count))
        return [webhook_request(self._key, body) for body in bodies]


class Bridge:
    """A bridge under measurement: its traffic, its processes, and what they lean on."""

    def __init__(self, stack: ExitStack, folder: Path, sandbox: SandboxProcess, peers: Peers | None) -> None:
        """Its processes end with `stack`."""
        key = WebhookKey()
        keys = ";".join([key.pem, sandbox.config["env"]["FRESHCHAT_WEBHOOK_KEYS"]])
        settings = {"FRESHCHAT_WEBHOOK_KEYS": keys} | (peers.settings() if peers else {})
        self.sandbox, self.peers, self.name = sandbox, peers, "web" if peers else "bridge"
        sandbox.call("settings", {"echo_user_messages": False, "strict_threads": False})
        self.fleet = stack.enter_context(Fleet(folder, sandbox, settings, role="web" if peers else "all"))
        self.traffic = Traffic(folder, sandbox, self.fleet, key)
        self._floods = 0

    def _cpu(self) -> dict[str, float]:
        pids = {"sandbox": self.sandbox.pid}
        if self.peers:
            pids |= {"Service Bus peer": self.peers.bus.pid, "Cosmos peer": self.peers.cosmos.pid}
        own = self.fleet.cpu()
        own[self.name] = own.pop("web")
        return own | {name: cpu_seconds(pid) or 0.0 for name, pid in pids.items()}

    def flood(self, kind: Kind, count: int) -> Run:
        """Send as fast as the door takes it, until all has arrived."""
        self._floods += 1
        machine, before, began = busy_seconds(), self._cpu(), time.monotonic()
        found = self.traffic.flood(self.traffic.kinds[kind], f"f{self._floods}", count)
        wall, after, busy = time.monotonic() - began, self._cpu(), busy_seconds()
        cpu = {name: 1000 * (after[name] - before[name]) / count for name in after}
        self.settle()
        return Run(found["per_s"], cpu, None if machine is None or busy is None else (busy - machine) / wall)

    def waits(self, kind: Kind, count: int) -> list[float]:
        """Send at 20 messages a second; give the sorted milliseconds to their arrival."""
        self._floods += 1
        found = self.traffic.waits(self.traffic.kinds[kind], f"w{self._floods}", count, RATE)
        self.settle()
        return found

    def settle(self) -> None:
        """Wait until what has arrived is completed, so that the next measurement begins with empty queues."""
        deadline = time.monotonic() + 30
        while self.peers and self.peers.waiting() and time.monotonic() < deadline:
            time.sleep(0.1)


Found = dict[tuple[Kind, int], list[Run]]
"""By kind of traffic and number of workers; 0 is the embedded bridge."""


def floods(embedded: Bridge, azure: Bridge, size: Size) -> Found:
    """Measure by turns, so that whatever else the machine does meets all."""
    found: Found = {}
    for _ in range(size.rounds):
        for workers in (0, *size.workers):
            bridge = azure if workers else embedded
            if workers:
                azure.fleet.scale(workers)
            for kind in KINDS:
                run = bridge.flood(kind, size.alone if kind.startswith("lone") else size.messages)
                found.setdefault((kind, workers), []).append(run)
    return found


def throughput(found: Found) -> list[Row]:
    """Make the rows of a kind from its runs, each beside the embedded bridge's."""
    return [_row(kind, workers, found) for kind in KINDS for of, workers in found if of == kind and workers]


def _row(kind: Kind, workers: int, found: Found) -> Row:
    runs, embedded = found[kind, workers], spread([run.per_s for run in found[kind, 0]])
    rate = spread([run.per_s for run in runs])
    return Row(
        what=f"A2 {KINDS[kind]}, {workers} worker{'s'[: workers > 1]}",
        value=f"{rate.text()} messages/s",
        baseline=f"{embedded.text()} messages/s, embedded engine",
        ratio=rate.median / embedded.median,
        notes=(_cpu_note(runs), *([_cpu_note(found[kind, 0], "embedded: ")] if workers == 1 else [])),
        numbers={"per_s": rate.median, "embedded_per_s": embedded.median},
    )


def _cpu_note(runs: Sequence[Run], whose: str = "") -> str:
    found = {name: spread([run.cpu_ms[name] for run in runs]) for name in runs[0].cpu_ms}
    each = (f"{name} {cost.text(1)}" for name, cost in found.items() if cost.high)
    cores = [run.busy for run in runs if run.busy is not None]
    busy = f"; {spread(cores).text(1)} cores busy" if cores else ""
    return f"{whose}ms of CPU per message: {', '.join(each)}{busy}"


def latency(embedded: Bridge, azure: Bridge, size: Size) -> list[Row]:
    """Measure what is added at 20 messages a second, with one worker."""
    azure.fleet.scale(1)
    kinds: tuple[Kind, ...] = ("question", "answer")
    return [_latency(kind, azure.waits(kind, size.paced), embedded.waits(kind, size.paced)) for kind in kinds]


def _latency(kind: Kind, waits: Sequence[float], embedded: Sequence[float]) -> Row:
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    other = f"p50 {percentile(embedded, 0.5):.0f}, p99 {percentile(embedded, 0.99):.0f} ms, embedded engine"
    return Row(
        what=f"A3 Added to {KINDS[kind]}, {RATE:.0f}/s",
        value=f"p50 {p50:.0f}, p99 {p99:.0f} ms",
        baseline=other,
        notes=(f"{len(waits)} messages, 1 worker; longest {waits[-1]:.0f} ms",),
        numbers={"p50_ms": p50, "p99_ms": p99},
    )


COSTS: dict[Kind, str] = {
    "lone question": "a question that opens a conversation",
    "question": "a question that follows",
    "answer": "an answer",
}
SERVICE_BUS = {"accepted": "sent", "delivered": "received", "completed": "completed", "sessions-accepted": "sessions"}


def costs(azure: Bridge, size: Size) -> list[Row]:
    """Count what each kind of message asks of both services, at 20 messages a second."""
    assert azure.peers is not None
    azure.fleet.scale(1)
    return [_cost(azure, azure.peers, kind, size.paced) for kind in COSTS]


def _cost(azure: Bridge, peers: Peers, kind: Kind, count: int) -> Row:
    bus, requests, units = peers.bus_operations(), peers.requests(), peers.units()
    azure.waits(kind, count)
    used = peers.bus_operations() - bus
    kinds = peers.requests() - requests
    kept = {name: used[word] / count for word, name in SERVICE_BUS.items()}
    kept |= {word.partition(":")[2]: n / count for word, n in used.items() if "lock" in word or "state" in word}
    return Row(
        what=f"A4 Cost of {COSTS[kind]}",
        value=f"{(peers.units() - units) / count:.1f} RU in {kinds.total() / count:.1f} requests",
        notes=(
            "Cosmos DB: " + ", ".join(f"{n / count:.1f} {name}" for name, n in sorted(kinds.items())),
            "Service Bus: " + ", ".join(f"{n:.2f} {name}" for name, n in kept.items() if n),
        ),
        numbers={"units": (peers.units() - units) / count, "requests": kinds.total() / count},
    )


def memory(azure: Bridge) -> list[Row]:
    """Tell the resident memory after all that."""
    azure.fleet.scale(1)
    names = ("web process", "worker")
    return [
        Row(what=f"A5 Memory of a {name}", value=f"{mib:.0f} MiB", notes=("resident, after this run",))
        for name, mib in zip(names, azure.fleet.memory(), strict=True)
        if mib is not None
    ]


Step = Callable[[], list[Row]]


def rows(folder: Path, quick: bool, tried: Callable[[str, Step], list[Row]]) -> list[Row]:
    """Measure all of it on one bridge per engine; `tried` makes a row of what fails."""
    size = SIZES[quick]
    for name in ("embedded", "azure"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        one, other = (stack.enter_context(SandboxProcess(folder / name, None)) for name in ("embedded", "azure"))
        embedded = Bridge(stack, folder / "embedded", one, None)
        azure = Bridge(stack, folder / "azure", other, stack.enter_context(Peers(folder)))
        azure.fleet.scale(1)
        for bridge in (embedded, azure):
            bridge.traffic.open()
        steps: list[tuple[str, Step]] = [
            ("A2 Messages/s", lambda: throughput(floods(embedded, azure, size))),
            ("A3 Added", lambda: latency(embedded, azure, size)),
            ("A4 Cost", lambda: costs(azure, size)),
            ("A5 Memory", lambda: memory(azure)),
        ]
        return [row for what, step in steps for row in tried(what, step)]
