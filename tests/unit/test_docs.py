"""The documents are true: links lead somewhere, commands and settings exist, generated pages are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.settings import Settings
from bridgectl import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(page for folder in ("docs", "infra", "manifest") for page in (ROOT / folder).rglob("*.md")),
]
EXAMPLES = {"CONTOSO_FRESHCHAT_API_KEY", "CONTOSO_WEBHOOK_KEYS", "CONTOSO_WEBHOOK_TOKEN"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_generated_pages_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    assert reference.main(["--check"]) == 0


def test_every_name_of_an_option_is_on_the_page() -> None:
    """Also the one that switches it off, such as `--no-check`."""
    page = reference.cli_page()
    for name, command in reference.commands():
        section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                for option in (*parameter.opts, *parameter.secondary_opts):
                    assert f"`{option}`" in section, f"{name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_named_exist(page: Path) -> None:
    """A page names no setting that the bridge does not read."""
    known = {info.title for info in Settings.model_fields.values()} | EXAMPLES | {"BRIDGE_SECRET_KEY"}
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:BRIDGE|FRESHCHAT|GRAPH|BOT|TEAMS)_[A-Z_]+[A-Z]\b", text))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    """A page names no target that the Makefile lacks."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"`make ([a-z]+)|^make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for pair in named for name in pair if name} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    """A page names no command of bridgectl that there is not."""
    commands = {name for name, _ in reference.commands()}
    groups = {name.split()[0] for name in commands}
    for words in re.findall(r"bridgectl ([a-z]+(?: [a-z]+)?)", page.read_text(encoding="utf-8")):
        assert words in commands or words.split()[0] in groups, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_are_named_exist(page: Path) -> None:
    """In a line that names a command, an option is one of that command's."""
    commands = dict(reference.commands())
    for line in page.read_text(encoding="utf-8").splitlines():
        for words, rest in re.findall(r"bridgectl ([a-z]+(?: [a-z]+)?)([^`|#]*)", line):
            command = commands.get(words) or commands.get(words.split()[0])
            if command is not None:
                options = {
                    option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
                } | {"--help"}
                assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options, line


def test_only_the_command_line_builds_on_the_composition_root() -> None:
    """`app.py` is a module and not a package, so import-linter cannot watch it: nothing below imports it."""
    for folder in ("bridge", "bots", "cards", "adapters", "sandbox"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(?:import app\b|from app\b)", path.read_text(encoding="utf-8"), re.MULTILINE), (
                path
            )
