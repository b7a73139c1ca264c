"""What must be true before a release is built."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


class Refused(Exception):
    """No release can be built; the text says what to do."""


def refusals(root: Path, version: str) -> list[str]:
    """Say everything that stands against a release of this tree, each with what to do; nothing if it may be built."""
    found = [_without_version(version), _changed(root), _unwritten(root, version), _released(root, version)]
    return [one for one in found if one]


def entry(changelog: str, version: str) -> str:
    """Give what the changelog says of a version; an empty text if it says nothing."""
    found = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## \[).*\n?)*)", changelog, re.MULTILINE)
    return found[1].strip() if found else ""


def _without_version(version: str) -> str:
    if re.fullmatch(r"\d+\.\d+\.\d+", version):
        return ""
    return f"pyproject.toml: {version or 'no version'} is no version to release; write one as 1.2.3."


def _changed(root: Path) -> str:
    changed = git(root, "status", "--porcelain").splitlines()
    if not changed:
        return ""
    names = ", ".join(line[3:] for line in changed[:3]) + (" …" if len(changed) > 3 else "")
    return f"The tree has changes that are not committed ({names}): commit them, or put them aside with git stash -u."


def _unwritten(root: Path, version: str) -> str:
    path = root / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if entry(text, version):
        dated = re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", text, re.MULTILINE)
        return "" if dated else f"CHANGELOG.md has no day for {version}: write “## [{version}] - YYYY-MM-DD”."
    what = f"write it under “## [{version}]”, or correct the version in pyproject.toml"
    return f"CHANGELOG.md says nothing of {version}: {what}."


def _released(root: Path, version: str) -> str:
    tag = f"v{version}"
    if not git(root, "tag", "--list", tag) or tag in git(root, "tag", "--points-at", "HEAD").split():
        return ""
    return f"{version} was released from another commit (tag {tag}): raise the version in pyproject.toml."


def git(root: Path, *arguments: str) -> str:
    """Ask git; Refused if it cannot answer."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git the machine has
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", "") or str(error)
        raise Refused(f"git does not answer here, so nobody can tell what is released: {why.strip()}") from None
    return done.stdout.rstrip()
