# The monthly archive. It starts by itself; `az containerapp job start` makes one now.

locals {
  export_command = concat(
    ["python", "-m", "bridgectl", "export", "run", "--kind", "monthly", "--out", "/data", "--to", "store"],
    try(var.export.options, []),
  )
}

resource "azurerm_container_app_job" "export" {
  count = var.export == null ? 0 : 1

  name                         = "${var.name}-export"
  resource_group_name          = var.place.resource_group_name
  location                     = var.place.location
  tags                         = var.place.tags
  container_app_environment_id = azurerm_container_app_environment.bridge.id
  workload_profile_name        = "Consumption"
  replica_timeout_in_seconds   = 86400
  replica_retry_limit          = 1

  schedule_trigger_config {
    cron_expression = var.export.cron
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identities["export"].id]
  }

  dynamic "registry" {
    for_each = var.registry_server == null ? [] : [var.registry_server]
    content {
      server   = registry.value
      identity = var.identities["export"].id
    }
  }

  secret {
    name                = "telemetry"
    identity            = var.identities["export"].id
    key_vault_secret_id = var.telemetry_secret_id
  }
  dynamic "secret" {
    for_each = var.files
    content {
      name  = secret.key
      value = secret.value
    }
  }

  template {
    container {
      name    = "export"
      image   = var.image
      command = local.export_command
      cpu     = 2 # with more than one core there are 8 GiB of disk, and never more (README.md)
      memory  = "4Gi"

      env {
        name  = "AZURE_CLIENT_ID"
        value = var.identities["export"].client_id
      }
      env {
        name  = "OTEL_SERVICE_NAME"
        value = "bridge-export"
      }
      env {
        name        = "APPLICATIONINSIGHTS_CONNECTION_STRING"
        secret_name = "telemetry"
      }
      dynamic "env" {
        for_each = merge(local.common, var.export.settings)
        content {
          name  = env.key
          value = env.value
        }
      }

      volume_mounts {
        name = "data"
        path = "/data"
      }
      dynamic "volume_mounts" {
        for_each = length(var.files) > 0 ? ["config"] : []
        content {
          name = volume_mounts.value
          path = "/config"
        }
      }
    }

    volume {
      name         = "data"
      storage_type = "EmptyDir"
    }
    dynamic "volume" {
      for_each = length(var.files) > 0 ? ["config"] : []
      content {
        name         = volume.value
        storage_type = "Secret"
      }
    }
  }
}
