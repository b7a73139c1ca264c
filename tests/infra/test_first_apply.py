"""The first of the two steps of docs/setup.md makes what secrets are put into, and nothing that needs them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.infra.offline import AZURE, ROOT, needs_terraform, validate

pytestmark = needs_terraform


def test_vault_and_registration_come_first(tmp_path: Path) -> None:
    """The targets make the vault, who may write into it, and the registration; the next commands find their names."""
    guide = (ROOT / "docs" / "setup.md").read_text(encoding="utf-8")
    targets = re.findall(r"-target=\S+", re.findall(r"^terraform apply .*-target.*$", guide, flags=re.MULTILINE)[0])
    program = tmp_path / "terraform"
    real = shutil.which(os.environ.get("TERRAFORM", "terraform"))
    program.write_text(f'#!/bin/sh\n[ "$1" = plan ] && set -- "$@" {" ".join(targets)}\nexec "{real}" "$@"\n')
    program.chmod(0o700)
    variables = str(AZURE / "environments" / "stg.tfvars")
    planned = validate(AZURE, "--plan", "--terraform", str(program), "--var-file", variables)
    assert planned.code == 0, planned.text
    made = set(re.findall(r"^  # (\S+) will be created$", planned.text, flags=re.MULTILINE))
    assert {"module.security.azurerm_key_vault.bridge", "module.bot.azuread_application.bot[0]"} <= made
    assert any(address.startswith("module.security.azurerm_role_assignment.operator[") for address in made)
    assert not [
        address for address in made if re.match(r"module\.(compute|gateway|messaging|state|storage)\.", address)
    ]
    outputs = planned.text.partition("Changes to Outputs:")[2]
    assert {"app_id", "consent_url", "key_vault"} <= set(re.findall(r"^  \+ (\w+) ", outputs, flags=re.MULTILINE))
