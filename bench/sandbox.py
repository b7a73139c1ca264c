"""The sandbox as a process, and the few calls of its control API that a measurement needs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.material import TeamsWorld
from bench.processes import Child, free_port

TOKENS = 64
_MARK = re.compile(r"bench-([a-z0-9]+)-(\d+)")


def mark(series: str, number: int) -> str:
    """Write a text that can be recognised on the other platform."""
    return f"bench-{series}-{number:06d}: the printer on the second floor says 49.4C02, and the restart did not help."


class SandboxProcess(Child):
    """Teams and Freshchat, played at zero latency."""

    def __init__(self, folder: Path, core: int | None) -> None:
        self.bridge_port = free_port()
        bridge = f"http://127.0.0.1:{self.bridge_port}"
        super().__init__(
            ["-m", "sandbox", "--port", "0", "--no-page", "--bridge", bridge], folder / "sandbox.log", core=core
        )
        self.url = str(self.ready()["ready"])
        self.config: Mapping[str, Any] = self.call("config")

    def call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the control API."""
        data = None if body is None else json.dumps(body).encode()
        asked = Request(f"{self.url}/_sandbox/{path}", data, {"Content-Type": "application/json"})
        with urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    def bridge_env(self, folder: Path, **extra: str) -> dict[str, str]:
        """Give the environment of a bridge that works with this sandbox."""
        own = {"PORT": str(self.bridge_port), "HOST": "127.0.0.1", "BRIDGE_DATA_DIR": str(folder)}
        return {**self.config["env"], **own, **extra}

    def teams(self) -> TeamsWorld:
        """Describe its Teams, with tokens that all differ."""
        now = int(time.time())
        claims = {"serviceurl": self.config["service_url"]}
        tokens = [self.call("teams/token", {**claims, "iat": now - n})["token"] for n in range(TOKENS)]
        return TeamsWorld(self.config, tokens)

    def calls(self, service: str) -> int:
        """Count the requests that one service has had."""
        return int(self.call("requests/counts")[service])

    def until(self, service: str, calls: int, seconds: float) -> None:
        """Wait until a service has had so many requests; asks little, unlike a look at all messages."""
        deadline = time.monotonic() + seconds
        while self.calls(service) < calls and time.monotonic() < deadline:
            time.sleep(0.05)

    def in_freshchat(self, series: str) -> dict[int, list[float]]:
        """Tell when each numbered text of a series arrived in Freshchat; a text may be there twice."""
        conversations = self.call("freshchat/state")["conversations"]
        return _arrivals(series, ((m["text"], m["created_time"]) for c in conversations for m in c["messages"]))

    def in_teams(self, series: str) -> dict[int, list[float]]:
        """Tell when each numbered text of a series arrived in Teams."""
        threads = self.call("teams/state")["threads"]
        return _arrivals(series, ((m["text"], m["at"]) for t in threads for m in t["messages"]))

    def conversations(self) -> list[str]:
        """List the conversations in Freshchat."""
        return [c["conversation_id"] for c in self.call("freshchat/state")["conversations"]]


def _arrivals(series: str, messages: Any) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for text, at in messages:
        seen = _MARK.search(text)
        if seen and seen[1] == series:
            # written in whole milliseconds, rounded down: the middle is the best guess
            found.setdefault(int(seen[2]), []).append(datetime.fromisoformat(at).timestamp() + 0.0005)
    return found


def arrived(look: Callable[[], dict[int, list[float]]], count: int, seconds: float) -> list[float]:
    """Wait until all texts have arrived; give their times. RuntimeError if some are missing or arrived twice."""
    deadline = time.monotonic() + seconds
    found = look()
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.5)
        found = look()
    twice = sum(len(times) > 1 for times in found.values())
    if len(found) != count or twice:
        raise RuntimeError(f"{count} messages sent, {len(found)} arrived, {twice} more than once")
    return [found[number][0] for number in range(count)]
