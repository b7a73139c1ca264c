# Where the processes run, and what all of them are given.

locals {
  port          = 3978
  stop_seconds  = 40 # BRIDGE_GRACE and ten seconds to close connections (docs/operations.md)
  start_failing = 30 # tries, 2 s apart, before a process that does not start is started anew

  common = merge(var.settings, {
    HOST            = "0.0.0.0"
    PORT            = tostring(local.port)
    BRIDGE_DATA_DIR = "/data"
  })
  worker_settings = merge(local.common, var.scanner_image == null ? {} : { CLAMD_ADDRESS = "tcp:127.0.0.1:3310" })
}

resource "azurerm_container_app_environment" "bridge" {
  name                       = "cae-${var.name}"
  resource_group_name        = var.place.resource_group_name
  location                   = var.place.location
  tags                       = var.place.tags
  logs_destination           = "log-analytics"
  log_analytics_workspace_id = var.workspace_id

  infrastructure_subnet_id = var.subnet_id
  zone_redundancy_enabled  = var.zone_redundant ? true : null

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }

  lifecycle {
    # Azure fills these in by itself, and the provider would make the environment anew at every apply
    # (hashicorp/terraform-provider-azurerm issues 28727 and 31840).
    ignore_changes = [infrastructure_resource_group_name, workload_profile]

    precondition {
      condition     = !var.zone_redundant || var.subnet_id != null
      error_message = "Zones take a subnet: set private_networking = true, or zone_redundant = false."
    }
  }
}
