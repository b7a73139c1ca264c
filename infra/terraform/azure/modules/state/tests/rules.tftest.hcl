mock_provider "azurerm" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  account_name = "cosmos-bridge-dev-1a2b3"
  writers      = { web = "web-principal", worker = "worker-principal" }
  readers      = { export = "export-principal" }
}

run "containers_and_who_may_use_them" {
  command = plan

  assert {
    condition     = azurerm_cosmosdb_sql_container.map["journal"].default_ttl == 2592000 && azurerm_cosmosdb_sql_container.map["facts"].default_ttl == -1
    error_message = "The journal forgets after 30 days, facts as each says."
  }
  assert {
    condition     = azurerm_cosmosdb_sql_container.map["links"].default_ttl == null && azurerm_cosmosdb_sql_container.map["threads"].default_ttl == null
    error_message = "Links and threads are kept for good."
  }
  assert {
    condition     = alltrue([for container in azurerm_cosmosdb_sql_container.map : one(container.indexing_policy[0].excluded_path[*].path) == "/*"])
    error_message = "Nothing is indexed but what lists are made by."
  }
  assert {
    condition     = azurerm_cosmosdb_sql_database.bridge.autoscale_settings[0].max_throughput == 1000
    error_message = "The least autoscale maximum."
  }
  assert {
    condition     = !azurerm_cosmosdb_account.bridge.local_authentication_enabled
    error_message = "There must be no keys."
  }
  assert {
    condition     = length(azurerm_cosmosdb_sql_role_assignment.writer) == 2 && length(azurerm_cosmosdb_sql_role_assignment.reader) == 1
    error_message = "Two processes write, the export reads."
  }
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    max_throughput = 1500
    account_name   = "Cosmos-bridge"
    backup_tier    = "Periodic"
  }
  expect_failures = [var.max_throughput, var.account_name, var.backup_tier]
}
