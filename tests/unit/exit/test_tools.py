"""What is left at Azure or fly.io: told by their command lines, which programs play here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridgectl.exit import cli, evidence

AZURE = ("--bot", "bot-1", "--resource-group", "rg-1")
FLY = ("--deployment", "fly", "--fly-app", "bridge-1")
KEPT = [{"type": "Microsoft.Storage/storageAccounts"}, {"type": "Microsoft.KeyVault/vaults"}]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own, the only one where programs are looked for, and a bridge that was stopped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MicrosoftAppType", "UserAssignedMSI")  # nobody is asked about the registration
    evidence.append(evidence.DEFAULT, "stop", "ada", "confirmed", "stopped", {})
    return tmp_path


def plays(folder: Path, tool: str, code: int, said: object = None, error: str = "") -> None:
    program = folder / tool
    lines = (
        f"#!{sys.executable}",
        "import sys, pathlib",
        f"pathlib.Path({str(folder / 'asked')!r}).open('a').write(' '.join(sys.argv[1:]) + '\\n')",
        f"sys.stdout.write({json.dumps(said) if said is not None else ''!r})",
        f"sys.stderr.write({error!r})",
        f"sys.exit({code})",
    )
    program.write_text("\n".join(lines), encoding="utf-8")
    program.chmod(0o700)


def looked(step: str, *options: str) -> tuple[str, str]:
    result = CliRunner().invoke(cli, ["check", "--json", "--step", step, *options])
    assert result.exit_code == 1, result.output
    row = next(row for row in json.loads(result.stdout)["steps"] if row["step"] == step)
    return row["result"], row["detail"]


@pytest.mark.parametrize(
    ("code", "error", "result", "words"),
    [
        (3, "ERROR: (ResourceNotFound)", "passed", "no such channel"),
        (0, "", "failed", "still there"),
        (1, "ERROR: Please run 'az login' to setup account.", "failed", "az login"),
    ],
)
def test_the_channel_is_gone_only_when_azure_says_so(
    folder: Path, code: int, error: str, result: str, words: str
) -> None:
    plays(folder, "az", code, error=error)
    found = looked("channel", *AZURE)
    assert (found[0], words in found[1]) == (result, True)
    assert (folder / "asked").read_text() == "bot msteams show --name bot-1 --resource-group rg-1 --output json\n"


@pytest.mark.parametrize(
    ("left", "result", "words"),
    [
        (KEPT, "passed", "only archives"),
        ([*KEPT, {"type": "Microsoft.App/containerApps"}], "failed", "Microsoft.App/containerApps"),
        ([*KEPT, {"type": "Microsoft.Network/frontDoorWebApplicationFirewallPolicies"}], "failed", "frontDoor"),
        ([], "failed", "where the archives are"),
    ],
)
def test_archives_stay_and_nothing_else(folder: Path, left: list[dict[str, str]], result: str, words: str) -> None:
    plays(folder, "az", 0, left)
    found = looked("resources", *AZURE)
    assert (found[0], words in found[1]) == (result, True)


@pytest.mark.parametrize(("code", "said"), [(1, None), (0, {"unexpected": 1})])
def test_an_answer_that_is_none_proves_nothing(folder: Path, code: int, said: object) -> None:
    plays(folder, "az", code, said, "ERROR: no")
    assert looked("resources", *AZURE) == ("failed", "cannot be told: ERROR: no")


@pytest.mark.parametrize(
    ("apps", "result"), [([], "passed"), ([{"Name": "bridge-1"}], "failed"), ([{"Name": "bridge-10"}], "passed")]
)
def test_fly_lists_the_app_no_more(folder: Path, apps: list[dict[str, str]], result: str) -> None:
    plays(folder, "flyctl", 0, apps)
    assert looked("resources", *FLY)[0] == result


@pytest.mark.parametrize("options", [AZURE, FLY, ()])
def test_without_the_tool_or_the_names_a_person_is_asked(options: tuple[str, ...]) -> None:
    for step in ("channel", "resources"):
        assert looked(step, *options)[0] == "missing"


@pytest.mark.parametrize("step", ["channel", "resources"])
def test_nothing_is_asked_before_the_bridge_was_stopped(folder: Path, step: str) -> None:
    evidence.DEFAULT.unlink()
    plays(folder, "az", 3)
    assert looked(step, *AZURE)[0] == "missing"
    assert not (folder / "asked").exists()
