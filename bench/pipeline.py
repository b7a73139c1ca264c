"""Rows 3, 4 and 5b: the whole bridge between two sandboxed platforms that answer at once.

One bridge process on one core; sandbox and load generator on the other. Every row checks that each message arrived
exactly once; a run in which one did not is an error, not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import replay
from bench.material import WebhookKey, webhook, webhook_request
from bench.numbers import percentile, spread
from bench.processes import Child, cores, cpu_seconds, resident_mib
from bench.report import Row, failed
from bench.sandbox import SandboxProcess, arrived, mark

THREADS = 100
PER_SECOND, LATENCY_MS, MEMORY_MIB = 500, 50, 150


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    messages: int
    repeats: int
    paced: int
    rate: float = 100.0


SIZES = {True: Size(500, 1, 100), False: Size(5_000, 3, 1_000)}


@dataclass(frozen=True)
class Way:
    """One direction: how its requests are made, and at which service and how their texts can be seen to arrive."""

    name: str
    service: str
    make: Callable[[str, int], list[bytes]]
    look: Callable[[str], dict[int, list[float]]]


class Pipeline:
    """A sandbox, a bridge, and measurements one after the other on the same bridge."""

    def __init__(self, folder: Path, size: Size, sandbox: SandboxProcess, bridge: Child, key: WebhookKey) -> None:
        self._folder, self._size, self._sandbox, self._bridge, self._key = folder, size, sandbox, bridge, key
        self._world = sandbox.teams()
        self._number = 0
        self.ways = {
            "to_freshchat": Way("Teams → Freshchat", "freshchat", self._questions, sandbox.in_freshchat),
            "to_teams": Way("Freshchat → Teams", "connector", self._answers, sandbox.in_teams),
        }

    def _questions(self, series: str, count: int) -> list[bytes]:
        first, self._number = self._number, self._number + count
        return [self._world.request(first + n, n % THREADS, mark(series, n)) for n in range(count)]

    def _answers(self, series: str, count: int) -> list[bytes]:
        agent, inbox = self._sandbox.config["agents"][0]["id"], self._sandbox.config["inboxes"][0]["id"]
        linked = self._sandbox.conversations()
        bodies = (webhook(linked[n % len(linked)], mark(series, n), agent, inbox) for n in range(count))
        return [webhook_request(self._key, body) for body in bodies]

    def _send(self, requests: Sequence[bytes], rate: float = 0.0) -> dict[str, Any]:
        return replay(
            self._folder / "job.bin",
            requests,
            self._sandbox.bridge_port,
            core=cores()[1],
            watch=self._bridge.pid,
            rate=rate,
        )

    def flood(self, way: Way, series: str, count: int = 0) -> dict[str, float]:
        """Send all messages as fast as the door takes them; from the first one sent to the last one arrived."""
        count, sandbox = count or self._size.messages, self._sandbox
        requests = way.make(series, count)
        bridge_cpu, sandbox_cpu = cpu_seconds(self._bridge.pid) or 0.0, cpu_seconds(sandbox.pid) or 0.0
        before = sandbox.calls(way.service)
        report = self._send(requests)
        sandbox.until(way.service, before + count, 60)
        spent = (cpu_seconds(self._bridge.pid) or 0.0) - bridge_cpu, (cpu_seconds(sandbox.pid) or 0.0) - sandbox_cpu
        times = arrived(lambda: way.look(series), count, 90)
        seconds = max(times) - report["began"]
        return {
            "per_s": count / seconds,
            "seconds": seconds,
            "door_per_s": count / report["seconds"],
            "bridge_us": 1e6 * spent[0] / count,
            "sandbox_us": 1e6 * spent[1] / count,
        }

    def throughput(self, way: Way, what: str, series: str, repeats: int, wanted: int | None = PER_SECOND) -> Row:
        """Row 3."""
        runs = [self.flood(way, f"{series}{n}") for n in range(repeats)]
        rate = spread([run["per_s"] for run in runs])
        bridge, sandbox = (spread([run[name] for run in runs]) for name in ("bridge_us", "sandbox_us"))
        return Row(
            what=what,
            value=f"{rate.text()} messages/s",
            target=f"≥ {wanted}/s" if wanted else "",
            met=rate.median >= wanted if wanted else None,
            notes=(
                f"{self._size.messages:,} messages in {THREADS} threads, each arrived exactly once; CPU per message: "
                f"bridge {bridge.text()} µs, sandbox {sandbox.text()} µs",
            ),
            numbers={"per_s": rate.median, "bridge_us": bridge.median, "sandbox_us": sandbox.median},
        )

    def waits(self, way: Way, series: str, count: int, rate: float) -> list[float]:
        """Send at a fixed rate; give the milliseconds from each request at the door to its arrival there, sorted."""
        report = self._send(way.make(series, count), rate)
        times = arrived(lambda: way.look(series), count, 60)
        return sorted(1000 * (there - here) for here, there in zip(report["sent_at"], times, strict=True))

    def latency(self, way: Way, what: str, series: str) -> Row:
        """Row 4."""
        count, rate = self._size.paced, self._size.rate
        waits = self.waits(way, series, count, rate)
        p50, p95, p99 = (percentile(waits, share) for share in (0.5, 0.95, 0.99))
        return Row(
            what=what,
            value=f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms",
            target=f"p99 ≤ {LATENCY_MS} ms",
            met=p99 <= LATENCY_MS,
            notes=(f"{count:,} messages at {rate:.0f}/s; longest {waits[-1]:.1f} ms",),
            numbers={"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": waits[-1]},
        )

    def memory(self, what: str) -> Row:
        """Row 5b."""
        mib = resident_mib(self._bridge.pid)
        if mib is None:
            return Row(what=what, value="this system does not tell", target=f"≤ {MEMORY_MIB} MiB")
        return Row(
            what=what,
            value=f"{mib:.0f} MiB",
            target=f"≤ {MEMORY_MIB} MiB",
            met=mib <= MEMORY_MIB,
            notes=("resident, answers through the bot (Graph's SDK is loaded only once somebody signs in)",),
            numbers={"mib": mib},
        )


def rows(folder: Path, quick: bool, only: frozenset[str]) -> list[Row]:
    """Measure all of it on one bridge; what fails is a row too."""
    key, size = WebhookKey(), SIZES[quick]
    with SandboxProcess(folder, cores()[1]) as sandbox:
        keys = ";".join([key.pem, sandbox.config["env"]["FRESHCHAT_WEBHOOK_KEYS"]])
        env = sandbox.bridge_env(folder / "data", TEAMS_REPLY_VIA="bot", FRESHCHAT_WEBHOOK_KEYS=keys)
        sandbox.call("settings", {"echo_user_messages": False, "strict_threads": False})
        script = str(Path(__file__).parents[1] / "app.py")
        with Child([script], folder / "bridge.log", core=cores()[0], env=env) as bridge:
            bridge.ready()
            return _measure(Pipeline(folder, size, sandbox, bridge, key), size, sandbox, only)


def _measure(pipeline: Pipeline, size: Size, sandbox: SandboxProcess, only: frozenset[str]) -> list[Row]:
    there, back = pipeline.ways["to_freshchat"], pipeline.ways["to_teams"]
    pipeline.flood(there, "open")  # opens the conversations that everything below uses
    steps: list[tuple[str, str, Callable[[str], Row]]] = [
        ("memory", f"5 Memory after {2 * size.messages:,} messages", lambda what: _memory(pipeline, back, what)),
        ("e2e", f"3 {there.name}", lambda what: pipeline.throughput(there, what, "qa", size.repeats)),
        ("e2e", f"3 {back.name}", lambda what: pipeline.throughput(back, what, "aa", size.repeats)),
        ("latency", f"4 Added to {there.name}", lambda what: pipeline.latency(there, what, "ql")),
        ("latency", f"4 Added to {back.name}", lambda what: pipeline.latency(back, what, "al")),
        ("e2e", f"3 {there.name}, echoes on", lambda what: _with_echoes(pipeline, sandbox, there, what)),
    ]
    found = [_tried(what, measure) for group, what, measure in steps if group in only]
    return sorted(found, key=lambda row: row.what[0])


def _memory(pipeline: Pipeline, back: Way, what: str) -> Row:
    """As many answers as there were questions before, then row 5b."""
    pipeline.flood(back, "mem")
    return pipeline.memory(what)


def _with_echoes(pipeline: Pipeline, sandbox: SandboxProcess, way: Way, what: str) -> Row:
    """Row 3 as it is in life: Freshchat sends each of our messages back as a webhook, which the door must drop."""
    sandbox.call("settings", {"echo_user_messages": True})
    return pipeline.throughput(way, what, "qe", 1, wanted=None)


def _tried(what: str, measure: Callable[[str], Row]) -> Row:
    try:
        return measure(what)
    except (RuntimeError, OSError, ValueError) as error:
        return failed(what, error)
