output "public_host" {
  description = "Host that Teams and Freshchat call."
  value       = local.host
}

output "addresses" {
  description = "Addresses that the gateway calls from."
  value       = azurerm_api_management.gateway.public_ip_addresses
}

output "dns_records" {
  description = "Records to make for a public host of our own: name, type and value of each."
  value = flatten([for domain in azurerm_cdn_frontdoor_custom_domain.own : [
    { name = domain.host_name, type = "CNAME", value = local.default },
    { name = "_dnsauth.${domain.host_name}", type = "TXT", value = domain.validation_token },
  ]])
}

output "front_door_id" {
  description = "Id of the Front Door profile."
  value       = azurerm_cdn_frontdoor_profile.edge.id
}

output "api_management_id" {
  description = "Id of the API Management service."
  value       = azurerm_api_management.gateway.id
}
