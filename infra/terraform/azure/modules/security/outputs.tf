output "vault_id" {
  description = "Id of the vault."
  value       = azurerm_key_vault.bridge.id
}

output "vault_name" {
  description = "Name of the vault."
  value       = azurerm_key_vault.bridge.name
}

output "vault_url" {
  description = "AZURE_KEY_VAULT_URL."
  value       = azurerm_key_vault.bridge.vault_uri
}

output "telemetry_secret_id" {
  description = "Id, without a version, of the secret with Application Insights' connection string."
  value       = "${azurerm_key_vault.bridge.vault_uri}secrets/${local.telemetry_secret}"
  depends_on  = [azurerm_resource_group_template_deployment.telemetry]
}

output "identities" {
  description = "Identities of `web`, `worker`, `export` and `scaler`: id, client id and principal id of each."
  value = {
    for name, identity in azurerm_user_assigned_identity.process : name => {
      id           = identity.id
      client_id    = identity.client_id
      principal_id = identity.principal_id
    }
  }
  depends_on = [azurerm_role_assignment.process, azurerm_role_assignment.pull]
}
