# Where logs, traces and counters go, and who is told.

resource "azurerm_log_analytics_workspace" "bridge" {
  name                = "log-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  sku                 = "PerGB2018"
  retention_in_days   = var.retention_days
  daily_quota_gb      = var.daily_gb
}

resource "azurerm_application_insights" "bridge" {
  name                = "appi-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  application_type    = "other"
  workspace_id        = azurerm_log_analytics_workspace.bridge.id
  retention_in_days   = var.retention_days
  sampling_percentage = 100 # the bridge samples: OTEL_TRACES_SAMPLER
}

resource "azurerm_monitor_action_group" "operators" {
  name                = "ag-${var.name}"
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
  short_name          = "bridge"

  dynamic "email_receiver" {
    for_each = var.alert_emails
    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "logs" {
  for_each = var.logged

  name                       = "bridge"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.bridge.id

  dynamic "enabled_log" {
    for_each = each.value.categories
    content {
      category = enabled_log.value
    }
  }
}

resource "azurerm_consumption_budget_resource_group" "month" {
  name              = "budget-${var.name}"
  resource_group_id = var.resource_group_id
  amount            = var.budget
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 80
    contact_groups = [azurerm_monitor_action_group.operators.id]
  }
  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_groups = [azurerm_monitor_action_group.operators.id]
  }

  lifecycle {
    ignore_changes = [time_period] # it begins in the month when it was made
  }
}
