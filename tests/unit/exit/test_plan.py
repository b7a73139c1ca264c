"""The plan names every step on its day, in both languages, with the commands of each deployment."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridgectl import reference
from bridgectl.exit import cli, evidence
from bridgectl.exit.steps import DAYS, Deployment
from cards.exit_texts import steps

ROOT = Path(__file__).resolve().parents[3]

APP_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MicrosoftAppId", APP_ID)


def plan(*options: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["plan", *options])
    assert result.exit_code == code, result.output
    return result.output


def rows(*options: str) -> dict[str, dict[str, Any]]:
    return {row["step"]: row for row in json.loads(plan("--json", *options))}


def test_every_step_has_its_day() -> None:
    found = rows("--date", "2026-12-31")
    assert list(found) == list(DAYS) == list(steps())
    dates = [row["date"] for row in found.values()]
    assert dates == sorted(dates)
    assert (found["notice"]["day"], found["notice"]["date"]) == ("D-30", "2026-12-01")
    assert (found["stop"]["day"], found["stop"]["date"]) == ("D", "2026-12-31")
    assert found["verify"]["commands"][0].endswith("archives/export_omni_2026-12-28"), "the export is of that day"
    assert (found["billing"]["day"], found["billing"]["date"]) == ("D+14", "2027-01-14")


def test_both_languages_tell_everything() -> None:
    """And nothing of one is left in the other."""
    english, korean = rows("--lang", "en"), rows("--lang", "ko")
    for step in DAYS:
        for name in ("title", "who", "what", "check"):
            assert not re.search("[가-힣]", english[step][name])
            assert re.search("[가-힣]", korean[step][name]), (step, name)
        assert english[step]["commands"] == korean[step]["commands"]
    for language, word in (("en", "Bridge stopped"), ("ko", "브리지 중지")):
        text = plan("--lang", language)
        assert word in text
        assert "az bot msteams delete" in text


@pytest.mark.parametrize("deployment", Deployment)
def test_commands_are_ready_to_run(deployment: Deployment) -> None:
    """Each is one line that a shell can read; names are quoted, what is not given is a variable."""
    named = rows(
        *("--deployment", deployment, "--bot", "our bot", "--resource-group", "rg; rm -rf /", "--fly-app", "bridge-1")
    )
    every = [command for row in named.values() for command in row["commands"]]
    assert all("\n" not in command and shlex.split(command) for command in every)
    channel = shlex.split(named["channel"]["commands"][-1])
    assert channel == ["az", "bot", "msteams", "delete", "--name", "our bot", "--resource-group", "rg; rm -rf /"]
    assert f"az ad app delete --id {APP_ID}" in named["registration"]["commands"]
    assert '"$BOT_NAME"' in rows("--deployment", deployment)["channel"]["commands"][-1]
    resources = " ".join(named["resources"]["commands"])
    wanted = {"azure": "terraform", "fly": "flyctl apps destroy bridge-1", "self": "rm -r -- "}
    assert [name for name, text in wanted.items() if text in resources] == [deployment]
    assert "module.storage" not in resources, "archives stay"


def test_terraform_is_asked_as_the_guide_asks_it() -> None:
    """With the file of variables that docs/setup.md makes; the lock comes first, and it is one that there is."""
    guide = (ROOT / "docs" / "setup.md").read_text(encoding="utf-8")
    unlock, look, destroy = rows("--deployment", "azure")["resources"]["commands"]
    for command in (unlock, look, destroy):
        (file,) = [word for word in shlex.split(command) if word.startswith("-var-file=")]
        assert f"terraform apply {file}\n" in guide
    targets = [word.removeprefix("-target=") for word in shlex.split(unlock) if word.startswith("-target=")]
    assert targets == [f'azurerm_management_lock.store["{name}"]' for name in ("queues", "state")], (
        "archives stay locked"
    )
    configuration = (ROOT / "infra" / "terraform" / "azure" / "main.tf").read_text(encoding="utf-8")
    assert 'resource "azurerm_management_lock" "store"' in configuration
    assert all(re.search(rf"\b{name} +=", configuration) for name in ("queues", "state", "archives"))
    assert "var.delete_lock" in configuration


def test_what_is_not_known_is_a_variable_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never an empty name, which a command would take for another one."""
    monkeypatch.setenv("MicrosoftAppId", "")
    assert 'az ad app delete --id "$APP_ID"' in rows()["registration"]["commands"]


def test_our_own_commands_exist() -> None:
    """With the options that the plan gives them."""
    known = dict(reference.commands())
    ours = [command for row in rows().values() for command in row["commands"] if "bridgectl" in command]
    assert ours
    for words in map(shlex.split, ours):
        options = {option for parameter in known[" ".join(words[3:5])].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_a_managed_identity_has_no_app_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MicrosoftAppType", "UserAssignedMSI")
    commands = " ".join(rows()["registration"]["commands"])
    assert "az ad app delete" not in commands
    assert "az identity delete" in commands


def test_the_plan_shows_what_is_done(tmp_path: Path) -> None:
    evidence.append(tmp_path / "exit_evidence.json", "notice", "ada", "confirmed", "intranet", {})
    found = rows()
    assert (found["notice"]["state"], found["export"]["state"]) == ("confirmed", "")


@pytest.mark.parametrize("wrong", [("--date", "tomorrow"), ("--date", "0001-01-02"), ("--lang", "fr")])
def test_what_cannot_be_read_is_named(wrong: tuple[str, str]) -> None:
    plan(*wrong, code=2)
