# Deliveries both ways, with a virus scanner beside them; as many as the queues ask for.
resource "azurerm_container_app" "worker" {
  name                         = "${var.name}-worker"
  resource_group_name          = var.place.resource_group_name
  tags                         = var.place.tags
  container_app_environment_id = azurerm_container_app_environment.bridge.id
  workload_profile_name        = "Consumption"
  revision_mode                = "Single"

  identity {
    type         = "UserAssigned"
    identity_ids = compact([var.identities["worker"].id, var.identities["scaler"].id, var.bot_identity_id])
  }

  dynamic "registry" {
    for_each = var.registry_server == null ? [] : [var.registry_server]
    content {
      server   = registry.value
      identity = var.identities["worker"].id
    }
  }

  secret {
    name                = "telemetry"
    identity            = var.identities["worker"].id
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
    min_replicas                     = var.worker.min
    max_replicas                     = var.worker.max
    termination_grace_period_seconds = local.stop_seconds
    cooldown_period_in_seconds       = 300 # above the queues' lock duration, so that a dead worker's threads are free

    dynamic "custom_scale_rule" {
      for_each = var.bus.queues
      content {
        name             = custom_scale_rule.value
        custom_rule_type = "azure-servicebus"
        identity_id      = var.identities["scaler"].id
        metadata = {
          namespace              = var.bus.namespace
          queueName              = custom_scale_rule.value
          messageCount           = tostring(var.worker.messages)
          activationMessageCount = "0"
        }
      }
    }

    container {
      name    = "bridge"
      image   = var.image
      command = ["python", "app.py", "--role", "worker"]
      cpu     = var.worker.cpu
      memory  = "${var.worker.cpu * 2}Gi"

      env {
        name  = "AZURE_CLIENT_ID"
        value = var.identities["worker"].client_id
      }
      env {
        name  = "OTEL_SERVICE_NAME"
        value = "bridge-worker"
      }
      env {
        name        = "APPLICATIONINSIGHTS_CONNECTION_STRING"
        secret_name = "telemetry"
      }
      dynamic "env" {
        for_each = local.worker_settings
        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        transport               = "HTTP"
        port                    = local.port
        path                    = "/healthz"
        interval_seconds        = 2
        failure_count_threshold = local.start_failing
      }
      liveness_probe {
        transport = "HTTP"
        port      = local.port
        path      = "/healthz"
        timeout   = 5
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

    # Fetches its signatures when it starts; until it answers, files wait.
    dynamic "container" {
      for_each = var.scanner_image == null ? [] : [var.scanner_image]
      content {
        name   = "clamd"
        image  = container.value
        cpu    = 1.25
        memory = "2.5Gi"

        # New signatures take the place of the old ones, instead of both being in memory; files wait meanwhile.
        env {
          name  = "CLAMD_CONF_ConcurrentDatabaseReload"
          value = "no"
        }

        startup_probe {
          transport               = "TCP"
          port                    = 3310
          interval_seconds        = 10
          failure_count_threshold = 60
        }
        liveness_probe {
          transport               = "TCP"
          port                    = 3310
          interval_seconds        = 30
          failure_count_threshold = 5
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
