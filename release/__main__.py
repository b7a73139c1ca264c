"""`python -m release`: refuse, or write `dist/`: app package, SBOM, licences, checksums."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from release.licences import Package, Policy, packages, page, refused
from release.refusals import Refused, refusals
from release.sbom import sbom

SECONDS = 300.0
CHECKSUMS = "checksums.sha256"


def build(root: Path, out: Path, outputs: Path | None = None) -> list[str]:
    """Write a release of the tree into `out`; give the names of its files. Refused, and nothing is written, if not."""
    version = str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("version", ""))
    policy = Policy.read()
    found = _installed((root / "requirements.lock").read_text(encoding="utf-8"), policy)
    if against := [*refusals(root, version), *refused(found, policy)]:
        raise Refused("\n".join(against))
    with tempfile.TemporaryDirectory(prefix="release-") as draft:
        _app_package(root, Path(draft), outputs)
        (Path(draft) / "sbom.cdx.json").write_text(sbom(root, found), encoding="utf-8")
        (Path(draft) / "licences.md").write_text(page(found), encoding="utf-8")
        names = [*checksums(Path(draft)), CHECKSUMS]
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(Path(draft) / name, out / name)
    return names


def _installed(lock: str, policy: Policy) -> list[Package]:
    try:
        return packages(lock, policy)
    except ValueError as error:
        raise Refused(str(error)) from None


def checksums(folder: Path) -> list[str]:
    """Write `checksums.sha256` over all files of a folder, for `sha256sum -c`; give their names."""
    names = sorted(path.name for path in folder.iterdir())
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    return names


def _app_package(root: Path, folder: Path, outputs: Path | None) -> None:
    more = ["--outputs", str(outputs.resolve())] if outputs else []
    command = [sys.executable, "-m", "bridgectl", "manifest", "build", "--env", "prod", "--out", str(folder)]
    done = subprocess.run([*command, *more], cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Refused(f"The app package cannot be built:\n{(done.stdout + done.stderr).strip()}")


def main(arguments: list[str]) -> int:
    """Run from the command line: 0 with a release, 2 without."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder to write it to (default: dist)")
    parser.add_argument("--outputs", type=Path, help="what `terraform output -json` printed (default: the settings)")
    given = parser.parse_args(arguments)
    try:
        names = build(Path.cwd(), given.out, given.outputs)
    except (Refused, OSError) as error:
        print(f"No release:\n{error}", file=sys.stderr)
        return 2
    print("\n".join(f"{given.out / name}" for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
