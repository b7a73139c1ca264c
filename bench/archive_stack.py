"""The accounts of an archive, played by the sandbox, and exports of them: each a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.processes import Child

EXPORT = ("-m", "bridgectl", "export")


class Accounts(Child):
    """A data set behind both APIs; `options` are those of `python -m sandbox.archive_server`."""

    def __init__(self, log: Path, *options: str) -> None:
        super().__init__(["-m", "sandbox.archive_server", *options], log)
        ready = self.ready()
        self.url, self.env = str(ready["ready"]), dict(ready["env"])

    def ask(self, path: str) -> Any:
        """Ask the control API."""
        with urlopen(f"{self.url}/_sandbox/{path}", timeout=30) as answer:
            return json.load(answer)

    def export(self, log: Path, *arguments: str) -> Child:
        """Start `bridgectl export` on these accounts."""
        return Child([*EXPORT, *arguments], log, env={**self.env, "BRIDGE_DATA_DIR": str(log.parent / "data")})


def events(log: Path) -> list[dict[str, Any]]:
    """Read what an export with `--json` has told so far."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]
