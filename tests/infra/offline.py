"""Runs `infra/terraform/azure` through the real terraform, against the providers' real schemas, without a registry.

`TERRAFORM_OFFLINE` names the folder with `tf-validate` and the schemas (default: `../shared/terraform-offline` beside
the repository); its README says what such a check can find and what it cannot. Each thing is planned once per run.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "infra" / "terraform" / "azure"
MODULES = sorted(folder.name for folder in (AZURE / "modules").iterdir())
TOOL = Path(os.environ.get("TERRAFORM_OFFLINE") or ROOT.parent / "shared" / "terraform-offline") / "tf-validate"
POLICY = Path(sys.prefix) / "policy" / "bin"
"""What `make` installs of requirements-policy.lock: checkov, and grpcio for tf-validate."""
OLDEST, NEWEST = "4.81.0", "5.2.0"
"""Both ends of the versions of azurerm that the configuration allows."""
SECONDS = 600.0

LARGEST = (
    "name=abcdefghij",
    "private_networking=true",
    "zone_redundant=true",
    'service_bus={sku="Premium",units=2}',
    "public_host=bridge.contoso.com",
    "freshdesk_domain=contoso.freshdesk.com",
    'archive_recipients=["age17fznpkj3d0kw26zzuy2sgxmc6svd3dh0d8yrj0vu462wzskgqveqf3e638"]',
    'archive_readers=["0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11"]',
    "graph_client_id=7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10",
    'bot={type="UserAssignedMSI"}',
    "registry_id=/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contoso",
    'settings={BRIDGE_LOG_LEVEL="DEBUG"}',
)
"""Everything that can be switched on, and the longest name."""


@dataclass(frozen=True)
class Ran:
    """How a command ended, and everything that it said, in one line."""

    code: int
    said: str
    text: str


def missing() -> str:
    """Say what is not on this machine (nothing: an empty text)."""
    if not shutil.which(os.environ.get("TERRAFORM", "terraform")):
        return "terraform is missing: nothing in infra/terraform is checked"
    return "" if TOOL.exists() else "terraform-offline is missing: nothing in infra/terraform is checked"


needs_terraform = pytest.mark.skipif(bool(missing()), reason=missing())


def run(*command: str | Path) -> Ran:
    """Run a command to its end."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=SECONDS, check=False)
    text = done.stdout + done.stderr
    return Ran(code=done.returncode, said=" ".join(re.sub("[│╷╵]", " ", text).split()), text=text)


def validate(folder: Path | list[Path], *options: str, pin: str = NEWEST) -> Ran:
    """Run `tf-validate` on a folder, or on several."""
    python = POLICY / "python" if (POLICY / "python").exists() else sys.executable
    folders = folder if isinstance(folder, list) else [folder]
    return run(python, TOOL, "--pin", f"azurerm={pin}", *options, *folders)


@functools.cache
def plan(environment: str, pin: str = NEWEST) -> Ran:
    """Plan an environment, or `largest`."""
    options = ["--var-file", str(AZURE / "environments" / f"{environment.replace('largest', 'prod')}.tfvars")]
    if environment == "largest":
        options += [word for setting in LARGEST for word in ("--var", setting)]
    return validate(AZURE, "--plan", *options, pin=pin)


def planned(environment: str) -> dict[str, str]:
    """Give each resource that is planned, by address, with its arguments as terraform prints them."""
    found = re.split(r"^  # (\S+) will be created$", plan(environment).text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def settings_of(app: str) -> dict[str, str]:
    """Give the variables of a container as the plan prints them: plain values, or which secret."""
    rows = re.findall(r"\+ env \{\s+\+ name +=\s+\"(\w+)\"\s+\+ (?:value|secret_name) += (.*)\n", app)
    return {name: value.strip('"') for name, value in rows}


def swap(old: str, new: str) -> Callable[[str], str]:
    """Give the change that puts one text in the place of another, once."""
    return lambda text: text.replace(old, new, 1)


def broken(tmp_path: Path, file: str, change: Callable[[str], str]) -> Path:
    """Copy the configuration with one change; say so if the change no longer applies."""
    copy = tmp_path / "azure"
    shutil.copytree(AZURE, copy)
    before = (copy / file).read_text(encoding="utf-8")
    after = change(before)
    assert after != before, f"{file} no longer holds what this test changes"
    (copy / file).write_text(after, encoding="utf-8")
    return copy


def checkov() -> Path | None:
    """Give the policy scanner, if it is installed."""
    named = os.environ.get("CHECKOV") or shutil.which("checkov") or str(POLICY / "checkov")
    return Path(named) if Path(named).exists() else None
