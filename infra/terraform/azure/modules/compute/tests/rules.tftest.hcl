mock_provider "azurerm" {}

variables {
  place = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  name  = "bridge-dev"
  image = "ghcr.io/contoso/bridge:1.0.0"
  identities = {
    web    = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web", client_id = "web-client", principal_id = "web" }
    worker = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker", client_id = "worker-client", principal_id = "worker" }
    export = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/export", client_id = "export-client", principal_id = "export" }
    scaler = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scaler", client_id = "scaler-client", principal_id = "scaler" }
  }
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/log"
  telemetry_secret_id = "https://kv-bridge-dev-1a2b3.vault.azure.net/secrets/telemetry-connection-string"
  settings            = { BRIDGE_ENV = "production" }
  web                 = { min = 1, max = 2, cpu = 0.5 }
  worker              = { min = 1, max = 4, cpu = 1, messages = 200 }
  scanner_image       = "docker.io/clamav/clamav:1.4.3"
  bus                 = { namespace = "sbns-bridge-dev-1a2b3", queues = ["to-freshchat", "to-teams"] }
  gateway_addresses   = ["20.0.0.1"]
  export              = { cron = "0 1 1 * *", container = "archives", settings = {} }
}

run "workers_follow_both_queues" {
  command = plan

  assert {
    condition = [for rule in azurerm_container_app.worker.template[0].custom_scale_rule : rule.metadata] == [
      for queue in ["to-freshchat", "to-teams"] : tomap({ namespace = "sbns-bridge-dev-1a2b3", queueName = queue, messageCount = "200", activationMessageCount = "0" })
    ]
    error_message = "One rule per queue, as docs/operations.md says."
  }
  assert {
    condition     = alltrue([for rule in azurerm_container_app.worker.template[0].custom_scale_rule : rule.identity_id == var.identities["scaler"].id])
    error_message = "Queues are measured as the scaler, without a key."
  }
  assert {
    condition     = azurerm_container_app.worker.template[0].cooldown_period_in_seconds >= 300
    error_message = "A worker is not taken away before the locks of a dead one are over."
  }
}

run "secrets_come_from_the_vault" {
  command = plan

  assert {
    condition     = alltrue([for secret in azurerm_container_app.web.secret : secret.key_vault_secret_id == var.telemetry_secret_id])
    error_message = "The only secret is named in the vault."
  }
  assert {
    condition     = [for env in azurerm_container_app.web.template[0].container[0].env : env.secret_name if env.name == "APPLICATIONINSIGHTS_CONNECTION_STRING"] == ["telemetry"]
    error_message = "The connection string is no plain setting."
  }
}

run "doors_are_open_to_the_gateway_only" {
  command = plan

  assert {
    condition     = [for rule in azurerm_container_app.web.ingress[0].ip_security_restriction : "${rule.action} ${rule.ip_address_range}"] == ["Allow 20.0.0.1"]
    error_message = "Whoever goes around the gateway is refused."
  }
  assert {
    condition     = length(azurerm_container_app.worker.ingress) == 0
    error_message = "Nobody calls a worker."
  }
}

run "files_are_scanned_beside_the_worker" {
  command = plan

  assert {
    condition     = [for container in azurerm_container_app.worker.template[0].container : container.name] == ["bridge", "clamd"]
    error_message = "clamd runs beside the worker."
  }
  assert {
    condition     = contains([for env in azurerm_container_app.worker.template[0].container[0].env : "${env.name}=${env.value == null ? "" : env.value}"], "CLAMD_ADDRESS=tcp:127.0.0.1:3310")
    error_message = "The worker knows where it is."
  }
}

run "the_archive_is_monthly" {
  command = plan

  assert {
    condition     = azurerm_container_app_job.export.schedule_trigger_config[0].cron_expression == "0 1 1 * *"
    error_message = "On the first at 01:00."
  }
}

run "open_doors_are_refused" {
  command = plan
  variables { gateway_addresses = [] }
  expect_failures = [azurerm_container_app.web]
}

run "no_worker_is_refused" {
  command = plan
  variables { worker = { min = 0, max = 4, cpu = 1, messages = 200 } }
  expect_failures = [var.worker]
}

run "latest_is_refused" {
  command = plan
  variables { image = "ghcr.io/contoso/bridge:latest" }
  expect_failures = [var.image]
}

run "zones_take_a_network" {
  command = plan
  variables { zone_redundant = true }
  expect_failures = [azurerm_container_app_environment.bridge]
}

run "long_names_are_refused" {
  command = plan
  variables { name = "bridge-of-the-whole-company" }
  expect_failures = [var.name]
}
