# Who calls how often, and how much. Only what is listed here exists for the outside: not /metrics, not /ops, and no
# address for webhooks without the path token.

locals {
  doors = {
    messages = { method = "POST", path = "/api/messages", what = "Teams", parameters = [] }
    callback = { method = "POST", path = "/bot/callback", what = "Teams, second name", parameters = [] }
    webhook  = { method = "POST", path = "/freshchat/webhook/{tenant}/{token}", what = "Freshchat", parameters = ["tenant", "token"] }
    health   = { method = "GET", path = "/healthz", what = "availability test", parameters = [] }
  }
}

resource "azurerm_api_management" "gateway" {
  #checkov:skip=CKV_AZURE_107:Teams and Freshchat call it from the internet; what it calls takes its address only
  #checkov:skip=CKV_AZURE_174:as above, and its policy refuses what did not come through Front Door

  name                = var.name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  publisher_name      = var.publisher.name
  publisher_email     = var.publisher.email
  sku_name            = var.tier
  min_api_version     = "2021-08-01"

  identity {
    type = "SystemAssigned"
  }

  # No old protocol, to either side.
  security {
    backend_ssl30_enabled  = false
    backend_tls10_enabled  = false
    backend_tls11_enabled  = false
    frontend_ssl30_enabled = false
    frontend_tls10_enabled = false
    frontend_tls11_enabled = false
  }
}

# Nothing is logged by request: addresses of webhooks hold a secret.
resource "azurerm_api_management_api" "bridge" {
  name                  = "bridge"
  display_name          = "Bridge"
  resource_group_name   = var.place.resource_group_name
  api_management_name   = azurerm_api_management.gateway.name
  revision              = "1"
  path                  = ""
  protocols             = ["https"]
  service_url           = "https://${var.backend_host}"
  subscription_required = false # callers prove who they are to the doors: token, signature
}

resource "azurerm_api_management_api_operation" "door" {
  for_each = local.doors

  operation_id        = each.key
  display_name        = each.value.what
  resource_group_name = var.place.resource_group_name
  api_management_name = azurerm_api_management.gateway.name
  api_name            = azurerm_api_management_api.bridge.name
  method              = each.value.method
  url_template        = each.value.path

  dynamic "template_parameter" {
    for_each = each.value.parameters
    content {
      name     = template_parameter.value
      type     = "string"
      required = true
    }
  }
}

resource "azurerm_api_management_api_policy" "limits" {
  resource_group_name = var.place.resource_group_name
  api_management_name = azurerm_api_management.gateway.name
  api_name            = azurerm_api_management_api.bridge.name

  xml_content = templatefile("${path.module}/policy.xml.tftpl", {
    front_door_id       = azurerm_cdn_frontdoor_profile.edge.resource_guid
    requests_per_minute = var.requests_per_minute
    body_limit          = var.body_limit
  })
}
