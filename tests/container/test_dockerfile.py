"""The Dockerfile keeps our rules and the linter's; no image is built (docs/container.md)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.dockerfile import FILE, ROOT, Stage, context, copies, let_through, stages

BASE, BUILD, IMAGE = stages()
RUNS = [part.strip() for stage in (BASE, BUILD, IMAGE) for run in stage.all("RUN") for part in run.split("&&")]
BUILD_TOOLS = ("apt-get", "gcc", "build-essential", "git ", "curl", "wget", "make")


def hadolint() -> str:
    """Give the linter; skips where its package has no program for this machine."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is missing")
    return program


def lint(file: Path) -> tuple[int, str]:
    """Run the linter with its own rules."""
    done = subprocess.run(
        [hadolint(), "--no-color", file], capture_output=True, text=True, timeout=60, check=False, cwd=file.parent
    )
    return done.returncode, done.stdout + done.stderr


def test_the_linter_finds_nothing() -> None:
    assert lint(FILE) == (0, "")
    assert "hadolint" not in FILE.read_text(encoding="utf-8"), "nothing is switched off"


def test_the_linter_looks(tmp_path: Path) -> None:
    """A base without a version, and a last user that is root, are named."""
    (tmp_path / "Dockerfile").write_text("FROM python\nUSER root\nCMD python app.py\n", encoding="utf-8")
    code, said = lint(tmp_path / "Dockerfile")
    assert code == 1
    assert {"DL3006", "DL3002", "DL3025"} <= set(re.findall(r"DL\d+", said)), said


def test_the_base_is_pinned_by_tag_and_digest() -> None:
    """To a patch release of a Python that we support, on a named Debian; and every stage begins with it."""
    assert re.fullmatch(r"python:3\.(11|12|13)\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", BASE.parent)
    assert (BUILD.parent, IMAGE.parent) == (BASE.name, BASE.name)


def test_packages_come_from_the_lock_by_hash_and_nothing_is_compiled() -> None:
    (install,) = [run for run in RUNS if " install " in run and "pip" in run]
    assert {"--require-hashes", "--only-binary=:all:", "-r", "/build/requirements.lock"} <= set(install.split())
    assert (["requirements.lock"], "/build/") in copies(BUILD)


def test_the_image_has_no_build_tools() -> None:
    """No packages of the system are added, pip is taken away, and the environment has none."""
    assert not [run for run in RUNS if run.startswith(BUILD_TOOLS)]
    assert "python -m venv --without-pip /opt/venv" in RUNS
    assert any(run.startswith("python -m pip uninstall --yes") and run.endswith(" pip") for run in RUNS)


def test_the_image_takes_what_was_built_and_nothing_from_the_context() -> None:
    assert copies(IMAGE) == []
    assert IMAGE.all("COPY") == ["--from=build /opt/venv /opt/venv", "--from=build /app /app"]
    assert IMAGE.variables()["PATH"] == "/opt/venv/bin:$PATH"


def test_it_runs_as_nobody_in_particular_and_owns_only_its_data() -> None:
    """A number, so that a platform can see that it is not root; what is executed belongs to root."""
    assert IMAGE.last("USER") == "10001:10001"
    assert [run for run in RUNS if "chown" in run or "--owner" in run] == [
        "install --directory --owner=bridge --group=bridge --mode=0700 /data"
    ]
    assert IMAGE.last("VOLUME") == IMAGE.variables()["BRIDGE_DATA_DIR"] == IMAGE.variables()["TMPDIR"] == "/data"
    assert "--chown" not in FILE.read_text(encoding="utf-8")


def test_signals_reach_the_bridge_itself() -> None:
    """Without a shell in between, so SIGTERM begins the graceful stop."""
    assert IMAGE.last("STOPSIGNAL") == "SIGTERM"
    assert IMAGE.command("CMD") == ["python", "app.py"]
    assert IMAGE.all("ENTRYPOINT") == []


def test_production_is_the_default() -> None:
    assert IMAGE.variables()["BRIDGE_ENV"] == "production"


def test_every_source_is_in_the_context() -> None:
    """Each COPY finds files, and the context holds nothing that no COPY takes."""
    taken = [source for sources, _ in copies(BUILD) for source in sources]
    seen = context()
    for source in taken:
        assert (ROOT / source).exists(), source
        assert [file for file in seen if file == source or file.startswith(f"{source}/")], source
    assert {file.split("/")[0] for file in seen} == set(taken)


def test_nothing_private_is_in_the_context() -> None:
    """Neither settings nor data nor history, wherever they lie."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    private = (".env", "data/bridge.db", "data/secrets/graph", ".git/config", "tenants.toml", "docs/setup.md", "dist/x")
    assert not [path for path in private if let_through(path, ignore)]
    assert not let_through("bridge/__pycache__/settings.cpython-313.pyc", ignore)
    assert let_through("adapters/local/lexicon/ko.tsv", ignore)


def test_no_secret_is_asked_for_by_the_build() -> None:
    """Arguments of a build stay in the image's history."""
    named = [argument.partition("=")[0] for stage in (BASE, BUILD, IMAGE) for argument in stage.all("ARG")]
    assert named == ["VERSION", "REVISION"]


def test_each_package_of_ours_is_copied() -> None:
    """A new folder of the product that the Dockerfile does not know is found here."""
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "sandbox", "release"}
    assert ours <= {source for sources, _ in copies(BUILD) for source in sources}


def test_this_reader_reads_what_it_is_given() -> None:
    """Continued lines, comments between them, stages."""
    first, second = stages('FROM a AS one\nRUN x \\\n# why\n && y\nFROM one\nCMD ["z"]\n')
    assert (first.name, first.all("RUN"), second.parent) == ("one", ["x  && y"], "one")
    assert second.command("CMD") == ["z"]
    assert isinstance(second, Stage)
