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
  export              = { cron = "0 1 1 * *", options = ["--only", "freshchat"], settings = { ARCHIVE_CONTAINER = "archives" } }
}

run "processes" {
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
  assert {
    condition     = alltrue([for secret in azurerm_container_app.web.secret : secret.key_vault_secret_id == var.telemetry_secret_id])
    error_message = "The only secret is named in the vault."
  }
  assert {
    condition     = [for env in azurerm_container_app.web.template[0].container[0].env : env.secret_name if env.name == "APPLICATIONINSIGHTS_CONNECTION_STRING"] == ["telemetry"]
    error_message = "The connection string is no plain setting."
  }
  assert {
    condition     = [for rule in azurerm_container_app.web.ingress[0].ip_security_restriction : "${rule.action} ${rule.ip_address_range}"] == ["Allow 20.0.0.1"]
    error_message = "Whoever goes around the gateway is refused."
  }
  assert {
    condition     = length(azurerm_container_app.worker.ingress) == 0
    error_message = "Nobody calls a worker."
  }
  assert {
    condition     = [for container in azurerm_container_app.worker.template[0].container : container.name] == ["bridge", "clamd"]
    error_message = "clamd runs beside the worker."
  }
  assert {
    condition     = contains([for env in azurerm_container_app.worker.template[0].container[0].env : "${env.name}=${env.value == null ? "" : env.value}"], "CLAMD_ADDRESS=tcp:127.0.0.1:3310")
    error_message = "The worker knows where it is."
  }
  assert {
    condition     = azurerm_container_app_job.export[0].schedule_trigger_config[0].cron_expression == "0 1 1 * *"
    error_message = "On the first at 01:00."
  }
  assert {
    condition     = join(" ", azurerm_container_app_job.export[0].template[0].container[0].command) == "python -m bridgectl export run --kind monthly --out /data --to store --only freshchat"
    error_message = "A monthly one, into the store, of what there is."
  }
}

run "no_archive_without_a_key" {
  command = plan
  variables { export = null }

  assert {
    condition     = length(azurerm_container_app_job.export) == 0 && output.names.export == null
    error_message = "An archive that nobody could read is not made."
  }
}

run "open_doors_are_refused" {
  command = plan
  variables { gateway_addresses = [] }
  expect_failures = [azurerm_container_app.web]
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    name          = "bridge-of-the-whole-company"
    image         = "ghcr.io/contoso/bridge:latest"
    scanner_image = "docker.io/clamav/clamav:latest"
    web           = { min = 2, max = 1, cpu = 0.5 }
    worker        = { min = 0, max = 4, cpu = 1, messages = 200 }
    export        = { cron = "1 o'clock", options = [], settings = {} }
  }
  expect_failures = [var.name, var.image, var.scanner_image, var.web, var.worker, var.export]
}

run "there_is_no_hour_25" {
  command = plan
  variables { export = { cron = "0 25 1 * *", options = [], settings = {} } }
  expect_failures = [var.export]
}

run "zones_take_a_network" {
  command = plan
  variables { zone_redundant = true }
  expect_failures = [azurerm_container_app_environment.bridge]
}
