"""The bridge on the Azure engine as processes: local peers of both services, a web process, any number of workers.

The peers are single processes of pure Python, as the bridge's are; what they take of the machine is measured with it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import Request, urlopen

from bench.processes import ROOT, Child, cpu_seconds, free_port, resident_mib
from bench.sandbox import SandboxProcess

QUEUES = ("to-freshchat", "to-teams")
APP = str(ROOT / "app.py")
OPTIONS: Mapping[str, Any] = {
    "requires_session": True,
    "duplicate_detection": 7 * 86_400.0,
    "max_delivery_count": 2000,
    "max_bytes": 1 << 30,
}
"""As Terraform makes the queues."""


class Peers:
    """A Service Bus namespace with both queues and a Cosmos DB account; `with` ends them."""

    def __init__(self, folder: Path, core: int | None = None) -> None:
        with ExitStack() as stack:
            self.bus = stack.enter_context(Child(["-m", "tests.peers.service_bus"], folder / "bus.log", core=core))
            self.cosmos = stack.enter_context(Child(["-m", "tests.peers.cosmos"], folder / "cosmos.log", core=core))
            told = self.bus.ready("connection_string")
            self.connection_string, self._control = told["connection_string"], told["control"]
            account = self.cosmos.ready()
            self._account, self._key = account["ready"], account["key"]
            for name in QUEUES:
                self.make_queue(name)
            self._stack = stack.pop_all()

    def make_queue(self, name: str) -> None:
        """Make one more queue."""
        _call(f"{self._control}/queues", {"name": name, **OPTIONS})

    def settings(self) -> dict[str, str]:
        """Give the settings of a bridge on them."""
        return {
            "BRIDGE_QUEUE": "azure.service_bus",
            "BRIDGE_THREADS": "azure.cosmos",
            "AZURE_SERVICEBUS_CONNECTION_STRING": self.connection_string,
            "AZURE_COSMOS_ENDPOINT": self._account,
            "AZURE_COSMOS_KEY": self._key,
        }

    def waiting(self, *names: str) -> int:
        """Count the messages of queues (default: both), under lock or not."""
        found = _call(f"{self._control}/stats")["queues"]
        return sum(found[name]["active"] + found[name]["locked"] for name in names or QUEUES)

    def bus_operations(self) -> Counter[str]:
        """Count what was done with both queues so far."""
        found = _call(f"{self._control}/stats")["queues"]
        return sum((Counter(found[name]["operations"]) for name in QUEUES), Counter())

    def requests(self) -> Counter[str]:
        """Count the requests to Cosmos DB so far, by kind."""
        return Counter(_call(f"{self._account}/_peer/counts"))

    def units(self) -> float:
        """Sum the request units so far."""
        return float(sum(_call(f"{self._account}/_peer/charges").values()))

    def __enter__(self) -> Peers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Fleet:
    """The processes of one bridge. A fleet on the embedded engine is a single process that does everything."""

    def __init__(
        self,
        folder: Path,
        sandbox: SandboxProcess,
        settings: Mapping[str, str],
        *,
        role: str = "web",
        port: int = 0,
        core: int | None = None,
    ) -> None:
        """The front process listens at `port` (0: where the sandbox sends its webhooks) and may be pinned to a core."""
        folder.mkdir(exist_ok=True)
        self._folder, self._sandbox, self._settings = folder, sandbox, settings
        self.port = port or sandbox.bridge_port
        self.front = Child([APP, "--role", role], folder / "front.log", core=core, env=self._env(self.port))
        self.workers: list[Child] = []
        try:
            self.front.ready()
        except BaseException:
            self._end(self.front)
            raise

    def _env(self, port: int) -> dict[str, str]:
        env = self._sandbox.bridge_env(self._folder / "data", TEAMS_REPLY_VIA="bot", BRIDGE_RECONCILE_SECONDS="0")
        return env | {"PORT": str(port)} | dict(self._settings)

    def scale(self, workers: int) -> None:
        """Have so many workers: start some, or stop the last ones as a platform would."""
        while len(self.workers) < workers:
            log = self._folder / f"worker{len(self.workers)}.log"
            self.workers.append(Child([APP, "--role", "worker"], log, env=self._env(free_port())))
            self.workers[-1].ready()
        while len(self.workers) > workers:
            self._end(self.workers.pop())

    def cpu(self) -> dict[str, float]:
        """Tell the seconds of CPU so far, by kind of process."""
        seconds = sum(cpu_seconds(child.pid) or 0.0 for child in self.workers)
        return {"web": cpu_seconds(self.front.pid) or 0.0, "workers": seconds}

    def memory(self) -> tuple[float | None, float | None]:
        """Tell the resident memory in MiB of the web process and of the first worker."""
        return resident_mib(self.front.pid), resident_mib(self.workers[0].pid) if self.workers else None

    @staticmethod
    def _end(child: Child) -> None:
        child.__exit__(None, None, None)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.scale(0)
        self._end(self.front)


def busy_seconds() -> float | None:
    """Tell how many seconds all cores together have computed, for whomever; None where the system does not tell."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return None
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _call(url: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.load(answer)
