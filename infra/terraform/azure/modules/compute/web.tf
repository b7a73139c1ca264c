# The doors: they check, store and answer.
resource "azurerm_container_app" "web" {
  name                         = "${var.name}-web"
  resource_group_name          = var.place.resource_group_name
  tags                         = var.place.tags
  container_app_environment_id = azurerm_container_app_environment.bridge.id
  workload_profile_name        = "Consumption"
  revision_mode                = "Single"

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identities["web"].id]
  }

  dynamic "registry" {
    for_each = var.registry_server == null ? [] : [var.registry_server]
    content {
      server   = registry.value
      identity = var.identities["web"].id
    }
  }

  secret {
    name                = "telemetry"
    identity            = var.identities["web"].id
    key_vault_secret_id = var.telemetry_secret_id
  }
  dynamic "secret" {
    for_each = var.files
    content {
      name  = secret.key
      value = secret.value
    }
  }

  # Reached through the gateway only.
  ingress {
    external_enabled           = true
    target_port                = local.port
    transport                  = "http"
    allow_insecure_connections = false

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
    dynamic "ip_security_restriction" {
      for_each = var.gateway_addresses
      content {
        name             = "gateway-${ip_security_restriction.key}"
        action           = "Allow"
        ip_address_range = ip_security_restriction.value
      }
    }
  }

  template {
    min_replicas                     = var.web.min
    max_replicas                     = var.web.max
    termination_grace_period_seconds = local.stop_seconds

    http_scale_rule {
      name                = "requests"
      concurrent_requests = "50"
    }

    container {
      name    = "bridge"
      image   = var.image
      command = ["python", "app.py", "--role", "web"]
      cpu     = var.web.cpu
      memory  = "${var.web.cpu * 2}Gi"

      env {
        name  = "AZURE_CLIENT_ID"
        value = var.identities["web"].client_id
      }
      env {
        name  = "OTEL_SERVICE_NAME"
        value = "bridge-web"
      }
      env {
        name        = "APPLICATIONINSIGHTS_CONNECTION_STRING"
        secret_name = "telemetry"
      }
      dynamic "env" {
        for_each = local.common
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
      readiness_probe {
        transport               = "HTTP"
        port                    = local.port
        path                    = "/readyz"
        timeout                 = 5
        success_count_threshold = 1
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

  lifecycle {
    precondition {
      condition     = length(var.gateway_addresses) > 0
      error_message = "The gateway has no addresses of its own, so the doors would be open to everybody: choose a gateway tier that has (Developer_1, Basic_1, Standard_1 or Premium_1)."
    }
  }
}
