"""A checkout to release from: the files of this tree, committed, in a repository of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")
LEFT_OUT = ("tests/", "bench/", "docs/img/")


def git(folder: Path, *arguments: str) -> str:
    """Run git there; give what it says."""
    done = subprocess.run(["git", "-C", folder, *NAMED, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def commit(folder: Path) -> None:
    """Commit everything that is there."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a commit")


def make(folder: Path) -> Path:
    """Make it, of what git knows of this tree and what is new in it."""
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(LEFT_OUT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    _date(folder / "CHANGELOG.md")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def _date(changelog: Path) -> None:
    """Give the newest version a day, which docs/releasing.md asks for, where it has none yet."""
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("] - unreleased\n", "] - 2026-12-01\n"), encoding="utf-8")
