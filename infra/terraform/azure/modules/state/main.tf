# The thread map: four containers of point reads and writes (adapters/azure/cosmos.py, SHAPES).

locals {
  containers = {
    links   = { partition_key = "/freshchatConversationId", ttl = null, indexed = ["/tenantId/?", "/activeKey/?"] }
    threads = { partition_key = "/threadKey", ttl = null, indexed = [] }
    journal = { partition_key = "/id", ttl = 30 * 86400, indexed = ["/trace/?", "/startedAt/?"] }
    facts   = { partition_key = "/id", ttl = -1, indexed = ["/seenKey/?"] }
  }

  # Cosmos DB's own data roles: Built-in Data Reader and Built-in Data Contributor
  reader = "${azurerm_cosmosdb_account.bridge.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000001"
  writer = "${azurerm_cosmosdb_account.bridge.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002"
}

resource "azurerm_cosmosdb_account" "bridge" {
  #checkov:skip=CKV_AZURE_99:without private networking Container Apps have no fixed addresses to allow; there are no keys, and identities are needed
  #checkov:skip=CKV_AZURE_100:encrypted with a key of Microsoft's; a key of our own is one more thing that can be lost

  name                = var.account_name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  offer_type          = "Standard"

  local_authentication_enabled       = false
  access_key_metadata_writes_enabled = false
  public_network_access_enabled      = var.public_access

  # Nothing is decided by a read, so session consistency is enough (docs/decisions.md).
  consistency_policy {
    consistency_level = "Session"
  }

  geo_location {
    location          = var.place.location
    failover_priority = 0
    zone_redundant    = var.zone_redundant
  }

  backup {
    type = "Continuous"
    tier = var.backup_tier
  }
}

resource "azurerm_cosmosdb_sql_database" "bridge" {
  name                = "bridge"
  resource_group_name = var.place.resource_group_name
  account_name        = azurerm_cosmosdb_account.bridge.name

  autoscale_settings {
    max_throughput = var.max_throughput
  }
}

resource "azurerm_cosmosdb_sql_container" "map" {
  for_each = local.containers

  name                  = each.key
  resource_group_name   = var.place.resource_group_name
  account_name          = azurerm_cosmosdb_account.bridge.name
  database_name         = azurerm_cosmosdb_sql_database.bridge.name
  partition_key_paths   = [each.value.partition_key]
  partition_key_version = 2
  default_ttl           = each.value.ttl

  # Only what lists are made by: every other index would be paid for with each write.
  indexing_policy {
    indexing_mode = "consistent"

    dynamic "included_path" {
      for_each = each.value.indexed
      content {
        path = included_path.value
      }
    }

    excluded_path {
      path = "/*"
    }
  }
}

resource "azurerm_cosmosdb_sql_role_assignment" "writer" {
  for_each = var.writers

  resource_group_name = var.place.resource_group_name
  account_name        = azurerm_cosmosdb_account.bridge.name
  scope               = azurerm_cosmosdb_account.bridge.id
  role_definition_id  = local.writer
  principal_id        = each.value
}

resource "azurerm_cosmosdb_sql_role_assignment" "reader" {
  for_each = var.readers

  resource_group_name = var.place.resource_group_name
  account_name        = azurerm_cosmosdb_account.bridge.name
  scope               = azurerm_cosmosdb_account.bridge.id
  role_definition_id  = local.reader
  principal_id        = each.value
}
