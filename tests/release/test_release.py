"""`make release` writes what docs/releasing.md says, the same for the same commit, or nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridgectl.version import version
from release.licences import Policy, locked, packages
from release.sbom import components, sbom
from tests.release.checkout import ROOT, commit

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
BOT = {"MicrosoftAppId": "11111111-2222-4333-8444-555555555555", "BRIDGE_PUBLIC_URL": "https://bridge.example.com"}


def release(checkout: Path, **named: str) -> subprocess.CompletedProcess[str]:
    """Run it as `make release` does, with no settings but these."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"} | named
    return subprocess.run(
        [sys.executable, "-m", "release"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def written(checkout: Path) -> dict[str, bytes]:
    """Give the files of the release."""
    return {path.name: path.read_bytes() for path in sorted((checkout / "dist").iterdir())}


def test_a_release_is_whole_and_the_same_again(checkout: Path) -> None:
    """App package, bill of materials, licences, and checksums that sha256sum finds right; twice the same bytes."""
    done = release(checkout, **BOT)
    assert done.returncode == 0, done.stderr
    first = written(checkout)
    assert set(first) == {"teams-app-prod.zip", "sbom.cdx.json", "licences.md", "checksums.sha256"}
    assert {line.removeprefix("dist/") for line in done.stdout.split()} == set(first)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "checksums.sha256"],
        cwd=checkout / "dist",
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(b": OK\n") == 3
    assert release(checkout, **BOT).returncode == 0, "what it wrote is not a change of the tree"
    assert written(checkout) == first


def test_a_tree_with_changes_is_refused_and_nothing_is_written(checkout: Path) -> None:
    (checkout / "app.py").unlink()
    done = release(checkout, **BOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert "commit them" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / "dist").exists()


def test_a_package_that_is_not_the_locks_is_refused(checkout: Path) -> None:
    path = checkout / "requirements.lock"
    path.write_text(re.sub(r"^aiohttp==\S+", "aiohttp==0.0.1", LOCK, flags=re.MULTILINE), encoding="utf-8")
    commit(checkout)
    done = release(checkout, **BOT)
    assert done.returncode == 2
    assert "requirements.lock is not installed: aiohttp 0.0.1" in done.stderr


def test_an_app_package_that_cannot_be_built_ends_it(checkout: Path) -> None:
    """Without the bot's id there is no package, so there is no release."""
    done = release(checkout)
    assert done.returncode == 2
    assert "The app package cannot be built:" in done.stderr
    assert not (checkout / "dist").exists()


def test_the_bill_names_every_package_with_hash_and_licence(checkout: Path) -> None:
    """Each of the lock, whatever system it is for; those that the image installs with their licence."""
    found = packages(LOCK, Policy.read())
    bill = sbom(checkout, found)
    listed = {one["name"]: one for one in components(bill)}
    assert set(listed) == set(re.findall(r"^([A-Za-z0-9._-]+)==", LOCK, re.MULTILINE))
    for name, number in locked(LOCK):
        assert (listed[name]["version"], listed[name]["purl"]) == (number, f"pkg:pypi/{name}@{number}")
        assert listed[name]["externalReferences"][0]["hashes"], name
        assert listed[name]["licenses"], name
    assert json.loads(bill)["metadata"]["component"]["version"] == version()
    assert "timestamp" not in bill
    assert "serialNumber" not in bill


def test_make_names_it() -> None:
    """`make release` runs it in the environment of the lock, and passes Terraform's outputs on."""
    rows = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(
        r"^release: \$\(VENV\)/dev .*\n\t\$\(BIN\)/python -m release .*--outputs \$\(OUTPUTS\)", rows, re.MULTILINE
    )


@pytest.mark.parametrize("page", ["docs/releasing.md", "CHANGELOG.md"])
def test_the_pages_are_there(page: str) -> None:
    assert (ROOT / page).is_file()
