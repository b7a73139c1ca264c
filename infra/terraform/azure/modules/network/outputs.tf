output "apps_subnet_id" {
  description = "Subnet of the Container Apps environment; ready when names of the stores lead to private addresses."
  value       = azurerm_subnet.apps.id
  depends_on = [
    azurerm_private_endpoint.service,
    azurerm_subnet_network_security_group_association.apps,
  ]
}
