"""What the command lines of a cloud tell of what is left there. Only commands that read are ever run.

`az` ends with 3 where a resource is not there (its documented exit code), 0 where it is, 1 for everything else, such as
nobody being signed in. `flyctl` has no such code, so it is asked for a list.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bridgectl.exit.evidence import Result
from bridgectl.exit.steps import Deployment, Names

SECONDS = 120.0
"""How long a command line may take; `az` alone needs seconds to start."""
GONE = 3
NETWORK = ("virtualnetworks", "networksecuritygroups", "privateendpoints", "networkinterfaces", "privatednszones")
STAYS = (
    "microsoft.storage/",
    "microsoft.keyvault/",
    "microsoft.managedidentity/",
    *(f"microsoft.network/{kind}" for kind in NETWORK),
)
"""Types of resources that may be left in the group: archives, the keys to them, and what leads there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line said: exit code, the JSON it printed (None: none), and the last line of its error output."""

    code: int
    value: Any
    error: str


Seen = tuple[Result, str]


async def channel(names: Names) -> Seen | None:
    """Ask whether the bot still has its Teams channel; None where that cannot be asked."""
    if not (names.bot and names.group):
        return None
    answer = await ask("az", "bot", "msteams", "show", "--name", names.bot, "--resource-group", names.group)
    return None if answer is None else _gone(answer, "Azure knows no such channel", "the channel is still there")


async def resources(deployment: Deployment, names: Names) -> Seen | None:
    """Ask what is left of the deployment; None where that cannot be asked."""
    if deployment is Deployment.azure and names.group:
        answer = await ask("az", "resource", "list", "--resource-group", names.group)
        return None if answer is None else _left([str(one.get("type", "")) for one in _rows(answer)], answer)
    if deployment is Deployment.fly and names.fly_app:
        answer = await ask("flyctl", "apps", "list", "--json")
        return (
            None if answer is None else _fly(names.fly_app, [str(one.get("Name", "")) for one in _rows(answer)], answer)
        )
    return None


async def ask(tool: str, *arguments: str) -> Answer | None:
    """Run a command that only reads; None if this machine has no such tool."""
    path = shutil.which(tool)
    if path is None:
        return None
    output = ("--output", "json") if tool == "az" else ()
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        path, *arguments, *output, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await child.communicate()
    except TimeoutError:
        return Answer(1, None, f"{tool} gave no answer within {SECONDS:.0f} s")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
    lines = err.decode("utf-8", "replace").strip().splitlines()
    return Answer(child.returncode or 0, _json(out), lines[-1][:200] if lines else "")


def _gone(answer: Answer, gone: str, there: str) -> Seen:
    if answer.code == GONE:
        return "passed", gone
    return "failed", there if answer.code == 0 else f"cannot be told: {answer.error}"


def _left(types: list[str], answer: Answer) -> Seen:
    if answer.code != 0 or not isinstance(answer.value, list):
        return "failed", f"cannot be told: {answer.error}"
    left = sorted({kind for kind in types if not kind.lower().startswith(STAYS)})
    if left:
        return "failed", f"still there: {', '.join(left)}"
    if not any(kind.lower().startswith("microsoft.storage/") for kind in types):
        return "failed", "the storage account is gone too: a person must say where the archives are"
    return "passed", "only archives and what they need are left"


def _fly(app: str, apps: list[str], answer: Answer) -> Seen:
    if answer.code != 0 or not isinstance(answer.value, list):
        return "failed", f"cannot be told: {answer.error}"
    return ("failed", f"{app} is still there") if app in apps else ("passed", f"fly.io lists no {app}")


def _rows(answer: Answer | None) -> list[dict[str, Any]]:
    value = answer.value if answer else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _json(out: bytes) -> Any:
    try:
        return json.loads(out)
    except ValueError:
        return None
