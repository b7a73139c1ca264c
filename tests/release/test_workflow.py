"""The workflow runs the judge, with the least rights, from pinned parts. GitHub itself is not asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = FILE.read_text(encoding="utf-8")
FLOW: dict[Any, Any] = yaml.safe_load(TEXT)
ON: dict[str, Any] = FLOW[True]  # YAML 1.1 reads the key `on` as true
(JOB,) = FLOW["jobs"].values()
RUNS = {step["run"]: step.get("if", "") for step in JOB["steps"] if "run" in step}


def test_it_runs_the_judge_on_push_and_pull_request() -> None:
    assert {"push", "pull_request", "schedule"} == set(ON)
    assert RUNS[".ci/run"] == "github.event_name != 'schedule'"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_long_fuzz_run_is_nightly() -> None:
    (when,) = ON["schedule"]
    assert re.fullmatch(r"\d{1,2} \d{1,2} \* \* \*", when["cron"])
    assert RUNS["make fuzz"] == "github.event_name == 'schedule'"
    assert re.search(r"^fuzz:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_it_may_only_read() -> None:
    """And the token does not stay where tests could read it; code of others never runs with rights of ours."""
    assert FLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOB
    assert [step["with"]["persist-credentials"] for step in JOB["steps"] if "uses" in step] == [False]
    assert "pull_request_target" not in TEXT
    assert "secrets." not in TEXT


def test_it_ends_by_itself() -> None:
    assert JOB["timeout-minutes"] <= 120


@pytest.mark.parametrize("used", re.findall(r"uses: *(.*)", TEXT))
def test_an_action_is_pinned_by_commit(used: str) -> None:
    """With its version beside it, which people and Dependabot read."""
    assert re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


def test_it_runs_on_the_base_of_the_image() -> None:
    """One base to keep up to date."""
    base = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nFROM ")[2].split()[0]
    assert JOB["container"]["image"] == base
    assert re.fullmatch(r"ubuntu-\d\d\.\d\d", JOB["runs-on"])


def test_dependabot_watches_everything_that_is_pinned() -> None:
    """Each folder that it looks into holds what it looks for."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    watched = {row["package-ecosystem"]: row["directory"].strip("/") for row in updates}
    looked_for = {
        "pip": "requirements.txt",
        "docker": "Dockerfile",
        "docker-compose": "compose.yaml",
        "github-actions": ".github/workflows/ci.yml",
        "terraform": "versions.tf",
    }
    assert set(watched) == set(looked_for)
    assert all((ROOT / watched[name] / file).is_file() for name, file in looked_for.items())
