"""Fair turns between tenants: what the others notice when one tenant floods the bridge with 50 times its budget.

Four tenants in one bridge. Three write little; the fourth first writes nothing, then floods. Each pair of phases has a
bridge and a store of its own, so that no backlog of the flood is there when the quiet is measured. The flooding
tenant's Freshchat is a sandbox of its own; Teams and the others' Freshchat are another one. One core for the bridge,
the other for everything else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.client import replay
from bench.material import TeamsWorld, WebhookKey, request, webhook
from bench.numbers import percentile, spread
from bench.processes import Child, cores
from bench.report import Row, failed
from bench.sandbox import SandboxProcess, arrived, mark

BUDGET, TIMES = 10, 50
"""Messages per second that the flooding tenant may have delivered, and how many times that it sends."""
OTHERS, RATE = 3, 60.0
"""How many others there are, and how many messages per second they send together."""
THREADS = 20
RATIO = 1.3
LEAD = 1.0
"""Seconds that the flood begins before the others are measured, and goes on after."""

Make = Callable[["Tenant", str, int], list[bytes]]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pairs: int
    seconds: float


SIZES = {True: Size(1, 2.0), False: Size(5, 4.0)}


@dataclass
class Tenant:
    """One customer: its Microsoft tenant, the sandbox that plays its Freshchat, and what it has linked."""

    id: str
    freshchat: SandboxProcess
    world: TeamsWorld
    rate: float | None = None
    number: int = 0
    linked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """A word that sorts with its id and may be part of a path."""
        return f"t{self.id[0]}"

    def section(self, key: WebhookKey) -> str:
        """Write its part of tenants.toml."""
        env = self.freshchat.config["env"]
        account = {
            "url": f"{self.freshchat.url}/v2",
            "inbox": self.freshchat.config["inboxes"][0]["id"],
            "api_key": env["FRESHCHAT_API_KEY"],
            "webhook_keys": key.pem,
            "webhook_token": "token",
        }
        pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in account.items())
        rate = f"rate = {self.rate}\n" if self.rate else ""
        return f'[[tenant]]\nid = "{self.id}"\nname = "{self.name}"\n{rate}freshchat = {{ {pairs} }}\n'

    def questions(self, series: str, count: int) -> list[bytes]:
        """Make messages of its Teams."""
        first, self.number = self.number, self.number + count
        return [self.world.request(first + n, n % THREADS, mark(series, n)) for n in range(count)]

    def answers(self, key: WebhookKey, series: str, count: int) -> list[bytes]:
        """Make webhooks of its Freshchat."""
        config = self.freshchat.config
        agent, inbox = config["agents"][0]["id"], config["inboxes"][0]["id"]
        made = []
        for n in range(count):
            raw = json.dumps(webhook(self.linked[n % len(self.linked)], mark(series, n), agent, inbox)).encode()
            headers = {"X-Freshchat-Signature": key.sign(raw), "X-Freshchat-Payload-Version": "2"}
            made.append(request(f"/freshchat/webhook/{self.name}/token", raw, headers))
        return made


class Town:
    """Two sandboxes and the tenants; bridges come and go."""

    def __init__(self, folder: Path, size: Size, shared: SandboxProcess, own: SandboxProcess) -> None:
        self._folder, self._size, self._shared, self._own = folder, size, shared, own
        self._key, self._round = WebhookKey(), 0
        tokens = shared.teams().tokens
        ids = [f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abcd"[: OTHERS + 1]]

        worlds = [TeamsWorld({**shared.config, "tenant": one}, tokens) for one in ids]
        self.flooder = Tenant(ids[0], own, worlds[0], rate=BUDGET)
        self.others = [Tenant(one, shared, world) for one, world in zip(ids[1:], worlds[1:], strict=True)]

    @contextmanager
    def bridge(self) -> Iterator[Child]:
        """Run a bridge with an empty store, and open everybody's conversations."""
        self._round += 1
        folder = self._folder / f"bridge{self._round}"
        folder.mkdir()
        tenants = [self.flooder, *self.others]
        (folder / "tenants.toml").write_text("\n".join(one.section(self._key) for one in tenants), encoding="utf-8")
        env = self._shared.bridge_env(
            folder / "data",
            TEAMS_REPLY_VIA="bot",
            BRIDGE_TENANTS_FILE=str(folder / "tenants.toml"),
            BRIDGE_GRACE="1",
            BRIDGE_RECONCILE_SECONDS="0",
        )
        script = str(Path(__file__).parents[1] / "app.py")
        with Child([script], folder / "bridge.log", core=cores()[0], env=env) as bridge:
            bridge.ready()
            for tenant in tenants:
                self._open(tenant)
            yield bridge

    def _open(self, tenant: Tenant) -> None:
        series = f"open{tenant.name}{self._round}"
        self._send(tenant.questions(series, THREADS), 50.0)
        arrived(lambda: tenant.freshchat.in_freshchat(series), THREADS, 60)
        talks = tenant.freshchat.call("freshchat/state")["conversations"]
        tenant.linked = [
            talk["conversation_id"] for talk in talks if any(f"bench-{series}-" in m["text"] for m in talk["messages"])
        ]

    def _send(self, requests: Sequence[bytes], rate: float, job: str = "job", watch: int = 0) -> dict[str, Any]:
        path, port = self._folder / f"{job}.bin", self._shared.bridge_port
        return replay(path, requests, port, core=cores()[1], rate=rate, watch=watch)

    def phase(
        self, make: Make, look: Callable[[str], dict[int, list[float]]], flood: bool, watch: int
    ) -> dict[str, float]:
        """Let the others write, with or without a flood beside them; their 95th percentile in ms."""
        seconds, series = self._size.seconds, f"{'f' if flood else 'q'}{self._round}"
        each = int(seconds * RATE / OTHERS)
        lines = [make(one, f"{series}x{one.name}", each) for one in self.others]
        mixed = [line[n] for n in range(each) for line in lines]
        asked = int((seconds + 2 * LEAD) * BUDGET * TIMES) if flood else 0
        beside = make(self.flooder, f"{series}x{self.flooder.name}", asked)
        with ThreadPoolExecutor(1) as pool:
            flooding = pool.submit(self._send, beside, float(BUDGET * TIMES), "flood") if flood else None
            if flooding:
                time.sleep(LEAD + 0.5)  # half a second until its process is there
            report = self._send(mixed, RATE, watch=watch)
            flooded = flooding.result() if flooding else None
        waits = sorted(1000 * wait for wait in self._waits(series, look, report["sent_at"], each))
        return {
            "p50": percentile(waits, 0.5),
            "p95": percentile(waits, 0.95),
            "busy": 100 * report["server_cpu"] / report["seconds"],
            "flood": flooded["count"] / flooded["seconds"] if flooded else 0.0,
        }

    def _waits(
        self, series: str, look: Callable[[str], dict[int, list[float]]], sent_at: Sequence[float], each: int
    ) -> Iterator[float]:
        for place, one in enumerate(self.others):
            name = f"{series}x{one.name}"
            times = arrived(lambda name=name: look(name), each, 60)
            for number, there in enumerate(times):
                yield there - sent_at[number * OTHERS + place]

    def measure(self, what: str, make: Make, look: Callable[[str], dict[int, list[float]]], judged: bool) -> Row:
        """Measure pairs of phases and compare their medians; `judged` where there is a target."""
        quiet, flooded = [], []
        for _ in range(self._size.pairs):
            with self.bridge() as bridge:
                quiet.append(self.phase(make, look, False, bridge.pid))
                flooded.append(self.phase(make, look, True, bridge.pid))
        before, after = (spread([one["p95"] for one in phases]) for phases in (quiet, flooded))
        ratio, rate = after.median / before.median, spread([one["flood"] for one in flooded])
        middles, busy = (
            [spread([one[name] for one in phases]).median for phases in (quiet, flooded)] for name in ("p50", "busy")
        )
        return Row(
            what=what,
            value=f"p95 {after.text(1)} ms",
            baseline=f"{before.text(1)} ms",
            ratio=ratio,
            target=f"≤ {RATIO} × without the flood" if judged else "",
            met=ratio <= RATIO if judged else None,
            notes=(
                f"others: {OTHERS} tenants, {RATE:.0f} messages/s together; one tenant at {rate.text()}/s with a "
                f"budget of {BUDGET}/s; p50 {middles[1]:.1f} ms, without the flood {middles[0]:.1f} ms; bridge CPU "
                f"{busy[1]:.0f} % of a core, without the flood {busy[0]:.0f} %; "
                f"{self._size.pairs} pairs of {self._size.seconds:.0f} s",
            ),
            numbers={"p95_ms": after.median, "quiet_p95_ms": before.median, "flood_per_s": rate.median},
        )

    def latency(self, milliseconds: int) -> None:
        """Let both platforms take this long for each answer."""
        for sandbox in (self._shared, self._own):
            sandbox.call("settings", {"latency_ms": milliseconds})

    def rows(self, latencies: Mapping[int, str]) -> list[Row]:
        """Measure both directions at each latency."""
        found = []
        ways: list[tuple[str, Make, Callable[[str], dict[int, list[float]]]]] = [
            ("Teams → Freshchat", lambda one, series, n: one.questions(series, n), self._shared.in_freshchat),
            (
                "Freshchat → Teams",
                lambda one, series, n: one.answers(self._key, series, n),
                self._shared.in_teams,
            ),
        ]
        for milliseconds, said in latencies.items():
            self.latency(milliseconds)
            for name, make, look in ways:
                what = f"9 Others beside a flood, {name}, {said}"
                try:
                    found.append(self.measure(what, make, look, milliseconds > 0))
                except (RuntimeError, OSError, ValueError) as error:
                    found.append(failed(what, error, f"≤ {RATIO}"))
        return found


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure with platforms that take 50 ms per call, and with ones that answer at once.

    The latter has no target: what is left there is a few ms, in which each request of the flood can be seen.
    """
    (folder / "own").mkdir()
    with SandboxProcess(folder, cores()[1]) as shared, SandboxProcess(folder / "own", cores()[1]) as own:
        for sandbox in (shared, own):
            sandbox.call("settings", {"echo_user_messages": False, "strict_threads": False})
        return Town(folder, SIZES[quick], shared, own).rows({50: "50 ms per call", 0: "no latency"})
