"""Gives inputs to targets, each within its time and its memory, and keeps what breaks one."""

from __future__ import annotations

import gc
import hashlib
import json
import re
import signal
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.fuzz.samples import FIXTURES, Sample
from tests.fuzz.target import Target

FOUND = FIXTURES / "fuzz"
SECONDS = 1.0
"""Of processor time (a busy machine must not look like a hang); real inputs take a thousandth of it."""
MEMORY = 16 * 1024 * 1024
PER_BYTE = 64
"""At most this much memory, plus so many bytes for each byte of the input."""
CHUNK = 2000
MEASURED = 8
"""Memory is measured for one input in so many."""


class Hang(AssertionError):
    """An input took longer than it may."""


@dataclass(slots=True)
class Outcome:
    """What became of a target: how many inputs, in what time, and what broke it, if anything did."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    error: BaseException | None = None
    kept: Path | None = None


def fuzz(target: Target, inputs: int, seed: int) -> Outcome:
    """Give that many inputs to a target, in chunks with seeds of their own; stop at the first that breaks it."""
    outcome, started = Outcome(target.name), time.perf_counter()
    chunk = 0
    while outcome.inputs < inputs and outcome.error is None:
        _chunk(target, min(CHUNK, inputs - outcome.inputs), seed * 1000 + chunk, outcome)
        chunk += 1
    outcome.seconds = time.perf_counter() - started
    return outcome


def _chunk(target: Target, inputs: int, seed: int, outcome: Outcome) -> None:
    last: list[Sample] = []

    @seeded(seed)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(target.samples)
    def once(sample: Sample) -> None:
        outcome.inputs += 1
        last[:] = [sample]
        bounded(target.check, sample, outcome)

    try:
        once()
    except BaseException as error:
        if not isinstance(error, Exception):
            raise
        error.__notes__ = []  # Hypothesis repeats the input there, which may be a megabyte
        outcome.error, outcome.kept = error, _keep(target.name, last[0])


def bounded(check: Callable[[Sample], None], sample: Sample, outcome: Outcome) -> None:
    """Check one input within its bounds of time and memory."""
    started = time.process_time()
    measured = zlib.crc32(sample.body) % MEASURED == 0  # to trace every allocation takes three times as long
    gc.disable()  # it would count what the generator of inputs left behind
    try:
        with _watchdog(), _measured(sample, outcome) if measured else nullcontext():
            check(sample)
    finally:
        gc.enable()
    seconds = time.process_time() - started
    outcome.slowest = max(outcome.slowest, seconds)
    if seconds > SECONDS:  # the watchdog cannot stop what is in C, nor what swallows its exception
        raise Hang(f"{seconds:.1f} s of processor time")


@contextmanager
def _watchdog() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _measured(sample: Sample, outcome: Outcome) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outcome.peak = max(outcome.peak, peak)
    assert peak <= MEMORY + PER_BYTE * len(sample.body), f"{peak >> 20} MB for {len(sample.body)} bytes"


# --- what was found ---------------------------------------------------------------------------------------------------


def _keep(name: str, sample: Sample) -> Path:
    stored = json.dumps({"target": name} | sample.to_json(), indent=1) + "\n"
    path = FOUND / f"{re.sub('[^a-z]+', '-', name)}-{hashlib.sha256(stored.encode()).hexdigest()[:8]}.json"
    FOUND.mkdir(exist_ok=True)
    path.write_text(stored, encoding="utf-8")
    return path


def found() -> Iterable[tuple[str, str, Sample]]:
    """Give what was found before: file name, target, input."""
    for path in sorted(FOUND.glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        yield path.stem, stored["target"], Sample.from_json(stored)
