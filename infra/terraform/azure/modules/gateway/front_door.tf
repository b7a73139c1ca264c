# The public address, with a web application firewall, in front of the gateway.

locals {
  sku     = "${var.waf_tier}_AzureFrontDoor"
  own     = var.public_host == null ? {} : { own = var.public_host }
  default = azurerm_cdn_frontdoor_endpoint.edge.host_name
  host    = var.public_host == null ? local.default : var.public_host
}

resource "azurerm_cdn_frontdoor_profile" "edge" {
  name                     = "afd-${var.name}"
  resource_group_name      = var.place.resource_group_name
  tags                     = var.place.tags
  sku_name                 = local.sku
  response_timeout_seconds = 30

  # The path of a webhook holds a secret.
  log_scrubbing_rule {
    match_variable = "RequestUri"
  }
}

resource "azurerm_cdn_frontdoor_endpoint" "edge" {
  name                     = var.name
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.edge.id
  tags                     = var.place.tags
}

resource "azurerm_cdn_frontdoor_custom_domain" "own" {
  for_each = local.own

  name                     = replace(each.value, ".", "-")
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.edge.id
  host_name                = each.value

  tls {
    certificate_type = "ManagedCertificate"
  }
}

resource "azurerm_cdn_frontdoor_origin_group" "gateway" {
  name                     = "gateway"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.edge.id
  session_affinity_enabled = false

  load_balancing {}
}

resource "azurerm_cdn_frontdoor_origin" "gateway" {
  name                           = "gateway"
  cdn_frontdoor_origin_group_id  = azurerm_cdn_frontdoor_origin_group.gateway.id
  host_name                      = trimprefix(azurerm_api_management.gateway.gateway_url, "https://")
  origin_host_header             = trimprefix(azurerm_api_management.gateway.gateway_url, "https://")
  certificate_name_check_enabled = true
}

resource "azurerm_cdn_frontdoor_route" "doors" {
  name                            = "doors"
  cdn_frontdoor_endpoint_id       = azurerm_cdn_frontdoor_endpoint.edge.id
  cdn_frontdoor_origin_group_id   = azurerm_cdn_frontdoor_origin_group.gateway.id
  cdn_frontdoor_origin_ids        = [azurerm_cdn_frontdoor_origin.gateway.id]
  cdn_frontdoor_custom_domain_ids = [for domain in azurerm_cdn_frontdoor_custom_domain.own : domain.id]
  link_to_default_domain          = true
  patterns_to_match               = ["/api/messages", "/bot/callback", "/freshchat/webhook/*", "/healthz"]
  supported_protocols             = ["Http", "Https"]
  https_redirect_enabled          = true
  forwarding_protocol             = "HttpsOnly"
}
