# A network of its own, where the stores have private addresses and no public ones.

locals {
  grow = 22 - tonumber(split("/", var.address_space)[1])
  subnets = {
    apps      = cidrsubnet(var.address_space, local.grow + 1, 0) # /23
    endpoints = cidrsubnet(var.address_space, local.grow + 2, 2) # /24
  }
}

resource "azurerm_virtual_network" "bridge" {
  name                = "vnet-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  address_space       = [var.address_space]
}

resource "azurerm_subnet" "apps" {
  name                 = "apps"
  resource_group_name  = var.place.resource_group_name
  virtual_network_name = azurerm_virtual_network.bridge.name
  address_prefixes     = [local.subnets.apps]

  delegation {
    name = "container-apps"
    service_delegation {
      name    = "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  name                              = "endpoints"
  resource_group_name               = var.place.resource_group_name
  virtual_network_name              = azurerm_virtual_network.bridge.name
  address_prefixes                  = [local.subnets.endpoints]
  private_endpoint_network_policies = "Enabled"
}

resource "azurerm_network_security_group" "apps" {
  name                = "nsg-apps-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags

  security_rule {
    name                       = "gateway"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefixes    = var.gateway_addresses
    source_port_range          = "*"
    destination_address_prefix = local.subnets.apps
    destination_port_ranges    = ["443", "31443"]
  }
}

resource "azurerm_network_security_group" "endpoints" {
  name                = "nsg-endpoints-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
}

resource "azurerm_subnet_network_security_group_association" "apps" {
  subnet_id                 = azurerm_subnet.apps.id
  network_security_group_id = azurerm_network_security_group.apps.id
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  subnet_id                 = azurerm_subnet.endpoints.id
  network_security_group_id = azurerm_network_security_group.endpoints.id
}

resource "azurerm_private_endpoint" "service" {
  for_each = var.endpoints

  name                = "pe-${each.key}-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  subnet_id           = azurerm_subnet.endpoints.id

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [local.zone_ids[each.key]]
  }

  depends_on = [azurerm_resource_group_template_deployment.dns]
}
