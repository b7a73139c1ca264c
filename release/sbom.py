"""The bill of materials: every package of the lock with its hashes and licence, as CycloneDX."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from release.licences import Package
from release.refusals import Refused

SECONDS = 300.0


def sbom(root: Path, found: Sequence[Package]) -> str:
    """Write it from the tree's `requirements.lock`; the same tree gives the same text. Refused if it cannot be made."""
    licences = {one.name: one.licence for one in found}
    bill = json.loads(_cyclonedx(root))
    for component in bill["components"]:
        component.pop("description", None)  # its line in the lock
        if licence := licences.get(component["name"]):
            component["licenses"] = [{"expression": licence}]
    return json.dumps(bill, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _cyclonedx(root: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "requirements",
        "requirements.lock",
        "--pyproject",
        "pyproject.toml",
    ]
    done = subprocess.run(
        [*command, "--output-reproducible", "--output-format", "JSON"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise Refused(f"cyclonedx-py cannot read requirements.lock:\n{done.stderr.strip()}")
    return done.stdout


def components(text: str) -> list[dict[str, Any]]:
    """Read the packages of a bill."""
    found: list[dict[str, Any]] = json.loads(text)["components"]
    return found
