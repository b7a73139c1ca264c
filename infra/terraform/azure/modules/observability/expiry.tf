# The vault tells Event Grid 30 days before a secret expires, and when it has. The queue only holds what was told;
# the alert counts the events.

resource "azurerm_storage_queue" "expiring" {
  name               = "expiring-secrets"
  storage_account_id = var.storage_account_id
}

resource "azurerm_eventgrid_system_topic" "vault" {
  name                = "egst-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  source_resource_id  = var.vault_id
  topic_type          = "Microsoft.KeyVault.vaults"

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "topic" {
  scope                = var.storage_account_id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = azurerm_eventgrid_system_topic.vault.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "expiry" {
  name                 = "expiry"
  resource_group_name  = var.place.resource_group_name
  system_topic         = azurerm_eventgrid_system_topic.vault.name
  included_event_types = ["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"]

  delivery_identity {
    type = "SystemAssigned"
  }
  storage_queue_endpoint {
    storage_account_id = var.storage_account_id
    queue_name         = azurerm_storage_queue.expiring.name
  }

  depends_on = [azurerm_role_assignment.topic]
}

resource "azurerm_monitor_metric_alert" "expiry" {
  name                = "expiry-${var.name}"
  description         = "A secret in the vault expires within 30 days, or has expired: docs/runbooks."
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
  scopes              = [azurerm_eventgrid_system_topic.vault.id]
  severity            = 2
  frequency           = "PT15M"
  window_size         = "PT1H"

  criteria {
    metric_namespace       = "Microsoft.EventGrid/systemTopics"
    metric_name            = "MatchedEventCount"
    aggregation            = "Total"
    operator               = "GreaterThan"
    threshold              = 0
    skip_metric_validation = true # it exists when the first event came
  }
  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}
