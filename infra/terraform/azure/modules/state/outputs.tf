output "account_id" {
  description = "Id of the account."
  value       = azurerm_cosmosdb_account.bridge.id
}

output "endpoint" {
  description = "AZURE_COSMOS_ENDPOINT."
  value       = azurerm_cosmosdb_account.bridge.endpoint
}

output "database_name" {
  description = "AZURE_COSMOS_DATABASE."
  value       = azurerm_cosmosdb_sql_database.bridge.name
}
