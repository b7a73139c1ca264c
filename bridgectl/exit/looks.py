"""What can be seen from here of each step of an exit. The others a person confirms."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from adapters.http import call, endpoint
from adapters.http import session as http_session
from adapters.stores import open_secrets
from adapters.upstreams import bot_tokens
from archive import layout
from archive.ledger import Ledger
from archive.reading import Archive
from archive.verify import verify
from bridge.errors import BridgeError
from bridge.ports import DIRECTIONS
from bridge.retirement import read_retirement
from bridge.settings import Settings
from bridge.text import when
from bridgectl.exit import tools
from bridgectl.exit.evidence import Record, Result
from bridgectl.exit.steps import Deployment, Names
from bridgectl.stores import existing_ports

DOORS = ("/api/messages", "/bot/callback", "/freshchat/webhook/any/token")
TIMEOUT = 10.0
QUIET_SECONDS = 3600.0
"""How long no webhook may have come: Freshchat tries an event again within minutes."""
FINE_SAMPLES = {"same", "changed", "deleted"}
REFUSED = re.compile(r'^bridge_refused_total\{direction="to-teams",status="410"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen; `result` is None where nothing could be looked at, and `facts` go into the record."""

    result: Result | None
    detail: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to look at: the archive, the address of the doors, names of resources, where they are known."""

    settings: Settings
    archive: Path | None
    url: str | None
    known: Mapping[str, Record]
    clock: Callable[[], float]
    deployment: Deployment = Deployment.azure
    names: Names = field(default_factory=Names)


Look = Callable[[Case], Awaitable[Found]]


# --- the archive


async def _export(case: Case) -> Found:
    if case.archive is None:
        return Found(None)
    archive = Archive(case.archive)
    kind, complete = archive.report.get("kind"), archive.report.get("complete")
    facts = archive_facts(case.archive)
    if kind != "final":
        return Found("failed", f"its kind is {kind}, not final", facts)
    if complete is not True:
        return Found("failed", f"not complete: {archive.report.get('warning') or 'see gaps.json'}", facts)
    return Found("passed", "complete and final", facts)


async def _verify(case: Case) -> Found:
    if case.archive is None:
        return Found(None)
    archive = Archive(case.archive)
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder, closing(Ledger(Path(folder) / "ledger")) as ledger:
        result = verify(archive, ledger)
        findings = ledger.how_many()
    facts = {"archive": str(case.archive.absolute()), "fingerprint": result.fingerprint}
    if findings:
        return Found("failed", f"{findings} findings: `bridgectl export verify` names them", facts)
    return Found("passed", f"{result.files} files as they were written, fingerprint {result.fingerprint}", facts)


async def _sample(case: Case) -> Found:
    if case.archive is None:
        return Found(None)
    fingerprint = _fingerprint(case.archive)
    files = sorted(case.archive.resolve().parent.glob("samples_*.json"))
    samples = [(file, sample) for file in files if (sample := _read(file)).get("fingerprint") == fingerprint]
    for file, sample in samples:
        signed, odd = sample.get("signedBy"), set(sample.get("summary") or {"": 0}) - FINE_SAMPLES
        if signed and not odd:
            return Found("passed", f"signed by {signed}", {"sample": file.name, "sha256": _hash(file)})
    why = "none is signed without differences" if samples else "none of this archive lies beside it"
    return Found("failed", f"samples: {why}")


def _read(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# --- the bridge


async def _stop(case: Case) -> Found:
    """Look into the stores; before the retirement there is nothing to say."""
    if "stop" not in case.known:
        return Found(None)
    async with existing_ports() as ports:
        retired = await read_retirement(ports.threads)
        depths = [await ports.queue.depth(direction) for direction in DIRECTIONS]
    if retired is None:
        return Found("failed", "the bridge is in service")
    waiting, dead = sum(depth.waiting for depth in depths), sum(depth.dead for depth in depths)
    written = case.known["stop"].facts.get("letters", "0")
    facts = {"retired_at": when(retired.since), "grounds": retired.reason, "letters": written}
    if waiting or dead > int(written):
        return Found("failed", f"{waiting} messages wait, {dead} dead letters: run `bridgectl exit stop` again", facts)
    return Found("passed", "retired, and nothing is left", facts)


async def _doors(case: Case) -> Found:
    if case.url is None or "stop" not in case.known:
        return Found(None)
    async with http_session() as session:
        try:
            answers = {path: await _post(session, case.url, path) for path in DOORS}
        except BridgeError as error:
            return Found("failed", f"cannot be asked: {error}")
    told = ", ".join(f"{path} {status}" for path, status in answers.items())
    return Found("passed" if set(answers.values()) == {410} else "failed", told, {"url": case.url})


async def _webhook(case: Case) -> Found:
    """Read how many webhooks the door has refused: if none has come for an hour, none will.

    Counted by one process, since its start. Behind several, each look may ask another one: a person has to look then.
    """
    if case.url is None or "stop" not in case.known:
        return Found(None)
    async with http_session() as session:
        try:
            url = endpoint(case.url.rstrip("/") + "/metrics")
            answer = await call(session, "GET", url, component="bridge", timeout=TIMEOUT)
        except BridgeError as error:
            return Found("failed", f"cannot be asked: {error}")
    if not answer.ok:
        return Found("open", f"/metrics answers {answer.status}: a person has to look at Freshchat")
    counted = REFUSED.search(answer.body.decode("utf-8", "replace"))
    return _since_last(float(counted[1]) if counted else 0.0, case)


def _since_last(count: float, case: Case) -> Found:
    now = case.clock()
    facts = {"refused": f"{count:.0f}", "since": repr(now)}
    last = case.known["webhook"].facts if "webhook" in case.known else {}
    if "refused" not in last or count < float(last["refused"]):
        return Found("open", "look again in an hour whether webhooks still come", facts)
    since = float(last["since"])
    if count > float(last["refused"]):
        return Found("failed", f"{count - float(last['refused']):.0f} were refused since {when(since)}", facts)
    if now - since < QUIET_SECONDS:
        return Found("open", f"none since {when(since)}; look again in an hour", dict(last))
    return Found("passed", f"none since {when(since)}", dict(last))


# --- outside


async def _channel(case: Case) -> Found:
    return _told(await tools.channel(case.names) if "stop" in case.known else None)


async def _resources(case: Case) -> Found:
    return _told(await tools.resources(case.deployment, case.names) if "stop" in case.known else None)


def _told(seen: tools.Seen | None) -> Found:
    return Found(None) if seen is None else Found(*seen)


async def _registration(case: Case) -> Found:
    """Ask for a token: only the word that the application is unknown proves that it is gone."""
    if case.settings.app_type == "UserAssignedMSI" or "stop" not in case.known:
        return Found(None)
    secrets = open_secrets(case.settings)
    try:
        async with http_session() as session:
            await bot_tokens(case.settings, session, secrets).token()
    except BridgeError as error:
        if error.code == "entra_unauthorized_client":
            return Found("passed", "Entra knows no such application", {"app_id": case.settings.app_id})
        return Found("failed", f"cannot be told: {error}")
    finally:
        await secrets.close()
    return Found("failed", "Entra still gives a token")


LOOKS: Mapping[str, Look] = {
    "export": _export,
    "verify": _verify,
    "sample": _sample,
    "stop": _stop,
    "doors": _doors,
    "webhook": _webhook,
    "channel": _channel,
    "registration": _registration,
    "resources": _resources,
}
"""Every step that can be looked at from here, in its order."""


def archive_facts(folder: Path) -> dict[str, str]:
    """Tell which archive it is. OSError if there is none."""
    return {"archive": str(folder.absolute()), "fingerprint": _fingerprint(folder)}


def _fingerprint(archive: Path) -> str:
    return _hash(archive / layout.CHECKSUMS)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


async def _post(session: aiohttp.ClientSession, base: str, path: str) -> int:
    answer = await call(
        session, "POST", endpoint(base.rstrip("/") + path), component="bridge", send={}, timeout=TIMEOUT
    )
    return answer.status
