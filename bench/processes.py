"""Processes of a measurement: each pinned to a core where the system can, its output in a file, always ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def cores() -> tuple[int | None, int | None]:
    """Choose a core for the server and another one for everything else; None where nothing can be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float | None:
    """Tell how long a process has computed, on all its threads; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int, field: str = "VmRSS") -> float | None:
    """Tell a process's resident memory, now or (`VmHWM`) at most so far; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), None)


class Child:
    """A Python process; `with` ends it."""

    def __init__(
        self, arguments: Sequence[str], log: Path, *, core: int | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        self.started_at = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=output,
                cwd=ROOT if env is None else log.parent,
                env={**_kept(), **(env or {})},
                preexec_fn=None if core is None else lambda: _pin(core),
            )
        self.pid = self._process.pid

    def ready(self, word: str = "ready") -> dict[str, Any]:
        """Wait for the line of JSON that says it listens; `seconds` is added: how long that took."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            for line in self._log.read_bytes().splitlines(keepends=True):
                if word.encode() in line and line.startswith(b"{") and line.endswith(b"\n"):
                    record: dict[str, Any] = json.loads(line)
                    return record | {"seconds": time.perf_counter() - self.started_at}
            time.sleep(0.002)
        raise RuntimeError(f"{self._log.stem} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def output(self, seconds: float) -> str:
        """Wait for its end and give what it wrote; RuntimeError if it failed or took longer."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        text = self._log.read_text(errors="replace")
        if code != 0:
            raise RuntimeError(f"{self._log.stem} failed ({'too slow' if code is None else code}):\n{text[-2000:]}")
        return text

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _kept() -> dict[str, str]:
    """Give a child only what Python needs of our environment, so that no setting of the machine changes a result."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR", "SYSTEMROOT")
    return {name: os.environ[name] for name in names if name in os.environ} | {"PYTHONPATH": str(ROOT)}


def _pin(core: int) -> None:
    os.sched_setaffinity(0, {core})
