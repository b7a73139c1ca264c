"""What an export shows while it runs: bars on a terminal, a line now and then in a log, events for machines."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from archive.state import Count, State

BAR_SECONDS, EVENT_SECONDS, LINE_SECONDS = 0.5, 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream is doing: tasks per second, and seconds left for those that are known (None: not known)."""

    rate: float
    left: float | None


class Watch:
    """Takes the streams' counts and tells their pace since the beginning of this process."""

    def __init__(self, counts: Mapping[str, Count]) -> None:
        self._counts, self._began = counts, time.monotonic()
        self._first = {name: count.done for name, count in counts.items()}

    def streams(self) -> list[tuple[str, Count, Pace]]:
        """List the streams that have begun, with their pace."""
        return [(name, count, self._pace(name, count)) for name, count in sorted(self._counts.items()) if count.done]

    def _pace(self, name: str, count: Count) -> Pace:
        seconds = max(time.monotonic() - self._began, 0.001)
        rate = (count.done - self._first.get(name, 0)) / seconds
        return Pace(rate, (count.known - count.done) / rate if rate > 0 else None)


@asynccontextmanager
async def progress(state: State, *, as_json: bool) -> AsyncIterator[None]:
    """Show how far the export is, until it is done or fails."""
    watch = Watch(state.counts)
    show = _events(watch) if as_json else _bars(watch) if Console(stderr=True).is_terminal else _lines(watch)
    task = asyncio.create_task(show, name="progress")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _events(watch: Watch) -> None:
    while True:
        await asyncio.sleep(EVENT_SECONDS)
        event({"event": "progress", "streams": {n: _fact(count, pace) for n, count, pace in watch.streams()}})


def _fact(count: Count, pace: Pace) -> dict[str, Any]:
    left = None if pace.left is None else round(pace.left)
    return {"known": count.known, "done": count.done, "rate": round(pace.rate, 1), "secondsLeft": left}


def event(value: Mapping[str, Any]) -> None:
    """Print one event, a line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


async def _lines(watch: Watch) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        for name, count, pace in watch.streams():
            if count.done < count.known:
                print(f"{name}: {count.done} of {count.known}{_said(pace)}", file=sys.stderr, flush=True)  # noqa: T201


async def _bars(watch: Watch) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True)) as shown:
        rows: dict[str, TaskID] = {}
        try:
            while True:
                _update(shown, rows, watch)
                await asyncio.sleep(BAR_SECONDS)
        finally:
            _update(shown, rows, watch)


def _update(shown: Progress, rows: dict[str, TaskID], watch: Watch) -> None:
    for name, count, pace in watch.streams():
        if name not in rows:
            rows[name] = shown.add_task(name, total=count.known, said="")
        shown.update(rows[name], total=count.known, completed=count.done, said=_said(pace))


def _said(pace: Pace) -> str:
    left = "" if pace.left is None else f", {_duration(pace.left)} left"
    return f" ({pace.rate:.1f}/s{left})"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
