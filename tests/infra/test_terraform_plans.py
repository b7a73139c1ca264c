"""What Terraform plans is what the bridge asks for: settings, containers; and its names are what Azure takes."""

from __future__ import annotations

import re

import pytest

from adapters.azure.cosmos import SHAPES
from adapters.azure.cosmos_client import Shape
from bridge.settings import Settings
from bridgectl.reference import commands
from tests.infra.offline import AZURE, OLDEST, needs_terraform, plan, planned, settings_of

pytestmark = needs_terraform

APPS = {
    "web": "module.compute.azurerm_container_app.web",
    "worker": "module.compute.azurerm_container_app.worker",
    "export": "module.compute.azurerm_container_app_job.export[0]",
}
PLANNED = [("dev", "web"), ("dev", "worker"), ("largest", "web"), ("largest", "worker"), ("largest", "export")]
"""Which processes each environment has: without a key for archives there is no export."""
NOT_OURS = {"OTEL_SERVICE_NAME"}
"""Settings that do not stand in `bridge/settings.py`."""
AS_IT_LIKES = {
    *("BRIDGE_SENTIMENT", "BRIDGE_SENTIMENT_SECONDS", "AZURE_LANGUAGE_ENDPOINT", "AZURE_LANGUAGE_KEY"),
    *("BRIDGE_MAX_FILE_BYTES", "BRIDGE_REFUSED_FILES", "BRIDGE_FILE_SECONDS", "BRIDGE_FILE_PATIENCE_SECONDS"),
    *("BRIDGE_SCAN_SECONDS", "CLAMD_MAX_BYTES", "BRIDGE_LOG_LEVEL", "BRIDGE_CONCURRENCY", "BRIDGE_TENANT_RATE"),
    *("BRIDGE_RETRY_WINDOW", "BRIDGE_RETRY_WAIT", "BRIDGE_RECONCILE_SECONDS", "BRIDGE_RECONCILE_DAYS"),
    *("BRIDGE_CHANNEL_MESSAGES", "BRIDGE_STATUS_NOTICES", "BRIDGE_AWAY_NOTICES", "BRIDGE_CSAT", "BRIDGE_REACTIONS"),
    *("BRIDGE_DELETES", "BRIDGE_RETIREMENT_SECONDS", "TEAMS_LIMITS", "TEAMS_REPLY_VIA", "FRESHCHAT_LINK_PROPERTY"),
    *("BOT_SERVICE_URL_ALLOWLIST", "TEAMS_FILE_HOST_ALLOWLIST", "FRESHCHAT_HOST_ALLOWLIST", "FRESHDESK_HOST_ALLOWLIST"),
    *("FRESHCHAT_FILE_HOST_ALLOWLIST", "FRESHDESK_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "AZURE_SERVICEBUS_TRANSPORT"),
    *("BOT_OPENID_METADATA_URL", "BOT_OAUTH_URL", "GRAPH_BASE_URL", "GRAPH_OAUTH_URL"),
    *("BRIDGE_OPS", "OPS_TOKEN", "OPS_ALLOWED", "OPS_CLIENT_ID", "OPS_CLIENT_SECRET", "OPS_AUTHORITY"),
}
"""A matter of taste, plan or cloud: the variable `settings` takes them, and the default is right for most."""
NOT_HERE = {
    "AZURE_COSMOS_KEY": "identities only",
    "AZURE_SERVICEBUS_CONNECTION_STRING": "identities only",
    "AZURE_STORAGE_CONNECTION_STRING": "identities only",
    "AZURE_SERVICEBUS_PREFIX": "a namespace of its own for each environment",
    "BRIDGE_QUEUE_LIMIT": "of the embedded queue",
    "BRIDGE_SCANNER": "CLAMD_ADDRESS says it",
    "BRIDGE_GRACE": "the platform's patience (stop_seconds) is made for the default",
}
"""Settings that have no place in this deployment, and why."""
KNOWN = {str(field.title) for field in Settings.model_fields.values()}
SECRET = {field.title for field in Settings.model_fields.values() if "SecretStr" in str(field.annotation)}
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

NAMES = {
    "azurerm_resource_group": r"[\w.()-]{0,89}[\w()-]",
    "azurerm_storage_account": r"[a-z0-9]{3,24}",
    "azurerm_storage_container": r"[a-z0-9](-?[a-z0-9]){2,62}",
    "azurerm_storage_queue": r"[a-z0-9](-?[a-z0-9]){2,62}",
    "azurerm_key_vault": r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "azurerm_bot_service_azure_bot": r"[a-zA-Z0-9][a-zA-Z0-9_-]{3,41}",
    "azurerm_servicebus_namespace": r"(?!.*(-sb|-mgmt)$)[a-zA-Z][a-zA-Z0-9-]{4,48}[a-zA-Z0-9]",
    "azurerm_servicebus_queue": r"[a-zA-Z0-9][\w./-]{0,258}[a-zA-Z0-9]",
    "azurerm_cosmosdb_account": r"[a-z0-9][a-z0-9-]{1,42}[a-z0-9]",
    "azurerm_api_management": r"[a-zA-Z]([a-zA-Z0-9-]{0,48}[a-zA-Z0-9])?",
    "azurerm_cdn_frontdoor_profile": r"[a-zA-Z0-9][a-zA-Z0-9-]{3,62}[a-zA-Z0-9]",
    "azurerm_cdn_frontdoor_endpoint": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,44}[a-zA-Z0-9]",
    "azurerm_cdn_frontdoor_custom_domain": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,258}[a-zA-Z0-9]",
    "azurerm_cdn_frontdoor_firewall_policy": r"[a-zA-Z][a-zA-Z0-9]{0,127}",
    "azurerm_container_app_environment": r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
    "azurerm_container_app": r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "azurerm_container_app_job": r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "azurerm_log_analytics_workspace": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "azurerm_application_insights": r"[^%&\\?/]{1,260}",
    "azurerm_application_insights_standard_web_test": r"[\w.-]{1,64}",
    "azurerm_application_insights_workbook": GUID,
    "azurerm_monitor_action_group": r"[^/&%?]{1,260}",
    "azurerm_monitor_metric_alert": r"[^*#&+:<>?@%{}\\/|]{1,260}",
    "azurerm_monitor_scheduled_query_rules_alert_v2": r"[^*#&+:<>?@%{}\\/|]{1,260}",
    "azurerm_eventgrid_system_topic": r"[a-zA-Z0-9-]{3,50}",
    "azurerm_eventgrid_system_topic_event_subscription": r"[a-zA-Z0-9-]{3,64}",
    "azurerm_role_definition": r".{1,512}",
    "azurerm_user_assigned_identity": r"[a-zA-Z0-9][\w-]{2,127}",
    "azurerm_virtual_network": r"[a-zA-Z0-9][\w.-]{0,62}\w",
    "azurerm_network_security_group": r"[a-zA-Z0-9][\w.-]{0,78}\w",
    "azurerm_private_endpoint": r"[a-zA-Z0-9][\w.-]{0,78}\w",
    "azurerm_consumption_budget_resource_group": r"[a-zA-Z0-9_-]{1,63}",
    "azurerm_management_lock": r"[^<>*%&:\\?+/]{1,90}",
}
"""What Azure takes as a name, by resource; the provider checks it at apply only."""


def _kind(address: str) -> str:
    return re.sub(r"^(module\.\w+(\[0\])?\.)*", "", address).split(".")[0]


def _argument(block: str, name: str) -> str | None:
    """Give a text argument of the resource itself (its blocks are indented deeper)."""
    found = re.search(rf"^      \+ {name} += \"(.*)\"$", block, re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "largest"])
def test_each_environment_can_be_planned(environment: str) -> None:
    """With the newest provider, every environment file and everything switched on make a plan without a warning."""
    made = plan(environment)
    assert made.code == 0, made.text
    assert "Warning" not in made.text


@pytest.mark.parametrize("environment", ["prod", "largest"])
def test_the_oldest_provider_plans_it_too(environment: str) -> None:
    """The configuration uses nothing that the oldest allowed version does not have, or calls deprecated."""
    made = plan(environment, OLDEST)
    assert made.code == 0, made.text
    assert "Warning" not in made.text


@pytest.mark.parametrize("environment", ["dev", "largest"])
def test_names_are_what_azure_takes(environment: str) -> None:
    """Every name fits its service's pattern, also the longest one."""
    for address, block in planned(environment).items():
        name = _argument(block, "name")
        if name is not None and _kind(address) in NAMES:
            assert re.fullmatch(NAMES[_kind(address)], name), f"{address}: {name}"


def test_every_name_made_of_ours_has_a_pattern() -> None:
    """A kind of resource that is added later needs a pattern too."""
    named = {address: _argument(block, "name") or "" for address, block in planned("largest").items()}
    assert {_kind(address) for address, name in named.items() if "abcdefghij" in name} <= set(NAMES)


@pytest.mark.parametrize(("environment", "app"), PLANNED)
def test_settings_have_the_published_names(environment: str, app: str) -> None:
    """A setting that the bridge does not know would be ignored without a word."""
    known = KNOWN | NOT_OURS
    given = settings_of(planned(environment)[APPS[app]])
    assert {"BRIDGE_QUEUE", "AZURE_CLIENT_ID", "APPLICATIONINSIGHTS_CONNECTION_STRING"} <= set(given)
    assert {name for name in given if not name.startswith("CLAMD_CONF_")} <= known


def test_every_setting_was_decided() -> None:
    """A new setting is set by Terraform, or left to people, or has no place here."""
    files = (AZURE / "settings.tf").read_text(encoding="utf-8")
    made = {name for _, app in PLANNED for name in settings_of(planned("largest")[APPS[app]])}
    made |= {name for name in KNOWN if re.search(rf"\b{name}\b", files)}
    assert KNOWN - made == (AS_IT_LIKES | set(NOT_HERE)) - made
    assert not made & set(NOT_HERE)


def test_clamd_is_where_the_worker_looks_for_it() -> None:
    """The port that clamd is asked on is the port that it is watched on, and nobody but the worker scans."""
    worker = planned("dev")[APPS["worker"]]
    [port] = re.findall(r"^tcp:127.0.0.1:(\d+)$", settings_of(worker)["CLAMD_ADDRESS"])
    assert re.findall(r"\+ port +=\s+(\d+)", worker).count(port) == len(["startup", "liveness"])
    assert "CLAMD_ADDRESS" not in settings_of(planned("dev")[APPS["web"]])


def test_the_archive_is_made_by_a_command_that_there_is() -> None:
    """Every option of the job is one of `bridgectl export run`; two of them take a key."""
    job = planned("largest")[APPS["export"]]
    words = re.findall(r'"([^"]*)"', re.search(r"\+ command +=\s+\[(.*?)\]", job, re.DOTALL)[1])
    assert words[:5] == ["python", "-m", "bridgectl", "export", "run"]
    known = {option for found in dict(commands())["export run"].params for option in found.opts}
    assert {word for word in words if word.startswith("--")} <= known
    given = settings_of(job)
    assert given["ARCHIVE_RECIPIENTS"].startswith("age1")
    assert (given["ARCHIVE_CONTAINER"], given["ARCHIVE_FINAL_CONTAINER"]) == ("archives", "archives-final")
    assert given["AZURE_STORAGE_CONTAINER"] not in (given["ARCHIVE_CONTAINER"], given["ARCHIVE_FINAL_CONTAINER"])


@pytest.mark.parametrize(("environment", "app"), PLANNED)
def test_no_secret_is_a_plain_setting(environment: str, app: str) -> None:
    """Whatever is a secret for the bridge is one in the vault."""
    for name, value in settings_of(planned(environment)[APPS[app]]).items():
        if name in SECRET:
            assert value == "telemetry" or value.startswith("secret:"), name


@pytest.mark.parametrize(("environment", "app"), PLANNED)
def test_settings_make_a_process_that_may_run_in_production(environment: str, app: str) -> None:
    """What Terraform sets is accepted by the settings model, and nothing that a bot needs is missing."""
    given = settings_of(planned(environment)[APPS[app]])
    app_id = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10"
    known = {name: "https://known.example" if "after apply" in value else value for name, value in given.items()}
    settings = Settings(_env_file=None, **known | {"MicrosoftAppId": app_id, "AZURE_CLIENT_ID": app_id})
    settings.require_bot()
    assert settings.production
    assert (settings.queue, settings.threads, settings.objects) == ("azure.service_bus", "azure.cosmos", "azure.blob")
    assert settings.secrets == "azure.key_vault"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_containers_are_as_the_thread_map_makes_them(shape: Shape) -> None:
    """Partition key, time to live and index of each container are those of `adapters/azure/cosmos.py`."""
    block = planned("dev")[f'module.state.azurerm_cosmosdb_sql_container.map["{shape.name}"]']
    assert re.findall(r'\+ "(/\w+)",', block) == [shape.partition_key]
    ttl = re.search(r"\+ default_ttl += (-?\d+)", block)
    assert (int(ttl[1]) if ttl else None) == shape.ttl
    assert re.findall(r'included_path \{\s+\+ path = "(.*)"', block) == [f"{path}/?" for path in shape.indexed]
    assert re.findall(r'excluded_path \{\s+\+ path = "(.*)"', block) == ["/*"]
    assert len(SHAPES) == sum("azurerm_cosmosdb_sql_container" in address for address in planned("dev"))
