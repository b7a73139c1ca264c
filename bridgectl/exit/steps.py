"""The steps of an exit: on which day, and the commands of the deployment at hand, ready to run. None is run by us."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from bridge.settings import Settings

DAYS = {
    "notice": -30,
    "export": -3,
    "verify": -2,
    "sample": -2,
    "app": -1,
    "stop": 0,
    "doors": 0,
    "webhook": 0,
    "channel": 1,
    "registration": 1,
    "resources": 7,
    "billing": 14,
}
"""Days before and after the leaving date, in the order of the steps."""

IRREVERSIBLE = ("channel", "registration", "resources", "billing")
"""Once one of these is done, the bridge cannot go back into service."""

MODULES = ("gateway", "compute", "bot", "messaging", "state", "observability")
"""What Terraform may destroy; `storage` keeps archives, `security` what they are encrypted with."""
LOCKS = tuple(f'azurerm_management_lock.store["{name}"]' for name in ("queues", "state"))
"""What stands against that. The lock of archives is another one, and stays."""

FIND_BOT = (
    "az resource list --resource-type Microsoft.BotService/botServices "
    "--query '[].{name:name, group:resourceGroup}' --output table"
)


class Deployment(StrEnum):
    """Where the bridge runs."""

    azure = "azure"
    fly = "fly"
    self = "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the settings do not know; a shell variable stands for what is not given."""

    bot: str = ""
    group: str = ""
    fly_app: str = ""
    environment: str = "prod"


def commands(step: str, deployment: Deployment, settings: Settings, names: Names, leaving: date) -> list[str]:
    """Give the commands of a step; none where it is done by hand."""
    archive = f"archives/export_omni_{leaving + timedelta(days=DAYS['export'])}"
    bot = f"--name {_given(names.bot, 'BOT_NAME')} --resource-group {_given(names.group, 'RESOURCE_GROUP')}"
    fly_app = _given(names.fly_app, "FLY_APP_NAME")
    ours = {
        "export": ["python -m bridgectl export run --out archives --kind final"],
        "verify": [f"python -m bridgectl exit check --step export --step verify --archive {archive}"],
        "sample": [
            f"python -m bridgectl export sample {archive}",
            f"python -m bridgectl exit check --step sample --archive {archive}",
        ],
        "stop": ["python -m bridgectl exit stop", "python -m bridgectl exit stop --yes"],
        "doors": ["python -m bridgectl exit check --step doors"],
        "webhook": ["python -m bridgectl exit check --step webhook"],
        "channel": [FIND_BOT, f"az bot msteams delete {bot}"],
        "registration": [f"az bot delete {bot}", _delete_app(settings), "python -m bridgectl exit check"],
    }
    return ours.get(step) or _of_deployment(step, deployment, settings, names, fly_app)


def _of_deployment(step: str, deployment: Deployment, settings: Settings, names: Names, fly_app: str) -> list[str]:
    terraform = "terraform -chdir=infra/terraform/azure"
    targets = " ".join(f"-target=module.{name}" for name in MODULES)
    variables = f"-var-file={shlex.quote(names.environment)}.tfvars"
    locks = " ".join(f"-target={shlex.quote(lock)}" for lock in LOCKS)
    unlock = f"apply {variables} -var=delete_lock=false {locks}"
    destroy = f"destroy {variables} {targets}"
    group = _given(names.group, "RESOURCE_GROUP")
    found = {
        (Deployment.azure, "resources"): [
            f"{terraform} {unlock}",
            f"{terraform} plan -{destroy}",
            f"{terraform} {destroy}",
        ],
        (Deployment.azure, "billing"): [
            f"{terraform} state list",
            f"az resource list --resource-group {group} --output table",
        ],
        (Deployment.fly, "resources"): [
            f"flyctl scale count 0 --app {fly_app}",
            f"flyctl volumes list --app {fly_app}",
            f"flyctl apps destroy {fly_app}",
        ],
        (Deployment.fly, "billing"): ["flyctl apps list"],
        (Deployment.self, "resources"): [f"rm -r -- {shlex.quote(str(settings.data_dir.absolute()))}"],
    }
    return found.get((deployment, step), [])


def _given(name: str, variable: str) -> str:
    return shlex.quote(name) if name else f'"${variable}"'


def _delete_app(settings: Settings) -> str:
    app = _given(settings.app_id, "APP_ID")
    if settings.app_type != "UserAssignedMSI":
        return f"az ad app delete --id {app}"
    query = shlex.quote(f"[?clientId=='{settings.app_id}'].id")
    return f'az identity delete --ids "$(az identity list --query {query} --output tsv)"'
