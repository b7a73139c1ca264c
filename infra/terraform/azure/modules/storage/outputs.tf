output "account_id" {
  description = "Id of the account."
  value       = azurerm_storage_account.bridge.id
}

output "url" {
  description = "AZURE_STORAGE_ACCOUNT_URL."
  value       = "https://${azurerm_storage_account.bridge.name}.blob.core.windows.net"
}

output "containers" {
  description = "Names of the containers: `files`, `archives` (monthly), `final` (event and final)."
  value       = { files = local.files, archives = local.archives, final = local.final }
}
