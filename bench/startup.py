"""Row 5a: how long `python app.py` takes from nothing to its first 200 on /healthz, and to its `ready` record."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from bench.numbers import spread
from bench.processes import Child, cores
from bench.report import Row
from bench.sandbox import SandboxProcess

READY_SECONDS = 2.0


def startup(folder: Path, quick: bool) -> Row:
    """Start it several times; the first start, which may compile, is not counted."""
    with SandboxProcess(folder, cores()[1]) as sandbox:
        times = [_start(folder, sandbox) for _ in range(2 if quick else 6)][1:]
    ready, healthy = (spread([run[n] for run in times]) for n in (0, 1))
    worst = max(ready.median, healthy.median)
    return Row(
        what="5 Start",
        value=f"ready {ready.text(2)} s, 200 {healthy.text(2)} s",
        target=f"≤ {READY_SECONDS:g} s",
        met=worst <= READY_SECONDS,
        notes=("from the start of the process, on one core, with bytecode compiled",),
        numbers={"ready_s": ready.median, "healthz_s": healthy.median},
    )


def _start(folder: Path, sandbox: SandboxProcess) -> tuple[float, float]:
    script = str(Path(__file__).parents[1] / "app.py")
    env = sandbox.bridge_env(folder / "data")
    with Child([script], folder / "start.log", core=cores()[0], env=env) as child:
        healthy = _first_200(sandbox.bridge_port) - child.started_at
        return float(child.ready()["seconds"]), healthy


def _first_200(port: int) -> float:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return time.perf_counter()
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise RuntimeError("no 200 on /healthz within 30 s")
