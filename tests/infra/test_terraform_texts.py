"""What can be seen in the Terraform configuration without running anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bots.adapter import MAX_BODY
from bridgectl.exit.looks import DOORS
from bridgectl.exit.steps import MODULES as LEAVING
from tests.infra.offline import AZURE, MODULES, ROOT


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_gateway_takes_what_the_doors_take() -> None:
    """A body that the doors would take is not refused before them."""
    variables = (AZURE / "modules" / "gateway" / "variables.tf").read_text(encoding="utf-8")
    assert re.search(r'variable "body_limit" \{.*?default += (\d+)', variables, re.DOTALL)[1] == str(MAX_BODY)


def test_the_gateway_policy_is_well_formed() -> None:
    """XML that API Management can read, with the limits in it."""
    policy = ET.fromstring((AZURE / "modules" / "gateway" / "policy.xml.tftpl").read_text(encoding="utf-8"))
    inbound = [element.tag for element in policy.find("inbound")]
    assert inbound == ["base", "check-header", "rate-limit-by-key", "choose"]


def test_the_gateway_lets_through_what_leaving_asks() -> None:
    """`bridgectl exit check` asks the doors for their 410 from outside: each address that it asks is passed on."""
    api = _read(AZURE / "modules" / "gateway" / "api.tf")
    taken = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for path in re.findall(r'"POST", path = "([^"]+)"', api)]
    assert taken
    assert [door for door in DOORS if not any(re.fullmatch(path, door) for path in taken)] == []


PROVIDERS = {
    "azurerm_api_management": "Microsoft.ApiManagement",
    "azurerm_application_insights": "microsoft.insights",
    "azurerm_bot": "Microsoft.BotService",
    "azurerm_cdn": "Microsoft.Cdn",
    "azurerm_container_app": "Microsoft.App",
    "azurerm_cosmosdb": "Microsoft.DocumentDB",
    "azurerm_eventgrid": "Microsoft.EventGrid",
    "azurerm_key_vault": "Microsoft.KeyVault",
    "azurerm_log_analytics": "Microsoft.OperationalInsights",
    "azurerm_monitor": "microsoft.insights",
    "azurerm_servicebus": "Microsoft.ServiceBus",
    "azurerm_user_assigned_identity": "Microsoft.ManagedIdentity",
}
CORE = (
    *("azurerm_consumption", "azurerm_management_lock", "azurerm_network", "azurerm_private", "azurerm_resource"),
    *("azurerm_role", "azurerm_storage", "azurerm_subnet", "azurerm_virtual"),
)
"""Of providers that every subscription has, or azurerm's set `core` registers."""


def test_an_empty_subscription_knows_all_providers() -> None:
    """What makes each kind of resource is registered; in a new subscription nothing else is."""
    versions = (AZURE / "versions.tf").read_text(encoding="utf-8")
    listed = re.search(r"resource_providers_to_register = \[(.*?)\]", versions, re.DOTALL)
    kinds = {
        kind for path in AZURE.rglob("*.tf") for kind in re.findall(r'^resource "(azurerm_\w+)"', _read(path), re.M)
    }
    needed = {kind: provider for kind in kinds for start, provider in PROVIDERS.items() if kind.startswith(start)}
    assert kinds - set(needed) == {kind for kind in kinds if kind.startswith(CORE)}
    assert set(needed.values()) == set(re.findall(r'"([^"]+)"', listed[1]))


def test_permissions_are_explained() -> None:
    """Every permission that the registration asks for stands in the documents, and is asked for once."""
    asked = re.findall(r'"([\w.]+)" += \{ id = "([^"]+)"', _read(AZURE / "modules" / "bot" / "registration.tf"))
    documents = "".join(_read(path) for path in (ROOT / "docs").rglob("*.md"))
    assert len(asked) == len(dict(asked)) == len({key for _, key in asked}) == 6
    assert all(name in documents for name, _ in asked)


def test_leaving_names_the_modules_that_there_are() -> None:
    """`bridgectl exit plan` destroys modules by name and keeps archives and what they need."""
    assert set(LEAVING) | {"network", "security", "storage"} == set(MODULES)
    assert not {"security", "storage"} & set(LEAVING)


def test_outputs_hold_what_the_guide_and_the_package_take() -> None:
    """Names are a contract: `terraform output -json` feeds the manifest and the guide."""
    named = set(re.findall(r'^output "(\w+)"', _read(AZURE / "outputs.tf"), re.M))
    assert {"app_id", "tenant_id", "bot_handle", "public_url", "webhook_url", "manifest", "resource_group"} <= named
    for word in re.findall(r"terraform output (?:-raw |-json )?(\w+)", _read(AZURE / "README.md")):
        assert word in named


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
