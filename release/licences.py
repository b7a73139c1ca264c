"""Under which licence each package is that the image ships, and whether it may be (`release/licences.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from importlib.metadata import version as installed
from pathlib import Path

from packaging.requirements import Requirement

POLICY = Path(__file__).with_name("licences.toml")
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Package:
    """A package of a lock, with its licence as an SPDX expression, or `unknown`."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True)
class Policy:
    """What may be shipped."""

    allowed: frozenset[str]
    spellings: Mapping[str, str]
    stated: Mapping[str, str]
    exceptions: Mapping[str, str]

    @staticmethod
    def read(path: Path = POLICY) -> Policy:
        """Read it; ValueError if an exception has no reason."""
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        exceptions = {name: row["licence"] for name, row in table["exceptions"].items() if row["reason"].strip()}
        if len(exceptions) < len(table["exceptions"]):
            raise ValueError(f"{path.name}: an exception has no reason")
        return Policy(frozenset(table["allowed"]), table["spellings"], table["stated"], exceptions)

    def licence(self, name: str) -> str:
        """Tell the licence of an installed package, from its metadata or as `stated`."""
        about = metadata(name)
        if "License-Expression" in about:
            return str(about["License-Expression"])
        classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if "License" in line]
        for said in (*(about.get_all("License") or []), *classifiers):
            if found := self.spellings.get(said.partition("\n")[0].strip()):
                return found
        return self.stated.get(name, UNKNOWN)

    def allows(self, package: Package) -> bool:
        """Tell whether it may be shipped. An expression with brackets is for people to look at."""
        if self.exceptions.get(package.name) == package.licence:
            return True
        choices = [choice.split(" AND ") for choice in package.licence.split(" OR ")]
        return any(all(name in self.allowed for name in choice) for choice in choices)


def locked(lock: str) -> list[tuple[str, str]]:
    """Give name and version of each package that a lock installs on Linux."""
    lines = re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]+?) *\\?$", lock, re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return [
        (one.name, str(one.specifier).removeprefix("=="))
        for one in wanted
        if one.marker is None or one.marker.evaluate({**LINUX})
    ]


def packages(lock: str, policy: Policy) -> list[Package]:
    """Give the packages of a lock with their licences; ValueError where this interpreter has others installed."""
    found, missing = list[Package](), list[str]()
    for name, version in locked(lock):
        try:
            here = installed(name)
        except PackageNotFoundError:
            here = "none"
        if here != version:
            missing.append(f"{name} {version} (here: {here})")
        else:
            found.append(Package(name, version, policy.licence(name)))
    if missing:
        raise ValueError(
            f"requirements.lock is not installed: {', '.join(missing)}. Run make check, which installs it."
        )
    return found


def refused(found: Sequence[Package], policy: Policy) -> list[str]:
    """Name each package that may not be shipped, with what to do."""
    return [
        f"{one.name} {one.version} is under {one.licence}: find another package, or add it to "
        "release/licences.toml with the reason why it may be shipped."
        for one in found
        if not policy.allows(one)
    ]


def page(found: Sequence[Package]) -> str:
    """Write the list of licences."""
    rows = [f"| {one.name} | {one.version} | {one.licence} |" for one in found]
    head = ["# Licences of what the bridge installs", "", "| package | version | licence (SPDX) |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"
