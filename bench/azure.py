"""The Azure engine: the same figures as for the embedded one, against local peers of Service Bus and Cosmos DB.

The peers are single processes of pure Python without a disk. What the bridge carries here is bounded by them, by the
SDKs and by the machine; the first rows say what peer and SDK carry with no work of ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from bench import azure_flow
from bench.azure_bare import Bare, carry
from bench.azure_stack import APP, Fleet, Peers
from bench.doors import CONVERSATIONS, Duel
from bench.doors import Size as DoorSize
from bench.material import WebhookKey, webhook, webhook_request
from bench.numbers import spread
from bench.processes import Child, cores, free_port
from bench.report import Row, failed
from bench.sandbox import SandboxProcess, mark

READY_SECONDS = 3.0
DOORS = {True: DoorSize(200, 400, 1, 50), False: DoorSize(1_500, 4_000, 3, 200)}
BARE = {True: (300, 1), False: (1_500, 3)}
"""Messages and rounds, by `quick`."""

STARTS = {True: 1, False: 5}


def rows(folder: Path, quick: bool) -> list[Row]:
    """Measure everything; what fails is a row too."""

    def step(name: str, what: str, work: Callable[[Path], list[Row]]) -> list[Row]:
        (folder / name).mkdir()
        return _tried(what, lambda: work(folder / name))

    return [
        *step("bare", "A0 Peer and SDK alone", lambda inner: _bare(inner, quick)),
        *step("doors", "A1 Doors", lambda inner: _doors(inner, quick)),
        *step("flow", "A2 Messages/s", lambda inner: azure_flow.rows(inner, quick, _tried)),
        *step("start", "A6 Start", lambda inner: _starts(inner, quick)),
    ]


def _tried(what: str, work: Callable[[], list[Row]]) -> list[Row]:
    try:
        return work()
    except (RuntimeError, OSError, ValueError) as error:
        return [failed(what, error)]


# --- the peer and the SDK alone


def _bare(folder: Path, quick: bool) -> list[Row]:
    messages, rounds = BARE[quick]
    with Peers(folder) as peers:
        shared = [carry(folder, peers, f"shared{n}", messages, 100) for n in range(rounds)]
        alone = [carry(folder, peers, f"alone{n}", messages // 5, messages // 5) for n in range(rounds)]
    return [_bare_row("100 sessions", shared), _bare_row("one message per session", alone)]


def _bare_row(what: str, runs: list[Bare]) -> Row:
    rate, peer = spread([run.per_s for run in runs]), spread([1000 * run.peer for run in runs])
    sender, receiver = (spread([1000 * getattr(run, name) for run in runs]) for name in ("sender", "receiver"))
    return Row(
        what=f"A0 Peer and SDK alone, {what}",
        value=f"{rate.text()} messages/s",
        notes=(
            f"ms of CPU per message: peer {peer.text(2)}, sending {sender.text(2)}, receiving {receiver.text(2)}; "
            f""
            f"so the peer can carry {1000 / peer.median:,.0f}/s and a receiver {1000 / receiver.median:,.0f}/s",
        ),
        numbers={"per_s": rate.median, "peer_ms": peer.median, "receiver_ms": receiver.median},
    )


# --- the doors


def _doors(folder: Path, quick: bool) -> list[Row]:
    here, there = cores()
    key, size = WebhookKey(), DOORS[quick]
    conversations = [str(uuid.uuid4()) for _ in range(CONVERSATIONS)]
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxProcess(folder, there))
        peers = stack.enter_context(Peers(folder, there))
        settings = {"FRESHCHAT_WEBHOOK_KEYS": key.pem}
        fleets = {
            name: stack.enter_context(Fleet(folder / name, sandbox, settings | more, port=free_port(), core=here))
            for name, more in (("door", peers.settings()), ("baseline", {}))
        }
        servers = {name: (fleet.port, fleet.front) for name, fleet in fleets.items()}
        world, numbers = sandbox.teams(), count()
        agent = "agent-1"

        def questions(many: int) -> list[bytes]:
            return [world.request(next(numbers), n % CONVERSATIONS, mark("door", n)) for n in range(many)]

        def answers(many: int) -> list[bytes]:
            bodies = (webhook(conversations[n % CONVERSATIONS], mark("door", n), agent, "") for n in range(many))
            return [webhook_request(key, body) for body in bodies]

        found = []
        for what, make in (("A1 Teams door", questions), ("A1 Freshchat door", answers)):
            duel = Duel(folder, size, make)
            duel.fight(servers)
            found.append(duel.row(what, "embedded engine"))
        return found


# --- the start


def _starts(folder: Path, quick: bool) -> list[Row]:
    with SandboxProcess(folder, cores()[1]) as sandbox, Peers(folder, cores()[1]) as peers:
        env = sandbox.bridge_env(folder / "data", **peers.settings())
        return [_start(folder, role, env, STARTS[quick]) for role in ("web", "worker")]


def _start(folder: Path, role: str, env: dict[str, str], times: int) -> Row:
    found = []
    for _ in range(times + 1):  # the first may compile, and makes the containers
        with Child([APP, "--role", role], folder / f"{role}.log", core=cores()[0], env=env) as child:
            found.append(float(child.ready()["seconds"]))
    ready = spread(found[1:])
    return Row(
        what=f"A6 Start of a {role} process",
        value=f"ready {ready.text(2)} s",
        target=f"≤ {READY_SECONDS:g} s",
        met=ready.median <= READY_SECONDS,
        notes=("from the start of the process, on one core, with bytecode compiled",),
        numbers={"ready_s": ready.median},
    )
