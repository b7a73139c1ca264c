"""The Terraform configuration for Azure is valid with both ends of its provider's versions and keeps its own rules; a
broken one is found out. Its plans are looked at in test_terraform_plans.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.offline import AZURE, MODULES, NEWEST, OLDEST, broken, needs_terraform, swap, validate

pytestmark = needs_terraform


def test_it_is_formatted_and_keeps_its_rules() -> None:
    """`terraform fmt` has nothing to do, and the root's own tests pass."""
    tested = validate(AZURE, "--fmt", "--test")
    assert tested.code == 0, tested.text


@pytest.mark.parametrize("module", MODULES)
def test_each_module_alone_keeps_its_rules(module: str) -> None:
    """A module is valid by itself, and its own tests plan it and refuse what they must."""
    tested = validate(AZURE / "modules" / module, "--test")
    assert tested.code == 0, tested.text
    assert re.search(r"Success! [1-9]\d* passed", tested.said), "a module without tests"


def test_each_module_alone_is_valid_with_the_oldest_provider() -> None:
    """No module needs another one to be valid."""
    checked = validate([AZURE / "modules" / module for module in MODULES], pin=OLDEST)
    assert checked.code == 0, checked.text


def _without(block: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"\n  {block} \{{.*?\n  \}}\n", "\n", text, count=1, flags=re.DOTALL)


BROKEN = {
    "misspelt argument": (
        "messaging",
        swap("requires_session ", "require_session "),
        "Unsupported argument",
    ),
    "missing block": ("state", _without("consistency_policy"), "Insufficient consistency_policy blocks"),
    "wrong value": ("security", swap('"standard"', '"cheap"'), "expected sku_name to be one of"),
    "wrong type": ("storage", swap("days = 7", 'days = "a week"'), "a number is required"),
    "number out of range": ("compute", swap("percentage      = 100", "percentage      = 101"), "to be in the range"),
    "unknown attribute": ("bot", swap("bot[0].client_id :", "bot[0].app_id :"), "Unsupported attribute"),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("pin", [OLDEST, NEWEST])
def test_a_broken_configuration_is_found_out(what: str, pin: str, tmp_path: Path) -> None:
    """One change that makes a module wrong fails the check, and it says what is wrong."""
    module, change, said = BROKEN[what]
    file = next(
        path.relative_to(AZURE)
        for path in sorted((AZURE / "modules" / module).glob("*.tf"))
        if change(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    )
    checked = validate(broken(tmp_path, str(file), change) / "modules" / module, pin=pin)
    assert checked.code == 1
    assert said in checked.said


def test_a_secret_in_an_output_is_found_out(tmp_path: Path) -> None:
    """Terraform itself refuses to print what the provider calls a secret."""
    leak = '\noutput "leak" {\n  value = module.observability.connection_string\n}\n'
    copy = broken(tmp_path, "outputs.tf", lambda text: text + leak)
    checked = validate(copy, "--plan", "--var-file", str(copy / "environments" / "dev.tfvars"))
    assert checked.code == 1
    assert "Output refers to sensitive values" in checked.said
