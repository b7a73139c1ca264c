"""The version has one place, and everything that tells one reads it there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridgectl import version as module
from bridgectl.version import version

ROOT = Path(__file__).resolve().parents[2]


def bridgectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "bridgectl", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_told() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())
    told = bridgectl("--version")
    assert (told.returncode, told.stdout) == (0, f"{version()}\n")


def test_commands_are_still_asked_for() -> None:
    """Without one, the help is shown as before."""
    assert "Run, watch and operate the bridge" in bridgectl().stdout


def test_it_stands_in_no_code() -> None:
    """Only in pyproject.toml."""
    folders = ("adapters", "archive", "bots", "bridge", "bridgectl", "cards", "release")
    code = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in [*code, ROOT / "Dockerfile"] if f'"{version()}"' in path.read_text(encoding="utf-8")]


def test_where_the_file_is_missing_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody copied the packages alone: nothing breaks."""
    monkeypatch.setattr(module, "PROJECT", tmp_path / "pyproject.toml")
    assert not version()
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert not version()
