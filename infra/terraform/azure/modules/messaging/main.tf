# The two queues of the bridge, as docs/azure-stores.md asks for them.

locals {
  queues = toset(["to-freshchat", "to-teams"])
  roles  = ["Azure Service Bus Data Sender", "Azure Service Bus Data Receiver"]

  grants = {
    for grant in setproduct(local.queues, keys(var.users), local.roles) :
    "${grant[0]} ${grant[1]} ${grant[2]}" => { queue = grant[0], user = grant[1], role = grant[2] }
  }
}

resource "azurerm_servicebus_namespace" "bridge" {
  #checkov:skip=CKV_AZURE_201:encrypted with a key of Microsoft's; a key of our own takes Premium and can lose every waiting message
  #checkov:skip=CKV_AZURE_199:as above
  #checkov:skip=CKV_AZURE_202:an identity is for a key of our own, and Standard has none

  name                          = var.namespace_name
  resource_group_name           = var.place.resource_group_name
  location                      = var.place.location
  tags                          = var.place.tags
  sku                           = var.sku
  capacity                      = var.units
  premium_messaging_partitions  = var.sku == "Premium" ? 1 : 0
  local_auth_enabled            = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = var.public_access

  lifecycle {
    precondition {
      condition     = (var.sku == "Premium") == (var.units > 0)
      error_message = "Premium needs 1, 2, 4, 8 or 16 messaging units, Standard has none: set service_bus.units accordingly."
    }
    precondition {
      condition     = var.public_access || var.sku == "Premium"
      error_message = "Only Premium can be without a public address: set service_bus = { sku = \"Premium\", units = 1 }, or private_networking = false."
    }
  }
}

resource "azurerm_servicebus_queue" "direction" {
  for_each = local.queues

  name         = each.key
  namespace_id = azurerm_servicebus_namespace.bridge.id

  requires_session                        = true
  requires_duplicate_detection            = true
  duplicate_detection_history_time_window = "P7D"
  lock_duration                           = var.lock_duration
  max_delivery_count                      = 2000
  max_size_in_megabytes                   = var.sku == "Premium" ? 81920 : 5120
  max_message_size_in_kilobytes           = var.sku == "Premium" ? 1024 : null
}

resource "azurerm_role_assignment" "user" {
  for_each = local.grants

  scope                = azurerm_servicebus_queue.direction[each.value.queue].id
  role_definition_name = each.value.role
  principal_id         = var.users[each.value.user]
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "scaler" {
  for_each = local.queues

  scope                = azurerm_servicebus_queue.direction[each.key].id
  role_definition_name = "Azure Service Bus Data Owner" # the length is asked of the administration API
  principal_id         = var.scaler_principal_id
  principal_type       = "ServicePrincipal"
}
