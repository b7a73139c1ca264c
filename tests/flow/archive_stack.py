"""The accounts of a data set as one real process, and exports as others."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from stack import PATIENCE, ROOT, records

TIMES = ("VERIFICATION_SUMMARY.txt", "verification_report.json", "export_metadata.json", "checksums.sha256")
"""Files that say when the archive was made."""
SIGNED = re.compile(rb"X-Amz-Date=\w+|X-Amz-Signature=\w+")
"""What differs between two answers with the same file."""


class Accounts:
    """A running data set."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, ready: dict[str, Any]) -> None:
        self.folder, self.session, self.url, self.env = folder, session, ready["ready"], dict(ready["env"])

    async def truth(self, what: str = "", *sources: str) -> Any:
        """Ask what a complete export must contain; `sources` are the ways it uses."""
        path = f"archive/truth/{what}" if what else "archive/truth"
        async with self.session.get(f"{self.url}/_sandbox/{path}", params={"sources": ",".join(sources)}) as answer:
            return await answer.json()

    async def fault(self, on: str, kind: str, **more: Any) -> None:
        """Make requests to an account go wrong."""
        async with self.session.post(f"{self.url}/_sandbox/faults", json={"on": on, "kind": kind, **more}) as answer:
            assert answer.status < 300, await answer.text()

    async def clear_faults(self) -> None:
        """End all misbehaviour."""
        async with self.session.delete(f"{self.url}/_sandbox/faults") as answer:
            assert answer.status < 300

    async def requests(self, on: str) -> list[dict[str, Any]]:
        """List the last requests of an account."""
        async with self.session.get(f"{self.url}/_sandbox/requests", params={"on": on}) as answer:
            return list(await answer.json())

    def environment(self) -> dict[str, str]:
        """Give the whole environment of an export: nothing is inherited but what Python needs."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        return kept | self.env | {"PYTHONPATH": str(ROOT)}

    async def export(
        self,
        *arguments: str,
        limit: int = resource.RLIM_INFINITY,
        terminal: int = asyncio.subprocess.PIPE,
        **extra: str,
    ) -> asyncio.subprocess.Process:
        """Start `bridgectl export` with these arguments; no file of it may have more than `limit` bytes.

        `terminal` takes its error output.
        """

        def limited() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridgectl", "export", *arguments),
            preexec_fn=limited,
            cwd=self.folder,
            env=self.environment() | extra,
            stdout=asyncio.subprocess.PIPE,
            stderr=terminal,
        )

    async def exported(self, *arguments: str, code: int = 0, **extra: Any) -> tuple[str, str]:
        """Run `bridgectl export` to its end; give what it prints on output and on error output."""
        child = await self.export(*arguments, **extra)
        out, err = await asyncio.wait_for(child.communicate(), 120)
        assert child.returncode == code, (child.returncode, out.decode()[-1000:], err.decode()[-3000:])
        assert b"Traceback" not in err, err.decode()[-3000:]
        return out.decode(), err.decode()


@asynccontextmanager
async def accounts(folder: Path, *options: str) -> AsyncIterator[Accounts]:
    """Run the accounts of a data set with these options."""
    path = folder / "accounts.log"
    with path.open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox.archive_server", *options), cwd=ROOT, stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession() as session:
            deadline = time.monotonic() + PATIENCE
            while not (found := [record for record in records(path, 0) if "ready" in record]):
                assert time.monotonic() < deadline and child.returncode is None, path.read_text(encoding="utf-8")
                await asyncio.sleep(0.05)
            yield Accounts(folder, session, found[0])
    finally:
        child.terminate()
        await asyncio.wait_for(child.wait(), 30)


def folder_of(out: Path) -> Path:
    """Give the only archive below a folder."""
    (found,) = out.glob("export_omni_*")
    return found


def read(root: Path, path: str) -> Any:
    """Read a JSON file of an archive."""
    return json.loads((root / path).read_text(encoding="utf-8"))


def contents(root: Path) -> dict[str, bytes]:
    """Give the bytes of an archive, but for what says when it or an address was made."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name not in TIMES)
    return {str(path.relative_to(root)): SIGNED.sub(b"", path.read_bytes()) for path in files}


async def wait_until(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until this is true; give its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not happen within {seconds} s")
