"""Reads the Dockerfile and does its COPY steps into folders: what a build would do, without a container engine.

It knows what ours uses: stages, `COPY` of files and folders, `.dockerignore` patterns without ranges of letters.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"


@dataclass
class Stage:
    """One stage: what it begins with, and its instructions in order."""

    name: str
    parent: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """Give the arguments of each such instruction."""
        return [arguments for name, arguments in self.steps if name == instruction]

    def last(self, instruction: str) -> str:
        """Give the arguments of the one that counts; IndexError if there is none."""
        return self.all(instruction)[-1]

    def command(self, instruction: str) -> list[str]:
        """Give the words of `CMD` in its exec form, also that of `HEALTHCHECK`; ValueError if it is another form."""
        words = json.loads(self.last(instruction)[self.last(instruction).index("[") :])
        if not isinstance(words, list):
            raise ValueError(f"{instruction} is not in exec form")
        return [str(word) for word in words]

    def variables(self) -> dict[str, str]:
        """Give what `ENV` sets."""
        return dict(re.findall(r"(\w+)=(\S+)", " ".join(self.all("ENV"))))


def stages(text: str | None = None) -> list[Stage]:
    """Read the stages, in order; the last one is the image."""
    found: list[Stage] = []
    for name, arguments in _instructions(FILE.read_text(encoding="utf-8") if text is None else text):
        if name == "FROM":
            parent, _, alias = arguments.partition(" AS ")
            found.append(Stage(alias, parent))
        else:
            found[-1].steps.append((name, arguments))
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        name, _, arguments = line.partition(" ")
        yield name, arguments.strip()


def let_through(path: str, ignore: str) -> bool:
    """Tell whether a file (path from the root) is in the build's context: the last pattern that fits counts."""
    kept = True
    for line in ignore.splitlines():
        if not line or line.startswith("#"):
            continue
        if _fits(path, line.removeprefix("!")):
            kept = line.startswith("!")
    return kept


def _fits(path: str, pattern: str) -> bool:
    """A pattern fits a file, or a folder that the file is in; `**/` is any number of folders, `*` ends at a `/`."""
    parts = PurePosixPath(path).parts
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
    wanted = PurePosixPath(pattern).parts
    return len(parts) >= len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def context(ignore: str | None = None) -> list[str]:
    """List the files that a build sees: those of the working tree that `.dockerignore` lets through."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8") if ignore is None else ignore
    skipped = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "data", "node_modules"}
    here = [entry for entry in ROOT.iterdir() if entry.name not in skipped]
    files = [file for entry in here for file in ([entry] if entry.is_file() else entry.rglob("*")) if file.is_file()]
    names = (file.relative_to(ROOT).as_posix() for file in files)
    return sorted(name for name in names if let_through(name, rules))


def copies(stage: Stage) -> list[tuple[list[str], str]]:
    """Give the `COPY` steps from the context: sources, and where to."""
    words = [shlex.split(arguments) for arguments in stage.all("COPY")]
    return [(one[:-1], one[-1]) for one in words if not one[0].startswith("--from")]


def copy_context(stage: Stage, root: Path) -> None:
    """Do a stage's `COPY` steps from the context, below `root`. FileNotFoundError if a source is not in the context."""
    seen = context()
    workdir = PurePosixPath("/")
    for name, arguments in stage.steps:
        if name == "WORKDIR":
            workdir /= arguments
        elif name == "COPY" and not arguments.startswith("--from"):
            *sources, target = shlex.split(arguments)
            for source in sources:
                _copy(source, [one for one in seen if _fits(one, source)], root, workdir / target, target)


def _copy(source: str, files: list[str], root: Path, target: PurePosixPath, written: str) -> None:
    if not files:
        raise FileNotFoundError(f"COPY {source}: not in the build's context")
    for file in files:
        inner = PurePosixPath(file).relative_to(source)
        name = target / (PurePosixPath(source).name if written.endswith("/") and not inner.parts else inner)
        path = root / name.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, path)
