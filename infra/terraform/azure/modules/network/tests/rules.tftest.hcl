mock_provider "azurerm" {}

variables {
  place             = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  name              = "bridge-dev"
  address_space     = "10.90.0.0/20"
  gateway_addresses = ["20.0.0.1"]
  resource_group_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-bridge-dev"
  endpoints = {
    secrets = {
      id          = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
      subresource = "vault"
      zone        = "privatelink.vaultcore.azure.net"
    }
  }
}

run "subnets" {
  command = plan

  assert {
    condition     = one(azurerm_subnet.apps.address_prefixes) == "10.90.0.0/23" && one(azurerm_subnet.endpoints.address_prefixes) == "10.90.2.0/24"
    error_message = "A /23 for the processes and a /24 for the stores, whatever the size of the network."
  }
  assert {
    condition     = azurerm_private_endpoint.service["secrets"].private_dns_zone_group[0].private_dns_zone_ids[0] == "${var.resource_group_id}/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
    error_message = "Names of stores lead to private addresses."
  }
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    name          = "bridge-"
    address_space = "10.90.0.0/24"
  }
  expect_failures = [var.name, var.address_space]
}
