# Zones in which the stores' names lead to their private addresses. A template, since the provider's resource for the
# link of a zone has other arguments in version 4 than in version 5.

locals {
  zone_ids = { for name, endpoint in var.endpoints : name => "${var.resource_group_id}/providers/Microsoft.Network/privateDnsZones/${endpoint.zone}" }

  zones = [for endpoint in var.endpoints : {
    type       = "Microsoft.Network/privateDnsZones"
    apiVersion = "2024-06-01"
    name       = endpoint.zone
    location   = "global"
  }]
  links = [for endpoint in var.endpoints : {
    type       = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
    apiVersion = "2024-06-01"
    name       = "${endpoint.zone}/bridge"
    location   = "global"
    dependsOn  = ["[resourceId('Microsoft.Network/privateDnsZones', '${endpoint.zone}')]"]
    properties = {
      registrationEnabled = false
      virtualNetwork      = { id = "[parameters('network')]" }
    }
  }]
}

resource "azurerm_resource_group_template_deployment" "dns" {
  name                = "dns"
  resource_group_name = var.place.resource_group_name
  deployment_mode     = "Incremental"

  template_content = jsonencode({
    "$schema"      = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    contentVersion = "1.0.0.0"
    parameters     = { network = { type = "string" } }
    resources      = concat(local.zones, local.links)
  })
  parameters_content = jsonencode({ network = { value = azurerm_virtual_network.bridge.id } })
}
