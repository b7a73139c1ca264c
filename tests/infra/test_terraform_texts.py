"""What can be seen in the Terraform configuration without running anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from bots.adapter import MAX_BODY
from tests.infra.offline import AZURE


def test_the_gateway_takes_what_the_doors_take() -> None:
    """A body that the doors would take is not refused before them."""
    variables = (AZURE / "modules" / "gateway" / "variables.tf").read_text(encoding="utf-8")
    assert re.search(r'variable "body_limit" \{.*?default += (\d+)', variables, re.DOTALL)[1] == str(MAX_BODY)


def test_the_gateway_policy_is_well_formed() -> None:
    """XML that API Management can read, with the limits in it."""
    policy = ET.fromstring((AZURE / "modules" / "gateway" / "policy.xml.tftpl").read_text(encoding="utf-8"))
    inbound = [element.tag for element in policy.find("inbound")]
    assert inbound == ["base", "check-header", "rate-limit-by-key", "choose"]


@pytest.mark.parametrize("kind", ["variable", "output"])
def test_everything_is_described(kind: str) -> None:
    """Variables have a type and a description, outputs a description."""
    for path in AZURE.rglob("*.tf"):
        for name, body in re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', path.read_text(encoding="utf-8"), re.M | re.S):
            assert re.search(r'^  description += ".{10,}"$', body, re.M), f"{path.name}: {name}"
            assert kind == "output" or re.search(r"^  type += ", body, re.M), f"{path.name}: {name}"


def test_no_lock_file_is_made_offline() -> None:
    """A lock file holds checksums of the real providers, or is not there."""
    for path in AZURE.rglob(".terraform.lock.hcl"):
        assert "zh:" in path.read_text(encoding="utf-8"), f"{path} was made without the registry: delete it"
