# Written through Azure Resource Manager: so whoever applies needs no right to read secrets, and it works while the
# vault has no public address.
resource "azurerm_resource_group_template_deployment" "telemetry" {
  name                = "telemetry-secret"
  resource_group_name = var.place.resource_group_name
  deployment_mode     = "Incremental"

  template_content = jsonencode({
    "$schema"      = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    contentVersion = "1.0.0.0"
    parameters     = { value = { type = "securestring" } }
    resources = [{
      type       = "Microsoft.KeyVault/vaults/secrets"
      apiVersion = "2023-07-01"
      name       = "${azurerm_key_vault.bridge.name}/${local.telemetry_secret}"
      properties = { value = "[parameters('value')]", contentType = "Application Insights" }
    }]
  })
  parameters_content = jsonencode({ value = { value = var.telemetry_connection_string } })
}

locals {
  telemetry_secret = "telemetry-connection-string"
}
